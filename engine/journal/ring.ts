/**
 * The ring of journal buckets, pure: which bucket is written next, what each one still holds, how much room is left.
 *
 * Entries are appended to the current bucket; when one does not fit, the next free bucket becomes current. A bucket is
 * free again once its last sequence is older than what a durable entry says is needed. One bucket is always kept free,
 * so that a recovery can write its first entry whatever was full when the machine stopped. A bucket that can no longer
 * be written is retired: what it holds counts until it is not needed, and it is never next.
 */
import { reached } from "../marks.ts";

export interface JournalBucket {
  readonly device: number;
  readonly bucket: number;
}

interface Slot extends JournalBucket {
  /** Last sequence written into it; 0 when it holds nothing that is needed. */
  lastSequence: number;
  /** It may hold bytes and must be reset before it is written. */
  used: boolean;
  retired: boolean;
}

/** Room that the longest transactions take, at most. */
const COMMIT_BYTES_WANTED = 96 * 1024;

export interface Place {
  readonly device: number;
  readonly bucket: number;
  /** Offset within the bucket. */
  readonly offsetBytes: number;
  /** The bucket has to be reset before this write. */
  readonly reset: boolean;
  /** The bucket that was current until now gets no more writes. */
  readonly finished: JournalBucket | undefined;
}

export class Ring {
  private readonly slots: Array<Slot>;
  private readonly bucketBytes: number;
  readonly entryBytesMax: number;
  private current = -1;
  private fillBytes = 0;
  /** Last sequence in the current bucket before the last entry was placed. */
  private sequenceBefore = 0;

  constructor(buckets: ReadonlyArray<JournalBucket>, bucketUsableBytes: number, entryBytesMax: number) {
    this.slots = buckets.map(({ device, bucket }) => ({ device, bucket, lastSequence: 0, used: true, retired: false }));
    this.bucketBytes = bucketUsableBytes;
    this.entryBytesMax = entryBytesMax;
  }

  /** Recovery found entries up to this sequence in a bucket, and they are still needed. */
  occupy(index: number, lastSequence: number): void {
    this.slots[index]!.lastSequence = lastSequence;
    // The next entry begins a bucket of its own: what lies behind the last one here may be torn.
    this.current = index;
    this.fillBytes = this.bucketBytes;
  }

  get freeBuckets(): number {
    let free = 0;
    this.slots.forEach((slot, index) => {
      if (slot.lastSequence === 0 && !slot.retired && index !== this.current) free++;
    });
    return free;
  }

  /** Buckets that can be written. */
  get buckets(): number {
    let count = 0;
    for (const slot of this.slots) if (!slot.retired) count++;
    return count;
  }

  /** With fewer buckets there may never be room for a commit, however much is written back. */
  get bucketsMin(): number {
    const kept = 2 * this.bucketRoomBytes + Math.min(this.entryBytesMax, COMMIT_BYTES_WANTED);
    return 1 + Math.ceil(kept / this.bucketRoomBytes);
  }

  /**
   * Takes a bucket that can no longer be written out of the turn; if it could not be emptied, it holds nothing that is
   * needed. Returns the last sequence in it that may be, or undefined if the ring does not have the bucket.
   */
  retire({ device, bucket }: JournalBucket, unneeded = false): number | undefined {
    const index = this.slots.findIndex((slot) => slot.device === device && slot.bucket === bucket);
    const slot = this.slots[index];
    if (slot === undefined) return undefined;
    slot.retired = true;
    if (unneeded) slot.lastSequence = 0;
    if (index === this.current) this.fillBytes = this.bucketBytes;
    return slot.lastSequence;
  }

  /** The buckets without those that were retired and hold nothing that is needed. */
  get kept(): ReadonlyArray<JournalBucket> {
    return this.slots
      .filter(({ retired, lastSequence }, index) => !retired || lastSequence !== 0 || index === this.current)
      .map(({ device, bucket }) => ({ device, bucket }));
  }

  /** Bytes of entries that surely fit before a bucket must come free, whatever their sizes. */
  get roomBytes(): number {
    const rest = this.current < 0 ? 0 : Math.max(0, this.bucketBytes - this.fillBytes - this.entryBytesMax);
    return rest + this.freeBuckets * (this.bucketBytes - this.entryBytesMax);
  }

  /** Bytes that `roomBytes` gives for a whole bucket. */
  get bucketRoomBytes(): number {
    return this.bucketBytes - this.entryBytesMax;
  }

  /** Place for an entry of whole blocks, or undefined when every bucket is still needed. */
  place(lengthBytes: number, sequence: number): Place | undefined {
    if (lengthBytes > this.entryBytesMax) throw new Error("journal entry is over its limit");
    let slot = this.current < 0 ? undefined : this.slots[this.current]!;
    let finished: JournalBucket | undefined;
    let reset = false;
    if (slot === undefined || this.fillBytes + lengthBytes > this.bucketBytes) {
      const next = this.nextFree();
      if (next < 0) return undefined;
      if (next <= this.current) reached("journal wrapped");
      finished = slot;
      this.current = next;
      this.fillBytes = 0;
      slot = this.slots[next]!;
      reset = slot.used;
      slot.used = true;
    }
    const offsetBytes = this.fillBytes;
    this.fillBytes += lengthBytes;
    this.sequenceBefore = slot.lastSequence;
    slot.lastSequence = sequence;
    return { device: slot.device, bucket: slot.bucket, offsetBytes, reset, finished };
  }

  /**
   * Gives the current bucket up, after a write into it failed. It holds what it held before: were it taken to hold the
   * entry too, a few failures in a row would leave no room for those commits that give room back.
   */
  abandon(): void {
    this.fillBytes = this.bucketBytes;
    this.slots[this.current]!.lastSequence = this.sequenceBefore;
  }

  private nextFree(): number {
    const { slots } = this;
    for (let step = 1; step <= slots.length; step++) {
      const index = (this.current + step) % slots.length;
      const { lastSequence, retired } = slots[index]!;
      if (index !== this.current && lastSequence === 0 && !retired) return index;
    }
    return -1;
  }

  /** A durable entry says that nothing older than this is needed. */
  release(oldestNeeded: number): void {
    this.slots.forEach((slot, index) => {
      if (index !== this.current && slot.lastSequence !== 0 && slot.lastSequence < oldestNeeded) slot.lastSequence = 0;
    });
  }

  /** Sequence behind which the oldest occupied buckets would come free, so that `wanted` buckets are. */
  sequenceToFree(wanted: number): number {
    const occupied = this.slots
      .filter((slot, index) => slot.lastSequence !== 0 && !slot.retired && index !== this.current)
      .map((slot) => slot.lastSequence)
      .sort((a, b) => a - b);
    const missing = wanted - this.freeBuckets;
    if (missing <= 0 || occupied.length === 0) return 0;
    return occupied[Math.min(missing, occupied.length) - 1]! + 1;
  }
}
