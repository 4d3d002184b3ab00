/**
 * What looking at and changing names and attributes does inside a transaction, on behalf of one user.
 *
 * Bodies only: whoever has them decides how they are run, waiting for what is missing (`filesystem.ts`) or at once
 * (`at-once.ts`). The user hears of a body's moment, exactly once: in the step of its commit, or where its failure was
 * established.
 */
import { Abort, type Body, type Transaction } from "../btree/transaction.ts";
import { rowsIn } from "../data/extent-map.ts";
import type { EngineServices } from "../data/services.ts";
import { Malformed } from "../format/malformed.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { isOwnCompression } from "../format/values/own-compression.ts";
import { reached } from "../marks.ts";
import type { InodeNumbers } from "./core.ts";
import { findName, listNames, type NamePlace, offsetOfHash } from "./directory.ts";
import type { FileOperations } from "./file.ts";
import { attributesOf, isCompressible, inodeThere, isRegular, loadLive, storeInode, typeOf } from "./inode.ts";
import { create, type Dropped, loadDirectory, rename, unlink } from "./namespace.ts";
import { nameFault, nameHash } from "./names.ts";
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  FileType,
  type FilesystemUser,
  type Fs,
  FsError,
  type FsReason,
  type Owner,
  type RenameMode,
  SYMLINK_BYTES_MAX,
  type Timestamp,
} from "./types.ts";
import { getXattr, listXattrs } from "./xattr.ts";

export const PERMISSION_BITS = 0o7777;
/** Failures that come from outside the filesystem's state. */
const CIRCUMSTANCES: ReadonlySet<FsReason> = new Set(["NoSpace", "InputOutput", "ReadOnly"]);
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

/** What is to be made under a name. */
export interface Making {
  readonly mode: number;
  readonly rdev: number;
  readonly owner: Owner;
  readonly target: Uint8Array | undefined;
}

/** The number of a step, by which a later process knows it; of some it follows from the answer. */
export type Step<A> = number | ((answer: A) => number);

export const modeOf = ({ mode }: Attributes): number => mode;

export class Changes {
  private readonly parts: ViewParts;
  private readonly user: FilesystemUser;
  readonly observe: (made?: number) => void;

  constructor(parts: ViewParts, user: FilesystemUser) {
    this.parts = parts;
    this.user = user;
    this.observe = (made) => user.linearized(made);
  }

  observeFailure({ reason }: FsError): void {
    if (!CIRCUMSTANCES.has(reason)) this.observe();
  }

  /** The body of a transaction that tells the user, by the number of the step: of one that returns a value, or what is wrong. */
  told<A>(body: (tx: Transaction) => A | FsError, step: Step<A> = 0): Body<A, FsError> {
    return (tx) => {
      const answer = body(tx);
      if (answer instanceof FsError) {
        this.observeFailure(answer);
        return new Abort(answer);
      }
      tx.onCommit(() => this.observe(typeof step === "number" ? step : step(answer)));
      return answer;
    };
  }

  place(directory: number, name: Uint8Array): NamePlace | FsError {
    const fault = nameFault(name);
    if (fault !== undefined) return fault;
    const { hashSeed, directoryHashBits } = this.parts.services;
    return { directory, name, offset: offsetOfHash(nameHash(name, hashSeed, directoryHashBits)) };
  }

  attributes(inode: number, row: InodeValue): Attributes {
    return attributesOf(inode, row, this.parts.files.files.get(inode));
  }

  live(tx: Transaction, inode: number): InodeValue | FsError {
    return loadLive(tx, inode, this.parts.files.files.get(inode));
  }

  lookup(tx: Transaction, place: NamePlace): Attributes | FsError {
    const directory = loadDirectory(tx, place.directory);
    if (directory instanceof FsError) return directory;
    const entry = findName(tx, place);
    if (entry === undefined) return new FsError("NoEntry");
    return this.attributes(entry.inode, inodeThere(tx, entry.inode));
  }

  readdir(tx: Transaction, inode: number, cookie: number, countMax: number): ReadonlyArray<DirectoryEntry> | FsError {
    const directory = loadDirectory(tx, inode);
    return directory instanceof FsError ? directory : listNames(tx, inode, cookie, countMax);
  }

  parentOf(tx: Transaction, directory: number): number | FsError {
    const row = loadDirectory(tx, directory);
    return row instanceof FsError ? row : row.parent;
  }

  readlink(tx: Transaction, inode: number): Uint8Array | FsError {
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
  }

  getxattr(tx: Transaction, inode: number, name: Uint8Array): Uint8Array | FsError {
    const row = this.live(tx, inode);
    return row instanceof FsError ? row : getXattr(tx, inode, name);
  }

  listxattr(tx: Transaction, inode: number): ReadonlyArray<Uint8Array> | FsError {
    const row = this.live(tx, inode);
    return row instanceof FsError ? row : listXattrs(tx, inode);
  }

