/**
 * From requests of the kernel to calls of the engine: what every transport shares.
 *
 * Everything is by inode number, as the low-level FUSE protocol has it; flags and numbers are those of Linux, failures
 * are the engine's (`errno.ts` turns them into numbers). Holds no state and no lock: whoever opens an inode here
 * releases it here, and a transport keeps its own table of handles. Permissions are the kernel's business
 * (`default_permissions`); nothing here asks who may.
 */
import * as Effect from "effect/Effect";
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type FilesystemStatistics,
  type Fs,
  FsError,
  type Owner,
  type RenameMode,
  type Timestamp,
} from "../engine/fs/types.ts";
import {
  type Acl,
  ACCESS_ACL,
  aclAfterChmod,
  aclOf,
  DEFAULT_ACL,
  encodeAcl,
  inheritedAcl,
  isAccessAcl,
  isMereMode,
  modeOfAcl,
} from "./posix-acl.ts";
import { isCompressionAttribute } from "../engine/fs/compression-attribute.ts";
import { fileFlags, ownedBy, setFileFlags } from "./file-flags.ts";
import { copyRange, type FilePlace } from "./copy-range.ts";
import { type Caller, FallocateFlag, OpenFlag, OWNER_UNCHANGED, RenameFlag, Whence, XattrFlag } from "./requests.ts";

const PERMISSION_BITS = 0o7777;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;
const CAPABILITIES = new TextEncoder().encode("security.capability");
/** Entries that one listing step asks the engine for. */
const LISTING_STEP = 1024;

/** What a request to change attributes may carry; a field left out stays as it is. */
export interface SetAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly accessed?: Timestamp | "now";
  readonly modified?: Timestamp | "now";
  readonly changed?: Timestamp;
  /** Set-user-ID bits and capabilities go, as they do when somebody without the right to them changes a file. */
  readonly killPrivileges?: boolean;
}

const failure = (reason: ConstructorParameters<typeof FsError>[0], detail = ""): Fs<never> =>
  Effect.fail(new FsError(reason, detail));

export class Operations {
  private readonly fs: Filesystem;
  private readonly now: () => Timestamp;
  private readonly aclsEnforced: boolean;
  private readonly aside: Filesystem;

  /**
   * `aclsEnforced`: the kernel was told that we have POSIX ACLs, and enforces them. `aside`: for changes that depend on
   * what there is, and may be done again; steps of a request that is sent again must be the same as before.
   */
  constructor(filesystem: Filesystem, now: () => Timestamp, aclsEnforced: boolean, aside: Filesystem = filesystem) {
    this.fs = filesystem;
    this.now = now;
    this.aclsEnforced = aclsEnforced;
    this.aside = aside;
  }

  lookup(parent: number, name: Uint8Array): Fs<Attributes> {
    return this.fs.lookup(parent, name);
  }

  getattr(inode: number): Fs<Attributes> {
    return this.fs.getattr(inode);
  }

  setattr(inode: number, set: SetAttributes): Fs<Attributes> {
    if (set.killPrivileges === true) {
      const rest = { ...set, killPrivileges: false };
      return Effect.flatMap(this.privilegesOf(inode), (mode) =>
        this.setattr(inode, mode === undefined || set.mode !== undefined ? rest : { ...rest, mode }),
      );
    }
    const changed = this.fs.setattr(inode, changesOf(set, this.now));
    if (set.mode === undefined) return changed;
    return Effect.tap(changed, ({ mode }) =>
      Effect.flatMap(this.storedAcl(inode, ACCESS_ACL), (acl) =>
        acl === undefined
          ? Effect.void
          : this.fs.setxattr(inode, ACCESS_ACL, encodeAcl(aclAfterChmod(acl, mode)), "set"),
      ),
    );
  }

  /**
   * Takes the capabilities of a file away; its mode without the bits that must go, or nothing if it has none. Where no
   * group may execute the file, its set-group-ID bit stays, unless `gid` says that the caller is of another group.
   */
  private privilegesOf(inode: number, gid?: number): Fs<number | undefined> {
    const bare = Effect.catchIf(
      this.aside.removexattr(inode, CAPABILITIES),
      ({ reason }) => reason === "NoAttribute",
      () => Effect.void,
    );
    return Effect.flatMap(Effect.andThen(bare, this.aside.getattr(inode)), (found) => {
      const { mode } = found;
      const groupGoes = (mode & GROUP_EXECUTE) !== 0 || (gid !== undefined && gid !== found.gid);
      const gone = SET_USER_ID | (groupGoes ? SET_GROUP_ID : 0);
      return Effect.succeed((mode & gone) === 0 ? undefined : mode & PERMISSION_BITS & ~gone);
    });
  }

