/**
 * A write point: fills one open bucket at a time with whatever its class wants written.
 *
 * Pieces are packed back to back; each batch ends on a block boundary and is one device write per bucket it touches.
 * While one batch is written the next requests gather, so many small writers share a write. A bucket that takes a
 * permanent write error, or cannot be emptied, is retired and its batch goes to another bucket; one whose zone merely
 * cut a write short is sealed. What is appended stays held until its owner says that its commit has happened or was
 * given up. Completed is not durable.
 */
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { DeviceError } from "../../devices/device.ts";
import { Actor, type Pending, type PoolFailed, type Supervisor } from "../actor.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { reached } from "../marks.ts";
import { type Buckets, BucketState, type TakenBucket, type WriteClass } from "./buckets.ts";

/** Bytes of pieces that go into one batch. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const WRITE_TRIES_MAX = 8;
const BUFFER_BYTES_MIN = 64 * 1024;

export interface Placement {
  readonly device: number;
  readonly addressBytes: number;
  readonly generation: number;
}

/** No bucket may be had, and none will come free by waiting. */
export class NoSpaceLeft {
  readonly _tag = "NoSpaceLeft";
}

export type AppendError = NoSpaceLeft | DeviceError;

/** What a write point needs of others to get a bucket. */
export interface Relief {
  /** What comes first when it is about to take one. */
  readonly makeWay: (writeClass: WriteClass) => Effect.Effect<void, PoolFailed>;
  /** Tries to get one free; false when nothing more can be freed. */
  readonly relieveFor: (writeClass: WriteClass) => Effect.Effect<boolean, PoolFailed>;
}

interface Request {
  readonly pieces: ReadonlyArray<Uint8Array>;
  readonly bytes: number;
  readonly pending: Pending<ReadonlyArray<Placement>, AppendError>;
}

/** What was written of a batch, and why the rest was not. */
interface Written {
  readonly placements: ReadonlyArray<Placement>;
  readonly failure: Cause.Cause<AppendError | PoolFailed> | undefined;
}

interface Segment {
  readonly bucket: TakenBucket;
  readonly addressBytes: number;
  readonly bytes: Uint8Array;
}

export class WritePoint {
  readonly writeClass: WriteClass;
  batches = 0;
  bytesWritten = 0;
  /** It may take a bucket of the reserve where nothing comes free: the space was promised to whoever appends data. */
  pressed: boolean;
  private open: TakenBucket | undefined;
  private fillBytes = 0;
  private queue: Array<Request> = [];
  private pumping = false;
  private readonly actor: Actor<Request>;
  private readonly supervisor: Supervisor;
  private readonly io: BucketIo;
  private readonly buckets: Buckets;
  /** What the batch that is being written is gathered in, by device. */
  private readonly buffers: Array<Uint8Array | undefined> = [];
  private readonly relief: Relief;

  constructor(supervisor: Supervisor, io: BucketIo, buckets: Buckets, writeClass: WriteClass, relief: Relief) {
    this.supervisor = supervisor;
    this.io = io;
    this.buckets = buckets;
    this.writeClass = writeClass;
    this.pressed = writeClass === "data";
    this.relief = relief;
    this.actor = new Actor(supervisor, `${writeClass} write point`, (request) => this.accept(request));
  }

  /** Appends the pieces and returns where each went, once written (not yet durable) and held. */
  append(pieces: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Placement>, AppendError | PoolFailed> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return this.actor.ask((pending) => ({ pieces, bytes, pending }));
  }

  /** Bytes that still fit into the open bucket: a larger piece leaves them unused. */
  get tailBytes(): number {
    return this.open === undefined ? this.buckets.bucketUsableBytes : this.openBytes;
  }

  /** Bytes that still fit into the open bucket, if one is open. */
  get openBytes(): number {
    return this.open === undefined ? 0 : this.io.member(this.open.device).layout.usableBytes - this.fillBytes;
  }

