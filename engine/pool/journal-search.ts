/**
 * All entries that verify in the journal buckets: what recovery has to go by.
 *
 * In a bucket entry follows entry, up to the first block of zeros, which was never written. Behind an entry that does
 * not verify others may stand that do: they tell that it was lost rather than never written, and are looked for as far
 * as the longest entry reaches, behind zeros too, which may be its own. A write that the device lost leaves zeros where
 * an entry should be. So where the journal seems to end, and at the front of the bucket that is next in turn, entries
 * are looked for behind zeros too.
 *
 * An entry that was written behind the one before it is right. Whatever else a read shows, such as the front of a bucket
 * or its end, may be what stood there in an earlier turn of the ring, or in an epoch that came to nothing, or stands
 * elsewhere: it is believed once a second read agrees.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import { type BucketIo, VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import { RecordHeader, UUID_BYTES, viewOf } from "../format/codec.ts";
import { decodeEntry, type JournalEntry } from "../format/journal-entry.ts";
import type { JournalBucket } from "../journal/ring.ts";
import type { FoundEntry } from "../journal/scan.ts";
import { reached } from "../marks.ts";
import { entryBytesMax } from "./shape.ts";

/** Bytes fetched at once while a journal bucket is walked; of a bucket that holds nothing the first few tell. */
const SCAN_BYTES = 16 * 1024;
const FIRST_SCAN_BYTES = 4096;
/** Where nothing but zeros is expected. */
const ZEROS_SCAN_BYTES = 64 * 1024;

type Look = JournalEntry | "zeros" | "claim" | "other";

/** One with the number that is next may be of an epoch that came to nothing, and be there no more. */
const follows = (entry: JournalEntry, before: JournalEntry): boolean =>
  entry.sequence === before.sequence + 1 && entry.previous === before.checksum;

const isSame = (one: Look, other: Look): boolean =>
  typeof one === "string" || typeof other === "string" ? one === other : one.checksum === other.checksum;

/** Reads entries out of one journal bucket, a window of it at a time. */
class BucketScan {
  readonly usableBytes: number;
  readonly blockBytes: number;
  readonly entryBytesMax: number;
  private readonly io: BucketIo;
  private readonly device: number;
  private readonly startBytes: number;
  private readonly uuid: Uint8Array;
  private window: Uint8Array = new Uint8Array(0);
  private windowAt = 0;

  constructor(io: BucketIo, { device, bucket }: JournalBucket, uuid: Uint8Array) {
    const { layout } = io.member(device);
    this.io = io;
    this.device = device;
    this.uuid = uuid;
    this.startBytes = layout.start(bucket);
    this.usableBytes = layout.usableBytes;
    this.blockBytes = layout.blockBytes;
    this.entryBytesMax = entryBytesMax(layout.usableBytes);
  }

  private shows(at: number, lengthBytes: number): boolean {
    const wanted = Math.min(lengthBytes, this.usableBytes - at);
    return at >= this.windowAt && at + wanted <= this.windowAt + this.window.length;
  }

  /** Makes the window hold what lies at `at`, at least so many bytes or up to the end of the bucket. */
  private show(at: number, lengthBytes: number): Effect.Effect<void, DeviceError> {
    if (this.shows(at, lengthBytes)) return Effect.void;
    const wanted = Math.min(lengthBytes, this.usableBytes - at);
    const length = Math.min(Math.max(wanted, at === 0 ? FIRST_SCAN_BYTES : SCAN_BYTES), this.usableBytes - at);
    const take = (bytes: Uint8Array): void => {
      this.window = bytes;
      this.windowAt = at;
    };
    const atHand = this.io.readAtOnce(this.device, this.startBytes + at, length);
    if (atHand === undefined) return Effect.map(this.io.read(this.device, this.startBytes + at, length), take);
    take(atHand);
    return Effect.void;
  }

  /** What is looked at next is read from the device again. */
  private forget(): void {
    this.window = new Uint8Array(0);
  }