  /** The ACL that an inode has besides its mode, or for what is made in it. */
  private storedAcl(inode: number, which: Uint8Array): Fs<Acl | undefined> {
    return Effect.catch(Effect.map(this.fs.getxattr(inode, which), aclOf), (error: FsError) =>
      error.reason === "NoAttribute" ? Effect.succeed(undefined) : Effect.fail(error),
    );
  }

  /** Creates a regular file and opens it. */
  create(parent: number, name: Uint8Array, mode: number, caller: Caller | undefined): Fs<Attributes> {
    const made = this.mknod(parent, name, FileType.regular | (mode & PERMISSION_BITS), 0, caller);
    return Effect.tap(made, ({ inode }) => this.fs.open(inode));
  }

  mknod(parent: number, name: Uint8Array, mode: number, rdev: number, caller: Caller | undefined): Fs<Attributes> {
    return this.making(parent, nodeMode(mode), caller, (bits, owner) => this.fs.mknod(parent, name, bits, rdev, owner));
  }

  mkdir(parent: number, name: Uint8Array, mode: number, caller: Caller | undefined): Fs<Attributes> {
    return this.making(parent, directoryMode(mode), caller, (bits, owner) => this.fs.mkdir(parent, name, bits, owner));
  }

  /** Creates a regular file without a name, and opens it. */
  tmpfile(parent: number, mode: number, caller: Caller | undefined): Fs<Attributes> {
    const whole = FileType.regular | (mode & PERMISSION_BITS);
    return this.making(parent, whole, caller, (bits, owner) => this.fs.tmpfile(parent, bits, owner));
  }

  symlink(parent: number, name: Uint8Array, target: Uint8Array, caller: Caller | undefined): Fs<Attributes> {
    return Effect.flatMap(this.fs.getattr(parent), (directory) =>
      this.fs.symlink(parent, name, target, ownerIn(directory, caller)),
    );
  }

  /** Makes an inode with the mode, owner and ACLs that it gets in its directory. */
  private making(
    parent: number,
    mode: number,
    caller: Caller | undefined,
    make: (mode: number, owner: Owner) => Fs<Attributes>,
  ): Fs<Attributes> {
    return Effect.flatMap(this.fs.getattr(parent), (directory) => {
      const isDirectory = (mode & FileType.mask) === FileType.directory;
      const { whole, owner } = bornIn(directory, mode, caller);
      const plain = (): Fs<Attributes> => make(whole & ~(caller?.umask ?? 0), owner);
      if (!this.aclsEnforced) return plain();
      return Effect.flatMap(this.storedAcl(parent, DEFAULT_ACL), (found) => {
        if (found === undefined) return plain();
        const acl = inheritedAcl(found, mode);
        return Effect.tap(make((whole & ~0o777) | modeOfAcl(acl), owner), ({ inode }) =>
          Effect.andThen(
            isMereMode(acl) ? Effect.void : this.fs.setxattr(inode, ACCESS_ACL, encodeAcl(acl), "set"),
            isDirectory ? this.fs.setxattr(inode, DEFAULT_ACL, encodeAcl(found), "set") : Effect.void,
          ),
        );
      });
    });
  }

  readlink(inode: number): Fs<Uint8Array> {
    return this.fs.readlink(inode);
  }

  link(inode: number, newParent: number, newName: Uint8Array): Fs<Attributes> {
    return this.fs.link(inode, newParent, newName);
  }

  unlink(parent: number, name: Uint8Array): Fs<void> {
    return this.fs.unlink(parent, name);
  }

  rmdir(parent: number, name: Uint8Array): Fs<void> {
    return this.fs.rmdir(parent, name);
  }

  rename(parent: number, name: Uint8Array, newParent: number, newName: Uint8Array, flags = 0): Fs<void> {
    const mode = RENAME_MODES.get(flags);
    if (mode === undefined) return failure("InvalidArgument", `rename flags ${flags}`);
    return this.fs.rename(parent, name, newParent, newName, mode);
  }

  /** Opens an inode for I/O, truncating it first if the flags say so. Each success is paid back by `release`. */
  open(inode: number, flags: number): Fs<void> {
    const opened = this.fs.open(inode);
    if ((flags & OpenFlag.truncate) === 0 || (flags & OpenFlag.accessMask) === OpenFlag.readOnly) return opened;
    return Effect.flatMap(opened, () =>
      Effect.onError(Effect.asVoid(this.fs.setattr(inode, { sizeBytes: 0 })), () =>
        Effect.ignore(this.fs.release(inode)),
      ),
    );
  }

  release(inode: number): Fs<void> {
    return this.fs.release(inode);
  }

