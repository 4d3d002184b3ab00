/**
 * Files in memory: what of a file's state is newer than its rows, for as long as it is open or has unwritten data.
 *
 * `size` and `modified` are what users see; the rows lag behind until writeback. Bytes move from `dirty` to `writing`
 * when a writeback takes them, and are gone once its last transaction has committed; readers look at both. One writer
 * of rows at a time holds the file's lock: writeback, truncate, fallocate, removal.
 */
import * as Semaphore from "effect/Semaphore";
import type { Compression } from "../format/superblock.ts";
import type { Timestamp } from "../fs/types.ts";
import { CompressionHistory } from "./compression.ts";
import { DirtyBytes, DirtyMemory, type DirtyRange } from "./dirty.ts";

export class FileState {
  readonly inode: number;
  /** A regular file; of anything else only `opens` counts. */
  readonly regular: boolean;
  size: number;
  /** Set by writes that are not in the rows yet. */
  modified: Timestamp | undefined = undefined;
  dirty: DirtyBytes;
  writing: DirtyBytes | undefined = undefined;
  /** Opens that were not released. */
  opens = 0;
  /** Operations that use the state now. */
  users = 0;
  /** No name is left: what is dirty need not be written. */
  removed = false;
  /** Never had a name, and may still get one. */
  nameless = false;
  /** A writeback failed and no fsync has told yet. */
  failed: string | undefined = undefined;
  /** Rows of this range are still being taken out by something that has taken effect: they read as a hole. */
  hidden: DirtyRange | undefined = undefined;
  /** Bytes of space reserved for what is dirty. */
  reserved = 0;
  /** And for what of `writing` has no rows yet. */
  writingReserved = 0;
  /** What came of compressing its data. */
  readonly history = new CompressionHistory();
  /** The first segment of the survivors that holds bytes of `dirty`, and of `writing`. */
  loggedIn = Number.POSITIVE_INFINITY;
  writingLoggedIn = Number.POSITIVE_INFINITY;
  /** One of the opens stands for those of a process before this one, of which only the kernel knows. */
  held = false;
  readonly lock = Semaphore.makeUnsafe(1);

  constructor(inode: number, size: number, regular: boolean, memory: DirtyMemory) {
    this.inode = inode;
    this.dirty = new DirtyBytes(memory);
    this.regular = regular;
    this.size = size;
  }

  /** Nobody can reach the file any more. */
  get gone(): boolean {
    return this.removed && this.opens === 0;
  }

  get unwritten(): boolean {
    return !this.dirty.empty || this.writing !== undefined;
  }

  get unwrittenBytes(): number {
    return this.dirty.bytes + (this.writing?.bytes ?? 0);
  }
}

/** What was written back in one way: bytes of files, and what they took on the device. */
export interface WrittenBytes {
  readonly pieces: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** How bytes of files were stored: in the tree, or as extents by their compression. */
export type WrittenKind = "inline" | keyof typeof Compression;

export class Files {
  /** What was written back since the pool was opened. */
  readonly written: Map<WrittenKind, WrittenBytes> = new Map();
  /** Counts what the dirty bytes of all files take; every `DirtyBytes` of theirs keeps it up to date. */
  readonly memory: DirtyMemory;
  private readonly states: Map<number, FileState> = new Map();
  /** Bytes that wait to be written, over all files. */
  dirtyBytes = 0;
  /** Inodes below this number may have been opened in a process before this one, and be open still. */
  heldBelow = 0;

  /** The memory that dirty bytes may take, as it is at the time. */
  constructor(dirtyBytesMax: () => number) {
    this.memory = new DirtyMemory(dirtyBytesMax);
  }

  countWritten(kind: WrittenKind, rawBytes: number, storedBytes: number): void {
    const before = this.written.get(kind) ?? { pieces: 0, rawBytes: 0, storedBytes: 0 };
    this.written.set(kind, {
      pieces: before.pieces + 1,
      rawBytes: before.rawBytes + rawBytes,
      storedBytes: before.storedBytes + storedBytes,
    });
  }

  get(inode: number): FileState | undefined {
    return this.states.get(inode);
  }

  /** The state of a file, made from the size in its row if there is none. */
  obtain(inode: number, rowSize: number, regular: boolean): FileState {
    let state = this.states.get(inode);
    if (state === undefined) this.states.set(inode, (state = new FileState(inode, rowSize, regular, this.memory)));
    return state;
  }

  /** Forgets a state that holds nothing any more. */
  drop(state: FileState): void {
    if (state.opens > 0 || state.users > 0 || state.unwritten) return;
    // A failure is still to be told, unless nobody can ask any more.
    if (state.failed !== undefined && !state.removed) return;
    if (this.states.get(state.inode) === state) this.states.delete(state.inode);
  }

  /** May somebody have the inode open? */
  isOpen(inode: number): boolean {
    return inode < this.heldBelow || (this.states.get(inode)?.opens ?? 0) > 0;
  }

  /** The first segment of the survivors that holds bytes which are in no row. */
  get loggedIn(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const state of this.states.values()) first = Math.min(first, state.loggedIn, state.writingLoggedIn);
    return first;
  }

  /** Files with unwritten bytes, in the order in which they came to be in memory. */
  unwritten(): Array<FileState> {
    return [...this.states.values()].filter((state) => state.unwritten);
  }
}
