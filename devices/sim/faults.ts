/**
 * Faults that a simulated device suffers: small values that say what, where, when and how probably.
 *
 * Whether a fault strikes an operation is a hash of seed, device, fault and the operation's identity (its kind and its
 * number among the device's operations of that kind), so that removing one operation or fault from a run leaves what
 * the others meet alone. A plan is immutable and may be shared; what faults have done to a device for good, its bad
 * ranges and the states of its zones, belongs to the device and goes with its crash images.
 */
import { chance, hashName, mix32 } from "./keyed-hash.ts";

export type FaultKind =
  /** The read fails. */
  | "read-error"
  /** The write fails; any of its atomic units may have reached the medium (none in a sequential zone). */
  | "write-error"
  /** The flush fails and makes nothing durable. */
  | "flush-error"
  /** One bit of what a read returns is wrong; the medium is fine. */
  | "read-rot"
  /** One bit on the medium, in the range of a read, had turned; it stays so until the range is written. */
  | "media-rot"
  /** The read gives what stands somewhere else. */
  | "misdirected-read"
  /**
   * The read gives what blocks of its range held before they were last overwritten, discarded or reset, all of them or
   * some; zeros where they held nothing. Only on a disk that keeps its earlier content.
   */
  | "stale-read"
  /** The write reports success and does nothing. Strikes conventional ranges only. */
  | "lost-write"
  /** The write reports success and goes somewhere else. Strikes conventional ranges only. */
  | "misdirected-write"
  /** The operation takes `delayMs` longer. */
  | "delay"
  /** The sequential zone that the operation touches turns read-only: it is neither written nor reset any more. */
  | "zone-read-only"
  /** The sequential zone that the operation touches goes offline: it is not even read any more. */
  | "zone-offline"
  /** The reset of a zone fails, and the zone is as it was; for good if permanent. */
  | "reset-error"
  /** The finish of a zone fails, and the zone is as it was; if permanent it turns read-only. */
  | "finish-error"
  /** Opening a zone fails, also by a first write to it; if permanent it turns read-only. */
  | "open-error"
  /** The write to a sequential zone fails after some of its blocks; the write pointer stands behind those. */
  | "cut-write"
  /**
   * The device is gone before the operation begins, for `delayMs` or, without, for good: this operation, those in flight
   * and all that follow meanwhile fail. What was volatile is lost, or some of it.
   */
  | "gone";

export interface Fault {
  readonly kind: FaultKind;
  /** Of striking an operation to which it applies; 1 unless told. */
  readonly probability?: number;
  /** Operations of these kinds only, of those to which it applies. */
  readonly on?: ReadonlyArray<IoKind>;
  /** Operations that touch `[fromBytes, toBytes)`; the whole device unless told. */
  readonly where?: { readonly fromBytes: number; readonly toBytes: number };
  /** Operations whose number among all of the device is in `[fromIndex, toIndex)`; always unless told. */
  readonly when?: { readonly fromIndex: number; readonly toIndex: number };
  /**
   * The range stays bad: a range that fails to be read until it is written, one that fails to be written and a flush
   * that fails for ever; a zone that cannot be reset, or turns read-only. Transient unless told.
   */
  readonly permanent?: boolean;
  /** For `delay` and `gone`. */
  readonly delayMs?: number;
  /**
   * After it struck, so many further operations on that place meet no fault that has a respite: who tries again as often
   * as that succeeds.
   */
  readonly respite?: number;
}

/** Number of each kind in the hash; fixed, because recorded seeds depend on them. */
const KIND_CODES: Readonly<Record<FaultKind, number>> = {
  "read-error": 1,
  "write-error": 2,
  "flush-error": 3,
  "read-rot": 4,
  "media-rot": 5,
  "lost-write": 6,
  delay: 7,
  "misdirected-read": 8,
  "misdirected-write": 9,
  "stale-read": 10,
  gone: 11,
  "zone-read-only": 20,
  "zone-offline": 21,
  "reset-error": 22,
  "finish-error": 23,
  "open-error": 24,
  "cut-write": 25,
};

export type IoKind = "read" | "write" | "flush" | "other";

const APPLIES_TO: Readonly<Record<FaultKind, ReadonlyArray<IoKind>>> = {
  "read-error": ["read"],
  "write-error": ["write"],
  "flush-error": ["flush"],
  "read-rot": ["read"],
  "media-rot": ["read"],
  "misdirected-read": ["read"],
  "stale-read": ["read"],
  "lost-write": ["write"],
  "misdirected-write": ["write"],
  delay: ["read", "write", "flush", "other"],
  gone: ["read", "write", "flush", "other"],
  "zone-read-only": ["read", "write", "other"],
  "zone-offline": ["read", "write", "other"],
  "reset-error": ["other"],
  "finish-error": ["other"],
  "open-error": ["write", "other"],
  "cut-write": ["write"],
};

/** One operation as the plan sees it. */
export interface IoIdentity {
  readonly kind: IoKind;
  /** Number among the device's operations of this kind. */
  readonly kindIndex: number;
  /** Number among all operations of the device. */
  readonly index: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** A fault that struck, with a key for what further choices it needs. */
export interface Strike {
  readonly fault: Fault;
  readonly key: number;
}

const NOTHING: ReadonlyArray<Strike> = [];
const RESEED_STREAM = 0x7265736f;

export class FaultPlan {
  readonly seed: number;
  readonly faults: ReadonlyArray<Fault>;

  constructor(seed: number, faults: ReadonlyArray<Fault>) {
    this.seed = seed;
    this.faults = faults;
  }

