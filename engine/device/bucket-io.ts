/**
 * Buckets of the member devices: the only place that knows zones from slices of an ordinary disk.
 *
 * Owns the arithmetic between buckets and byte addresses, alignment (a read fetches the aligned blocks around the
 * bytes and trims), retries of transient errors, and what "reset" means on each kind of device. It keeps no track of
 * what a bucket holds. Writes are whole blocks and, within a bucket, front to back: callers see to it.
 */
import * as Effect from "effect/Effect";
import { type Device, type DeviceError, OutOfRange } from "../../devices/device.ts";
import { Malformed } from "../format/malformed.ts";
import { reached } from "../marks.ts";

/** Tries of an operation that fails with a transient error, the first one included. */
export const TRIES_MAX = 5;
/** Reads of bytes that do not verify, before they are given up: what is wrong may be the transfer. */
export const VERIFY_TRIES_MAX = 3;
/** Wait before the first retry; doubled for each further one. */
export const RETRY_DELAY_MS = 1;

export const BUCKET_BYTES_MIN = 128 * 1024;
export const BUCKET_BYTES_MAX = 4 * 1024 * 1024;
/** A pool divides a conventional device into about so many buckets, within the limits above. */
const BUCKETS_WANTED = 256;

/** Bucket size that suits a conventional device of this capacity. */
export function defaultBucketBytes(capacityBytes: number): number {
  let bytes = BUCKET_BYTES_MIN;
  while (bytes < BUCKET_BYTES_MAX && bytes * 2 * BUCKETS_WANTED <= capacityBytes) bytes *= 2;
  return bytes;
}

/** How one device is cut into buckets. */
export class BucketLayout {
  /** Distance between bucket starts. */
  readonly bucketBytes: number;
  /** Bytes of a bucket that can be written. */
  readonly usableBytes: number;
  readonly count: number;
  readonly blockBytes: number;

  constructor(device: Device, bucketBytes: number) {
    const { zones, capacityBytes, blockBytes } = device.geometry;
    this.blockBytes = blockBytes;
    if (zones === undefined) {
      this.bucketBytes = bucketBytes;
      this.usableBytes = bucketBytes;
      this.count = Math.floor(capacityBytes / bucketBytes);
    } else {
      this.bucketBytes = zones.zoneBytes;
      this.usableBytes = zones.zoneCapacityBytes;
      this.count = zones.zoneCount;
    }
  }

  start(bucket: number): number {
    return bucket * this.bucketBytes;
  }

  bucketOf(addressBytes: number): number {
    return Math.floor(addressBytes / this.bucketBytes);
  }

  /** Smallest number of whole blocks that holds the bytes, in bytes. */
  roundUp(bytes: number): number {
    return Math.ceil(bytes / this.blockBytes) * this.blockBytes;
  }
}

export interface Member {
  readonly device: Device;
  readonly layout: BucketLayout;
}

const isTransient = (error: DeviceError): boolean => error._tag === "MediumError" && !error.permanent;

export class BucketIo {
  readonly members: ReadonlyArray<Member>;
  /** Operations that needed a retry, and those that failed in the end. */
  retries = 0;
  failures = 0;

  constructor(members: ReadonlyArray<Member>) {
    this.members = members;
  }

  member(device: number): Member {
    const member = this.members[device];
    if (member === undefined) throw new Malformed(`there is no member device ${device}`);
    return member;
  }

  /** Is the address in a bucket of a member? */
  has(device: number, addressBytes: number): boolean {
    const layout = this.members[device]?.layout;
    return layout !== undefined && layout.bucketOf(addressBytes) < layout.count;
  }

  private retrying<A>(operation: Effect.Effect<A, DeviceError>): Effect.Effect<A, DeviceError> {
    const attempt = (tries: number): Effect.Effect<A, DeviceError> =>
      Effect.catch(operation, (error) => {
        if (!isTransient(error) || tries >= TRIES_MAX) {
          this.failures++;
          return Effect.fail(error);
        }
        this.retries++;
        reached("device operation retried");
        return Effect.flatMap(Effect.sleep(RETRY_DELAY_MS * 2 ** (tries - 1)), () => attempt(tries + 1));
      });
    return attempt(1);
  }

  /** Bytes at any byte address; fewer blocks than the range touches are never read. */
  read(device: number, addressBytes: number, lengthBytes: number): Effect.Effect<Uint8Array, DeviceError> {
    const member = this.members[device];
    if (member === undefined) return Effect.fail(new OutOfRange(`device ${device}`, addressBytes, lengthBytes));
    const { device: disk, layout } = member;
    const { blockBytes } = layout;
    const from = addressBytes - (addressBytes % blockBytes);
    const length = layout.roundUp(addressBytes + lengthBytes - from);
    const read = this.retrying(disk.read(from, length));
    if (from === addressBytes && length === lengthBytes) return read;
    return Effect.map(read, (bytes) => bytes.subarray(addressBytes - from, addressBytes - from + lengthBytes));
  }

  /** Writes whole blocks at a block-aligned address. */
  write(device: number, addressBytes: number, bytes: Uint8Array): Effect.Effect<void, DeviceError> {
    return this.retrying(this.member(device).device.write(addressBytes, bytes));
  }

  /** Makes all completed writes of all members durable. */
  get flush(): Effect.Effect<void, DeviceError> {
    if (this.members.length === 1) return this.retrying(this.members[0]!.device.flush);
    return Effect.forEach(this.members, (member) => this.retrying(member.device.flush), {
      concurrency: "unbounded",
      discard: true,
    });
  }

  /** Empties a bucket, so that it can be filled from its front again. */
  reset(device: number, bucket: number): Effect.Effect<void, DeviceError> {
    const { device: disk, layout } = this.member(device);
    const { zones } = disk;
    if (zones !== undefined && !this.isConventional(device, bucket)) return this.retrying(zones.reset(bucket));
    return this.retrying(disk.discard(layout.start(bucket), layout.bucketBytes));
  }

  /** Says that a bucket which may not be full gets no more writes, so that it stops counting as active. */
  finish(device: number, bucket: number): Effect.Effect<void, DeviceError> {
    const { zones } = this.member(device).device;
    if (zones === undefined || this.isConventional(device, bucket)) return Effect.void;
    return this.retrying(zones.finish(bucket));
  }

  /** Can its blocks be written in any order? */
  isConventional(device: number, bucket: number): boolean {
    const zones = this.member(device).device.geometry.zones;
    return zones === undefined || bucket < zones.conventionalCount;
  }
}
