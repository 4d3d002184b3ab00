/**
 * Writeback: takes the dirty bytes of a file, encodes them, appends them to a write point, and only then changes rows.
 *
 * A range becomes an extent of at most 128 KiB, or an inline row if it is tiny or the whole file is. While some of them
 * are on their way to the device the next are encoded, and those behind them compressed elsewhere; commits follow one
 * another in the order of the bytes. The size of a file on disk rises in the very transaction that puts the bytes it
 * speaks of, in ascending order, so no crash shows a size without its data. If the data cannot be written it stays dirty,
 * the file remembers the failure until an fsync has reported it, and the next writeback tries again.
 */
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import type * as Result from "effect/Result";
import type { PoolFailed } from "../actor.ts";
import type { AppendError, Placement } from "../allocator/write-point.ts";
import { reading } from "../btree/reading.ts";
import type { Transaction } from "../btree/transaction.ts";
import { Compression } from "../format/superblock.ts";
import type { ExtentValue } from "../format/values/extent.ts";
import { OwnCompression } from "../format/values/own-compression.ts";
import { later, loadInode, storeInode } from "./inode-rows.ts";
import { reached } from "../marks.ts";
import { Ahead } from "./ahead.ts";
import { type CompressionChoice, type CompressionHistory, unpacked } from "./compression.ts";
import { DirtyBytes, type DirtyRange } from "./dirty.ts";
import type { Encoded, Shrunk } from "./encode.ts";
import { layOver, rowsIn } from "./extent-map.ts";
import type { Files, FileState, WrittenKind } from "./files.ts";
import type { EngineServices } from "./services.ts";
import { Tail } from "./tail.ts";

/** A file this small is kept in the tree. */
export const INLINE_FILE_BYTES_MAX = 2048;
/** A range this small is cheaper in the tree than as an extent with its rows. */
const INLINE_RANGE_BYTES_MAX = 512;
/** Raw bytes that are encoded before they are appended; little, so that others have their turn in between. */
const BATCH_BYTES_MAX = 256 * 1024;
/** Batches of a file that are being appended while the next one is encoded. */
const BATCHES_UNDER_WAY_MAX = 8;

const COMPRESSION_NAMES: ReadonlyMap<number, WrittenKind> = new Map(
  Object.entries(Compression).map(([name, value]) => [value, name as keyof typeof Compression]),
);

interface Piece extends DirtyRange {
  readonly inline: Uint8Array | undefined;
  readonly encoded: Encoded | undefined;
}

interface AppendedBatch {
  readonly batch: ReadonlyArray<Piece>;
  readonly fiber: Fiber.Fiber<Result.Result<ReadonlyArray<Placement>, AppendError | PoolFailed>>;
}

export class Writeback {
  private readonly services: EngineServices;
  private readonly files: Files;

  constructor(services: EngineServices, files: Files) {
    this.services = services;
    this.files = files;
  }

  /** Writes what is dirty now. The caller holds the file's lock. Fails if it could not be written. */
  write(state: FileState): Effect.Effect<void, AppendError | PoolFailed> {
    if (state.dirty.empty) return Effect.void;
    const self = this;
    return Effect.suspend(() => {
      const { size } = state;
      const reserved = state.reserved;
      const taken = state.dirty;
      state.writing = taken;
      state.dirty = new DirtyBytes(self.files.memory);
      state.reserved = 0;
      state.writingReserved = reserved;
      state.writingLoggedIn = state.loggedIn;
      state.loggedIn = Number.POSITIVE_INFINITY;
      state.users++;
      return Effect.matchCauseEffect(self.writeTaken(state, taken, size), {
        onSuccess: () =>
          Effect.sync(() => {
            state.users--;
            self.finish(state, taken);
          }),
        onFailure: (cause) => {
          state.users--;
          self.giveBack(state, taken, reserved);
          return Effect.failCause(cause);
        },
      });
    });
  }

