/**
 * Files as POSIX has them: write, read, sync, open, and the removal of what has no name left.
 *
 * A write changes memory only; space is set aside for it first, so that what was accepted can be written. An inode that
 * has lost its last name goes once nobody has it open, a bounded number of rows at a time.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { Abort } from "../btree/transaction.ts";
import type { FileState } from "../data/files.ts";
import type { Pieces } from "../data/read-memory.ts";
import { Reader } from "../data/reader.ts";
import type { EngineServices } from "../data/services.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { reached } from "../marks.ts";
import { FileAccess, type FileFailure, isRange, noSuchPlace } from "./file-access.ts";
import { removeRows } from "./file-rows.ts";
import { isRegular, loadLive } from "./inode.ts";
import type { Immediate, Peek } from "./at-once.ts";
import { RangeOperations } from "./ranges.ts";
import { FILE_BYTES_MAX, FsError, type Timestamp } from "./types.ts";

/** Bytes of metadata that a write of any size may cost. */
const WRITE_OVERHEAD_BYTES = 256;
/** Share of the limit of dirty data from which it is written without anybody waiting for it. */
const WRITE_AHEAD_SHARE = 0.25;
/** Tries to get space before a write is told that there is none. */
const RELIEF_TRIES_MAX = 4;

export class FileOperations extends FileAccess {
  readonly reader: Reader;
  readonly ranges: RangeOperations;
  /** Dirty data is being written with nobody waiting for it. */
  private writingAhead = false;

