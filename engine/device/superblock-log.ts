/**
 * The superblock log of one device: records appended to bucket 0 or 1 until full, then on in the other, emptied first.
 *
 * The newest valid record wins. It is found without knowing the bucket size: either bucket 0 begins with a record that
 * tells it, or a record stands at one of the few places at which bucket 1 can begin. The first write after opening goes
 * to the bucket that does not hold the newest record, because what lies behind that record may be the torn rest of a
 * write and must not be written over. If that bucket is a zone that can no longer be emptied, the log stays where it is,
 * as long as the write pointer stands right behind its records. A bucket that cannot be read counts as damaged.
 */
import * as Effect from "effect/Effect";
import { type Device, type DeviceError, MediumError } from "../../devices/device.ts";
import { decodeSuperblock, encodeSuperblock, type Superblock, type SuperblockFault } from "../format/superblock.ts";
import { reached } from "../marks.ts";
import { type BucketIo, VERIFY_TRIES_MAX } from "./bucket-io.ts";
import { retrying } from "./retry.ts";

export const SUPERBLOCK_BUCKETS = 2;
/** Bytes that each record takes in the log; a superblock is shorter. */
const SLOT_BYTES = 8192;
const BUCKET_SHIFT_MIN = 16;
const BUCKET_SHIFT_MAX = 30;

export interface FoundSuperblock {
  readonly superblock: Superblock;
  /** Bucket, 0 or 1, that holds it. */
  readonly bucket: number;
  /** Version of the oldest of the newest records of both. */
  readonly versionMin: number;
}

export type SearchResult = FoundSuperblock | SuperblockFault;

const slotBytes = (device: Device): number => Math.max(SLOT_BYTES, device.geometry.blockBytes);

type Slot = { readonly superblock: Superblock } | SuperblockFault;

/** Compares four bytes at a time where they are aligned. */
function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  if (one.buffer === other.buffer && one.byteOffset === other.byteOffset) return true;
  const words = (one.byteOffset | other.byteOffset | one.length) % 4 === 0;
  const [a, b] = words ? [wordsOf(one), wordsOf(other)] : [one, other];
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

const wordsOf = ({ buffer, byteOffset, length }: Uint8Array): Int32Array =>
  new Int32Array(buffer, byteOffset, length / 4);

/**
 * What two reads of a slot agree on. Nothing says which record must be there, so an older one, or none, that a single
 * wrong read shows would be believed.
 */
const readTwice = Effect.fnUntraced(function* (device: Device, offsetBytes: number) {
  const seen: Array<Uint8Array> = [];
  for (;;) {
    const bytes = yield* retrying(device.read(offsetBytes, slotBytes(device)));
    if (seen.length >= VERIFY_TRIES_MAX || seen.some((before) => sameBytes(before, bytes))) return bytes;
    if (seen.length > 0) reached("superblock read again");
    seen.push(bytes);
  }
});

/** The same from a device that has the bytes at hand, if the first two reads agree. */
function readTwiceAtOnce(device: Device, offsetBytes: number): Uint8Array | undefined {
  const size = slotBytes(device);
  const first = device.readAtOnce?.(offsetBytes, size);
  const second = first && device.readAtOnce!(offsetBytes, size);
  return second !== undefined && sameBytes(first!, second) ? first : undefined;
}

function slotOf(bytes: Uint8Array): Slot {
  const decoded = decodeSuperblock(bytes);
  return decoded.ok === undefined ? decoded.bad : { superblock: decoded.ok };
}

function readSlot(device: Device, offsetBytes: number): Effect.Effect<Slot, DeviceError> {
  const atHand = readTwiceAtOnce(device, offsetBytes);
  if (atHand !== undefined) return Effect.succeed(slotOf(atHand));
  const slot = Effect.map(readTwice(device, offsetBytes), slotOf);
  return Effect.catch(slot, (error): Effect.Effect<Slot, DeviceError> => {
    if (error._tag !== "MediumError" || !error.permanent) return Effect.fail(error);
    reached("superblock bucket unreadable");
    return Effect.succeed("damaged");
  });
}

/** Bytes at the front of a bucket that valid records take. */
const recordBytes = Effect.fnUntraced(function* (
  device: Device,
  start: number,
  usableBytes: number,
): Effect.fn.Return<number, DeviceError> {
  const size = slotBytes(device);
  let offset = 0;
  while (offset + size <= usableBytes && typeof (yield* readSlot(device, start + offset)) !== "string") offset += size;
  return offset;
});

/** Newest record of one bucket: records are appended in order, so the last valid one. */
const newestIn = Effect.fnUntraced(function* (device: Device, start: number, usableBytes: number) {
  let newest: Slot = "not a pool";
  const size = slotBytes(device);
  for (let offset = 0; offset + size <= usableBytes; offset += size) {
    const slot: Slot = yield* readSlot(device, start + offset);
    if (typeof slot === "string") {
      if (typeof newest === "string") newest = slot;
      break;
    }
    // A reset bucket may still hold what it held before, behind what was written since.
    if (typeof newest !== "string" && slot.superblock.sequence < newest.superblock.sequence) break;
    newest = slot;
  }
  return newest;
});

/** Places at which bucket 1 can begin. */
function bucketStrides(device: Device): Array<number> {
  const { zones, capacityBytes } = device.geometry;
  if (zones !== undefined) return [zones.zoneBytes];
  const strides: Array<number> = [];
  for (let shift = BUCKET_SHIFT_MIN; shift <= BUCKET_SHIFT_MAX; shift++) {
    if (2 ** shift + slotBytes(device) <= capacityBytes) strides.push(2 ** shift);
  }
  return strides;
}