  private finish(state: FileState, taken: DirtyBytes): void {
    state.writing = undefined;
    state.writingLoggedIn = Number.POSITIVE_INFINITY;
    this.files.dirtyBytes -= taken.bytes;
    this.releaseWritten(state, state.writingReserved);
    taken.recycle();
  }

  /** Bytes of what is being written have their rows, and count as stored from here on. */
  private releaseWritten(state: FileState, bytes: number): void {
    const released = Math.min(bytes, state.writingReserved);
    state.writingReserved -= released;
    this.services.space.release(released);
  }

  /** The bytes are dirty again, under what was written since. */
  private giveBack(state: FileState, taken: DirtyBytes, reserved: number): void {
    state.writing = undefined;
    state.loggedIn = Math.min(state.loggedIn, state.writingLoggedIn);
    state.writingLoggedIn = Number.POSITIVE_INFINITY;
    if (state.gone) {
      reached("writeback failed for a removed file");
      this.files.dirtyBytes -= taken.bytes;
      this.releaseWritten(state, state.writingReserved);
      taken.drop();
      return;
    }
    this.services.space.promised(reserved - state.writingReserved);
    state.writingReserved = 0;
    reached("writeback failed and kept its data");
    const before = state.dirty.bytes + taken.bytes;
    state.dirty.putUnder(taken);
    taken.drop();
    const both = before - state.dirty.bytes;
    this.files.dirtyBytes -= both;
    state.reserved += reserved;
    state.failed = "data could not be written";
  }

