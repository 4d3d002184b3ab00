/**
 * Operations on ranges of a file: truncate, fallocate, seek.
 *
 * Each first brings the file's dirty data to its rows, under the file's lock, so that every crash shows a state that the
 * file once had. Work over many rows takes many transactions: the first makes it visible as a whole, by hiding what is
 * still to go, and leaves a note, a logged operation, that the next opening finishes if this one cannot.
 */
import * as Effect from "effect/Effect";
import { Abort, type Transaction } from "../btree/transaction.ts";
import { clearRange, rowsIn, ROWS_PER_TRANSACTION, visibleParts } from "../data/extent-map.ts";
import type { FileState } from "../data/files.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { InodeValue } from "../format/values/inode.ts";
import {
  decodeLoggedOperation,
  encodeLoggedOperation,
  LOGGED_OPERATION_BYTES,
} from "../format/values/logged-operation.ts";
import { reached } from "../marks.ts";
import { type FileAccess, type FileFailure, isRange, noSuchPlace } from "./file-access.ts";
import { fillHoles, putUnwritten } from "./file-rows.ts";
import { loadInode, storeInode } from "./inode.ts";
import { FILE_BYTES_MAX, FsError, type FallocateMode, type Timestamp } from "./types.ts";

/** Kind of the one logged operation: all rows of the range are to go. */
const OPERATION_CLEAR = 1;
/** What is allocated ahead is whole pages of the kernel, which is what a later write into it will be. */
const ALLOCATION_BYTES = 4096;

export class RangeOperations {
  private readonly access: FileAccess;

  constructor(access: FileAccess) {
    this.access = access;
  }

  /** Sets the size, with further changes of the row in the same transaction as the size. */
  truncate(
    inode: number,
    size: number,
    change: (row: InodeValue, now: Timestamp) => InodeValue,
    observe: (mode?: number) => void,
  ): Effect.Effect<InodeValue, FileFailure> {
    if (!isRange(size, 0)) {
      observe();
      return Effect.fail(noSuchPlace(size));
    }
    return this.access.withState(inode, observe, (state) =>
      this.access.locked(state, () => this.truncateLocked(state, size, change, observe)),
    );
  }

  private truncateLocked(
    state: FileState,
    size: number,
    change: (row: InodeValue, now: Timestamp) => InodeValue,
    observe: (mode?: number) => void,
  ): Effect.Effect<InodeValue, FileFailure> {
    const self = this;
    const { inode } = state;
    return Effect.gen(function* () {
      // What lies behind the new end need not be written, as long as nothing else is in between.
      const written = yield* Effect.result(self.flushKept(state, size));
      if (written._tag === "Failure") return yield* Effect.fail(written.failure);
      const first = yield* self.access.transact<{ row: InodeValue; next: number; end: number } | undefined>((tx) => {
        const row = self.access.regular(tx, inode);
        if (row instanceof FsError) {
          observe();
          return new Abort(row);
        }
        // Something was written since: it comes first.
        if (self.mustFlush(state, size)) return undefined;
        const end = self.lastRowEnd(tx, inode, size, row);
        const { reached: next, allocatedChange } =
          end > size ? clearRange(tx, inode, size, end) : { reached: end, allocatedChange: 0 };
        const more = next < end;
        if (more) self.logClearing(tx, inode, next, end);
        const now = self.access.now();
        const after = change({ ...row, modified: now, changed: now }, now);
        const stored = { ...after, sizeBytes: size, allocatedBytes: row.allocatedBytes + allocatedChange };
        storeInode(tx, inode, stored);
        tx.onCommit(() => {
          self.access.dropDirty(state, size);
          state.size = size;
          state.modified = undefined;
          self.access.services.survivors?.change(inode, size, Number.MAX_SAFE_INTEGER, size);
          if (more) state.hidden = { start: next, end };
          observe(stored.mode);
        });
        return { row: stored, next, end };
      });
      if (first === undefined) return yield* self.truncateLocked(state, size, change, observe);
      if (first.next < first.end) yield* self.finishClearing(inode, first.next, first.end);
      return first.row;
    });
  }

  /** Writes what a shrinking truncate keeps; the rest stays dirty until the truncate takes effect. */
  private flushKept(state: FileState, size: number): Effect.Effect<void, FileFailure> {
    return this.mustFlush(state, size) ? this.access.flushLocked(state) : Effect.void;
  }

  private mustFlush(state: FileState, size: number): boolean {
    return !state.dirty.empty && (size > state.size || state.dirty.within(0, size).length > 0);
  }

