/**
 * A view of the filesystem: each operation of the `Filesystem` interface as one or a few transactions.
 *
 * A view's `observe` runs at the moment at which an operation takes effect, exactly once: in the step of its commit, or
 * where its failure was established. A failure that does not follow from the state of the filesystem (no space, no
 * device) is not observed: such an operation never took place. Views share everything else.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { Abort, type Transaction } from "../btree/transaction.ts";
import { rowsIn } from "../data/extent-map.ts";
import type { EngineServices } from "../data/services.ts";
import { Malformed } from "../format/malformed.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { reached } from "../marks.ts";
import type { InodeNumbers } from "./core.ts";
import { findName, listNames, type NamePlace, offsetOfHash } from "./directory.ts";
import type { FileOperations } from "./file.ts";
import { asFsError, type FileFailure } from "./file-access.ts";
import { attributesOf, inodeThere, isRegular, loadLive, storeInode, typeOf } from "./inode.ts";
import { create, createNameless, type Dropped, link, loadDirectory, rename, unlink } from "./namespace.ts";
import { nameFault, nameHash } from "./names.ts";
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type FilesystemStatistics,
  type FilesystemUser,
  type Fs,
  FsError,
  type FsReason,
  type FallocateMode,
  NAME_BYTES_MAX,
  type Owner,
  type RenameMode,
  SYMLINK_BYTES_MAX,
  type Timestamp,
  XATTR_VALUE_BYTES_MAX,
} from "./types.ts";
import { getXattr, listXattrs, removeXattr, setXattr, xattrNameFault } from "./xattr.ts";

const PERMISSION_BITS = 0o7777;
/** Failures that come from outside the filesystem's state. */
const CIRCUMSTANCES: ReadonlySet<FsReason> = new Set(["NoSpace", "InputOutput", "ReadOnly"]);
/** Most that a transaction stages beside the value of an attribute. */
const XATTR_OVERHEAD_BYTES = 4096;
const CREATABLE: ReadonlySet<number> = new Set([
  FileType.regular,
  FileType.fifo,
  FileType.socket,
  FileType.block,
  FileType.character,
]);

export interface ViewParts {
  readonly services: EngineServices;
  readonly files: FileOperations;
  readonly numbers: InodeNumbers;
  readonly now: () => Timestamp;
  readonly inodeCount: Fs<number>;
}

const toFs = <A>(effect: Effect.Effect<A, FileFailure>): Fs<A> => Effect.mapError(effect, asFsError);

export class View implements Filesystem {
  private readonly parts: ViewParts;
  private readonly observe: (made?: number) => void;
  private readonly user: FilesystemUser;

  constructor(parts: ViewParts, user: FilesystemUser) {
    this.parts = parts;
    this.user = user;
    this.observe = (made) => user.linearized(made);
  }

  private fail<A>(error: FsError): Fs<A> {
    return Effect.suspend(() => {
      this.observeFailure(error);
      return Effect.fail(error);
    });
  }

  private observeFailure({ reason }: FsError): void {
    if (!CIRCUMSTANCES.has(reason)) this.observe();
  }

  /** Runs a body that returns a value or what is wrong. */
  private run<A>(body: (tx: Transaction) => A | FsError, made = 0): Effect.Effect<A, FsError | PoolFailed> {
    return this.parts.services.transactor.transact<A, FsError>((tx) => {
      const answer = body(tx);
      if (answer instanceof FsError) {
        this.observeFailure(answer);
        return new Abort(answer);
      }
      tx.onCommit(() => this.observe(made));
      return answer;
    });
  }