  private writeTaken(state: FileState, taken: DirtyBytes, size: number): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      if (size <= INLINE_FILE_BYTES_MAX) {
        const done = yield* self.writeInlineFile(state, taken, size);
        if (done) return self.files.countWritten("inline", size, size);
      }
      const choice = yield* self.choiceOf(state);
      const ranges = taken.ranges();
      const { compressor } = self.services;
      const ahead =
        compressor && ranges.length > 1 ? new Ahead(compressor, taken, ranges, choice, state.history) : undefined;
      const written = self.writeRanges(state, taken, ranges, choice, ahead);
      yield* ahead === undefined
        ? written
        : Effect.ensuring(
            written,
            Effect.sync(() => ahead.close()),
          );
    });
  }

  private writeRanges(
    state: FileState,
    taken: DirtyBytes,
    ranges: ReadonlyArray<DirtyRange>,
    choice: CompressionChoice,
    ahead: Ahead | undefined,
  ): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      const underWay: Array<AppendedBatch> = [];
      let batch: Array<Piece> = [];
      let batchBytes = 0;
      const { store } = self.services;
      const tail = new Tail(store.tailBytes("data"), store.bucketBytes);
      for (const range of ranges) {
        for (let at = range.start; at < range.end;) {
          const rest = { start: at, end: range.end };
          const shrunk = ahead?.take(rest);
          const piece = frontOf(rest, taken, state.history, tail, choice, shrunk && (yield* shrunk));
          batch.push(piece);
          batchBytes += piece.end - piece.start;
          at = piece.end;
        }
        if (batchBytes < BATCH_BYTES_MAX) continue;
        underWay.push(yield* self.beginAppend(batch));
        if (underWay.length >= BATCHES_UNDER_WAY_MAX) yield* self.commitFirst(state, underWay);
        batch = [];
        batchBytes = 0;
      }
      while (underWay.length > 0) yield* self.commitFirst(state, underWay);
      if (batch.length > 0) yield* self.commitBatch(state, batch, yield* self.append(batch));
    });
  }

  private append(batch: ReadonlyArray<Piece>): Effect.Effect<ReadonlyArray<Placement>, AppendError | PoolFailed> {
    const stored = batch.flatMap(({ encoded }) => (encoded === undefined ? [] : [encoded.stored]));
    return stored.length === 0 ? Effect.succeed([]) : this.services.store.append("data", stored);
  }

  private beginAppend(batch: ReadonlyArray<Piece>): Effect.Effect<AppendedBatch> {
    const appending = Effect.forkChild(Effect.result(this.append(batch)), { startImmediately: true });
    return Effect.map(appending, (fiber) => ({ batch, fiber }));
  }

  /**
   * Commits the oldest of the batches. If it cannot be, none of those behind it is, since their bytes would be there
   * before bytes that come earlier in the file: they are waited for and let go.
   */
  private commitFirst(state: FileState, underWay: Array<AppendedBatch>): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    const { batch, fiber } = underWay.shift()!;
    if (underWay.length > 0) reached("batch appended while another was");
    const commit = Effect.flatMap(Fiber.join(fiber), (appended) =>
      appended._tag === "Failure" ? Effect.fail(appended.failure) : self.commitBatch(state, batch, appended.success),
    );
    return Effect.tapCause(commit, () =>
      Effect.forEach(
        underWay.splice(0),
        ({ fiber: later }) =>
          Effect.map(Fiber.join(later), (appended) => {
            if (appended._tag === "Success") self.services.store.release(appended.success);
          }),
        { discard: true },
      ),
    );
  }

  /** The whole file as one row of the tree; false when some of it stands in extents that would have to be read. */
  private writeInlineFile(state: FileState, taken: DirtyBytes, size: number): Effect.Effect<boolean, PoolFailed> {
    return this.services.transactor.transact<boolean, never>((tx) => {
      const bytes = new Uint8Array(size);
      for (const { start, extent } of rowsIn(tx, state.inode, 0, size, Number.POSITIVE_INFINITY)) {
        if (extent.kind === "data") return false;
        if (extent.kind === "inline") bytes.set(extent.bytes.subarray(0, size - start), start);
      }
      taken.overlay(0, bytes);
      if (size === 0) return true;
      return this.put(tx, state, { start: 0, end: size, inline: bytes, encoded: undefined }, undefined).all;
    });
  }

  /** The file's own choice, or the mount's. */
  private choiceOf({ inode }: FileState): Effect.Effect<CompressionChoice, PoolFailed> {
    const { transactor, compression } = this.services;
    const own = reading(transactor, (tx) => loadInode(tx, inode)?.compression ?? OwnCompression.unset);
    return Effect.map(own, (packed) => {
      if (packed === OwnCompression.unset) return compression;
      reached("written as the file's own compression says");
      return unpacked(packed) ?? compression;
    });
  }

  private commitBatch(
    state: FileState,
    batch: ReadonlyArray<Piece>,
    placements: ReadonlyArray<Placement>,
  ): Effect.Effect<void, PoolFailed> {
    const self = this;
    const { store } = this.services;
    const commits = Effect.gen(function* () {
      let next = 0;
      for (const piece of batch) {
        const placement = piece.encoded === undefined ? undefined : placements[next++]!;
        yield* self.commitPiece(state, piece, placement);
      }
    });
    return Effect.ensuring(
      commits,
      Effect.sync(() => store.release(placements)),
    );
  }

  private commitPiece(
    state: FileState,
    piece: Piece,
    placement: Placement | undefined,
  ): Effect.Effect<void, PoolFailed> {
    const self = this;
    const { transactor } = this.services;
    return Effect.gen(function* () {
      let { start } = piece;
      while (start < piece.end) {
        const from = start;
        const step = yield* transactor.transact<{ reached: number }, never>((tx) =>
          self.put(tx, state, piece, placement, from),
        );
        start = step.reached;
      }
      self.count(piece);
      self.releaseWritten(state, piece.end - piece.start);
    });
  }

  private count({ start, end, encoded }: Piece): void {
    if (encoded === undefined) return this.files.countWritten("inline", end - start, end - start);
    this.files.countWritten(COMPRESSION_NAMES.get(encoded.compression)!, encoded.rawBytes, encoded.stored.length);
  }

  /** Lays a piece over the rows from `from` on and brings the inode's row up to date. */
  private put(
    tx: Transaction,
    state: FileState,
    piece: Piece,
    placement: Placement | undefined,
    from = piece.start,
  ): { readonly reached: number; readonly all: boolean } {
    const { inode, modified } = state;
    const row = loadInode(tx, inode);
    // The file was removed while its data was being written.
    if (row === undefined) return { reached: piece.end, all: true };
    const merged = piece.inline === undefined ? piece : mergeInline(tx, inode, piece);
    const begin = merged === piece ? from : merged.start;
    const whole = { start: merged.start, end: merged.end, extent: extentOf(merged, placement) };
    const part = begin === merged.start ? whole : partFrom(whole, begin);
    const { reached: done, allocatedChange } = layOver(tx, inode, begin, merged.end, part.extent);
    if (merged.encoded !== undefined && placement !== undefined) {
      const { stored, checksum } = merged.encoded;
      tx.depend(placement.device, placement.addressBytes, stored.length, checksum);
    }
    storeInode(tx, inode, {
      ...row,
      sizeBytes: Math.max(row.sizeBytes, done),
      allocatedBytes: row.allocatedBytes + allocatedChange,
      modified: modified ?? row.modified,
      changed: modified === undefined ? row.changed : later(row.changed, modified),
    });
    // From here on the row says what users see, unless something is written again.
    tx.onCommit(() => {
      if (state.modified === modified) state.modified = undefined;
    });
    return { reached: done, all: done === piece.end };
  }
}

