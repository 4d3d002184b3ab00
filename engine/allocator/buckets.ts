/**
 * What every bucket is: state, class, generation, live bytes; pure.
 *
 * A bucket goes free → open (a write point fills it) → sealed → emptied (nothing in it is live any more) → free again
 * once the journal entry that freed its last extent is durable and known to be. It is never handed out while something
 * appended to it has not been committed or given up yet. The last free buckets are kept for those who give space back:
 * the last one for a checkpoint, which leaves others empty, one more for btree nodes, and one for the collector. With
 * another one left nothing is added to the metadata, and before that no data.
 */
import type { BucketIo } from "../device/bucket-io.ts";
import { reached } from "../marks.ts";
import { Malformed } from "../format/malformed.ts";

export const BucketClass = { none: 0, btree: 1, data: 2, collected: 3 } as const;
export type WriteClass = "btree" | "data" | "collected";

export const BucketState = { free: 0, open: 1, sealed: 2, emptied: 3, reserved: 4, bad: 5 } as const;

/** Free buckets below which each class gets none, and below which it gets none where nothing else helps. */
export const FREE_BUCKETS_KEPT: Readonly<Record<WriteClass, number>> = { btree: 1, collected: 2, data: 4 };
/** Free buckets below which nothing that is added to the metadata is let in. */
export const FREE_BUCKETS_KEPT_FROM_ADDITIONS = 3;
const KEPT_PRESSED: Readonly<Record<WriteClass, number>> = { btree: 0, collected: 2, data: 2 };
/** Buckets that no user data may ever count on: the reserve above and one open bucket for each metadata write point. */
export const RESERVE_BUCKETS = 7;

export interface BucketAddress {
  readonly device: number;
  readonly bucket: number;
}

export interface TakenBucket extends BucketAddress {
  readonly generation: number;
  /** It may hold old bytes and has to be reset before it is written. */
  readonly reset: boolean;
}

/** The live bytes of a bucket after a commit. */
export interface LiveChange extends BucketAddress {
  readonly liveBytes: number;
}

export class Buckets {
  private readonly base: Array<number> = [];
  private readonly usable: Array<number> = [];
  private readonly state: Uint8Array;
  private readonly bucketClass: Uint8Array;
  private readonly generation: Uint32Array;
  private readonly live: Float64Array;
  private readonly inFlight: Uint32Array;
  private readonly freedBy: Float64Array;
  private readonly soiled: Uint8Array;
  private readonly waste: Float64Array;
  private readonly emptied: Set<number> = new Set();
  /** Retired buckets out of which everything should be moved, as long as it can be read. */
  private readonly leaving: Set<number> = new Set();
  private cursor = 0;
  freeCount = 0;
  liveBytes = 0;
  /** Bytes at the ends of sealed buckets that no piece fitted into. */
  wasteBytes = 0;
  /** Usable bytes of all buckets that are not reserved or bad. */
  capacityBytes = 0;
  readonly bucketUsableBytes: number;

  constructor(io: BucketIo) {
    let count = 0;
    for (const { layout } of io.members) {
      this.base.push(count);
      this.usable.push(layout.usableBytes);
      count += layout.count;
    }
    this.bucketUsableBytes = Math.max(...this.usable);
    this.state = new Uint8Array(count);
    this.bucketClass = new Uint8Array(count);
    this.generation = new Uint32Array(count);
    this.live = new Float64Array(count);
    this.inFlight = new Uint32Array(count);
    this.freedBy = new Float64Array(count);
    this.soiled = new Uint8Array(count).fill(1);
    this.waste = new Float64Array(count);
    this.freeCount = count;
    this.capacityBytes = io.members.reduce((sum, { layout }) => sum + layout.count * layout.usableBytes, 0);
  }

  private id({ device, bucket }: BucketAddress): number {
    const id = this.base[device]! + bucket;
    if (!(id < (this.base[device + 1] ?? this.state.length))) throw new Malformed(`there is no bucket ${bucket}`);
    return id;
  }

  private address(id: number): BucketAddress {
    let device = this.base.length - 1;
    while (this.base[device]! > id) device--;
    return { device, bucket: id - this.base[device]! };
  }

  private usableOf(id: number): number {
    return this.usable[this.address(id).device]!;
  }

