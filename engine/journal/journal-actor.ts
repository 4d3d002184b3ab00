/**
 * The journal: one entry gathers commits while the one before it is written; a sync costs one flush.
 *
 * The btree appends the updates of a commit to the gathering entry by a plain call, since commit must be one step;
 * everything that takes time (writing, flushing, waiting for room) happens on the journal's own fiber. Entries are
 * written one after another in sequence. An entry is written when it is full or when somebody waits for it, and flushed
 * only when somebody waits, or much is unflushed. Room in the ring is granted before a commit, never after: what has
 * been committed can always be written. A bucket that cannot be emptied, or whose zone is lost, leaves the ring, and
 * what it holds is written back. A journal that can no longer be written fails the pool.
 */
import * as Effect from "effect/Effect";
import { type DeviceError, MediumError } from "../../devices/device.ts";
import { Actor, type Pending, type PoolFailed, type Supervisor } from "../actor.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { checksumOfRecord } from "../format/codec.ts";
import { encodeEntry, type EntryRef, type EntryRoot, UpdateBuffer } from "../format/journal-entry.ts";
import type { EntryName } from "../format/survivor-frame.ts";
import { reached } from "../marks.ts";
import type { JournalBucket, Ring } from "./ring.ts";
import type { SurvivorLog } from "./survivor-log.ts";

/** Room kept in every entry for its header and the roots. */
const ENTRY_HEAD_BYTES = 4096;
const REF_BYTES = 32;
/** Sealed entries that may wait while one is written. */
const SEALED_ENTRIES_MAX = 2;
/** Unflushed entries are flushed without anybody asking once they are this much. */
const UNFLUSHED_BYTES_MAX = 8 * 1024 * 1024;
const WRITE_TRIES_MAX = 6;
/** Entries that a checkpoint takes: its roots, and twice the news that they are durable; and one more. */
const CHECKPOINT_ENTRIES = 4;

/** Commits that will become one entry. */
export class Gathering {
  sequence = 0;
  readonly updates: UpdateBuffer;
  refs: Array<EntryRef> = [];
  /** Written even though it carries no update, for the flush that it knows of. */
  forced = false;
  /** A root has moved: the entry counts though it may carry no update. */
  rootsMoved = false;
  /** The first segment of the survivors that holds a commit of it. */
  loggedIn = Number.POSITIVE_INFINITY;
  constructor(bytes: number) {
    this.updates = new UpdateBuffer(bytes);
  }
  get hasContent(): boolean {
    return this.rootsMoved || this.updates.wordsUsed > 0 || this.refs.length > 0;
  }
  get empty(): boolean {
    return !this.forced && !this.hasContent;
  }
  get bytes(): number {
    return this.updates.wordsUsed * 4 + this.refs.length * REF_BYTES;
  }
}

/** What the journal asks of the btrees when it seals an entry. */
export interface JournalSource {
  roots(): ReadonlyArray<EntryRoot>;
  /** Sequence of the oldest entry whose updates are not all in written nodes; `open` if all are. */
  oldestNeeded(open: number): number;
  /** Nodes that pin entries before this sequence should be written soon. */
  reclaim(beforeSequence: number): void;
  /** Commits that were refused for want of room may be tried again. */
  room(): void;
}

/** `writing`: once entries are written, of which there is news; `full`: once buckets come free. */
export type Room = "granted" | "writing" | "full";

export interface JournalStart {
  readonly uuid: Uint8Array;
  readonly blockBytes: number;
  readonly epoch: number;
  readonly nextSequence: number;
  /** Checksum of the entry before that; 0: there is none. */
  readonly previous: bigint;
  /** Durable up to here. */
  readonly flushedSequence: number;
  /** Up to here a durable entry says so. */
  readonly knownFlushedSequence: number;
}

interface Sealed {
  readonly gathering: Gathering;
  readonly roots: ReadonlyArray<EntryRoot>;
  readonly oldestNeeded: number;
  readonly clean: boolean;
}