  /** End of the last row that reaches behind `size`, or `size`. */
  private lastRowEnd(tx: Transaction, inode: number, size: number, row: InodeValue): number {
    const beyond = rowsIn(tx, inode, size, Number.MAX_SAFE_INTEGER, ROWS_PER_TRANSACTION);
    if (beyond.length < ROWS_PER_TRANSACTION) return beyond.at(-1)?.end ?? size;
    return Math.max(row.sizeBytes, FILE_BYTES_MAX);
  }

  private logClearing(tx: Transaction, inode: number, from: number, to: number): void {
    reached("clearing of many rows logged");
    tx.put(Table.loggedOperations, inode, 0, SNAPSHOT_ROOT, LOGGED_OPERATION_BYTES);
    encodeLoggedOperation(tx.out, tx.outAt, { kind: OPERATION_CLEAR, inode, fromBytes: from, toBytes: to });
  }

  /** Takes the rest of the rows out, a bounded number at a time, and then the note of it. */
  private finishClearing(inode: number, from: number, end: number): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      let next = from;
      while (next < end) {
        const start = next;
        next = yield* self.access.transact<number>((tx) => {
          const row = loadInode(tx, inode);
          // Removed meanwhile: its rows, and the note, go or went with it.
          if (row === undefined) return end;
          const { reached: done, allocatedChange } = clearRange(tx, inode, start, end);
          storeInode(tx, inode, { ...row, allocatedBytes: row.allocatedBytes + allocatedChange });
          const last = done >= end;
          if (last) tx.remove(Table.loggedOperations, inode, 0, SNAPSHOT_ROOT);
          tx.onCommit(() => {
            const state = self.access.files.get(inode);
            if (state !== undefined) state.hidden = last ? undefined : { start: done, end };
          });
          return done;
        });
      }
    });
  }

  /** Finishes what a crash interrupted. */
  get resumeLoggedOperations(): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      const found = yield* self.access.transact<Array<{ inode: number; fromBytes: number; toBytes: number }>>((tx) => {
        const operations: Array<{ inode: number; fromBytes: number; toBytes: number }> = [];
        const scan = tx.scan(Table.loggedOperations, 0, 0, 0);
        while (scan.next()) operations.push(decodeLoggedOperation(scan.view, scan.at, scan.length));
        return operations;
      });
      for (const { inode, fromBytes, toBytes } of found) {
        reached("logged operation resumed");
        yield* self.finishClearing(inode, fromBytes, toBytes);
      }
    });
  }

  fallocate(
    inode: number,
    mode: FallocateMode,
    offset: number,
    length: number,
    keepSize: boolean,
    observe: () => void,
  ): Effect.Effect<void, FileFailure> {
    if (!isRange(offset, length) || length === 0 || !Number.isSafeInteger(offset + length)) {
      observe();
      return Effect.fail(length > 0 && offset >= 0 ? noSuchPlace(offset + length) : new FsError("InvalidArgument"));
    }
    return this.access.withState(inode, observe, (state) =>
      this.access.locked(state, () => this.fallocateLocked(state, mode, offset, offset + length, keepSize, observe)),
    );
  }

  private fallocateLocked(
    state: FileState,
    mode: FallocateMode,
    start: number,
    end: number,
    keepSize: boolean,
    observe: () => void,
  ): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      const written = yield* Effect.result(self.access.flushLocked(state));
      if (written._tag === "Failure") return yield* Effect.fail(written.failure);
      const grows = mode !== "punch" && !keepSize;
      const done =
        mode === "allocate"
          ? yield* self.allocate(state, start, end, grows, observe)
          : yield* self.clear(state, start, end, mode === "zero", grows, observe);
      // Something was written since: it comes first.
      if (!done) return yield* self.fallocateLocked(state, mode, start, end, keepSize, observe);
    });
  }

  /** Makes [start, end) read as zeros, in one step for everybody who reads. False if there is dirty data. */
  private clear(
    state: FileState,
    start: number,
    end: number,
    unwritten: boolean,
    grows: boolean,
    observe: () => void,
  ): Effect.Effect<boolean, FileFailure> {
    const { inode } = state;
    const first = this.access.transact<number>((tx) => {
      const row = this.access.regular(tx, inode);
      if (row instanceof FsError) {
        observe();
        return new Abort(row);
      }
      if (!state.dirty.empty) return -1;
      const { reached: next, allocatedChange } = clearRange(tx, inode, start, end);
      if (unwritten && next - start + allocatedChange > this.access.services.space.availableBytes()) {
        return new Abort(new FsError("NoSpace"));
      }
      if (unwritten) putUnwritten(tx, inode, start, next);
      if (next < end) this.logClearing(tx, inode, next, end);
      const sizeBytes = grows ? Math.max(row.sizeBytes, end) : row.sizeBytes;
      const allocatedBytes = row.allocatedBytes + allocatedChange + (unwritten ? next - start : 0);
      const now = this.access.now();
      storeInode(tx, inode, { ...row, sizeBytes, allocatedBytes, modified: now, changed: now });
      tx.onCommit(() => {
        state.size = sizeBytes;
        if (next < end) state.hidden = { start: next, end };
        this.access.services.survivors?.change(inode, start, end, sizeBytes);
        observe();
      });
      return next;
    });
    return Effect.flatMap(first, (next) => {
      if (next < 0) return Effect.succeed(false);
      return next < end ? Effect.as(this.finishClearing(inode, next, end), true) : Effect.succeed(true);
    });
  }

  /**
   * Puts unwritten rows into the holes of all pages that [start, end) touches, behind the end of the file too; the file
   * grows to `end` at most. False if there is dirty data.
   */
  private allocate(
    state: FileState,
    start: number,
    end: number,
    grows: boolean,
    observe: () => void,
  ): Effect.Effect<boolean, FileFailure> {
    const self = this;
    const { inode } = state;
    const first = start - (start % ALLOCATION_BYTES);
    const behind = Math.min(Math.ceil(end / ALLOCATION_BYTES) * ALLOCATION_BYTES, FILE_BYTES_MAX);
    if (first < start || behind > end) reached("odd range allocated as whole pages");
    return Effect.gen(function* () {
      let next = first;
      while (next < behind) {
        const from = next;
        next = yield* self.access.transact<number>((tx) => {
          const row = self.access.regular(tx, inode);
          if (row instanceof FsError) {
            observe();
            return new Abort(row);
          }
          // Before anything is staged: what is returned is committed.
          if (!state.dirty.empty) return -1;
          const step = fillHoles(tx, inode, from, behind);
          if (step.allocatedChange > self.access.services.space.availableBytes())
            return new Abort(new FsError("NoSpace"));
          const last = step.reached >= behind;
          const sizeBytes = last && grows ? Math.max(row.sizeBytes, end) : row.sizeBytes;
          const now = self.access.now();
          const allocatedBytes = row.allocatedBytes + step.allocatedChange;
          storeInode(tx, inode, { ...row, sizeBytes, allocatedBytes, modified: now, changed: now });
          tx.onCommit(() => {
            state.size = Math.max(state.size, sizeBytes);
            self.access.services.survivors?.change(inode, 0, 0, state.size);
            if (last) observe();
          });
          return step.reached;
        });
        if (next < 0) return false;
      }
      return true;
    });
  }

  seek(inode: number, offset: number, what: "data" | "hole", observe: () => void): Effect.Effect<number, FileFailure> {
    return this.access.transact<number>((tx) => {
      const row = this.access.regular(tx, inode);
      const answer = row instanceof FsError ? row : this.seekIn(tx, inode, row, offset, what);
      if (answer instanceof FsError) {
        observe();
        return new Abort(answer);
      }
      tx.onCommit(observe);
      return answer;
    });
  }

  private seekIn(
    tx: Transaction,
    inode: number,
    row: InodeValue,
    offset: number,
    what: "data" | "hole",
  ): number | FsError {
    const state = this.access.files.get(inode);
    const size = state?.size ?? row.sizeBytes;
    if (!isRange(offset, 0) || offset >= size) return new FsError("NoSuchOffset");
    let at = offset;
    for (const { start, end } of this.dataRanges(tx, inode, state, offset, size)) {
      if (what === "data") return Math.max(at, start);
      if (start > at) return at;
      at = Math.max(at, end);
    }
    return what === "data" ? new FsError("NoSuchOffset") : Math.min(at, size);
  }

  /** Ranges of [from, size) that hold data, on disk or in memory, by their starts. */
  private dataRanges(
    tx: Transaction,
    inode: number,
    state: FileState | undefined,
    from: number,
    size: number,
  ): Array<{ start: number; end: number }> {
    const all = rowsIn(tx, inode, from, size, Number.POSITIVE_INFINITY);
    const rows = visibleParts(all, state?.hidden).filter(({ extent }) => extent.kind !== "unwritten");
    const unwritten = [...(state?.writing?.within(from, size) ?? []), ...(state?.dirty.within(from, size) ?? [])];
    return [...rows.map(({ start, end }) => ({ start, end: Math.min(end, size) })), ...unwritten].sort(
      (a, b) => a.start - b.start,
    );
  }
}