  get bucketCount(): number {
    return this.state.length;
  }

  stateOf(at: BucketAddress): number {
    return this.state[this.id(at)]!;
  }

  classOf(at: BucketAddress): number {
    return this.bucketClass[this.id(at)]!;
  }

  liveOf(at: BucketAddress): number {
    return this.live[this.id(at)]!;
  }

  generationOf(at: BucketAddress): number {
    return this.generation[this.id(at)]!;
  }

  /** Superblock and journal buckets are never handed out. */
  reserve(at: BucketAddress): void {
    const id = this.id(at);
    if (this.state[id] === BucketState.free) this.freeCount--;
    this.state[id] = BucketState.reserved;
    this.capacityBytes -= this.usableOf(id);
  }

  /** What recovery knows of a bucket, from its alloc row or from a node pointer into it. */
  restore(at: BucketAddress, bucketClass: number, generation: number, liveBytes: number): void {
    const id = this.id(at);
    this.generation[id] = Math.max(this.generation[id]!, generation);
    // A bucket that was given to the journal may have held something once.
    if (liveBytes === 0) return;
    if (this.state[id] === BucketState.reserved) throw new Malformed(`bucket ${at.bucket} is reserved and referred to`);
    if (this.state[id] === BucketState.free) {
      this.state[id] = BucketState.sealed;
      this.freeCount--;
    }
    this.bucketClass[id] = bucketClass;
    this.live[id] = this.live[id]! + liveBytes;
    this.liveBytes += liveBytes;
  }

  /** Recovery: what was in the bucket may be looked at again until this sequence is known to be flushed. */
  keepUntil(at: BucketAddress, sequence: number): void {
    const id = this.id(at);
    if (this.state[id] === BucketState.reserved) return;
    this.freedBy[id] = Math.max(this.freedBy[id]!, sequence);
    if (this.state[id] !== BucketState.free) return;
    reached("free bucket kept for the recovery");
    this.state[id] = BucketState.emptied;
    this.emptied.add(id);
    this.freeCount--;
  }

  /** A free bucket for a write point, or undefined when its class may not have one; `pressed`: nothing else helps. */
  take(writeClass: WriteClass, pressed = false): TakenBucket | undefined {
    const kept = (pressed ? KEPT_PRESSED : FREE_BUCKETS_KEPT)[writeClass];
    if (this.freeCount <= kept) return undefined;
    if (writeClass !== "data" && this.freeCount <= FREE_BUCKETS_KEPT.data) reached("reserve bucket taken");
    const count = this.state.length;
    for (let step = 0; step < count; step++) {
      const id = (this.cursor + step) % count;
      if (this.state[id] !== BucketState.free) continue;
      this.cursor = (id + 1) % count;
      this.state[id] = BucketState.open;
      this.bucketClass[id] = BucketClass[writeClass];
      this.generation[id] = this.generation[id]! + 1;
      this.freeCount--;
      const reset = this.soiled[id] === 1;
      this.soiled[id] = 1;
      return { ...this.address(id), generation: this.generation[id], reset };
    }
    throw new Error("the count of free buckets is wrong");
  }

  /** The write point has left the bucket, with so many bytes at its end unused. */
  seal(at: BucketAddress, wasteBytes: number): void {
    const id = this.id(at);
    // Its zone may have been lost meanwhile.
    if (this.state[id] === BucketState.bad) return;
    this.waste[id] = wasteBytes;
    this.wasteBytes += wasteBytes;
    this.state[id] = BucketState.sealed;
    this.settleEmpty(id);
  }

  /** The bucket took a write error, or its zone is lost: what is in it stays, nothing is added, now or later. */
  retire(at: BucketAddress): void {
    const id = this.id(at);
    const before = this.state[id];
    if (before === BucketState.bad || before === BucketState.reserved) return;
    if (before === BucketState.free) this.freeCount--;
    this.emptied.delete(id);
    this.wasteBytes -= this.waste[id]!;
    this.waste[id] = 0;
    this.state[id] = BucketState.bad;
    this.capacityBytes -= this.usableOf(id);
  }

  /** Asks that what is live in a retired bucket be moved elsewhere. */
  vacate(at: BucketAddress): void {
    const id = this.id(at);
    if (this.state[id] === BucketState.bad) this.leaving.add(id);
  }