/** Finds the newest superblock of a device, or says what is there instead. */
export const findSuperblock = Effect.fnUntraced(function* (
  device: Device,
): Effect.fn.Return<SearchResult, DeviceError> {
  const size = slotBytes(device);
  if (device.geometry.capacityBytes < size * 2) return "not a pool";
  const limit = device.geometry.zones?.zoneCapacityBytes;
  const first = yield* readSlot(device, 0);
  const strides = typeof first === "string" ? bucketStrides(device) : [strideOf(device, first.superblock)];
  let fault: SuperblockFault = typeof first === "string" ? first : "not a pool";
  let found: FoundSuperblock | undefined;
  if (typeof first !== "string") {
    const newest = yield* newestIn(device, 0, limit ?? strides[0]!);
    if (typeof newest !== "string") found = foundIn(0, newest.superblock, undefined);
  }
  for (const stride of strides) {
    if (stride + size > device.geometry.capacityBytes) continue;
    const newest = yield* newestIn(device, stride, limit ?? stride);
    if (typeof newest === "string") {
      fault = moreTelling(fault, newest);
      continue;
    }
    if (strideOf(device, newest.superblock) !== stride) continue;
    found = foundIn(1, newest.superblock, found);
  }
  return found ?? fault;
});

/** A whole record of a later version says what the pool is, though a crash may have torn the other one. */
function moreTelling(one: SuperblockFault, other: SuperblockFault): SuperblockFault {
  if (one === "unsupported version" || other === "not a pool") return one;
  if (one === "damaged" && other === "unsupported version") reached("later version told beside a torn superblock");
  return one === "not a pool" || other === "unsupported version" ? other : one;
}

/** What is found with a record of a bucket, beside what was found before. */
function foundIn(bucket: number, superblock: Superblock, before: FoundSuperblock | undefined): FoundSuperblock {
  const versionMin = Math.min(superblock.version, before?.versionMin ?? superblock.version);
  const newest = before === undefined || superblock.sequence > before.superblock.sequence;
  return newest ? { superblock, bucket, versionMin } : { ...before, versionMin };
}

const strideOf = (device: Device, superblock: Superblock): number =>
  device.geometry.zones?.zoneBytes ?? superblock.bucketBytes;

/** Appends superblocks of one member device. */
export class SuperblockLog {
  private readonly io: BucketIo;
  private readonly device: number;
  /** That holds the newest record, unless a write failed. */
  bucket: number;
  private fillBytes = Number.POSITIVE_INFINITY;

  /** `newestBucket` holds the newest record; -1 on a device that has none. */
  constructor(io: BucketIo, device: number, newestBucket: number) {
    this.io = io;
    this.device = device;
    this.bucket = newestBucket;
  }

  /** Writes the record; it counts once the caller has flushed. */
  write(superblock: Superblock): Effect.Effect<void, DeviceError> {
    const self = this;
    const { device: disk, layout } = this.io.member(this.device);
    return Effect.gen(function* () {
      const size = slotBytes(disk);
      if (self.fillBytes + size > layout.usableBytes) yield* self.switchBucket;
      const record = encodeSuperblock({ ...superblock, deviceIndex: self.device });
      if (record.length > size) throw new Error("superblock does not fit into its slot");
      const padded = new Uint8Array(size);
      padded.set(record);
      yield* self.io.write(self.device, layout.start(self.bucket) + self.fillBytes, padded);
      self.fillBytes += size;
    });
  }

  /** The same at the front of the other bucket, which held nothing that is still needed. */
  writeInOther(superblock: Superblock): Effect.Effect<void, DeviceError> {
    this.fillBytes = Number.POSITIVE_INFINITY;
    return this.write(superblock);
  }

  /**
   * Goes on at the front of the other bucket, once that is known to be empty. This one is not finished: should the zone
   * that is the other be lost, the log comes back here, right behind what was its end.
   */
  private get switchBucket(): Effect.Effect<void, DeviceError> {
    const self = this;
    const { io, device } = this;
    return Effect.gen(function* () {
      const other = self.bucket === 0 ? 1 : 0;
      const lost = io.zoneWatch.loss(device, other) !== undefined;
      const reset = lost ? undefined : yield* Effect.result(io.reset(device, other));
      if (reset?._tag !== "Success") {
        if (self.bucket >= 0 && (yield* self.stays)) return;
        const { device: disk, layout } = io.member(device);
        const nowhere = new MediumError(disk.name, "write", layout.start(other), layout.bucketBytes, true);
        return yield* Effect.fail(reset?.failure ?? nowhere);
      }
      if (self.bucket >= 0) reached("superblock log switched buckets");
      self.bucket = other;
      self.fillBytes = 0;
    });
  }

  /** Can the next record stand right behind those that are there? */
  private get stays(): Effect.Effect<boolean, DeviceError> {
    const self = this;
    const { io, device, bucket } = this;
    const { device: disk, layout } = io.member(device);
    const start = layout.start(bucket);
    return Effect.gen(function* () {
      if (io.isConventional(device, bucket)) return false;
      const filledBytes = yield* recordBytes(disk, start, layout.usableBytes);
      if (filledBytes + slotBytes(disk) > layout.usableBytes) return false;
      if (!(yield* io.zoneWatch.takesWriteAt(device, bucket, start + filledBytes))) return false;
      reached("superblock log stayed in its bucket");
      self.fillBytes = filledBytes;
      return true;
    });
  }
}
