/**
 * The states of files and the ways to them: who uses one, who may change a file's rows, how its data gets to them.
 *
 * A state stays in memory while somebody uses it. Whoever changes rows of a file holds its lock, and is not interrupted
 * in the middle: what others see depends on both halves of such work.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { AppendError } from "../allocator/write-point.ts";
import { Abort, type Body, type Transaction } from "../btree/transaction.ts";
import { Files, type FileState } from "../data/files.ts";
import type { EngineServices } from "../data/services.ts";
import { Writeback } from "../data/writeback.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { loadRegular } from "./inode.ts";
import { reached } from "../marks.ts";
import { FILE_BYTES_MAX, FsError, type Timestamp } from "./types.ts";

/** Files that are written back at the same time. */
const WRITEBACK_FILES_AT_ONCE = 16;

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

export const isRange = (offset: number, length: number): boolean =>
  Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;

/** What is told to who would change a file at a place that is none: too far away, or never one. */
export const noSuchPlace = (offset: number): FsError =>
  new FsError(Number.isInteger(offset) && offset > FILE_BYTES_MAX ? "FileTooLarge" : "InvalidArgument");

export class FileAccess {
  readonly files: Files;
  readonly services: EngineServices;
  readonly now: () => Timestamp;
  private readonly writeback: Writeback;

  constructor(services: EngineServices, now: () => Timestamp) {
    this.services = services;
    this.now = now;
    this.files = new Files(() => services.memory.dirtyBytesMax);
    this.writeback = new Writeback(services, this.files);
  }

  transact<A>(body: Body<A, FsError>): Effect.Effect<A, FileFailure> {
    return this.services.transactor.transact(body);
  }

  regular(tx: Transaction, inode: number): InodeValue | FsError {
    return loadRegular(tx, inode, this.files.get(inode));
  }

  /** Runs `use` with the state of a regular file, which stays as long as it is needed. */
  withState<A>(
    inode: number,
    failed: () => void,
    use: (state: FileState) => Effect.Effect<A, FileFailure>,
  ): Effect.Effect<A, FileFailure> {
    return Effect.suspend(() => {
      const known = this.files.get(inode);
      return known?.regular === true && !known.gone ? this.using(known, use) : this.withLoaded(inode, failed, use);
    });
  }

  private withLoaded<A>(
    inode: number,
    failed: () => void,
    use: (state: FileState) => Effect.Effect<A, FileFailure>,
  ): Effect.Effect<A, FileFailure> {
    let taken: FileState | undefined;
    const take = this.transact<void>((tx) => {
      const row = this.regular(tx, inode);
      if (row instanceof FsError) {
        failed();
        return new Abort(row);
      }
      // Counted as a user in this very step: otherwise another operation could drop it before this one begins.
      tx.onCommit(() => {
        taken = this.files.obtain(inode, row.sizeBytes, true);
        taken.users++;
      });
      return undefined;
    });
    const give = Effect.sync(() => {
      taken!.users--;
      this.files.drop(taken!);
    });
    return Effect.acquireUseRelease(
      take,
      () => use(taken!),
      () => give,
    );
  }

  /**
   * Counts its user in the step in which it is called, in which the state must have been looked up: were it dropped
   * before the effect begins, another operation would make a second state of the file, and one of them would be lost.
   */
  using<A>(state: FileState, use: (state: FileState) => Effect.Effect<A, FileFailure>): Effect.Effect<A, FileFailure> {
    state.users++;
    return Effect.ensuring(
      Effect.suspend(() => use(state)),
      Effect.sync(() => {
        state.users--;
        this.files.drop(state);
      }),
    );
  }

  /** Runs work on the rows alone with them, to its end: half of it must never be left to others. */
  locked<A>(state: FileState, work: () => Effect.Effect<A, FileFailure>): Effect.Effect<A, FileFailure> {
    return state.lock.withPermits(1)(Effect.uninterruptible(Effect.suspend(work)));
  }

  /** Writes the file's dirty data back; the caller holds its lock. */
  flushLocked(state: FileState): Effect.Effect<void, FileFailure> {
    return Effect.mapError(this.writeback.write(state), asFsError);
  }

  writebackFile(state: FileState): Effect.Effect<void, FileFailure> {
    return this.using(state, () => this.locked(state, () => (state.gone ? Effect.void : this.flushLocked(state))));
  }

  /** Brings the dirty data of a file, if it has any, to its rows. */
  flushInode(inode: number): Effect.Effect<void, FileFailure> {
    const state = this.files.get(inode);
    return state === undefined || !state.unwritten ? Effect.void : this.writebackFile(state);
  }

  /** Writes what is dirty now, over all files. */
  get writebackAll(): Effect.Effect<void, FileFailure> {
    return this.writingBack(false);
  }

  /** The same, since it has been dirty for long enough. */
  get writebackForAge(): Effect.Effect<void, FileFailure> {
    return this.writingBack(true);
  }

  private writingBack(forAge: boolean): Effect.Effect<void, FileFailure> {
    const self = this;
    return Effect.gen(function* () {
      if (forAge && self.files.dirtyBytes > 0) reached("data written back for its age");
      let failure: FileFailure | undefined;
      const each = (state: FileState): Effect.Effect<void> =>
        Effect.map(Effect.result(self.writebackFile(state)), (result) => {
          if (result._tag === "Failure") failure = result.failure;
        });
      // Several at once, so that small ones share device writes instead of each filling up a block of its own.
      yield* Effect.forEach(self.files.unwritten(), each, { concurrency: WRITEBACK_FILES_AT_ONCE, discard: true });
      if (failure !== undefined) return yield* Effect.fail(failure);
    });
  }

  /** Drops what is dirty at or behind the offset. */
  dropDirty(state: FileState, offset: number): void {
    const dropped = state.dirty.cut(offset);
    if (state.dirty.empty) state.loggedIn = Number.POSITIVE_INFINITY;
    this.files.dirtyBytes -= dropped;
    const freed = state.dirty.empty ? state.reserved : dropped;
    state.reserved -= freed;
    this.services.space.release(freed);
  }
}