  /** What is left in the bucket stays there: it is lost, or cannot be moved. */
  leaveAlone(at: BucketAddress): void {
    this.leaving.delete(this.id(at));
  }

  /** A retired bucket out of which something should be moved and, by now, can. */
  get leaver(): BucketAddress | undefined {
    for (const id of this.leaving) {
      if (this.inFlight[id] !== 0) continue;
      if (this.live[id]! > 0) return this.address(id);
      this.leaving.delete(id);
    }
    return undefined;
  }

  /** Something was appended whose commit is still to come. */
  hold(at: BucketAddress): void {
    const id = this.id(at);
    this.inFlight[id] = this.inFlight[id]! + 1;
  }

  /** That commit has happened or was given up; `sequence` is the entry that any of it is in. */
  unhold(at: BucketAddress, sequence: number): void {
    const id = this.id(at);
    this.inFlight[id] = this.inFlight[id]! - 1;
    this.freedBy[id] = Math.max(this.freedBy[id]!, sequence);
    this.settleEmpty(id);
  }

  /** A commit of journal entry `sequence` left this much live in the bucket. */
  setLive(at: BucketAddress, liveBytes: number, sequence: number): void {
    const id = this.id(at);
    this.liveBytes += liveBytes - this.live[id]!;
    if (liveBytes < this.live[id]!) this.freedBy[id] = Math.max(this.freedBy[id]!, sequence);
    this.live[id] = liveBytes;
    this.settleEmpty(id);
  }

  addLive(at: BucketAddress, bytes: number, sequence: number): void {
    this.setLive(at, this.live[this.id(at)]! + bytes, sequence);
  }

  private settleEmpty(id: number): void {
    if (this.live[id] !== 0 || this.inFlight[id] !== 0 || this.state[id] !== BucketState.sealed) return;
    this.state[id] = BucketState.emptied;
    this.wasteBytes -= this.waste[id]!;
    this.waste[id] = 0;
    this.emptied.add(id);
  }

  /** Buckets emptied by entries up to this sequence become free; returns how many did. */
  freeUpTo(knownFlushedSequence: number): number {
    let freed = 0;
    for (const id of this.emptied) {
      if (this.freedBy[id]! > knownFlushedSequence) continue;
      this.emptied.delete(id);
      this.state[id] = BucketState.free;
      this.bucketClass[id] = BucketClass.none;
      this.freedBy[id] = 0;
      this.freeCount++;
      freed++;
    }
    if (freed > 0) reached("bucket freed");
    return freed;
  }

  /** Buckets that only wait for the journal. */
  get emptiedCount(): number {
    return this.emptied.size;
  }

  /** The sealed bucket with the least live bytes, if copying it would give at least `gainBytesMin` back. */
  victim(gainBytesMin: number, excluded: ReadonlySet<number>): BucketAddress | undefined {
    let best = -1;
    let bestGain = gainBytesMin;
    for (let id = 0; id < this.state.length; id++) {
      if (this.state[id] !== BucketState.sealed || this.inFlight[id] !== 0 || excluded.has(id)) continue;
      const gain = this.usableOf(id) - this.live[id]! - this.waste[id]!;
      if (gain > bestGain) {
        best = id;
        bestGain = gain;
      }
    }
    return best < 0 ? undefined : this.address(best);
  }

  /** So few buckets are free that data gets none. */
  get scarce(): boolean {
    return this.freeCount <= FREE_BUCKETS_KEPT.data;
  }

  /** The sealed bucket of btree nodes with the least that is live, if that is not more than so many bytes. */
  sparsest(liveBytesMax: number, excluded: ReadonlySet<number>): BucketAddress | undefined {
    let best = -1;
    let least = liveBytesMax;
    for (let id = 0; id < this.state.length; id++) {
      if (this.state[id] !== BucketState.sealed || this.bucketClass[id] !== BucketClass.btree) continue;
      if (this.inFlight[id] !== 0 || excluded.has(id) || this.live[id]! > least) continue;
      best = id;
      least = this.live[id]!;
    }
    return best < 0 ? undefined : this.address(best);
  }

  key(at: BucketAddress): number {
    return this.id(at);
  }
}