  /** What begins at `at`: an entry that verifies, zeros, or something else that seems to be an entry or does not. */
  *look(at: number): Effect.fn.Return<Look, DeviceError> {
    for (let tries = 1; ;) {
      const now = this.see(at);
      if (typeof now === "number") yield* this.show(at, now);
      else if (now !== "claim" || tries++ >= VERIFY_TRIES_MAX) return now;
      else this.forget();
    }
  }

  /** What two looks at a place agree on; `first` is the one already taken. */
  *lookTwice(at: number, first: Look): Effect.fn.Return<Look, DeviceError> {
    for (const seen = [first]; ;) {
      this.forget();
      const now = yield* this.look(at);
      if (seen.length >= VERIFY_TRIES_MAX || seen.some((before) => isSame(before, now))) return now;
      reached("journal read again where it was not as expected");
      seen.push(now);
    }
  }

  /** What the window shows at `at`, or how many bytes from there it has to show first. */
  private see(at: number): Look | number {
    if (!this.shows(at, this.blockBytes)) return this.blockBytes;
    const claimedBytes = this.claimAt(at);
    if (claimedBytes === undefined) return this.isZeroBlock(at) ? "zeros" : "other";
    const lengthBytes = Math.min(claimedBytes, this.entryBytesMax);
    if (!this.shows(at, lengthBytes)) return lengthBytes;
    return decodeEntry(this.window, at - this.windowAt, this.uuid) ?? "claim";
  }

  /** The next block from `at` on that is not all zeros, or `end`. */
  *behindZeros(at: number, end: number): Effect.fn.Return<number, DeviceError> {
    let next = at;
    while (next < end) {
      yield* this.show(next, Math.min(ZEROS_SCAN_BYTES, end - next));
      const windowEnd = Math.min(end, this.windowAt + this.window.length);
      const zeroBytes = zerosAt(this.window, next - this.windowAt, windowEnd - next);
      next += zeroBytes - (zeroBytes % this.blockBytes);
      if (next < windowEnd) return next;
    }
    return end;
  }

  /** Sequence of the entry that seems to begin where was looked last. Nothing vouches for it. */
  claimedSequence(at: number): bigint {
    return viewOf(this.window).getBigUint64(at - this.windowAt + RecordHeader.at.sequence, true);
  }

  /** Length of the entry that seems to begin here. Only decides what is read. */
  private claimAt(at: number): number | undefined {
    const from = at - this.windowAt;
    const uuidAt = from + RecordHeader.at.uuid;
    for (let index = 0; index < UUID_BYTES; index++) {
      if (this.window[uuidAt + index] !== this.uuid[index]) return undefined;
    }
    return viewOf(this.window).getUint32(from + RecordHeader.at.lengthBytes, true);
  }

  private isZeroBlock(at: number): boolean {
    return zerosAt(this.window, at - this.windowAt, this.blockBytes) >= this.blockBytes;
  }
}

/** How many bytes are zeros from `from` on, `lengthBytes` at most. Looks at four at a time where they are aligned. */
function zerosAt(bytes: Uint8Array, from: number, lengthBytes: number): number {
  const address = bytes.byteOffset + from;
  const unitBytes = (address | lengthBytes) % 4 === 0 ? 4 : 1;
  const units =
    unitBytes === 4 ? new Int32Array(bytes.buffer, address, lengthBytes / 4) : bytes.subarray(from, from + lengthBytes);
  const count = units.length;
  let index = 0;
  while (index < count && units[index] === 0) index++;
  return index * unitBytes;
}

export interface FoundInJournal {
  readonly entries: ReadonlyArray<FoundEntry>;
  /** Sequences of what seems to be entries of which a part is missing. */
  readonly torn: ReadonlyArray<bigint>;
}

class JournalSearch {
  readonly found: Array<FoundEntry> = [];
  readonly torn: Array<bigint> = [];
  private readonly io: BucketIo;
  private readonly buckets: ReadonlyArray<JournalBucket>;
  private readonly uuid: Uint8Array;
  /** By slot: where its zeros begin; undefined where something else ends it. */
  private readonly zerosFrom: Array<number | undefined> = [];