type Request = { readonly settle: boolean; readonly pending: Pending<void, never> };

export class Journal {
  gathering: Gathering;
  /** Highest sequence that is flushed. */
  durableSequence: number;
  /** Highest sequence that a durable entry says is flushed: nothing up to it is ever verified again. */
  knownFlushedSequence: number;
  entriesWritten = 0;
  flushes = 0;
  bytesWritten = 0;
  /** Called when either of the sequences above has risen. */
  onDurable: () => void = () => {};
  private writtenSequence: number;
  /** Checksum of the last entry that was written. */
  private writtenChecksum: bigint;
  private readonly spare: Array<Gathering> = [];
  private readonly sealed: Array<Sealed> = [];
  private readonly waiting: Array<{ readonly sequence: number; readonly pending: Pending<void, never> }> = [];
  /** (sequence, oldest needed) of entries not yet known flushed. */
  private needs: Array<readonly [number, number]> = [];
  private pumping = false;
  /** What is being written to the device. */
  private writing: Gathering | undefined = undefined;
  private unflushedBytes = 0;
  /** Last sequence that carries more than the news of a flush. */
  private contentSequence = 0;
  private closing = false;
  private readonly actor: Actor<Request>;
  private readonly supervisor: Supervisor;
  private readonly io: BucketIo;
  private readonly ring: Ring;
  private readonly start: JournalStart;
  private readonly source: JournalSource;

  constructor(supervisor: Supervisor, io: BucketIo, ring: Ring, start: JournalStart, source: JournalSource) {
    this.supervisor = supervisor;
    this.io = io;
    this.ring = ring;
    this.start = start;
    this.source = source;
    this.writtenSequence = start.nextSequence - 1;
    this.writtenChecksum = start.previous;
    this.durableSequence = start.flushedSequence;
    this.knownFlushedSequence = start.knownFlushedSequence;
    this.contentSequence = start.flushedSequence;
    this.gathering = this.fresh(start.nextSequence);
    this.actor = new Actor(supervisor, "journal", (request) => this.accept(request));
  }

  /** Of all entries that this run of the pool writes. */
  get epoch(): number {
    return this.start.epoch;
  }

  /** Will more be written without anybody asking? */
  get busy(): boolean {
    return this.pumping || this.sealed.length > 0 || !this.gathering.empty;
  }

  /** The last entry that was written. */
  get end(): EntryName {
    return { sequence: this.writtenSequence, checksum: this.writtenChecksum };
  }

  /** Bytes of updates and refs that one transaction may have. */
  get commitBytesMax(): number {
    return this.ring.entryBytesMax - ENTRY_HEAD_BYTES;
  }

  private fresh(sequence: number): Gathering {
    const gathering = this.spare.pop() ?? new Gathering(this.commitBytesMax);
    gathering.sequence = sequence;
    return gathering;
  }

  /** Makes every commit so far durable. */
  readonly sync: Effect.Effect<void, PoolFailed> = Effect.suspend(() => {
    const wanted = this.gathering.empty ? this.gathering.sequence - 1 : this.gathering.sequence;
    if (wanted <= this.durableSequence && this.supervisor.failure === undefined) return Effect.void;
    return this.actor.ask<void, never>((pending) => ({ settle: false, pending }));
  });

  /** Makes every commit so far durable and known to be: what they freed can be used again. */
  readonly settle: Effect.Effect<void, PoolFailed> = Effect.suspend(() =>
    Effect.flatMap(this.sync, () => this.actor.ask<void, never>((pending) => ({ settle: true, pending }))),
  );

  /** Writes what is needed of the journal now, and makes that known to be durable: what is not needed comes free. */
  readonly refresh: Effect.Effect<void, PoolFailed> = Effect.suspend(() => {
    this.gathering.forced = true;
    return Effect.flatMap(this.sync, () =>
      Effect.suspend(() => {
        this.gathering.forced = true;
        return this.sync;
      }),
    );
  });

