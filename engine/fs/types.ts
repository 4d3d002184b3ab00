/**
 * What a user of the filesystem sees: attributes, names, errors and the `Filesystem` interface itself.
 *
 * Everything is by inode number; paths, permission checks and kernel protocols live above. Names are bytes (1 to 255,
 * no `/`, no NUL, not `.` or `..`). Offsets and sizes are integers below 2^53. No call of this interface throws; an
 * operation that fails changes nothing.
 */
import type { Effect } from "effect/Effect";

/** Inode number of the root directory. */
export const ROOT_INODE = 1;
export const NAME_BYTES_MAX = 255;
export const SYMLINK_BYTES_MAX = 4095;
export const XATTR_NAME_BYTES_MAX = 255;
export const XATTR_VALUE_BYTES_MAX = 65_536;
export const FILE_BYTES_MAX = Number.MAX_SAFE_INTEGER;
export const LINKS_MAX = 0x7fff_ffff;

/** File type bits of a mode, as POSIX lays them out. */
export const FileType = {
  mask: 0o170000,
  socket: 0o140000,
  symlink: 0o120000,
  regular: 0o100000,
  block: 0o060000,
  directory: 0o040000,
  character: 0o020000,
  fifo: 0o010000,
} as const;

/** A point in time; `seconds` may be negative, `nanoseconds` is in [0, 1e9). */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface Attributes {
  readonly inode: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number of a device node, as Linux encodes it in 32 bits. */
  readonly rdev: number;
  /** The inode's own choice, as `engine/data/compression.ts` packs one; 0: none, so that of the pool as it is open. */
  readonly compression: number;
  readonly sizeBytes: number;
  /** Bytes of the file that are backed by data (holes excluded, before compression). */
  readonly allocatedBytes: number;
  /** Some data is not written yet: until it is, `allocatedBytes` is what it may come to. */
  readonly unsettled?: true;
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
  readonly changed: Timestamp;
  readonly born: Timestamp;
}

/** Owner of a new inode. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface AttributeChanges {
  /** Permission bits only; the type of an inode never changes. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  /** Of regular files, and of directories for what is made in them. Only what is written back from now on heeds it. */
  readonly compression?: number;
  readonly accessed?: Timestamp;
  readonly modified?: Timestamp;
  /** Given by a kernel that keeps a file's times itself; otherwise it is the time of the call. */
  readonly changed?: Timestamp;
}

export interface DirectoryEntry {
  readonly name: Uint8Array;
  readonly inode: number;
  /** Type bits of the mode. */
  readonly type: number;
  /** Passing this to `readdir` continues behind this entry; stable while other entries come and go. */
  readonly cookie: number;
}

export interface FilesystemStatistics {
  readonly blockBytes: number;
  readonly totalBytes: number;
  /** Free for privileged metadata. */
  readonly freeBytes: number;
  /** What a user can still store. */
  readonly availableBytes: number;
  readonly inodes: number;
  readonly nameBytesMax: number;
}

export type FsReason =
  | "NoEntry"
  | "Exists"
  | "NotDirectory"
  | "IsDirectory"
  | "NotEmpty"
  | "NameTooLong"
  | "InvalidArgument"
  | "NoSpace"
  | "FileTooLarge"
  | "TooManyLinks"
  | "NoAttribute"
  | "ResultTooLarge"
  | "NotPermitted"
  | "NoSuchOffset"
  | "ReadOnly"
  | "NotSupported"
  | "InputOutput";

/** Why an operation failed. A plain class: no stack is captured, so failing is cheap. */
export class FsError {
  readonly _tag = "FsError";
  readonly reason: FsReason;
  readonly detail: string;
  constructor(reason: FsReason, detail = "") {
    this.reason = reason;
    this.detail = detail;
  }
}

/** `whiteout` is `replace`, with a character device 0:0 of root left under the old name, as overlays want it. */
export type RenameMode = "replace" | "no-replace" | "exchange" | "whiteout";

/** `allocate` and `zero` grow the file unless `keepSize`; `punch` never does. */
export type FallocateMode = "allocate" | "punch" | "zero";

export type Fs<A> = Effect<A, FsError>;

/** Who uses a view of the filesystem, as far as the view must know. */
export interface FilesystemUser {
  /**
   * Called at the one moment, on the same stack, at which each operation called through the view takes effect; with the
   * inode that it made, the offset that an append got, or the mode of what `setattr` and `link` changed.
   */
  linearized(number?: number): void;
  /** Does the user refer to the inode, though it did not open it? Such an inode stays when its last name goes. */
  holds?(inode: number): boolean;
  /** An inode that is held has lost its last name. It counts as opened once: `release` lets it go. */
  orphaned?(inode: number): void;
}

