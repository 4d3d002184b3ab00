/**
 * Files as POSIX has them: write, truncate, allocate, seek, sync, and the removal of what has no name left.
 *
 * A write changes memory only; space is set aside for it first, so that what was accepted can be written. Whatever
 * changes the rows of a file, other than writeback, first brings its dirty data to the rows, under the file's lock;
 * so every crash shows a state that the file once had. Work over many rows is done in many transactions and noted as a
 * logged operation, which the next opening finishes.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { AppendError } from "../allocator/write-point.ts";
import { Abort, type Body, type Transaction } from "../btree/transaction.ts";
import { clearRange, rowsIn, ROWS_PER_TRANSACTION } from "../data/extent-map.ts";
import { Files, type FileState } from "../data/files.ts";
import { Reader } from "../data/reader.ts";
import type { EngineServices } from "../data/services.ts";
import { Writeback } from "../data/writeback.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { InodeValue } from "../format/values/inode.ts";
import {
  decodeLoggedOperation,
  encodeLoggedOperation,
  LOGGED_OPERATION_BYTES,
} from "../format/values/logged-operation.ts";
import { reached } from "../marks.ts";
import { fillHoles, putUnwritten, removeRows } from "./file-rows.ts";
import { isDirectory, isRegular, loadInode, storeInode } from "./inode.ts";
import { FILE_BYTES_MAX, FsError, type FallocateMode, type Timestamp } from "./types.ts";

/** Bytes of metadata that a write of any size may cost. */
const WRITE_OVERHEAD_BYTES = 256;
/** Tries to get space before a write is told that there is none. */
const RELIEF_TRIES_MAX = 4;
const OPERATION_TRUNCATE = 1;

export type FileFailure = FsError | PoolFailed;

/** How a failure below the filesystem looks to its user. */
export function asFsError(error: FileFailure | AppendError): FsError {
  switch (error._tag) {
    case "FsError":
      return error;
    case "PoolFailed":
      return new FsError("InputOutput", error.detail);
    case "NoSpaceLeft":
      return new FsError("NoSpace");
    default:
      return new FsError("InputOutput", error._tag);
  }
}

const isRange = (offset: number, length: number): boolean =>
  Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;

export class FileOperations {
  readonly files = new Files();
  readonly reader: Reader;
  private readonly services: EngineServices;
  private readonly writeback: Writeback;
  private readonly now: () => Timestamp;

  constructor(services: EngineServices, now: () => Timestamp) {
    this.services = services;
    this.now = now;
    this.reader = new Reader(services, this.files);
    this.writeback = new Writeback(services, this.files);
  }

  private transact<A>(body: Body<A, FsError>): Effect.Effect<A, FileFailure> {
    return this.services.transactor.transact(body);
  }

  /** The row of a regular file, or why it cannot be used as one. */
  private regular(tx: Transaction, inode: number): InodeValue | FsError {
    const row = loadInode(tx, inode);
    if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
    if (isDirectory(row)) return new FsError("IsDirectory");
    if (!isRegular(row)) return new FsError("InvalidArgument", "not a regular file");
    return row;
  }

  /** Runs `use` with the state of a regular file, which stays as long as it is needed. */
  private withState<A>(
    inode: number,
    failed: () => void,
    use: (state: FileState) => Effect.Effect<A, FileFailure>,
  ): Effect.Effect<A, FileFailure> {
    const known = this.files.get(inode);
    if (known?.regular === true && !isGone(known)) return this.using(known, use);
    return Effect.flatMap(
      this.transact<FileState>((tx) => {
        const row = this.regular(tx, inode);
        if (row instanceof FsError) {
          failed();
          return new Abort(row);
        }
        const state = this.files.obtain(inode, row.sizeBytes);
        // Held from this very step on: were it dropped before it is used, somebody else would make a second one.
        tx.onCommit(() => {
          state.users++;
        });
        return state;
      }),
      (state) => this.held(state, use),
    );
  }

  private using<A>(
    state: FileState,
    use: (state: FileState) => Effect.Effect<A, FileFailure>,
  ): Effect.Effect<A, FileFailure> {
    state.users++;
    return this.held(state, use);
  }

  /** Runs `use` with a state that is held already, and lets go of it. */
  private held<A>(
    state: FileState,
    use: (state: FileState) => Effect.Effect<A, FileFailure>,
  ): Effect.Effect<A, FileFailure> {
    return Effect.ensuring(
      Effect.suspend(() => use(state)),
      Effect.sync(() => {
        state.users--;
        this.files.drop(state);
      }),
    );
  }

