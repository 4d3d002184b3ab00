/**
 * Space: what users may still store, and how to get more of it free.
 *
 * Owns the reservations of data that is not written yet, and the one way to free buckets: let the journal settle, so
 * that emptied buckets become free, and if that is not enough copy what is live out of the emptiest bucket. One such
 * round runs at a time. Writers of data wait for rounds; btree nodes and the collector itself never do, the reserve of
 * buckets is theirs. What is live in a bucket whose zone turned read-only is moved elsewhere in the same way.
 *
 * Nodes that are written a few at a time take more than their bytes, with those above them even more than a bucket for what
 * little is live in one. No such bucket is copied.
 */
import * as Effect from "effect/Effect";
import * as Semaphore from "effect/Semaphore";
import type { PoolFailed, Supervisor } from "../actor.ts";
import { reached } from "../marks.ts";
import {
  type BucketAddress,
  BucketClass,
  type Buckets,
  FREE_BUCKETS_KEPT_FROM_ADDITIONS,
  RESERVE_BUCKETS,
  type WriteClass,
} from "./buckets.ts";
import type { Relief } from "./write-point.ts";

/** A bucket is worth copying in the background when at least this share of it is dead. */
const BACKGROUND_GAIN = 1 / 4;
/**
 * Under pressure, this share is enough, as long as it is more than the padding that copying costs. Less of a bucket can
 * never be had again, so that much of each is not counted on.
 */
const PRESSED_GAIN = 1 / 64;
const GAIN_BYTES_MIN = 8 * 1024;
/** Rounds in which each brought something, and not enough: to copy costs space as well. */
const ADMISSION_TRIES_MAX = 8;
/** Nodes are written to see what is available where that may be so much of a bucket. */
const WORTH_WRITING = 1 / 4;
/** Others take a bucket when nodes that are not written leave so many free. */
const BUCKETS_LEFT_BY_NODES = 2;
/** Collection starts in the background below so many free buckets, or this share of all. */
const FREE_BUCKETS_LOW = 6;
const FREE_SHARE_LOW = 1 / 16;
/** No bucket is copied in the background again before others have committed so often. */
const COMMITS_BETWEEN_COPIES = 16;
const NONE: ReadonlySet<number> = new Set();

export interface SpaceServices {
  readonly supervisor: Supervisor;
  readonly buckets: Buckets;
  /** Makes what commits freed known to be durable. */
  readonly settle: Effect.Effect<void, PoolFailed>;
  /** Copies what is live out of a bucket; returns in how many commits. Fails only with the pool. */
  readonly collect: (at: BucketAddress) => Effect.Effect<number, PoolFailed>;
  /** Writes all nodes and those in sparse buckets with them, if that leaves more buckets free. Fails only with the pool. */
  readonly emptySparse: Effect.Effect<void, PoolFailed>;
  /** Writes all nodes. Fails only with the pool. */
  readonly writeNodes: Effect.Effect<void, PoolFailed>;
  /** What copying the nodes out of a bucket takes, with what those above must learn. */
  readonly copyBytes: () => (at: BucketAddress) => number;
  /** Commits so far, of whoever. */
  readonly commits: () => number;
  /** Bytes that more is taken once all nodes are written; and what that is at most, which takes no time to say. */
  readonly dirtyNodeBytes: () => number;
  readonly dirtyNodeBytesMost: () => number;
  /** Bytes that come free when these nodes are written: what was deleted of them is still in their records. */
  readonly supersededNodeBytes: () => number;
  /** Are so many buckets left free, were all nodes written now? */
  readonly nodesLeave: (bucketCount: number) => boolean;
}

export class Space implements Relief {
  collections = 0;
  private readonly services: SpaceServices;
  private reservedBytes = 0;
  private collecting = false;
  private vacating = false;
  private readonly vacated: Array<() => void> = [];
  private readonly one = Semaphore.makeUnsafe(1);
  private ownCommits = 0;
  /** Buckets that were copied in the background since others had committed so often. */
  private readonly copiedLately: Set<number> = new Set();
  private othersThen = 0;
  /** Commits of others before what was last tried in vain for metadata. */
  private othersWhenRefused = -1;

  constructor(services: SpaceServices) {
    this.services = services;
  }

  totalBytes(): number {
    const { buckets } = this.services;
    const slack = RESERVE_BUCKETS * buckets.bucketUsableBytes + buckets.bucketCount * this.gainMin(PRESSED_GAIN);
    return Math.max(0, buckets.capacityBytes - slack);
  }

  freeBytes(): number {
    const { buckets } = this.services;
    return Math.min(this.totalBytes(), Math.max(0, buckets.capacityBytes - buckets.liveBytes - buckets.wasteBytes));
  }