  private accept(request: Request): void {
    this.queue.push(request);
    if (this.pumping) return;
    this.pumping = true;
    this.supervisor.fork(`${this.writeClass} write point`, this.pump());
  }

  private takeBatch(): Array<Request> {
    let bytes = 0;
    let count = 0;
    while (count < this.queue.length && (count === 0 || bytes + this.queue[count]!.bytes <= BATCH_BYTES_MAX)) {
      bytes += this.queue[count]!.bytes;
      count++;
    }
    if (count > 1) reached("appends shared a write");
    return this.queue.splice(0, count);
  }

  private pump(): Effect.Effect<void, PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      while (self.queue.length > 0) {
        const batch = self.takeBatch();
        const pieces = batch.flatMap((request) => request.pieces);
        const { placements, failure } = yield* self.writeBatch(pieces);
        // Replies run inline and may append again: by then it must be settled whether this pump goes on.
        const last = self.queue.length === 0;
        if (last) self.pumping = false;
        let from = 0;
        for (const { pieces: own, pending } of batch) {
          const placed = placements.slice(from, from + own.length);
          from += own.length;
          if (placed.length === own.length) {
            pending.succeed(placed);
            continue;
          }
          self.release(placed);
          pending.settle(Exit.failCause(failure!));
        }
        if (last) return;
      }
      self.pumping = false;
    });
  }

  /** Writes the pieces, which are then held; if that fails, so many of them as were written before. */
  private writeBatch(pieces: ReadonlyArray<Uint8Array>): Effect.Effect<Written> {
    const self = this;
    const placements: Array<Placement> = [];
    return Effect.gen(function* () {
      for (let tries = 1; placements.length < pieces.length;) {
        yield* self.openBucketFor(pieces[placements.length]!.length);
        const { segment, segmentPlacements } = self.fill(pieces, placements.length);
        const written = yield* Effect.exit(self.io.write(segment.bucket.device, segment.addressBytes, segment.bytes));
        if (written._tag === "Success") {
          placements.push(...segmentPlacements);
          self.batches++;
          self.bytesWritten += segment.bytes.length;
          continue;
        }
        const before = segment.addressBytes - self.io.member(segment.bucket.device).layout.start(segment.bucket.bucket);
        yield* Effect.ensuring(
          self.dropBucket(segment.bucket, before, written.cause),
          Effect.sync(() => self.release(segmentPlacements)),
        );
        if (tries++ >= WRITE_TRIES_MAX) return yield* Effect.failCause(written.cause);
        reached("bucket retired after a write error");
      }
    }).pipe(
      Effect.exit,
      Effect.map((exit) => ({ placements, failure: exit._tag === "Failure" ? exit.cause : undefined })),
    );
  }

  /** Packs as many of the pieces as fit into the open bucket, and holds them there. */
  private fill(
    pieces: ReadonlyArray<Uint8Array>,
    from: number,
  ): { readonly segment: Segment; readonly segmentPlacements: ReadonlyArray<Placement> } {
    const bucket = this.open!;
    const segmentPlacements: Array<Placement> = [];
    const { layout } = this.io.member(bucket.device);
    const start = layout.start(bucket.bucket) + this.fillBytes;
    let length = 0;
    for (const piece of pieces.slice(from)) {
      if (this.fillBytes + length + piece.length > layout.usableBytes) break;
      segmentPlacements.push({ device: bucket.device, addressBytes: start + length, generation: bucket.generation });
      this.buckets.hold(bucket);
      length += piece.length;
    }
    const bytes = this.bufferFor(bucket.device, layout.roundUp(length));
    let at = 0;
    for (const piece of pieces.slice(from, from + segmentPlacements.length)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    // Nothing of an earlier batch gets to the disk.
    bytes.fill(0, at);
    this.fillBytes += bytes.length;
    return { segment: { bucket, addressBytes: start, bytes }, segmentPlacements };
  }

  /** One batch is written at a time, so that all share a buffer for each device. */
  private bufferFor(device: number, lengthBytes: number): Uint8Array {
    let buffer = this.buffers[device];
    if (buffer === undefined || buffer.length < lengthBytes) {
      const { device: disk, layout } = this.io.member(device);
      // Doubling keeps the buffers that are made and left behind few.
      const wanted = Math.min(layout.usableBytes, Math.max(BUFFER_BYTES_MIN, lengthBytes * 2));
      const room = layout.roundUp(Math.max(lengthBytes, wanted));
      buffer = disk.writeBuffer?.(room) ?? new Uint8Array(room);
      this.buffers[device] = buffer;
    }
    return buffer.subarray(0, lengthBytes);
  }

  private openBucketFor(lengthBytes: number): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      if (self.open !== undefined && self.buckets.stateOf(self.open) === BucketState.bad) {
        reached("open bucket left since its zone is lost");
        self.open = undefined;
      }
      if (self.open !== undefined) {
        if (self.tailBytes >= lengthBytes) return;
        const full = self.open;
        const rest = self.tailBytes;
        self.open = undefined;
        yield* self.io.finish(full.device, full.bucket);
        self.buckets.seal(full, rest);
      }
      let taken = yield* self.takeBucket;
      if (lengthBytes > self.io.member(taken.device).layout.usableBytes)
        throw new Error("piece is larger than a bucket");
      while (taken.reset) {
        const reset = yield* Effect.result(self.io.reset(taken.device, taken.bucket));
        if (reset._tag === "Success") break;
        if (reset.failure._tag !== "MediumError" || reset.failure.operation === "finish") {
          // Nothing is wrong with this bucket: others must be finished first, or the device does not answer.
          self.buckets.seal(taken, 0);
          return yield* Effect.fail(reset.failure);
        }
        // It keeps what it held, which nobody needs: whoever takes it for empty would write in the wrong place.
        self.buckets.retire(taken);
        reached("bucket that cannot be reset retired");
        taken = yield* self.takeBucket;
      }
      self.open = taken;
      self.fillBytes = 0;
    });
  }

  private get takeBucket(): Effect.Effect<TakenBucket, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      yield* self.relief.makeWay(self.writeClass);
      let taken = self.buckets.take(self.writeClass);
      while (taken === undefined) {
        const helped = yield* self.relief.relieveFor(self.writeClass);
        taken = self.buckets.take(self.writeClass);
        if (taken !== undefined || helped) continue;
        taken = self.buckets.take(self.writeClass, self.pressed);
        if (taken === undefined) return yield* Effect.fail(new NoSpaceLeft());
      }
      return taken;
    });
  }

  /** A write into the open bucket failed; so much stands in it from before. */
  private dropBucket(
    bucket: TakenBucket,
    filledBytes: number,
    cause: Cause.Cause<DeviceError>,
  ): Effect.Effect<void, DeviceError> {
    const { io, buckets } = this;
    this.open = undefined;
    if (io.isConventional(bucket.device, bucket.bucket)) {
      buckets.retire(bucket);
      return Effect.void;
    }
    const failure = cause.reasons.find(Cause.isFailReason)?.error;
    // The device still answers for a zone that it neither gave up nor called bad: it can be emptied and used again.
    const lost = io.zoneWatch.loss(bucket.device, bucket.bucket) !== undefined;
    const healthy = failure?._tag === "MediumError" && !failure.permanent && !lost;
    if (!healthy) buckets.retire(bucket);
    return Effect.map(io.abandon(bucket.device, bucket.bucket), () => {
      if (healthy) reached("zone sealed after a write error");
      buckets.seal(bucket, io.member(bucket.device).layout.usableBytes - filledBytes);
    });
  }

  /** What was to be stored there never is. */
  private release(placements: ReadonlyArray<Placement>): void {
    for (const { device, addressBytes } of placements) {
      this.buckets.unhold({ device, bucket: this.io.member(device).layout.bucketOf(addressBytes) }, 0);
    }
  }
}