  /** Sets space aside for `bytes` more, freeing and writing back what it takes. */
  private reserve(bytes: number): Effect.Effect<boolean, PoolFailed> {
    const self = this;
    const { space } = this.services;
    if (space.reserve(bytes)) return Effect.succeed(true);
    return Effect.gen(function* () {
      for (let tries = 0; tries < RELIEF_TRIES_MAX; tries++) {
        reached("write waited for space");
        // Data that is written takes what it takes once compressed, which is less than what was set aside.
        yield* Effect.ignore(self.writebackAll);
        yield* space.relieve;
        if (space.reserve(bytes)) return true;
      }
      return false;
    });
  }

  /** Waits until less than the limit of dirty data is in memory. */
  private get throttle(): Effect.Effect<void> {
    if (this.files.dirtyBytes < this.services.dirtyBytesMax) return Effect.void;
    reached("writer waited for writeback");
    return Effect.ignore(this.writebackAll);
  }

  write(
    inode: number,
    offset: number | "end",
    bytes: Uint8Array,
    observe: () => void,
  ): Effect.Effect<number, FileFailure> {
    const self = this;
    if (offset !== "end" && !isRange(offset, bytes.length)) {
      observe();
      return Effect.fail(new FsError("InvalidArgument"));
    }
    return this.withState(inode, observe, (state) =>
      Effect.gen(function* () {
        if (self.files.dirtyBytes >= self.services.dirtyBytesMax) yield* self.throttle;
        const cost = bytes.length + WRITE_OVERHEAD_BYTES;
        const granted = self.services.space.reserve(cost) || (yield* self.reserve(cost));
        if (!granted) return yield* Effect.fail(new FsError("NoSpace"));
        if (isGone(state)) {
          self.services.space.release(cost);
          observe();
          return yield* Effect.fail(new FsError("NoEntry", `inode ${inode}`));
        }
        const at = offset === "end" ? state.size : offset;
        if (at + bytes.length > FILE_BYTES_MAX) {
          self.services.space.release(cost);
          observe();
          return yield* Effect.fail(new FsError("FileTooLarge"));
        }
        const fresh = state.dirty.write(at, bytes);
        // Bytes that were dirty already had their space.
        const surplus = bytes.length - fresh;
        if (surplus > 0) self.services.space.release(surplus);
        state.reserved += cost - surplus;
        self.files.dirtyBytes += fresh;
        state.size = Math.max(state.size, at + bytes.length);
        if (bytes.length > 0) state.modified = self.now();
        observe();
        return at;
      }),
    );
  }

  read(inode: number, offset: number, length: number, observe: () => void): Effect.Effect<Uint8Array, FileFailure> {
    if (!isRange(offset, length)) {
      observe();
      return Effect.fail(new FsError("InvalidArgument"));
    }
    return this.reader.read(inode, offset, length, observe);
  }

  /** Writes the file's dirty data back; the caller holds its lock. */
  private flushLocked(state: FileState): Effect.Effect<void, FileFailure> {
    return Effect.mapError(this.writeback.write(state), asFsError);
  }

  writebackFile(state: FileState): Effect.Effect<void, FileFailure> {
    return this.using(state, () =>
      state.lock.withPermits(1)(Effect.suspend(() => (isGone(state) ? Effect.void : this.flushLocked(state)))),
    );
  }

  /** Brings the dirty data of a file, if it has any, to its rows. */
  flushInode(inode: number): Effect.Effect<void, FileFailure> {
    const state = this.files.get(inode);
    return state === undefined || !state.unwritten ? Effect.void : this.writebackFile(state);
  }

