/**
 * Buckets of the member devices: the only place that knows zones from slices of an ordinary disk.
 *
 * Owns the arithmetic between buckets and byte addresses, alignment (a read fetches the aligned blocks around the
 * bytes and trims), retries of transient errors, and what "reset" means on each kind of device. A device that was gone
 * stays so for the opening at hand, though it may be back: what was completed and not flushed may have been lost, and a
 * flush that succeeds now would vouch for it. It keeps no track of what a bucket holds. Writes are whole blocks and,
 * within a bucket, front to back: callers see to it. Where something fails in a zone, the device is asked what has become
 * of it before the caller hears of the failure.
 */
import * as Effect from "effect/Effect";
import { type Device, type DeviceError, type DeviceGone, OutOfRange } from "../../devices/device.ts";
import { Malformed } from "../format/malformed.ts";
import { reached } from "../marks.ts";
import { retrying } from "./retry.ts";
import { ZoneWatch } from "./zone-watch.ts";

/** Reads of bytes that do not verify, before they are given up: what is wrong may be the transfer. */
export const VERIFY_TRIES_MAX = 3;

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

export class BucketIo {
  readonly members: ReadonlyArray<Member>;
  readonly zoneWatch: ZoneWatch;
  /** Hears of the first member that is gone. */
  whenGone: (error: DeviceGone) => void = () => {};
  private gone: DeviceGone | undefined;

  constructor(members: ReadonlyArray<Member>) {
    this.members = members;
    this.zoneWatch = new ZoneWatch(members);
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

  /** Is the address in a zone that is offline? Not, if no member has it. */
  isOffline(device: number, addressBytes: number): boolean {
    if (!this.has(device, addressBytes)) return false;
    return this.zoneWatch.loss(device, this.member(device).layout.bucketOf(addressBytes)) === "offline";
  }

  private retrying<A>(
    operation: Effect.Effect<A, DeviceError>,
    mayRetry?: Effect.Effect<boolean>,
  ): Effect.Effect<A, DeviceError> {
    const present = Effect.suspend(() => (this.gone === undefined ? operation : Effect.fail(this.gone)));
    return Effect.tapError(retrying(present, mayRetry), (error) =>
      Effect.sync(() => {
        if (error._tag !== "DeviceGone" || this.gone !== undefined) return;
        reached("device gone");
        this.gone = error;
        this.whenGone(error);
      }),
    );
  }

  /** The caller hears of a failure in a zone when it is known whether the zone is lost. */
  private watching<A>(device: number, operation: Effect.Effect<A, DeviceError>): Effect.Effect<A, DeviceError> {
    return Effect.tapError(operation, () => this.zoneWatch.ask(device));
  }

  /** Bytes at any byte address; fewer blocks than the range touches are never read. */
  read(device: number, addressBytes: number, lengthBytes: number): Effect.Effect<Uint8Array, DeviceError> {
    if (this.members[device]?.device.readAtOnce === undefined) return this.reading(device, addressBytes, lengthBytes);
    return Effect.suspend(() => {
      const bytes = this.readAtOnce(device, addressBytes, lengthBytes);
      return bytes === undefined ? this.reading(device, addressBytes, lengthBytes) : Effect.succeed(bytes);
    });
  }

  /** The same of a device that has the bytes at hand; `undefined`: `read` tells. */
  readAtOnce(device: number, addressBytes: number, lengthBytes: number): Uint8Array | undefined {
    const member = this.members[device];
    if (member?.device.readAtOnce === undefined || this.gone !== undefined) return undefined;
    const { device: disk, layout } = member;
    const { blockBytes } = layout;
    const from = addressBytes - (addressBytes % blockBytes);
    const length = layout.roundUp(addressBytes + lengthBytes - from);
    const bytes = disk.readAtOnce!(from, length);
    if (bytes === undefined || length === lengthBytes) return bytes;
    return bytes.subarray(addressBytes - from, addressBytes - from + lengthBytes);
  }

  /** Bytes of a read, of all that was read, at which nobody looks any more. */
  reuse(device: number, bytes: Uint8Array): void {
    this.members[device]?.device.reuse?.(bytes);
  }

  private reading(device: number, addressBytes: number, lengthBytes: number): Effect.Effect<Uint8Array, DeviceError> {
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
    const { device: disk, layout } = this.member(device);
    const bucket = layout.bucketOf(addressBytes);
    const write = disk.write(addressBytes, bytes);
    if (this.isConventional(device, bucket)) return this.retrying(write);
    // A failed write may have moved the write pointer; then its address can never be written again.
    return this.watching(device, this.retrying(write, this.zoneWatch.takesWriteAt(device, bucket, addressBytes)));
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
    if (zones === undefined || this.isConventional(device, bucket)) {
      return this.retrying(disk.discard(layout.start(bucket), layout.bucketBytes));
    }
    const reset = Effect.map(this.watching(device, this.retrying(zones.reset(bucket))), () =>
      this.zoneWatch.settled(device, bucket),
    );
    return this.zoneWatch.hasUnfinished ? Effect.andThen(this.finishWhatIsLeft(device), reset) : reset;
  }

  /**
   * Says that a bucket which may not be full gets no more writes, so that it stops counting as active. False if the
   * device refuses that for now: then it is tried again before another bucket is emptied.
   */
  finish(device: number, bucket: number): Effect.Effect<boolean, DeviceError> {
    const { zones } = this.member(device).device;
    if (zones === undefined || this.isConventional(device, bucket)) return Effect.succeed(true);
    // A zone that the device gave up is not active.
    if (this.zoneWatch.loss(device, bucket) !== undefined) return Effect.succeed(true);
    return Effect.catch(Effect.as(this.watching(device, this.retrying(zones.finish(bucket))), true), (error) => {
      if (error._tag !== "MediumError") return Effect.fail(error);
      this.zoneWatch.leave(device, bucket);
      return Effect.succeed(this.zoneWatch.loss(device, bucket) !== undefined);
    });
  }

  /** A bucket that takes no more writes since one failed: it is finished, if that is called for. */
  abandon(device: number, bucket: number): Effect.Effect<void, DeviceError> {
    if (this.isConventional(device, bucket) || this.zoneWatch.loss(device, bucket) !== undefined) return Effect.void;
    return Effect.flatMap(this.zoneWatch.isActive(device, bucket), (active) =>
      active ? Effect.asVoid(this.finish(device, bucket)) : Effect.void,
    );
  }

  private finishWhatIsLeft(device: number): Effect.Effect<void, DeviceError> {
    const self = this;
    return Effect.gen(function* () {
      for (const zone of self.zoneWatch.toFinish) {
        const finished = yield* self.finish(zone.device, zone.bucket);
        if (!finished) continue;
        reached("zone finished later");
        self.zoneWatch.settled(zone.device, zone.bucket);
      }
      if (self.zoneWatch.hasUnfinished) yield* self.zoneWatch.admitOneMore(device);
    });
  }

  /** Can its blocks be written in any order? */
  isConventional(device: number, bucket: number): boolean {
    const zones = this.member(device).device.geometry.zones;
    return zones === undefined || bucket < zones.conventionalCount;
  }
}