  /** The next entries carry the mark of a clean close. */
  markClean(): void {
    this.closing = true;
    this.gathering.forced = true;
  }

  private accept({ settle, pending }: Request): void {
    if (settle && this.knownFlushedSequence < this.contentSequence) this.gathering.forced = true;
    const sequence = this.gathering.empty ? this.gathering.sequence - 1 : this.gathering.sequence;
    if (sequence <= this.durableSequence) return pending.succeed(undefined);
    this.waiting.push({ sequence, pending });
    this.kick();
  }

  /**
   * Room for a commit of this size, to be appended now. Seals the gathering entry if that makes the room. `reclaiming`
   * commits give journal space back and may use the last bucket but one, save what a checkpoint takes: that needs no
   * leave.
   */
  room(words: number, refs: number, reclaiming: boolean): Room {
    const bytes = words * 4 + refs * REF_BYTES;
    if (bytes > this.commitBytesMax) throw new Error(`transaction of ${bytes} bytes is over the limit of the journal`);
    const { bucketRoomBytes } = this.ring;
    const kept = bucketRoomBytes + (reclaiming ? CHECKPOINT_ENTRIES * ENTRY_HEAD_BYTES : bucketRoomBytes);
    if (this.ring.roomBytes - this.pendingBytes - bytes - ENTRY_HEAD_BYTES < kept) {
      reached("commit waited for journal space");
      // What has gathered takes room until it is written, and nobody else may be there to ask for that.
      if (!this.gathering.empty && this.sealed.length < SEALED_ENTRIES_MAX) {
        this.seal();
        this.kick();
      }
      this.askReclaim(this.ring.freeBuckets + 1);
      return "full";
    }
    if (this.gathering.bytes + bytes > this.commitBytesMax) {
      if (this.sealed.length >= SEALED_ENTRIES_MAX) {
        reached("commit waited for the journal to write");
        return "writing";
      }
      this.seal();
      this.kick();
    }
    return "granted";
  }

  /** Has what comes now go into an entry that holds nothing yet; false if that must wait until others are written. */
  beginEntry(): boolean {
    if (!this.gathering.hasContent) return true;
    if (this.sealed.length >= SEALED_ENTRIES_MAX) return false;
    this.seal();
    this.kick();
    return true;
  }

  /** The first segment of the survivors that holds a commit which no device has. */
  get loggedIn(): number {
    let first = Math.min(this.gathering.loggedIn, this.writing?.loggedIn ?? Number.POSITIVE_INFINITY);
    for (const { gathering } of this.sealed) first = Math.min(first, gathering.loggedIn);
    return first;
  }

  /**
   * Journals commits that a process before this one had in memory alone, before anything else is journalled. The room
   * for them was granted then. Nothing is written before somebody asks.
   */
  readmit(commits: ReadonlyArray<Int32Array>, log: SurvivorLog): void {
    for (const words of commits) {
      if (this.gathering.bytes + words.length * 4 > this.commitBytesMax) this.seal();
      const { gathering } = this;
      gathering.updates.append(words);
      gathering.loggedIn = Math.min(gathering.loggedIn, log.segment);
      log.open();
      log.transaction(gathering.sequence, words);
      log.close();
    }
  }

  private get pendingBytes(): number {
    let bytes = this.gathering.bytes + ENTRY_HEAD_BYTES;
    for (const { gathering } of this.sealed) bytes += gathering.bytes + ENTRY_HEAD_BYTES;
    return bytes;
  }

  private seal(): void {
    const { gathering } = this;
    if (gathering.hasContent) this.contentSequence = gathering.sequence;
    this.sealed.push({
      gathering,
      roots: this.source.roots(),
      oldestNeeded: this.source.oldestNeeded(gathering.sequence),
      clean: this.closing,
    });
    this.gathering = this.fresh(gathering.sequence + 1);
  }