  constructor(io: BucketIo, buckets: ReadonlyArray<JournalBucket>, uuid: Uint8Array) {
    this.io = io;
    this.buckets = buckets;
    this.uuid = uuid;
  }

  get all(): Effect.Effect<FoundInJournal, DeviceError> {
    const self = this;
    return Effect.gen(function* () {
      for (let slot = 0; slot < self.buckets.length; slot++) {
        const { device, bucket } = self.buckets[slot]!;
        // What is missing is for others to judge.
        if (self.io.zoneWatch.loss(device, bucket) === "offline") continue;
        yield* self.walked(slot, 0, false);
      }
      for (let known = 0; known < self.found.length;) {
        known = self.found.length;
        for (const slot of self.ends()) yield* self.walked(slot, self.zerosFrom[slot]!, true);
      }
      return { entries: self.found, torn: self.torn };
    });
  }

  /** Slots in whose zeros the journal may go on: the one with the newest entry, and the empty one that is next in turn. */
  private ends(): ReadonlyArray<number> {
    let newest: FoundEntry | undefined;
    for (const each of this.found) if (each.entry.sequence > (newest?.entry.sequence ?? 0)) newest = each;
    if (newest === undefined) return [];
    const { length } = this.buckets;
    const inTurn = this.buckets.map((_, step) => (newest.slot + 1 + step) % length);
    const next = inTurn.find((slot) => this.zerosFrom[slot] === 0);
    const slots = next === undefined || next === newest.slot ? [newest.slot] : [newest.slot, next];
    return slots.filter((slot) => {
      const { device, bucket } = this.buckets[slot]!;
      // A sequential zone has no holes.
      return this.zerosFrom[slot] !== undefined && this.io.isConventional(device, bucket);
    });
  }

  /** Takes the entries of one bucket from `from` on, in the order in which they lie. */
  private *walked(slot: number, from: number, behindZeros: boolean): Effect.fn.Return<void, DeviceError> {
    const { io, found } = this;
    const bucket = this.buckets[slot]!;
    const scan = new BucketScan(io, bucket, this.uuid);
    const { layout } = io.member(bucket.device);
    let previous = found.findLast((each) => each.slot === slot)?.entry;
    /** End of the search that goes on; nothing is searched for while entry follows entry. */
    let searchEnd = behindZeros ? from + scan.entryBytesMax : undefined;
    const { zerosFrom } = this;
    zerosFrom[slot] = undefined;
    for (let at = from; at < Math.min(searchEnd ?? Number.POSITIVE_INFINITY, scan.usableBytes);) {
      const first = yield* scan.look(at);
      const doubtful =
        typeof first === "string" ? searchEnd === undefined : previous === undefined || !follows(first, previous);
      const entry = doubtful ? yield* scan.lookTwice(at, first) : first;
      if (entry === "zeros") {
        zerosFrom[slot] ??= at;
        if (searchEnd === undefined) return;
        // What cannot be read may have zeros in it.
        at = yield* scan.behindZeros(at + scan.blockBytes, Math.min(searchEnd, scan.usableBytes));
        continue;
      }
      zerosFrom[slot] = undefined;
      if (typeof entry === "string") {
        if (entry === "claim") this.torn.push(scan.claimedSequence(at));
        if (searchEnd === undefined || entry === "claim") searchEnd = at + scan.entryBytesMax;
        at += scan.blockBytes;
        continue;
      }
      // What an earlier turn of the ring left in the bucket.
      if (previous !== undefined && entry.sequence <= previous.sequence) return;
      if (searchEnd !== undefined) reached("journal entry found behind one that cannot be read");
      found.push({ slot, entry });
      previous = entry;
      searchEnd = undefined;
      at += layout.roundUp(entry.lengthBytes);
    }
  }
}

export const findEntries = (
  io: BucketIo,
  buckets: ReadonlyArray<JournalBucket>,
  uuid: Uint8Array,
): Effect.Effect<FoundInJournal, DeviceError> => new JournalSearch(io, buckets, uuid).all;
