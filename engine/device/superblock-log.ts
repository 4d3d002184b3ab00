/**
 * The superblock log of one device: records appended to bucket 0 or 1 until full, then on in the other, emptied first.
 *
 * The newest valid record wins. It is found without knowing the bucket size: either bucket 0 begins with a record that
 * tells it, or a record stands at one of the few places at which bucket 1 can begin. The first write after opening goes
 * to the bucket that does not hold the newest record, because what lies behind that record may be the torn rest of a
 * write and must not be written over.
 */
import * as Effect from "effect/Effect";
import type { Device, DeviceError } from "../../devices/device.ts";
import { decodeSuperblock, encodeSuperblock, type Superblock, type SuperblockFault } from "../format/superblock.ts";
import { reached } from "../marks.ts";
import type { BucketIo } from "./bucket-io.ts";

export const SUPERBLOCK_BUCKETS = 2;
/** Bytes that each record takes in the log; a superblock is shorter. */
const SLOT_BYTES = 8192;
const BUCKET_SHIFT_MIN = 16;
const BUCKET_SHIFT_MAX = 30;

export interface FoundSuperblock {
  readonly superblock: Superblock;
  /** Bucket, 0 or 1, that holds it. */
  readonly bucket: number;
}

export type SearchResult = FoundSuperblock | SuperblockFault;

const slotBytes = (device: Device): number => Math.max(SLOT_BYTES, device.geometry.blockBytes);

type Slot = { readonly superblock: Superblock } | SuperblockFault;

function readSlot(device: Device, offsetBytes: number): Effect.Effect<Slot, DeviceError> {
  return Effect.map(device.read(offsetBytes, slotBytes(device)), (bytes) => {
    const decoded = decodeSuperblock(bytes);
    return decoded.ok === undefined ? decoded.bad : { superblock: decoded.ok };
  });
}

/** Newest record of one bucket: records are appended in order, so the last valid one. */
function newestIn(device: Device, start: number, usableBytes: number): Effect.Effect<Slot, DeviceError> {
  return Effect.gen(function* () {
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
}

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
export function findSuperblock(device: Device): Effect.Effect<SearchResult, DeviceError> {
  return Effect.gen(function* () {
    const size = slotBytes(device);
    if (device.geometry.capacityBytes < size * 2) return "not a pool";
    const limit = device.geometry.zones?.zoneCapacityBytes;
    const first = yield* readSlot(device, 0);
    const strides = typeof first === "string" ? bucketStrides(device) : [strideOf(device, first.superblock)];
    let fault: SuperblockFault = typeof first === "string" ? first : "not a pool";
    let found: FoundSuperblock | undefined;
    if (typeof first !== "string") {
      const newest = yield* newestIn(device, 0, limit ?? strides[0]!);
      if (typeof newest !== "string") found = { superblock: newest.superblock, bucket: 0 };
    }
    for (const stride of strides) {
      if (stride + size > device.geometry.capacityBytes) continue;
      const newest = yield* newestIn(device, stride, limit ?? stride);
      if (typeof newest === "string") {
        if (fault === "not a pool") fault = newest;
        continue;
      }
      if (strideOf(device, newest.superblock) !== stride) continue;
      if (found === undefined || newest.superblock.sequence > found.superblock.sequence) {
        found = { superblock: newest.superblock, bucket: 1 };
      }
    }
    return found ?? fault;
  });
}

const strideOf = (device: Device, superblock: Superblock): number =>
  device.geometry.zones?.zoneBytes ?? superblock.bucketBytes;

/** Appends superblocks of one member device. */
export class SuperblockLog {
  private readonly io: BucketIo;
  private readonly device: number;
  private bucket: number;
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
      if (self.fillBytes + size > layout.usableBytes) {
        if (self.bucket >= 0) {
          reached("superblock log switched buckets");
          yield* self.io.finish(self.device, self.bucket);
        }
        self.bucket = self.bucket === 0 ? 1 : 0;
        self.fillBytes = 0;
        yield* self.io.reset(self.device, self.bucket);
      }
      const record = encodeSuperblock({ ...superblock, deviceIndex: self.device });
      if (record.length > size) throw new Error("superblock does not fit into its slot");
      const padded = new Uint8Array(size);
      padded.set(record);
      yield* self.io.write(self.device, layout.start(self.bucket) + self.fillBytes, padded);
      self.fillBytes += size;
    });
  }
}