  read(inode: number, offsetBytes: number, lengthBytes: number): Fs<Uint8Array> {
    return this.fs.read(inode, offsetBytes, lengthBytes);
  }

  /** `keepTimes`: see `Filesystem.write`. */
  write(inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes = false): Fs<void> {
    return this.fs.write(inode, offsetBytes, bytes, keepTimes);
  }

  /** Takes away what a file must not keep when somebody without the right to it changes its data; true if it had any. */
  dropPrivileges(inode: number, gid?: number): Fs<boolean> {
    return Effect.flatMap(this.privilegesOf(inode, gid), (mode) =>
      mode === undefined ? Effect.succeed(false) : Effect.as(this.aside.setattr(inode, { mode }), true),
    );
  }

  fsync(inode: number): Fs<void> {
    return this.fs.fsync(inode);
  }

  get syncfs(): Fs<void> {
    return this.fs.syncfs;
  }

  fallocate(inode: number, flags: number, offsetBytes: number, lengthBytes: number): Fs<void> {
    const { keepSize, punchHole, zeroRange } = FallocateFlag;
    const keep = (flags & keepSize) !== 0;
    switch (flags & ~keepSize) {
      case 0:
        return this.fs.fallocate(inode, "allocate", offsetBytes, lengthBytes, keep);
      case punchHole:
        if (!keep) return failure("NotSupported", "punch without keep-size");
        return this.fs.fallocate(inode, "punch", offsetBytes, lengthBytes, true);
      case zeroRange:
        return this.fs.fallocate(inode, "zero", offsetBytes, lengthBytes, keep);
      default:
        return failure("NotSupported", `fallocate flags ${flags}`);
    }
  }

  /** Copies a part of a file, without its holes; see `copyRange`. */
  copyFileRange(from: FilePlace, to: FilePlace, lengthBytes: number): Fs<number> {
    return copyRange(this.fs, from, to, lengthBytes);
  }

  lseek(inode: number, offsetBytes: number, whence: number): Fs<number> {
    if (whence === Whence.data) return this.fs.seek(inode, offsetBytes, "data");
    if (whence === Whence.hole) return this.fs.seek(inode, offsetBytes, "hole");
    return failure("InvalidArgument", `whence ${whence}`);
  }

  /** Entries behind a cookie; see `Filesystem.readdir`. */
  readdir(inode: number, cookie: number, countMax: number): Fs<ReadonlyArray<DirectoryEntry>> {
    return this.fs.readdir(inode, cookie, countMax);
  }

  parentOf(directory: number): Fs<number> {
    return this.fs.parentOf(directory);
  }

  /** The whole directory, for transports that cannot list it piece by piece. */
  listing(inode: number): Fs<ReadonlyArray<DirectoryEntry>> {
    const more = (cookie: number, all: Array<DirectoryEntry>): Fs<ReadonlyArray<DirectoryEntry>> =>
      Effect.flatMap(this.fs.readdir(inode, cookie, LISTING_STEP), (entries) => {
        for (const entry of entries) all.push(entry);
        const last = entries.at(-1);
        return last === undefined || entries.length < LISTING_STEP ? Effect.succeed(all) : more(last.cookie, all);
      });
    return Effect.suspend(() => more(0, []));
  }

  getxattr(inode: number, name: Uint8Array): Fs<Uint8Array> {
    return this.fs.getxattr(inode, name);
  }

  /** `killSetGroupId`: if it is an ACL, the set-group-ID bit goes. `uid`: who asks, if that is known. */
  setxattr(
    inode: number,
    name: Uint8Array,
    value: Uint8Array,
    flags: number,
    killSetGroupId = false,
    uid?: number,
  ): Fs<void> {
    if (flags > XattrFlag.replace) return failure("InvalidArgument", `setxattr flags ${flags}`);
    const mode = flags === XattrFlag.create ? "create" : flags === XattrFlag.replace ? "replace" : "set";
    if (isAccessAcl(name)) return this.setAcl(inode, value, mode, killSetGroupId);
    return this.owning(inode, name, uid, this.fs.setxattr(inode, name, value, mode));
  }

  /** Of attributes that are not a user's, the kernel asks no more than whether the file may be written. */
  private owning(inode: number, name: Uint8Array, uid: number | undefined, change: Fs<void>): Fs<void> {
    if (uid === undefined || !isCompressionAttribute(name)) return change;
    return Effect.andThen(ownedBy(this.fs, inode, uid), change);
  }