/** What of dirty bytes becomes the next row; `shrunk`: what compressing all of them gave, if that was done already. */
function frontOf(
  range: DirtyRange,
  taken: DirtyBytes,
  history: CompressionHistory,
  tail: Tail,
  choice: CompressionChoice,
  shrunk: Shrunk | undefined,
): Piece {
  const { start, end } = range;
  if (end - start <= INLINE_RANGE_BYTES_MAX) return { start, end, inline: taken.copy(range), encoded: undefined };
  const encoded = tail.encodeFront(taken.view(range), choice, history, shrunk);
  return { start, end: start + encoded.rawBytes, inline: undefined, encoded };
}

function extentOf(piece: Piece, placement: Placement | undefined): ExtentValue {
  if (piece.encoded === undefined) return { kind: "inline", bytes: piece.inline! };
  const { stored, checksum, compression, rawBytes } = piece.encoded;
  return {
    kind: "data",
    lengthBytes: piece.end - piece.start,
    compression,
    storedBytes: stored.length,
    rawBytes,
    rawOffset: 0,
    checksum,
    pointers: [placement!],
  };
}

function partFrom(
  whole: { readonly start: number; readonly end: number; readonly extent: ExtentValue },
  begin: number,
): { readonly extent: ExtentValue } {
  const { extent } = whole;
  const skipped = begin - whole.start;
  if (extent.kind === "data") {
    return { extent: { ...extent, rawOffset: extent.rawOffset + skipped, lengthBytes: whole.end - begin } };
  }
  if (extent.kind === "inline") return { extent: { kind: "inline", bytes: extent.bytes.slice(skipped) } };
  return { extent };
}

/** A tiny piece right behind an inline row joins it, so that appending little by little leaves few rows. */
function mergeInline(tx: Transaction, inode: number, piece: Piece): Piece {
  if (piece.start === 0) return piece;
  const [before] = rowsIn(tx, inode, piece.start - 1, piece.start, 1);
  if (before?.extent.kind !== "inline" || before.end !== piece.start) return piece;
  const length = before.extent.bytes.length + piece.inline!.length;
  if (length > INLINE_FILE_BYTES_MAX) return piece;
  reached("inline rows joined");
  const bytes = new Uint8Array(length);
  bytes.set(before.extent.bytes);
  bytes.set(piece.inline!, before.extent.bytes.length);
  return { start: before.start, end: piece.end, inline: bytes, encoded: undefined };
}