  constructor(services: EngineServices, now: () => Timestamp) {
    super(services, now);
    this.reader = new Reader(services, this.files);
    this.ranges = new RangeOperations(this);
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

  /** Waits until what is dirty now is written. */
  private get throttle(): Effect.Effect<void> {
    reached("writer waited for writeback");
    return Effect.ignore(this.writebackAll);
  }

  /** Begins to write before writers would have to wait. */
  private writeAhead(): void {
    if (this.writingAhead || this.files.memory.heldBytes < this.services.memory.dirtyBytesMax * WRITE_AHEAD_SHARE)
      return;
    reached("writeback began before the limit");
    this.writingAhead = true;
    const done = Effect.sync(() => {
      this.writingAhead = false;
    });
    // A failure stays with the file, whose next sync tells.
    this.services.background("write ahead", Effect.ensuring(Effect.ignore(this.writebackAll), done));
  }

  /** Brings what is kept for the next process to the devices, so that it need not be kept. */
  private get thinOut(): Effect.Effect<void> {
    reached("writer waited for the survivors");
    return Effect.ignore(Effect.andThen(this.writebackAll, this.services.transactor.sync));
  }

  write(
    inode: number,
    offset: number | "end",
    bytes: Uint8Array,
    observe: (at?: number) => void,
    keepTimes = false,
  ): Effect.Effect<number, FileFailure> {
    const self = this;
    const { survivors } = this.services;
    if (offset !== "end" && !isRange(offset, bytes.length)) {
      observe();
      return Effect.fail(noSuchPlace(offset));
    }
    return this.withState(inode, observe, (state) =>
      Effect.gen(function* () {
        if (self.files.memory.heldBytes >= self.services.memory.dirtyBytesMax) yield* self.throttle;
        // It would only be lost.
        const failure = self.services.failure();
        if (failure !== undefined) return yield* Effect.fail(failure);
        if (survivors?.crowded === true) yield* self.thinOut;
        const cost = bytes.length === 0 ? 0 : bytes.length + WRITE_OVERHEAD_BYTES;
        const granted = self.services.space.reserve(cost) || (yield* self.reserve(cost));
        if (!granted) return yield* Effect.fail(new FsError("NoSpace"));
        if (state.gone) {
          self.services.space.release(cost);
          observe();
          return yield* Effect.fail(new FsError("NoEntry", `inode ${inode}`));
        }
        const at = offset === "end" ? state.size : offset;
        const written = self.put(state, at, bytes, cost, keepTimes, () => observe(at));
        if (typeof written === "number") return at;
        observe();
        return yield* Effect.fail(written);
      }),
    );
  }

  /** Makes the bytes dirty, for which `cost` was set aside; `effect` is a part of the same step. */
  private put(
    state: FileState,
    at: number,
    bytes: Uint8Array,
    cost: number,
    keepTimes: boolean,
    effect: () => void,
  ): number | FsError {
    const { space, survivors } = this.services;
    if (at + bytes.length > FILE_BYTES_MAX) {
      space.release(cost);
      return new FsError("FileTooLarge");
    }
    survivors?.open();
    const fresh = state.dirty.write(at, bytes);
    // Bytes that were dirty already had their space.
    const used = fresh === 0 ? 0 : fresh + WRITE_OVERHEAD_BYTES;
    if (used < cost) space.release(cost - used);
    state.reserved += used;
    this.files.dirtyBytes += fresh;
    if (bytes.length > 0) {
      state.size = Math.max(state.size, at + bytes.length);
      if (!keepTimes) state.modified = this.now();
      if (survivors !== undefined) {
        state.loggedIn = Math.min(state.loggedIn, survivors.segment);
        survivors.write(state.inode, at, keepTimes ? undefined : state.modified, bytes);
      }
    }
    effect();
    survivors?.close();
    this.writeAhead();
    return at;
  }

  /** A write to a file whose state or row is in memory, if there is room for it; see `AtOnce`. */
  writeAtOnce(
    inode: number,
    offset: number,
    bytes: Uint8Array,
    keepTimes: boolean,
    effect: () => void,
    peek: Peek,
  ): number | FsError | undefined {
    const { space, memory, readOnly, survivors, failure } = this.services;
    if (survivors?.crowded === true || failure() !== undefined || readOnly || bytes.length === 0) return undefined;
    if (!isRange(offset, bytes.length) || this.files.memory.heldBytes >= memory.dirtyBytesMax) return undefined;
    const known = this.files.get(inode);
    if (known !== undefined && (!known.regular || known.gone)) return undefined;
    const row = known === undefined ? peek((tx) => this.regular(tx, inode)) : undefined;
    if (known === undefined && (row === undefined || row instanceof FsError)) return undefined;
    const cost = bytes.length + WRITE_OVERHEAD_BYTES;
    if (!space.reserve(cost)) return undefined;
    const state = known ?? this.files.obtain(inode, (row as InodeValue).sizeBytes, true);
    const written = this.put(state, offset, bytes, cost, keepTimes, effect);
    if (written instanceof FsError) this.files.drop(state);
    return written;
  }

  /** A read of what is in memory; see `AtOnce`. */
  readAtOnce(inode: number, offset: number, length: number, peek: Peek): Pieces | FsError | undefined {
    return isRange(offset, length) ? this.reader.readAtOnce(inode, offset, length, peek) : undefined;
  }

  read(inode: number, offset: number, length: number, observe: () => void): Effect.Effect<Uint8Array, FileFailure> {
    if (!isRange(offset, length)) {
      observe();
      return Effect.fail(new FsError("InvalidArgument"));
    }
    return this.reader.read(inode, offset, length, observe);
  }

  /** The same in pieces; see `Reader`. */
  readPieces(inode: number, offset: number, length: number): Effect.Effect<Pieces, FileFailure> {
    if (!isRange(offset, length)) return Effect.fail(new FsError("InvalidArgument"));
    return this.reader.readPieces(inode, offset, length, () => {});
  }

  fsync(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      if (self.files.get(inode) === undefined) {
        yield* self.transact<void>((tx) => {
          const row = loadLive(tx, inode, self.files.get(inode));
          if (row instanceof FsError) {
            observe();
            return new Abort(row);
          }
          tx.onCommit(observe);
          return undefined;
        });
      } else {
        observe();
        if (self.files.get(inode)?.gone === true) return yield* Effect.fail(new FsError("NoEntry", `inode ${inode}`));
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

  open(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const known = this.files.get(inode);
    if (known !== undefined && !known.gone) {
      known.opens++;
      observe();
      return Effect.void;
    }
    return this.transact<void>((tx) => {
      const row = loadLive(tx, inode, this.files.get(inode));
      if (row instanceof FsError) {
        observe();
        return new Abort(row);
      }
      tx.onCommit(() => {
        this.files.obtain(inode, row.sizeBytes, isRegular(row)).opens++;
        observe();
      });
      return undefined;
    });
  }

  /** A file that was just made has no name, and is open once. */
  openNameless(inode: number): void {
    const state = this.files.obtain(inode, 0, true);
    state.opens++;
    state.removed = true;
    state.nameless = true;
  }

  /** It got its first name. */
  named(inode: number): void {
    const state = this.files.get(inode);
    if (state === undefined) return;
    state.removed = false;
    state.nameless = false;
  }

  release(inode: number, observe: () => void): Effect.Effect<void, FileFailure> {
    const state = this.files.get(inode);
    observe();
    if (state === undefined || state.opens === 0) {
      // Opened in a process before this one, which knew how often.
      if (inode < this.files.heldBelow) return Effect.void;
      return Effect.fail(new FsError("InvalidArgument", "not open"));
    }
    if (state.held && state.opens === 1) return Effect.void;
    state.opens--;
    if (state.opens > 0 || !state.removed) {
      this.files.drop(state);
      return Effect.void;
    }
    return this.purge(inode);
  }

  /** A release that need not wait; see `AtOnce`. */
  releaseAtOnce(inode: number, now: Immediate["now"]): true | undefined {
    const state = this.files.get(inode);
    if (state === undefined || state.opens === 0) return undefined;
    if (state.held && state.opens === 1) return true;
    if (state.opens > 1 || !state.removed) {
      state.opens--;
      this.files.drop(state);
      return true;
    }
    // Whoever uses it may be changing its rows.
    if (state.users > 0) return undefined;
    const purged = now((tx) => {
      if (tx.find(Table.orphans, inode, 0, SNAPSHOT_ROOT) && !removeRows(tx, inode)) return new Abort(undefined);
      tx.onCommit(() => {
        state.opens--;
        this.dropDirty(state, 0);
        this.files.drop(state);
      });
      return true as const;
    });
    return purged === true ? true : undefined;
  }

  /** The kernel knows of the inode no more: whoever had it open before this process has it open no longer. */
  forgotten(inode: number): Effect.Effect<void, FileFailure> {
    const state = this.files.get(inode);
    if (state?.held !== true) return Effect.void;
    reached("held file forgotten");
    state.held = false;
    state.opens--;
    return state.opens > 0 || !state.removed ? Effect.void : this.purge(inode);
  }

  /** An inode without names that somebody may have opened before this process: it stays until it is forgotten. */
  hold(inode: number, size: number, regular: boolean): void {
    const state = this.files.obtain(inode, size, regular);
    if (state.held) return;
    reached("file without names held");
    state.held = true;
    state.opens++;
    state.removed = true;
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
    return state === undefined ? rows : this.using(state, () => this.locked(state, () => rows));
  }
}