  private kick(): void {
    if (this.pumping || this.supervisor.failure !== undefined) return;
    this.pumping = true;
    this.supervisor.fork("journal", this.pump);
  }

  private get flushWanted(): boolean {
    return this.unflushedBytes > UNFLUSHED_BYTES_MAX || this.waiting.some((w) => w.sequence <= this.writtenSequence);
  }

  private readonly pump: Effect.Effect<void, PoolFailed> = Effect.suspend(() =>
    Effect.catch(this.pumpAll(), (error) => {
      this.supervisor.freeze(`the journal can no longer be written: ${describe(error)}`);
      return Effect.void;
    }),
  );

  private *entriesDue(): Generator<Sealed> {
    for (;;) {
      const { gathering } = this;
      if (this.sealed.length === 0 && this.waiting.some((w) => w.sequence >= gathering.sequence)) this.seal();
      const next = this.sealed.shift();
      if (next === undefined) return;
      yield next;
    }
  }

  private pumpAll(): Effect.Effect<void, DeviceError | JournalFull> {
    const self = this;
    return Effect.gen(function* () {
      do {
        for (const next of self.entriesDue()) {
          yield* self.write(next);
          if (self.flushWanted) yield* self.flush();
        }
        if (self.flushWanted) yield* self.flush();
        self.pumping = self.sealed.length > 0 || self.waiting.length > 0;
      } while (self.pumping);
    });
  }

  private write(next: Sealed): Effect.Effect<void, DeviceError | JournalFull> {
    const self = this;
    const { gathering } = next;
    const { uuid, blockBytes, epoch, nextSequence } = this.start;
    return Effect.gen(function* () {
      self.writing = gathering;
      const head = {
        sequence: gathering.sequence,
        epoch,
        epochStart: nextSequence,
        flushedSequence: self.durableSequence,
        oldestNeeded: next.oldestNeeded,
        clean: next.clean,
        previous: self.writtenChecksum,
        roots: next.roots,
        refs: gathering.refs,
      };
      const bytes = encodeEntry(head, gathering.updates, uuid, blockBytes);
      yield* self.put(bytes, gathering.sequence, 1);
      self.entriesWritten++;
      self.bytesWritten += bytes.length;
      self.unflushedBytes += bytes.length;
      self.writtenSequence = gathering.sequence;
      self.writtenChecksum = checksumOfRecord(bytes);
      self.needs.push([gathering.sequence, next.oldestNeeded]);
      self.flushRecords.set(gathering.sequence, head.flushedSequence);
      self.writing = undefined;
      self.recycle(gathering);
      self.askReclaim(Math.ceil(self.ring.buckets / 2));
      self.source.room();
    });
  }

  /** What each written but unflushed entry says is flushed. */
  private readonly flushRecords: Map<number, number> = new Map();

  private recycle(gathering: Gathering): void {
    gathering.updates.reset();
    gathering.refs = [];
    gathering.forced = false;
    gathering.rootsMoved = false;
    gathering.loggedIn = Number.POSITIVE_INFINITY;
    this.spare.push(gathering);
  }

  private put(bytes: Uint8Array, sequence: number, tries: number): Effect.Effect<void, DeviceError | JournalFull> {
    const self = this;
    return Effect.gen(function* () {
      const place = self.ring.place(bytes.length, sequence);
      if (place === undefined) return yield* Effect.fail(new JournalFull());
      const { device, bucket, offsetBytes, finished } = place;
      if (finished !== undefined) yield* self.finish(finished);
      if (place.reset) {
        const reset = yield* Effect.result(self.io.reset(device, bucket));
        if (reset._tag === "Failure") {
          const { failure } = reset;
          if (failure._tag !== "MediumError" || failure.operation === "finish") return yield* Effect.fail(failure);
          reached("journal bucket that cannot be reset retired");
          self.ring.retire({ device, bucket }, true);
          self.checkRing();
          return yield* self.put(bytes, sequence, tries);
        }
      }
      const start = self.io.member(device).layout.start(bucket);
      yield* Effect.catch(self.io.write(device, start + offsetBytes, bytes), (error) => {
        if (tries >= WRITE_TRIES_MAX || error._tag !== "MediumError") return Effect.fail(error);
        reached("journal bucket abandoned after a write error");
        self.ring.abandon();
        return self.put(bytes, sequence, tries + 1);
      });
    });
  }