  /** An ACL sets the mode too, as `posix-acl.ts` has it; one that is a mere mode is not kept beside it. */
  private setAcl(
    inode: number,
    value: Uint8Array,
    how: "set" | "create" | "replace",
    killSetGroupId: boolean,
  ): Fs<void> {
    const acl = aclOf(value);
    if (acl === undefined) return failure("InvalidArgument", "malformed ACL");
    return Effect.flatMap(
      Effect.all([this.storedAcl(inode, ACCESS_ACL), this.fs.getattr(inode)]),
      ([before, attributes]) => {
        const special = attributes.mode & PERMISSION_BITS & ~0o777 & (killSetGroupId ? ~SET_GROUP_ID : -1);
        const mode = special | modeOfAcl(acl);
        if (isMereMode(acl) && before === undefined) {
          if (mode === (attributes.mode & PERMISSION_BITS)) return Effect.void;
          // A kernel that does not know of ACLs would not notice the new mode. Refused, programs use chmod.
          if (!this.aclsEnforced) return failure("NotSupported", "use chmod");
        }
        const keep = this.fs.setxattr(inode, ACCESS_ACL, value, how);
        const drop = before === undefined ? Effect.void : this.fs.removexattr(inode, ACCESS_ACL);
        const set = Effect.asVoid(this.fs.setattr(inode, { mode }));
        // Sent again, it must find the old ACL as long as anything is left to do.
        return isMereMode(acl) ? Effect.andThen(set, drop) : Effect.andThen(keep, set);
      },
    );
  }

  listxattr(inode: number): Fs<ReadonlyArray<Uint8Array>> {
    return this.fs.listxattr(inode);
  }

  removexattr(inode: number, name: Uint8Array, uid?: number): Fs<void> {
    return this.owning(inode, name, uid, this.fs.removexattr(inode, name));
  }

  fileFlags(inode: number): Fs<number> {
    return fileFlags(this.fs, inode);
  }

  setFileFlags(inode: number, flags: number, uid: number): Fs<void> {
    return setFileFlags(this.fs, inode, flags, uid);
  }

  get statfs(): Fs<FilesystemStatistics> {
    return this.fs.statfs;
  }
}

/** The mode that mknod asks for: a regular file where the type is left out. */
export const nodeMode = (mode: number): number => (mode & FileType.mask || FileType.regular) | (mode & PERMISSION_BITS);
export const directoryMode = (mode: number): number => FileType.directory | (mode & PERMISSION_BITS);

/** What the engine is to change for a request; "now" is when it is asked. */
export function changesOf(set: SetAttributes, now: () => Timestamp): AttributeChanges {
  const time = (value: Timestamp | "now"): Timestamp => (value === "now" ? now() : value);
  return {
    ...(set.mode === undefined ? {} : { mode: set.mode & PERMISSION_BITS }),
    ...(set.uid === undefined || set.uid === OWNER_UNCHANGED ? {} : { uid: set.uid }),
    ...(set.gid === undefined || set.gid === OWNER_UNCHANGED ? {} : { gid: set.gid }),
    ...(set.sizeBytes === undefined ? {} : { sizeBytes: set.sizeBytes }),
    ...(set.accessed === undefined ? {} : { accessed: time(set.accessed) }),
    ...(set.modified === undefined ? {} : { modified: time(set.modified) }),
    ...(set.changed === undefined ? {} : { changed: set.changed }),
  };
}

/** Mode and owner of what is made in a directory: its mode before the umask, of which an ACL takes the place. */
export function bornIn(
  directory: Attributes,
  mode: number,
  caller: Caller | undefined,
): { readonly whole: number; readonly owner: Owner } {
  const isDirectory = (mode & FileType.mask) === FileType.directory;
  return {
    whole: mode | (isDirectory ? directory.mode & SET_GROUP_ID : 0),
    owner: ownerIn(directory, caller),
  };
}

export const RENAME_MODES: ReadonlyMap<number, RenameMode> = new Map([
  [0, "replace"],
  [RenameFlag.noReplace, "no-replace"],
  [RenameFlag.exchange, "exchange"],
  [RenameFlag.whiteout, "whiteout"],
  // That nothing is replaced the kernel has seen to, which lets nobody else into the directory meanwhile.
  [RenameFlag.whiteout | RenameFlag.noReplace, "whiteout"],
]);

/**
 * Owner of a new inode: its caller, but of the directory's group where the directory has the set-group-ID bit. Where
 * the transport does not know who asks, the owner of the directory, who may write to it and most often is the one.
 */
function ownerIn(directory: Attributes, caller: Caller | undefined): Owner {
  if (caller === undefined) return { uid: directory.uid, gid: directory.gid };
  return (directory.mode & SET_GROUP_ID) === 0 ? caller : { uid: caller.uid, gid: directory.gid };
}