  private change<A>(body: (tx: Transaction) => A | FsError, made = 0): Fs<A> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(this.run(body, made));
  }

  private place(directory: number, name: Uint8Array): NamePlace | FsError {
    const fault = nameFault(name);
    if (fault !== undefined) return fault;
    const { hashSeed, directoryHashBits } = this.parts.services;
    return { directory, name, offset: offsetOfHash(nameHash(name, hashSeed, directoryHashBits)) };
  }

  private attributes(inode: number, row: InodeValue): Attributes {
    return attributesOf(inode, row, this.parts.files.files.get(inode));
  }

  /** Asks for space for new metadata; frees some first if it must. */
  private admitted<A>(operation: () => Fs<A>): Fs<A> {
    const { space } = this.parts.services;
    return Effect.suspend(() => {
      if (space.admitsMetadata()) return operation();
      reached("metadata waited for space");
      return Effect.flatMap(Effect.mapError(space.relieve, asFsError), () =>
        space.admitsMetadata() ? operation() : Effect.fail(new FsError("NoSpace")),
      );
    });
  }

  private live(tx: Transaction, inode: number): InodeValue | FsError {
    return loadLive(tx, inode, this.parts.files.files.get(inode));
  }

  lookup(parent: number, name: Uint8Array): Fs<Attributes> {
    const place = this.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return toFs(
      this.run((tx) => {
        const directory = loadDirectory(tx, parent);
        if (directory instanceof FsError) return directory;
        const entry = findName(tx, place);
        if (entry === undefined) return new FsError("NoEntry");
        return this.attributes(entry.inode, inodeThere(tx, entry.inode));
      }),
    );
  }

  getattr(inode: number): Fs<Attributes> {
    return toFs(
      this.run((tx) => {
        const row = this.live(tx, inode);
        return row instanceof FsError ? row : this.attributes(inode, row);
      }),
    );
  }

  setattr(inode: number, changes: AttributeChanges): Fs<Attributes> {
    const { files, services } = this.parts;
    if (services.readOnly) return this.fail(new FsError("ReadOnly"));
    const { sizeBytes } = changes;
    if (sizeBytes !== undefined) {
      const apply = (row: InodeValue): InodeValue => changed(row, changes);
      // At that moment nothing was newer than the row.
      const truncated = Effect.suspend(() => files.ranges.truncate(inode, sizeBytes, apply, this.observe));
      return Effect.map(toFs(truncated), (row) => attributesOf(inode, row, undefined));
    }
    return this.change((tx) => {
      const row = this.live(tx, inode);
      if (row instanceof FsError) return row;
      const after = changed({ ...row, changed: this.parts.now() }, changes);
      storeInode(tx, inode, after);
      const attributes = this.attributes(inode, after);
      if (changes.modified === undefined) return attributes;
      const state = files.files.get(inode);
      tx.onCommit(() => {
        if (state !== undefined) state.modified = undefined;
        services.survivors?.change(inode, 0, 0, undefined);
      });
      return { ...attributes, modified: after.modified, changed: after.changed };
    });
  }

  private make(
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    owner: Owner,
    target: Uint8Array | undefined,
  ): Fs<Attributes> {
    const place = this.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return this.admitted(() => {
      const { numbers } = this.parts;
      const inode = numbers.take();
      return this.change((tx) => {
        const row = create(tx, { place, inode, mode, rdev, owner, target, now: this.parts.now() });
        if (row instanceof FsError) return row;
        numbers.cover(tx, inode);
        return this.attributes(inode, row);
      }, inode);
    });
  }

  mknod(parent: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): Fs<Attributes> {
    const typed = typeOf(mode) === 0 ? mode | FileType.regular : mode;
    if (!CREATABLE.has(typeOf(typed))) return this.fail(new FsError("InvalidArgument", "file type"));
    const isDevice = typeOf(typed) === FileType.block || typeOf(typed) === FileType.character;
    return this.make(parent, name, typed, isDevice ? rdev : 0, owner, undefined);
  }

  mkdir(parent: number, name: Uint8Array, mode: number, owner: Owner): Fs<Attributes> {
    return this.make(parent, name, (mode & PERMISSION_BITS) | FileType.directory, 0, owner, undefined);
  }

  symlink(parent: number, name: Uint8Array, target: Uint8Array, owner: Owner): Fs<Attributes> {
    if (target.length === 0) return this.fail(new FsError("NoEntry", "empty target"));
    if (target.length > SYMLINK_BYTES_MAX) return this.fail(new FsError("NameTooLong", "target"));
    return this.make(parent, name, FileType.symlink | 0o777, 0, owner, target.slice());
  }

  readlink(inode: number): Fs<Uint8Array> {
    return toFs(
      this.run((tx) => {
        const row = this.live(tx, inode);
        if (row instanceof FsError) return row;
        if (typeOf(row.mode) !== FileType.symlink) return new FsError("InvalidArgument", "not a symlink");
        if (row.sizeBytes > SYMLINK_BYTES_MAX) throw new Malformed(`a link to ${row.sizeBytes} bytes`);
        const target = new Uint8Array(row.sizeBytes);
        for (const { start, extent } of rowsIn(tx, inode, 0, row.sizeBytes, Number.POSITIVE_INFINITY)) {
          if (extent.kind !== "inline" || start < 0 || start + extent.bytes.length > target.length) {
            throw new Malformed("a link has something else than its target");
          }
          target.set(extent.bytes, start);
        }
        return target;
      }),
    );
  }

  link(inode: number, newParent: number, newName: Uint8Array): Fs<Attributes> {
    const place = this.place(newParent, newName);
    if (place instanceof FsError) return this.fail(place);
    return this.admitted(() =>
      this.change((tx) => {
        const state = this.parts.files.files.get(inode);
        const nameless = state?.nameless === true && state.opens > 0;
        const row = link(tx, inode, place, this.parts.now(), nameless);
        if (row instanceof FsError) return row;
        if (nameless) tx.onCommit(() => this.parts.files.named(inode));
        return this.attributes(inode, row);
      }),
    );
  }

  tmpfile(parent: number, mode: number, owner: Owner): Fs<Attributes> {
    return this.admitted(() => {
      const { numbers, files } = this.parts;
      const inode = numbers.take();
      return this.change((tx) => {
        const typed = FileType.regular | (mode & PERMISSION_BITS);
        const row = createNameless(tx, { directory: parent, inode, mode: typed, owner, now: this.parts.now() });
        if (row instanceof FsError) return row;
        numbers.cover(tx, inode);
        tx.onCommit(() => files.openNameless(inode));
        return this.attributes(inode, row);
      }, inode);
    });
  }

  private readonly isOpen = (inode: number): boolean =>
    this.parts.files.files.isOpen(inode) || this.user.holds?.(inode) === true;

  /** After a name went: what is left to do for the inode. */
  private afterDrop(tx: Transaction, dropped: Dropped | undefined): Dropped | undefined {
    if (dropped !== undefined && dropped.fate !== "alive") {
      tx.onCommit(() => this.lastNameWent(dropped));
    }
    return dropped;
  }

  private lastNameWent({ inode, row }: Dropped): void {
    const { files } = this.parts;
    if (row !== undefined && inode < files.files.heldBelow) files.hold(inode, row.sizeBytes, isRegular(row));
    const held = row !== undefined && this.user.holds?.(inode) === true;
    if (held) {
      reached("unlinked file held");
      files.files.obtain(inode, row.sizeBytes, isRegular(row)).opens++;
    }
    files.forgetData(inode);
    if (held) this.user.orphaned?.(inode);
  }

  /** Removes what nobody can reach any more. */
  private purgeAfter(operation: Fs<Dropped | undefined>): Fs<void> {
    return Effect.flatMap(operation, (dropped) =>
      dropped?.fate === "orphan" && !this.isOpen(dropped.inode)
        ? toFs(this.parts.files.purge(dropped.inode))
        : Effect.void,
    );
  }

  private removeEntry(parent: number, name: Uint8Array, directory: boolean): Fs<void> {
    const place = this.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return this.purgeAfter(
      this.change((tx) => {
        const dropped = unlink(tx, place, directory, this.parts.now(), this.isOpen);
        return dropped instanceof FsError ? dropped : this.afterDrop(tx, dropped);
      }),
    );
  }

  unlink(parent: number, name: Uint8Array): Fs<void> {
    return this.removeEntry(parent, name, false);
  }

  rmdir(parent: number, name: Uint8Array): Fs<void> {
    return this.removeEntry(parent, name, true);
  }

  rename(parent: number, name: Uint8Array, newParent: number, newName: Uint8Array, mode: RenameMode): Fs<void> {
    const from = this.place(parent, name);
    if (from instanceof FsError) return this.fail(from);
    const to = this.place(newParent, newName);
    if (to instanceof FsError) return this.fail(to);
    if (mode !== "whiteout") return this.renaming(from, to, mode, 0);
    return this.admitted(() => this.renaming(from, to, mode, this.parts.numbers.take()));
  }

  private renaming(from: NamePlace, to: NamePlace, mode: RenameMode, whiteout: number): Fs<void> {
    const { files, now, numbers } = this.parts;
    const attempt: Fs<Dropped | undefined | number> = this.changeUnlessUnwritten(from, to, mode, (tx) => {
      const dropped = rename(tx, { from, to, mode, whiteout, now: now(), isOpen: this.isOpen });
      if (dropped instanceof FsError) return dropped;
      if (mode === "whiteout") numbers.cover(tx, whiteout);
      return this.afterDrop(tx, dropped);
    });
    // Whoever replaces a file by another expects the new content or the old one after a crash.
    const whole: Fs<Dropped | undefined> = Effect.flatMap(attempt, (answer) => {
      if (typeof answer !== "number") return Effect.succeed(answer);
      reached("rename waited for data");
      return Effect.flatMap(toFs(files.flushInode(answer)), () => whole);
    });
    return this.purgeAfter(whole);
  }

  /** Runs a rename unless its source replaces something and has unwritten data: then answers the source's inode. */
  private changeUnlessUnwritten(
    from: NamePlace,
    to: NamePlace,
    mode: RenameMode,
    body: (tx: Transaction) => Dropped | undefined | FsError,
  ): Fs<Dropped | undefined | number> {
    const { files, services } = this.parts;
    if (services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(
      services.transactor.transact<Dropped | undefined | number, FsError>((tx) => {
        const source = findName(tx, from);
        const state = source === undefined ? undefined : files.files.get(source.inode);
        if (mode !== "no-replace" && state?.unwritten === true && findName(tx, to) !== undefined) return source!.inode;
        const answer = body(tx);
        if (answer instanceof FsError) {
          this.observeFailure(answer);
          return new Abort(answer);
        }
        tx.onCommit(() => this.observe());
        return answer;
      }),
    );
  }

  readdir(inode: number, cookie: number, countMax: number): Fs<ReadonlyArray<DirectoryEntry>> {
    return toFs(
      this.run((tx) => {
        const directory = loadDirectory(tx, inode);
        return directory instanceof FsError ? directory : listNames(tx, inode, cookie, countMax);
      }),
    );
  }

  parentOf(directory: number): Fs<number> {
    return toFs(
      this.run((tx) => {
        const row = loadDirectory(tx, directory);
        return row instanceof FsError ? row : row.parent;
      }),
    );
  }

  open(inode: number): Fs<void> {
    return toFs(Effect.suspend(() => this.parts.files.open(inode, this.observe)));
  }

  release(inode: number): Fs<void> {
    return toFs(Effect.suspend(() => this.parts.files.release(inode, this.observe)));
  }

  read(inode: number, offsetBytes: number, lengthBytes: number): Fs<Uint8Array> {
    return toFs(Effect.suspend(() => this.parts.files.read(inode, offsetBytes, lengthBytes, this.observe)));
  }

  write(inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes = false): Fs<void> {
    return Effect.asVoid(this.writeAt(inode, offsetBytes, bytes, keepTimes));
  }

  append(inode: number, bytes: Uint8Array): Fs<number> {
    return this.writeAt(inode, "end", bytes);
  }

  private writeAt(inode: number, offset: number | "end", bytes: Uint8Array, keepTimes = false): Fs<number> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(Effect.suspend(() => this.parts.files.write(inode, offset, bytes, this.observe, keepTimes)));
  }

  fallocate(inode: number, mode: FallocateMode, offsetBytes: number, lengthBytes: number, keepSize: boolean): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(
      Effect.suspend(() =>
        this.parts.files.ranges.fallocate(inode, mode, offsetBytes, lengthBytes, keepSize, this.observe),
      ),
    );
  }

  seek(inode: number, offsetBytes: number, what: "data" | "hole"): Fs<number> {
    return toFs(this.parts.files.ranges.seek(inode, offsetBytes, what, this.observe));
  }

  fsync(inode: number): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(Effect.suspend(() => this.parts.files.fsync(inode, this.observe)));
  }

  get syncfs(): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(this.parts.files.syncfs(this.observe));
  }

  private onLive<A>(tx: Transaction, inode: number, use: () => A | FsError): A | FsError {
    const row = this.live(tx, inode);
    return row instanceof FsError ? row : use();
  }

  getxattr(inode: number, name: Uint8Array): Fs<Uint8Array> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    return toFs(this.run((tx) => this.onLive(tx, inode, () => getXattr(tx, inode, name))));
  }

  setxattr(inode: number, name: Uint8Array, value: Uint8Array, mode: "set" | "create" | "replace"): Fs<void> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    // A value is set in one transaction, and the journal of a very small pool takes only so much.
    const most = this.parts.services.transactor.commitBytesMax;
    if (most !== undefined && value.length <= XATTR_VALUE_BYTES_MAX && value.length + XATTR_OVERHEAD_BYTES > most) {
      return this.fail(new FsError("NoSpace", "attribute value"));
    }
    const bytes = value.slice();
    return this.admitted(() =>
      this.change<void>((tx) => this.onLive(tx, inode, () => setXattr(tx, inode, name, bytes, mode, this.parts.now()))),
    );
  }

  listxattr(inode: number): Fs<ReadonlyArray<Uint8Array>> {
    return toFs(this.run((tx) => this.onLive(tx, inode, () => listXattrs(tx, inode))));
  }

  removexattr(inode: number, name: Uint8Array): Fs<void> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    return this.change<void>((tx) => this.onLive(tx, inode, () => removeXattr(tx, inode, name, this.parts.now())));
  }

  get statfs(): Fs<FilesystemStatistics> {
    const { services, inodeCount } = this.parts;
    return Effect.map(inodeCount, (inodes) => {
      this.observe();
      const { space, blockBytes } = services;
      return {
        blockBytes,
        totalBytes: space.totalBytes(),
        freeBytes: space.freeBytes(),
        availableBytes: space.availableBytes(),
        inodes,
        nameBytesMax: NAME_BYTES_MAX,
      };
    });
  }
}

/** The row with the changes made, size excepted. */
function changed(row: InodeValue, changes: AttributeChanges): InodeValue {
  return {
    ...row,
    mode: changes.mode === undefined ? row.mode : typeOf(row.mode) | (changes.mode & PERMISSION_BITS),
    uid: changes.uid ?? row.uid,
    gid: changes.gid ?? row.gid,
    accessed: changes.accessed ?? row.accessed,
    modified: changes.modified ?? row.modified,
    changed: changes.changed ?? row.changed,
  };
}