  /** A bucket is not left before it is finished: one that is partly written tells recovery where the journal ended. */
  private finish({ device, bucket }: JournalBucket): Effect.Effect<void, DeviceError> {
    const { name } = this.io.member(device).device;
    return Effect.flatMap(this.io.finish(device, bucket), (finished) =>
      finished ? Effect.void : Effect.fail(new MediumError(name, "finish", 0, 0, false)),
    );
  }

  /** The zone of this bucket can no longer be written, if it is one of the journal's. */
  zoneLost(at: JournalBucket): void {
    const needed = this.ring.retire(at);
    if (needed === undefined) return;
    reached("journal bucket lost");
    this.checkRing();
    // What is in there had better not be needed any more.
    if (needed > 0 && this.supervisor.failure === undefined) this.source.reclaim(needed + 1);
  }

  private checkRing(): void {
    const { buckets, bucketsMin } = this.ring;
    if (buckets < bucketsMin) this.supervisor.freeze(`only ${buckets} buckets of the journal can be written`);
  }

  private flush(): Effect.Effect<void, DeviceError> {
    const written = this.writtenSequence;
    return Effect.map(this.io.flush, () => {
      this.flushes++;
      this.unflushedBytes = 0;
      this.durableSequence = written;
      for (const [sequence, flushed] of this.flushRecords) {
        if (sequence > written) continue;
        this.knownFlushedSequence = Math.max(this.knownFlushedSequence, flushed);
        this.flushRecords.delete(sequence);
      }
      this.releaseBuckets();
      this.onDurable();
      this.source.room();
      this.reply();
    });
  }

  /** Buckets come free by what entries say that are themselves known to be flushed. */
  private releaseBuckets(): void {
    let oldest = 0;
    this.needs = this.needs.filter(([sequence, needed]) => {
      if (sequence > this.knownFlushedSequence) return true;
      oldest = Math.max(oldest, needed);
      return false;
    });
    if (oldest > 0) this.ring.release(oldest);
  }

  private reply(): void {
    const due = this.waiting.filter((w) => w.sequence <= this.durableSequence);
    if (due.length === 0) return;
    if (due.length > 1) reached("one flush answered several syncs");
    const rest = this.waiting.filter((w) => w.sequence > this.durableSequence);
    this.waiting.length = 0;
    this.waiting.push(...rest);
    for (const { pending } of due) pending.succeed(undefined);
  }

  /** With too little of the ring free, the nodes that pin its oldest buckets should be written. */
  private askReclaim(wanted: number): void {
    if (this.ring.freeBuckets >= wanted) return;
    const before = this.ring.sequenceToFree(wanted);
    if (before > 0) this.source.reclaim(before);
  }
}

/** Every journal bucket is still needed: the rules of room were broken. */
export class JournalFull {
  readonly _tag = "JournalFull";
}

export function describe(error: DeviceError | JournalFull): string {
  switch (error._tag) {
    case "MediumError":
      return `${error.operation} error on ${error.device} at byte ${error.offsetBytes}`;
    case "DeviceGone":
      return `${error.device} is gone`;
    case "ZoneViolation":
      return `zone ${error.zone} of ${error.device}: ${error.rule}`;
    case "OutOfRange":
      return `${error.device}: ${error.offsetBytes}+${error.lengthBytes} is out of range`;
    case "JournalFull":
      return "no journal bucket is free";
  }
}