/**
 * POSIX on inodes. Each call is atomic: it takes effect at one moment between its start and its end, or not at all.
 * What a crash leaves is said in docs/durability.md.
 */
export interface Filesystem {
  readonly lookup: (parent: number, name: Uint8Array) => Fs<Attributes>;
  readonly getattr: (inode: number) => Fs<Attributes>;
  /** A change of size is a truncate. Sets `changed`; a change of size sets `modified` too unless given. */
  readonly setattr: (inode: number, changes: AttributeChanges) => Fs<Attributes>;
  /** Creates a regular file, fifo, socket or device node: `mode` carries the type. */
  readonly mknod: (parent: number, name: Uint8Array, mode: number, rdev: number, owner: Owner) => Fs<Attributes>;
  readonly mkdir: (parent: number, name: Uint8Array, mode: number, owner: Owner) => Fs<Attributes>;
  readonly symlink: (parent: number, name: Uint8Array, target: Uint8Array, owner: Owner) => Fs<Attributes>;
  /**
   * Creates a regular file without a name, open once. `link` may give it its first name while it is open; otherwise it
   * goes with the last `release`, and with a crash.
   */
  readonly tmpfile: (parent: number, mode: number, owner: Owner) => Fs<Attributes>;
  readonly readlink: (inode: number) => Fs<Uint8Array>;
  readonly link: (inode: number, newParent: number, newName: Uint8Array) => Fs<Attributes>;
  /** Removes a name of anything but a directory. */
  readonly unlink: (parent: number, name: Uint8Array) => Fs<void>;
  readonly rmdir: (parent: number, name: Uint8Array) => Fs<void>;
  readonly rename: (
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    mode: RenameMode,
  ) => Fs<void>;
  /** Entries behind `cookie` (0: from the start), without `.` and `..`, at most `countMax`; empty at the end. */
  readonly readdir: (inode: number, cookie: number, countMax: number) => Fs<ReadonlyArray<DirectoryEntry>>;
  /** Inode number of the directory's parent; the root is its own. */
  readonly parentOf: (directory: number) => Fs<number>;

  /** Keeps the inode alive until as many calls of `release`, though all its names go. Not needed for I/O. */
  readonly open: (inode: number) => Fs<void>;
  readonly release: (inode: number) => Fs<void>;
  /**
   * Up to `lengthBytes` bytes, fewer at the end of the file; holes read as zeros. They may be those that are kept for others:
   * nobody may change them.
   */
  readonly read: (inode: number, offsetBytes: number, lengthBytes: number) => Fs<Uint8Array>;
  /**
   * Writes all of `bytes` (which it copies) and grows the file as needed. With `keepTimes` it sets no time: whoever holds
   * back what was written knows when that was, and says so by `setattr`.
   */
  readonly write: (inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes?: boolean) => Fs<void>;
  /** Like `write`, at the end of the file; returns the offset that the bytes got. */
  readonly append: (inode: number, bytes: Uint8Array) => Fs<number>;
  readonly fallocate: (
    inode: number,
    mode: FallocateMode,
    offsetBytes: number,
    lengthBytes: number,
    keepSize: boolean,
  ) => Fs<void>;
  /** First offset at or behind `offsetBytes` that is data, or a hole; the end of the file counts as a hole. */
  readonly seek: (inode: number, offsetBytes: number, what: "data" | "hole") => Fs<number>;
  /** Makes the inode's data and everything that happened before the call durable. */
  readonly fsync: (inode: number) => Fs<void>;
  /** Makes everything that happened before the call durable. */
  readonly syncfs: Fs<void>;

  readonly getxattr: (inode: number, name: Uint8Array) => Fs<Uint8Array>;
  /** `create`: fails if it exists; `replace`: fails if it does not; `set`: either. */
  readonly setxattr: (
    inode: number,
    name: Uint8Array,
    value: Uint8Array,
    mode: "set" | "create" | "replace",
  ) => Fs<void>;
  readonly listxattr: (inode: number) => Fs<ReadonlyArray<Uint8Array>>;
  readonly removexattr: (inode: number, name: Uint8Array) => Fs<void>;
  readonly statfs: Fs<FilesystemStatistics>;
}