  getattr(tx: Transaction, inode: number): Attributes | FsError {
    const row = this.live(tx, inode);
    return row instanceof FsError ? row : this.attributes(inode, row);
  }

  /** Changes that leave the size as it is. */
  setattr(tx: Transaction, inode: number, changes: AttributeChanges): Attributes | FsError {
    const { files, services, now } = this.parts;
    if (!areTimes(changes)) return new FsError("InvalidArgument", "time");
    const row = this.live(tx, inode);
    if (row instanceof FsError) return row;
    if (changes.compression !== undefined && !(isCompressible(row) && isOwnCompression(changes.compression))) {
      return new FsError("InvalidArgument", "compression");
    }
    const after = changed({ ...row, changed: now() }, changes);
    storeInode(tx, inode, after);
    const attributes = this.attributes(inode, after);
    if (changes.modified === undefined) return attributes;
    const state = files.files.get(inode);
    tx.onCommit(() => {
      if (state !== undefined) state.modified = undefined;
      services.survivors?.change(inode, 0, 0, undefined);
    });
    return { ...attributes, modified: after.modified, changed: after.changed };
  }

  /** What mknod makes; its type may be left out, and only devices have a number. */
  node(mode: number, rdev: number, owner: Owner): Making | FsError {
    const typed = typeOf(mode) === 0 ? mode | FileType.regular : mode;
    if (!CREATABLE.has(typeOf(typed))) return new FsError("InvalidArgument", "file type");
    const isDevice = typeOf(typed) === FileType.block || typeOf(typed) === FileType.character;
    return { mode: typed, rdev: isDevice ? rdev : 0, owner, target: undefined };
  }

  directory(mode: number, owner: Owner): Making {
    return { mode: (mode & PERMISSION_BITS) | FileType.directory, rdev: 0, owner, target: undefined };
  }

  make(tx: Transaction, place: NamePlace, inode: number, what: Making): Attributes | FsError {
    const row = create(tx, { place, inode, ...what, now: this.parts.now() });
    if (row instanceof FsError) return row;
    this.parts.numbers.cover(tx, inode);
    return this.attributes(inode, row);
  }

  readonly isOpen = (inode: number): boolean =>
    this.parts.files.files.isOpen(inode) || this.user.holds?.(inode) === true;

  /** Is it left to be purged, by whoever took its last name? */
  mustBePurged(dropped: Dropped | undefined): boolean {
    return dropped?.fate === "orphan" && !this.isOpen(dropped.inode);
  }

  remove(tx: Transaction, place: NamePlace, directory: boolean): Dropped | undefined | FsError {
    const dropped = unlink(tx, place, directory, this.parts.now(), this.isOpen);
    return dropped instanceof FsError ? dropped : this.afterDrop(tx, dropped);
  }

  /** The source of a rename, if it replaces something by a file whose data is not written: it is to be written first. */
  unwrittenSource(tx: Transaction, from: NamePlace, to: NamePlace, mode: RenameMode): number | undefined {
    const source = findName(tx, from);
    const state = source === undefined ? undefined : this.parts.files.files.get(source.inode);
    if (mode !== "no-replace" && state?.unwritten === true && findName(tx, to) !== undefined) return source!.inode;
    return undefined;
  }

  rename(
    tx: Transaction,
    from: NamePlace,
    to: NamePlace,
    mode: RenameMode,
    whiteout: number,
  ): Dropped | undefined | FsError {
    const { now, numbers } = this.parts;
    const dropped = rename(tx, { from, to, mode, whiteout, now: now(), isOpen: this.isOpen });
    if (dropped instanceof FsError) return dropped;
    if (mode === "whiteout") numbers.cover(tx, whiteout);
    return this.afterDrop(tx, dropped);
  }

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
}

const isTime = (time: Timestamp | undefined): boolean =>
  time === undefined ||
  (Number.isSafeInteger(time.seconds) &&
    Number.isInteger(time.nanoseconds) &&
    time.nanoseconds >= 0 &&
    time.nanoseconds < 1e9);

/** Are these times that a row has room for? Years go to some 285 million. */
export const areTimes = ({ accessed, modified, changed: at }: AttributeChanges): boolean =>
  isTime(accessed) && isTime(modified) && isTime(at);

/** The row with the changes made, size excepted. */
export function changed(row: InodeValue, changes: AttributeChanges): InodeValue {
  return {
    ...row,
    mode: changes.mode === undefined ? row.mode : typeOf(row.mode) | (changes.mode & PERMISSION_BITS),
    uid: changes.uid ?? row.uid,
    gid: changes.gid ?? row.gid,
    compression: changes.compression ?? row.compression,
    accessed: changes.accessed ?? row.accessed,
    modified: changes.modified ?? row.modified,
    changed: changes.changed ?? row.changed,
  };
}