  /** Bytes that are neither used nor reserved, whatever unwritten nodes will take of them. */
  private get unpromisedBytes(): number {
    const { buckets } = this.services;
    return this.totalBytes() - buckets.liveBytes - buckets.wasteBytes - this.reservedBytes;
  }

  availableBytes(): number {
    return Math.max(0, this.unpromisedBytes - this.services.dirtyNodeBytes());
  }

  /** Are so many bytes available? */
  private has(bytes: number): boolean {
    return this.unpromisedBytes - this.services.dirtyNodeBytesMost() >= bytes || this.availableBytes() >= bytes;
  }

  reserve(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.reservedBytes += bytes;
    return true;
  }

  promised(bytes: number): void {
    this.reservedBytes += bytes;
  }

  release(bytes: number): void {
    this.reservedBytes -= bytes;
    if (this.reservedBytes < 0) throw new Error("more space released than reserved");
  }

  /** What is added to the metadata leaves room for writing what is deleted. */
  admitsMetadata(): boolean {
    return this.has(1) && this.nodesFit;
  }

  /** The few buckets that are free are kept for what is deleted. */
  private get bucketsKept(): boolean {
    return this.services.buckets.freeCount <= FREE_BUCKETS_KEPT_FROM_ADDITIONS;
  }

  /** More than these are left once all nodes are written. */
  private get nodesFit(): boolean {
    return this.services.nodesLeave(FREE_BUCKETS_KEPT_FROM_ADDITIONS + 1);
  }