  get writebackAll(): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      let failure: FileFailure | undefined;
      for (const state of self.files.unwritten()) {
        const result = yield* Effect.result(self.writebackFile(state));
        if (result._tag === "Failure") failure = result.failure;
      }
      if (failure !== undefined) return yield* Effect.fail(failure);
    });
  }

  fsync(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      if (self.files.get(inode) === undefined) {
        yield* self.transact<void>((tx) => {
          const row = loadInode(tx, inode);
          if (row === undefined) {
            observe();
            return new Abort(new FsError("NoEntry", `inode ${inode}`));
          }
          tx.onCommit(observe);
          return undefined;
        });
      } else {
        observe();
      }
      const state = self.files.get(inode);
      if (state !== undefined) yield* self.reportFailure(state, self.writebackFile(state));
      yield* self.services.transactor.sync;
    });
  }

  /** An earlier failure to write is reported once, even though the data may have been written since. */
  private reportFailure(state: FileState, work: Effect.Effect<void, FileFailure>): Effect.Effect<void, FileFailure> {
    return Effect.flatMap(Effect.result(work), (result) => {
      const { failed } = state;
      state.failed = undefined;
      if (result._tag === "Failure") return Effect.fail(result.failure);
      if (failed === undefined) return Effect.void;
      reached("failed writeback reported");
      return Effect.fail(new FsError("InputOutput", failed));
    });
  }

  syncfs(observe: () => void): Effect.Effect<void, FileFailure> {
    return Effect.suspend(() => {
      observe();
      return Effect.andThen(this.writebackAll, this.services.transactor.sync);
    });
  }

  /** Sets the size, with further changes of the row in the same transaction as the size. */
  truncate(
    inode: number,
    size: number,
    change: (row: InodeValue, now: Timestamp) => InodeValue,
    observe: () => void,
  ): Effect.Effect<InodeValue, FileFailure> {
    if (!isRange(size, 0)) {
      observe();
      return Effect.fail(new FsError("InvalidArgument"));
    }
    return this.withState(inode, observe, (state) =>
      state.lock.withPermits(1)(Effect.suspend(() => this.truncateLocked(state, size, change, observe))),
    );
  }

  /** Drops what is dirty at or behind the offset. */
  private dropDirty(state: FileState, offset: number): void {
    const dropped = state.dirty.cut(offset);
    this.files.dirtyBytes -= dropped;
    const freed = state.dirty.empty ? state.reserved : dropped;
    state.reserved -= freed;
    this.services.space.release(freed);
  }

  private truncateLocked(
    state: FileState,
    size: number,
    change: (row: InodeValue, now: Timestamp) => InodeValue,
    observe: () => void,
  ): Effect.Effect<InodeValue, FileFailure> {
    const self = this;
    const { inode } = state;
    return Effect.gen(function* () {
      // What lies behind the new end need not be written, as long as nothing else is in between.
      const written = yield* Effect.result(self.flushKept(state, size));
      if (written._tag === "Failure") return yield* Effect.fail(written.failure);
      const first = yield* self.transact<{ row: InodeValue; next: number; end: number } | undefined>((tx) => {
        const row = self.regular(tx, inode);
        if (row instanceof FsError) {
          observe();
          return new Abort(row);
        }
        // Something was written since: it comes first.
        if (self.mustFlush(state, size)) return undefined;
        const end = self.lastRowEnd(tx, inode, size, row);
        const { reached: next, allocatedChange } =
          end > size ? clearRange(tx, inode, size, end) : { reached: end, allocatedChange: 0 };
        const done = next >= end;
        if (!done) self.logTruncate(tx, inode, size, end);
        const now = self.now();
        const after = change({ ...row, modified: now, changed: now }, now);
        const stored = { ...after, sizeBytes: size, allocatedBytes: row.allocatedBytes + allocatedChange };
        storeInode(tx, inode, stored);
        tx.onCommit(() => {
          self.dropDirty(state, size);
          state.size = size;
          state.modified = undefined;
          observe();
        });
        return { row: stored, next, end };
      });
      if (first === undefined) return yield* self.truncateLocked(state, size, change, observe);
      if (first.next < first.end) yield* self.finishTruncate(inode, first.next, first.end);
      return first.row;
    });
  }

  /** Writes what a shrinking truncate keeps; the rest stays dirty until the truncate takes effect. */
  private flushKept(state: FileState, size: number): Effect.Effect<void, FileFailure> {
    return this.mustFlush(state, size) ? this.flushLocked(state) : Effect.void;
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

  private logTruncate(tx: Transaction, inode: number, from: number, to: number): void {
    reached("truncate logged");
    tx.put(Table.loggedOperations, inode, 0, SNAPSHOT_ROOT, LOGGED_OPERATION_BYTES);
    encodeLoggedOperation(tx.out, tx.outAt, { kind: OPERATION_TRUNCATE, inode, fromBytes: from, toBytes: to });
  }

  /** Takes the rest of the rows out, a bounded number at a time, and then the note of it. */
  private finishTruncate(inode: number, from: number, end: number): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      let next = from;
      while (next < end) {
        const start = next;
        next = yield* self.transact<number>((tx) => {
          const row = loadInode(tx, inode);
          const { reached: done, allocatedChange } = clearRange(tx, inode, start, end);
          if (done >= end) tx.remove(Table.loggedOperations, inode, 0, SNAPSHOT_ROOT);
          if (row !== undefined)
            storeInode(tx, inode, { ...row, allocatedBytes: row.allocatedBytes + allocatedChange });
          return done;
        });
      }
    });
  }

  /** Finishes what a crash interrupted. */
  get resumeLoggedOperations(): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      const found = yield* self.transact<Array<{ inode: number; fromBytes: number; toBytes: number }>>((tx) => {
        const operations: Array<{ inode: number; fromBytes: number; toBytes: number }> = [];
        const scan = tx.scan(Table.loggedOperations, 0, 0, 0);
        while (scan.next()) operations.push(decodeLoggedOperation(scan.view, scan.at, scan.length));
        return operations;
      });
      for (const { inode, fromBytes, toBytes } of found) {
        reached("logged operation resumed");
        yield* self.finishTruncate(inode, fromBytes, toBytes);
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
    const bad = !isRange(offset, length) || length === 0 || !Number.isSafeInteger(offset + length);
    if (bad) {
      observe();
      return Effect.fail(new FsError(isRange(offset, length) && length > 0 ? "FileTooLarge" : "InvalidArgument"));
    }
    return this.withState(inode, observe, (state) =>
      state.lock.withPermits(1)(
        Effect.suspend(() => this.fallocateLocked(state, mode, offset, offset + length, keepSize, observe)),
      ),
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
    const { space } = this.services;
    const { inode } = state;
    return Effect.gen(function* () {
      const written = yield* Effect.result(self.flushLocked(state));
      const refused =
        written._tag === "Failure"
          ? written.failure
          : mode === "allocate" && end - start > space.availableBytes()
            ? new FsError("NoSpace")
            : undefined;
      if (refused !== undefined) return yield* Effect.fail(refused);
      let next = start;
      while (next < end) {
        const from = next;
        next = yield* self.transact<number>((tx) => {
          const row = self.regular(tx, inode);
          if (row instanceof FsError) {
            if (from === start) observe();
            return new Abort(row);
          }
          if (from === start && !state.dirty.empty) return -1;
          const step = mode === "allocate" ? fillHoles(tx, inode, from, end) : clearRange(tx, inode, from, end);
          let { allocatedChange } = step;
          if (mode === "zero") {
            putUnwritten(tx, inode, from, step.reached);
            allocatedChange += step.reached - from;
          }
          const last = step.reached >= end;
          const grown = last && mode !== "punch" && !keepSize ? Math.max(row.sizeBytes, end) : row.sizeBytes;
          const now = self.now();
          const size = { sizeBytes: grown, allocatedBytes: row.allocatedBytes + allocatedChange };
          storeInode(tx, inode, { ...row, ...size, modified: now, changed: now });
          tx.onCommit(() => {
            state.size = Math.max(state.size, grown);
            if (last) observe();
          });
          return step.reached;
        });
        if (next < 0) return yield* self.fallocateLocked(state, mode, start, end, keepSize, observe);
      }
    });
  }

  seek(inode: number, offset: number, what: "data" | "hole", observe: () => void): Effect.Effect<number, FileFailure> {
    return this.transact<number>((tx) => {
      const row = this.regular(tx, inode);
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
    const state = this.files.get(inode);
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
    const rows = rowsIn(tx, inode, from, size, Number.POSITIVE_INFINITY).filter(
      ({ extent }) => extent.kind !== "unwritten",
    );
    const unwritten = [...(state?.writing?.within(from, size) ?? []), ...(state?.dirty.within(from, size) ?? [])];
    return [...rows.map(({ start, end }) => ({ start, end: Math.min(end, size) })), ...unwritten].sort(
      (a, b) => a.start - b.start,
    );
  }

  open(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const known = this.files.get(inode);
    if (known !== undefined) {
      known.opens++;
      observe();
      return Effect.void;
    }
    return this.transact<void>((tx) => {
      const row = loadInode(tx, inode);
      if (row === undefined) {
        observe();
        return new Abort(new FsError("NoEntry", `inode ${inode}`));
      }
      tx.onCommit(() => {
        this.files.obtain(inode, row.sizeBytes, isRegular(row)).opens++;
        observe();
      });
      return undefined;
    });
  }

  release(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const state = this.files.get(inode);
    observe();
    if (state === undefined || state.opens === 0) return Effect.fail(new FsError("InvalidArgument", "not open"));
    state.opens--;
    if (state.opens > 0 || !state.removed) {
      this.files.drop(state);
      return Effect.void;
    }
    return this.purge(inode);
  }

  /** The last name went: nothing of it needs to be written any more. */
  forgetData(inode: number): void {
    const state = this.files.get(inode);
    if (state === undefined) return;
    state.removed = true;
    if (state.opens > 0) return;
    this.dropDirty(state, 0);
    this.files.drop(state);
  }

  /** Removes all rows of an inode without names, a bounded number at a time, its orphan row last. */
  purge(inode: number): Effect.Effect<void, FileFailure> {
    const self = this;
    const state = this.files.get(inode);
    const rows = Effect.gen(function* () {
      if (state !== undefined) self.dropDirty(state, 0);
      let done = false;
      while (!done) {
        done = yield* self.transact<boolean>((tx) => {
          if (!tx.find(Table.orphans, inode, 0, SNAPSHOT_ROOT)) return true;
          return removeRows(tx, inode);
        });
      }
      if (state !== undefined) self.files.drop(state);
    });
    return state === undefined ? rows : this.using(state, () => state.lock.withPermits(1)(rows));
  }
}

/** Nobody can reach the file any more. */
const isGone = (state: FileState): boolean => state.removed && state.opens === 0;