  /** Does any of the faults give back what was there earlier? */
  get needsEarlier(): boolean {
    return this.faults.some(({ kind }) => kind === "stale-read");
  }

  /** The same faults, striking others of the operations. */
  reseeded(seed: number): FaultPlan {
    return new FaultPlan(mix32(this.seed, RESEED_STREAM, seed), this.faults);
  }

  /** Faults that strike this operation of the device whose name hashes to `device`, in the order of the plan. */
  strikes(device: number, io: IoIdentity): ReadonlyArray<Strike> {
    let struck: Array<Strike> | undefined;
    for (const fault of this.faults) {
      if (!applies(fault, io)) continue;
      const stream = (device ^ Math.imul(KIND_CODES[fault.kind], 0x9e3779b1)) | 0;
      if (!chance(fault.probability ?? 1, this.seed, stream, io.kindIndex)) continue;
      (struck ??= []).push({ fault, key: mix32(this.seed ^ 0x5bd1e995, stream, io.kindIndex) });
    }
    return struck ?? NOTHING;
  }
}

/** The first of the strikes that is of this kind. */
export function findStrike(strikes: ReadonlyArray<Strike>, kind: FaultKind): Strike | undefined {
  return strikes.length === 0 ? undefined : strikes.find((strike) => strike.fault.kind === kind);
}

export const noFaults = new FaultPlan(0, []);

function applies(fault: Fault, io: IoIdentity): boolean {
  if (!APPLIES_TO[fault.kind].includes(io.kind)) return false;
  const { on, when, where } = fault;
  if (on !== undefined && !on.includes(io.kind)) return false;
  if (when !== undefined && (io.index < when.fromIndex || io.index >= when.toIndex)) return false;
  if (where === undefined) return true;
  return io.offsetBytes < where.toBytes && io.offsetBytes + io.lengthBytes > where.fromBytes;
}

/** Number that a device's name contributes to its faults. */
export const faultStream = (deviceName: string): number => hashName(deviceName);

interface Spared {
  readonly kind: IoKind;
  readonly fromBytes: number;
  readonly toBytes: number;
  left: number;
}

/** Places that were struck by a fault with a respite and are spared for a while. */
export class Respites {
  private spared: Array<Spared> = [];

  /** Those of the strikes that are carried out. */
  filter(strikes: ReadonlyArray<Strike>, { kind, offsetBytes, lengthBytes }: IoIdentity): ReadonlyArray<Strike> {
    if (this.spared.length === 0 && strikes.length === 0) return strikes;
    // A flush has no place but that of all flushes.
    const toBytes = Math.max(offsetBytes + lengthBytes, offsetBytes + 1);
    let isSpared = false;
    for (const each of this.spared) {
      if (each.kind !== kind || offsetBytes >= each.toBytes || toBytes <= each.fromBytes) continue;
      isSpared = true;
      each.left--;
    }
    if (isSpared) {
      this.spared = this.spared.filter(({ left }) => left > 0);
      return strikes.filter(({ fault }) => fault.respite === undefined);
    }
    const left = Math.max(0, ...strikes.map(({ fault }) => fault.respite ?? 0));
    if (left > 0) this.spared.push({ kind, fromBytes: offsetBytes, toBytes, left });
    return strikes;
  }
}

/** Ranges of a medium that fail for good. Empty almost always, so looking costs nothing. */
export class BadRanges {
  private readonly unreadable: Array<readonly [fromBytes: number, toBytes: number]>;
  private readonly unwritable: Array<readonly [fromBytes: number, toBytes: number]>;

  private constructor(
    unreadable: Array<readonly [fromBytes: number, toBytes: number]>,
    unwritable: Array<readonly [fromBytes: number, toBytes: number]>,
  ) {
    this.unreadable = unreadable;
    this.unwritable = unwritable;
  }

  static none(): BadRanges {
    return new BadRanges([], []);
  }

  fork(): BadRanges {
    return new BadRanges(this.unreadable.slice(), this.unwritable.slice());
  }

  /** A latent sector error: the range cannot be read until it has been written again. */
  makeUnreadable(offsetBytes: number, lengthBytes: number): void {
    this.unreadable.push([offsetBytes, offsetBytes + lengthBytes]);
  }

  makeUnwritable(offsetBytes: number, lengthBytes: number): void {
    this.unwritable.push([offsetBytes, offsetBytes + lengthBytes]);
  }

  /** Can every place be read and written? */
  get isNone(): boolean {
    return this.unreadable.length === 0 && this.unwritable.length === 0;
  }

  /** Is there a place that can no longer be written? */
  get refusesWrites(): boolean {
    return this.unwritable.length > 0;
  }

  failsRead(offsetBytes: number, lengthBytes: number): boolean {
    return this.unreadable.some(([from, to]) => offsetBytes < to && offsetBytes + lengthBytes > from);
  }

  failsWrite(offsetBytes: number, lengthBytes: number): boolean {
    return this.unwritable.some(([from, to]) => offsetBytes < to && offsetBytes + lengthBytes > from);
  }

  /** A write gives the sectors that it covers a new place, and they can be read again. */
  written(offsetBytes: number, lengthBytes: number): void {
    if (this.unreadable.length === 0) return;
    const end = offsetBytes + lengthBytes;
    const kept = this.unreadable.splice(0).flatMap(([from, to]): Array<readonly [number, number]> => {
      if (end <= from || offsetBytes >= to) return [[from, to]];
      const parts: Array<readonly [number, number]> = [
        [from, offsetBytes],
        [end, to],
      ];
      return parts.filter(([start, stop]) => start < stop);
    });
    this.unreadable.push(...kept);
  }
}