  /**
   * Frees what can be freed until metadata is admitted; false if it is not in the end. What was refused is refused again at
   * once until others have changed something.
   */
  readonly admitMetadata: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() => {
    if (this.admitsMetadata()) return Effect.succeed(true);
    if (this.commitsOfOthers === this.othersWhenRefused) return Effect.succeed(false);
    reached("metadata waited for space");
    const self = this;
    return Effect.gen(function* () {
      let others = -1;
      for (let tries = 0; tries < ADMISSION_TRIES_MAX && !self.admitsMetadata(); tries++) {
        others = self.commitsOfOthers;
        const kept = self.bucketsKept;
        const helped = kept ? yield* self.freeBucket : yield* self.relieve;
        // Where there are buckets now, nodes that are not written may be thought to take all that is in them.
        if (!helped && self.bucketsKept === kept) break;
      }
      const admitted = self.admitsMetadata();
      if (!admitted) self.othersWhenRefused = others;
      return admitted;
    });
  });

  /** Commits so far but for those of the collector. */
  private get commitsOfOthers(): number {
    return this.services.commits() - this.ownCommits;
  }

  private gainMin(share: number): number {
    return Math.max(GAIN_BYTES_MIN, this.services.buckets.bucketUsableBytes * share);
  }

  /** One round for somebody who waits for space: true if some came free, or turned out to be there. */
  readonly relieve: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() =>
    Effect.flatMap(this.nodesWritten, (found) => {
      if (found) return Effect.succeed(true);
      return Effect.map(this.freeBucket, (freed) => freed && this.unpromisedBytes > 0);
    }),
  );

  /** One round for somebody who waits for a bucket: true if one came free. */
  private readonly freeBucket: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() =>
    this.one.withPermits(1)(
      Effect.flatMap(this.round(PRESSED_GAIN, new Set()), (helped) =>
        helped ? Effect.succeed(true) : this.sparseEmptied,
      ),
    ),
  );

  /** Buckets of nodes none of which is worth a copy may be so together. */
  private readonly sparseEmptied: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() => {
    const { buckets, emptySparse, settle } = this.services;
    const before = buckets.freeCount;
    return Effect.map(Effect.andThen(emptySparse, settle), () => buckets.freeCount > before);
  });

  /** Nodes that are not written count for more than most of them take: once they are written it is known what there is. */
  private readonly nodesWritten: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() =>
    this.one.withPermits(1)(
      Effect.suspend(() => {
        const { buckets, writeNodes, dirtyNodeBytes, supersededNodeBytes } = this.services;
        const before = this.availableBytes();
        const fitted = this.nodesFit;
        const unpromisedAtMost = this.unpromisedBytes + supersededNodeBytes();
        const enough = unpromisedAtMost >= buckets.bucketUsableBytes * WORTH_WRITING;
        const worth = enough && dirtyNodeBytes() >= GAIN_BYTES_MIN;
        if ((!worth && fitted) || this.bucketsKept) return Effect.succeed(false);
        reached(fitted ? "nodes written to see what is available" : "nodes written before more is added to them");
        return Effect.map(writeNodes, () => this.availableBytes() > before || (!fitted && this.nodesFit));
      }),
    ),
  );

  /** Runs work that compares rows of several tables: no bucket is emptied meanwhile, so none of them moves. */
  undisturbed<A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.one.withPermits(1)(work);
  }

  /** Nodes take their room before others do: written later, they may find none. */
  makeWay(writeClass: WriteClass): Effect.Effect<void, PoolFailed> {
    const { nodesLeave, writeNodes } = this.services;
    if (writeClass === "btree" || nodesLeave(BUCKETS_LEFT_BY_NODES)) return Effect.void;
    reached("nodes written before others take their room");
    return writeNodes;
  }

  /** What a write point does when its class gets no bucket. */
  relieveFor(writeClass: WriteClass): Effect.Effect<boolean, PoolFailed> {
    if (writeClass === "data") return this.freeBucket;
    const { buckets, settle } = this.services;
    const before = buckets.freeCount;
    return Effect.map(settle, () => buckets.freeCount > before);
  }

  private collect(at: BucketAddress): Effect.Effect<void, PoolFailed> {
    return Effect.map(this.services.collect(at), (commits) => {
      this.ownCommits += commits;
    });
  }

  /**
   * One round of whoever waits for nothing: each bucket once, until others have changed something. What cannot be emptied,
   * since a part of it cannot be read, is not read again for every commit.
   */
  private readonly backgroundRound: Effect.Effect<boolean, PoolFailed> = Effect.suspend(() => {
    const others = this.commitsOfOthers;
    if (others - this.othersThen >= COMMITS_BETWEEN_COPIES) {
      this.othersThen = others;
      this.copiedLately.clear();
    }
    return Effect.map(this.round(BACKGROUND_GAIN, this.copiedLately), (helped) => {
      const left = helped ? undefined : this.services.buckets.victim(this.gainMin(BACKGROUND_GAIN), NONE);
      if (left !== undefined) reached("copied bucket left alone");
      return helped;
    });
  });

  private round(gain: number, tried: Set<number>): Effect.Effect<boolean, PoolFailed> {
    const self = this;
    const { buckets, settle, copyBytes } = this.services;
    return Effect.gen(function* () {
      const before = buckets.freeCount;
      if (buckets.emptiedCount > 0) yield* settle;
      if (buckets.freeCount > before) return true;
      let takes: ((at: BucketAddress) => number) | undefined;
      // It may take many nearly full buckets until what was gained adds up to a whole one.
      for (;;) {
        const victim = buckets.victim(self.gainMin(gain), tried);
        if (victim === undefined) return false;
        tried.add(buckets.key(victim));
        const ofNodes = buckets.classOf(victim) === BucketClass.btree;
        if (ofNodes && (takes ??= copyBytes())(victim) > buckets.bucketUsableBytes - self.gainMin(gain)) {
          reached("bucket of nodes not worth a copy");
          continue;
        }
        reached(ofNodes ? "collecting btree nodes" : "collecting extents");
        self.collections++;
        yield* self.collect(victim);
        yield* settle;
        if (buckets.freeCount > before) return true;
      }
    });
  }

  /** Moves what is live out of the buckets that were retired for it, as far as it can be read and there is room. */
  private vacateRetired(): Effect.Effect<void> {
    const self = this;
    const { buckets } = this.services;
    return Effect.gen(function* () {
      for (let at = buckets.leaver; at !== undefined; at = buckets.leaver) {
        const before = buckets.liveOf(at);
        yield* Effect.ignore(self.one.withPermits(1)(self.collect(at)));
        const after = buckets.liveOf(at);
        if (after === 0) reached("retired bucket emptied");
        else if (after >= before) buckets.leaveAlone(at);
      }
    });
  }

  /** Starts to move what is live out of retired buckets, if there is any. */
  vacate(): void {
    if (this.vacating || this.services.buckets.leaver === undefined) return;
    this.vacating = true;
    this.services.supervisor.fork(
      "evacuation",
      Effect.ensuring(
        this.vacateRetired(),
        Effect.sync(() => {
          this.vacating = false;
          for (const wake of this.vacated.splice(0)) wake();
        }),
      ),
    );
  }

  /** Waits until nothing is being moved out of retired buckets. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.vacating) return Effect.void;
    return Effect.callback<void>((resume) => {
      this.vacated.push(() => resume(Effect.void));
    });
  });

  private get low(): boolean {
    const { buckets } = this.services;
    return buckets.freeCount < Math.max(FREE_BUCKETS_LOW, buckets.bucketCount * FREE_SHARE_LOW);
  }

  /** Collects in the background while few buckets are free and some are worth it. */
  poke(): void {
    this.vacate();
    if (this.collecting || !this.low) return;
    this.collecting = true;
    const self = this;
    this.services.supervisor.fork(
      "collector",
      Effect.gen(function* () {
        let helped = true;
        while (helped && self.low) helped = yield* self.one.withPermits(1)(self.backgroundRound);
      }).pipe(
        Effect.catch(() => Effect.void),
        Effect.ensuring(
          Effect.sync(() => {
            self.collecting = false;
          }),
        ),
      ),
    );
  }
}
