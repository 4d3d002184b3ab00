/**
 * The device contract: everything that Varve asks of a disk, small enough to be learned in a minute.
 *
 * Fault model. A read returns what the medium holds, or an error; it may return wrong bytes, so every caller
 * verifies a checksum. A completed write is *volatile* until a `flush` that began after the write had completed has
 * itself completed. A crash keeps, drops or tears any subset of the volatile writes, at the granularity of
 * `atomicWriteBytes`; nothing else is promised: no ordering, no atomicity beyond that unit. A discarded range reads
 * as anything until it is written again. On a zoned device the first write to a sequential zone is at its start, each
 * further one at its write pointer; whatever else is a `ZoneViolation`.
 *
 * Buffers. `write` owns its bytes until it completes: the caller must not change them before. `read` returns bytes
 * that the caller must not change, and that stay as they are unless the caller gives them back by `reuse`. Bytes that
 * lie in a `writeBuffer` may spare the device a copy.
 */
import type { Effect } from "effect/Effect";

/** Zones of a ZNS or host-managed SMR device: all of one size, the first `conventionalCount` writable at random. */
export interface ZoneGeometry {
  /** Distance between zone starts. */
  readonly zoneBytes: number;
  /** Writable bytes from the start of a zone; at most `zoneBytes`. */
  readonly zoneCapacityBytes: number;
  readonly zoneCount: number;
  readonly conventionalCount: number;
  /** Zones that may be open at once (0: no limit). */
  readonly openZonesMax: number;
  /** Zones that may be open or closed, that is partly written, at once (0: no limit). */
  readonly activeZonesMax: number;
}

export interface Geometry {
  /** Addressable bytes. */
  readonly capacityBytes: number;
  /** Logical block: offsets and lengths of all calls are multiples of it. */
  readonly blockBytes: number;
  /** A write of this size and alignment is never torn; at least 512. */
  readonly atomicWriteBytes: number;
  readonly rotational: boolean;
  /** Undefined for a conventional device. */
  readonly zones: ZoneGeometry | undefined;
}

export type ZoneState = "empty" | "open" | "closed" | "full" | "read-only" | "offline" | "conventional";

export interface ZoneReport {
  readonly zone: number;
  readonly state: ZoneState;
  /** Absolute byte offset of the next write; meaningless for a conventional zone. */
  readonly writePointerBytes: number;
}

export type DeviceOperation = "read" | "write" | "flush" | "discard" | "reset" | "finish" | "open" | "close" | "append";

/** The medium could not carry the operation out. `permanent` is what the device believes; a retry may help otherwise. */
export class MediumError {
  readonly _tag = "MediumError";
  readonly device: string;
  readonly operation: DeviceOperation;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly permanent: boolean;
  constructor(
    device: string,
    operation: DeviceOperation,
    offsetBytes: number,
    lengthBytes: number,
    permanent: boolean,
  ) {
    this.device = device;
    this.operation = operation;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.permanent = permanent;
  }
}

/** The device no longer answers at all. */
export class DeviceGone {
  readonly _tag = "DeviceGone";
  readonly device: string;
  constructor(device: string) {
    this.device = device;
  }
}

/** The caller broke a rule of zones: always a bug of the caller. */
export class ZoneViolation {
  readonly _tag = "ZoneViolation";
  readonly device: string;
  readonly zone: number;
  readonly rule: string;
  constructor(device: string, zone: number, rule: string) {
    this.device = device;
    this.zone = zone;
    this.rule = rule;
  }
}

/** Offset or length outside the device, or not a multiple of the block: always a bug of the caller. */
export class OutOfRange {
  readonly _tag = "OutOfRange";
  readonly device: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  constructor(device: string, offsetBytes: number, lengthBytes: number) {
    this.device = device;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
  }
}

export type DeviceError = MediumError | DeviceGone | ZoneViolation | OutOfRange;

/** The verbs that only a zoned device has. */
export interface Zones {
  /** Writes at the zone's write pointer and returns the absolute byte offset that the bytes got. */
  readonly append: (zone: number, bytes: Uint8Array) => Effect<number, DeviceError>;
  /** Empties the zone: its write pointer returns to its start and its content is gone. */
  readonly reset: (zone: number) => Effect<void, DeviceError>;
  /** Makes the zone full; it no longer counts as active. */
  readonly finish: (zone: number) => Effect<void, DeviceError>;
  readonly open: (zone: number) => Effect<void, DeviceError>;
  readonly close: (zone: number) => Effect<void, DeviceError>;
  readonly report: Effect<ReadonlyArray<ZoneReport>, DeviceError>;
}

export interface Device {
  /** Names the device in errors and traces. */
  readonly name: string;
  readonly geometry: Geometry;
  readonly read: (offsetBytes: number, lengthBytes: number) => Effect<Uint8Array, DeviceError>;
  /**
   * The same of a device that has the bytes at hand. `undefined` says nothing but that `read` is to be asked. Whoever
   * wraps `read` must wrap or leave out this one too.
   */
  readonly readAtOnce?: ((offsetBytes: number, lengthBytes: number) => Uint8Array | undefined) | undefined;
  /**
   * Takes back what a read gave, or a part of it that stands for all: nobody looks at any of those bytes from now on, and
   * what they lie in may serve another read. Need not be called; never twice for one read.
   */
  readonly reuse?: (bytes: Uint8Array) => void;
  readonly write: (offsetBytes: number, bytes: Uint8Array) => Effect<void, DeviceError>;
  /** Memory from which this device writes best; whoever asks keeps it for many writes. Any other memory will do, too. */
  readonly writeBuffer?: (lengthBytes: number) => Uint8Array;
  /** Every write completed before this began is durable once it completes. */
  readonly flush: Effect<void, DeviceError>;
  /** Says that the range holds nothing of worth; a hint on a conventional device, refused on a sequential zone. */
  readonly discard: (offsetBytes: number, lengthBytes: number) => Effect<void, DeviceError>;
  /** Undefined exactly when `geometry.zones` is. */
  readonly zones: Zones | undefined;
}
