/**
 * Operations that a simulated device has accepted and not yet made durable, and how each is applied to a medium.
 *
 * An operation is immutable but for `completed`. A write's bytes are copied once, when it is issued, into pages that
 * the live medium, the durable one and every crash state then share. Application is in whole, or in atomic units:
 * runs of `atomicWriteBytes`, aligned to multiples of it on the device.
 */
import { mix32 } from "./keyed-hash.ts";
import { cutBytes, Page, PAGE_BYTES, SHARED, sharedPages } from "./media.ts";
import type { Media } from "./media.ts";
import type { ZoneTable } from "./zones.ts";

export type VolatileKind = "write" | "discard" | "reset" | "finish";

/** What discarded bytes turn into when the device does not keep them or clear them. */
const GARBAGE = 0xa5;
const GARBAGE_PAGE = new Page(new Uint8Array(PAGE_BYTES).fill(GARBAGE), SHARED);

/** Nothing was ever written there, or it was discarded since. */
export function isBlank(bytes: Uint8Array): boolean {
  const first = bytes[0];
  if (first !== 0 && first !== GARBAGE) return false;
  for (let index = 1; index < bytes.length; index++) if (bytes[index] !== first) return false;
  return true;
}

export class VolatileOperation {
  readonly kind: VolatileKind;
  /** Number of the operation among all of the device. */
  readonly index: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** The sequential zone that it belongs to, or -1. */
  readonly zone: number;
  /** False while the caller still waits for it: such an operation is not covered by a flush. */
  completed = false;
  private readonly bytes: Uint8Array | undefined;
  private readonly pages: ReadonlyArray<Page>;
  /** For a discard: chooses what the range turns into. */
  private readonly key: number;

  private constructor(
    kind: VolatileKind,
    index: number,
    offsetBytes: number,
    lengthBytes: number,
    zone: number,
    bytes: Uint8Array | undefined,
    key: number,
  ) {
    this.kind = kind;
    this.index = index;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.zone = zone;
    this.bytes = bytes;
    this.pages = bytes !== undefined && offsetBytes % PAGE_BYTES === 0 ? sharedPages(bytes) : [];
    this.key = key;
  }

  /** A write of a copy of these bytes. */
  static write(index: number, offsetBytes: number, source: Uint8Array, zone: number): VolatileOperation {
    const bytes = cutBytes(source.length);
    bytes.set(source);
    return new VolatileOperation("write", index, offsetBytes, source.length, zone, bytes, 0);
  }

  /** By its key a discard leaves all of the range as it was, zeros, garbage, or a mixture of these by page. */
  static discard(index: number, offsetBytes: number, lengthBytes: number, key: number): VolatileOperation {
    return new VolatileOperation("discard", index, offsetBytes, lengthBytes, -1, undefined, key);
  }

  static reset(index: number, offsetBytes: number, lengthBytes: number, zone: number): VolatileOperation {
    return new VolatileOperation("reset", index, offsetBytes, lengthBytes, zone, undefined, 0);
  }

  static finish(index: number, offsetBytes: number, lengthBytes: number, zone: number): VolatileOperation {
    return new VolatileOperation("finish", index, offsetBytes, lengthBytes, zone, undefined, 0);
  }

  /** The whole operation on content. */
  applyTo(media: Media): void {
    if (this.kind === "write") this.applyRun(media, 0, this.lengthBytes);
    else if (this.kind === "discard") this.discardIn(media, undefined);
    else if (this.kind === "reset") media.fill(this.offsetBytes, this.lengthBytes, 0, undefined);
  }

  /** Where this operation leaves its zone. */
  applyToZone(zones: ZoneTable): void {
    if (this.zone < 0) return;
    const startBytes = zones.startBytes(this.zone);
    if (this.kind === "reset") zones.restore(this.zone, 0);
    else if (this.kind === "finish") zones.restore(this.zone, zones.geometry.zoneCapacityBytes);
    else zones.restore(this.zone, this.offsetBytes + this.lengthBytes - startBytes);
  }

  /** Units that it can be torn into. A discard can be torn between pages; a reset or finish cannot. */
  unitCount(unitBytes: number): number {
    if (this.kind === "reset" || this.kind === "finish") return 1;
    const unit = this.kind === "write" ? unitBytes : PAGE_BYTES;
    const end = this.offsetBytes + this.lengthBytes;
    return Math.ceil(end / unit) - Math.floor(this.offsetBytes / unit);
  }

  /** Those units of a write or discard for which `keeps` says yes. */
  applyUnits(media: Media, unitBytes: number, keeps: (unit: number) => boolean): void {
    if (this.kind === "discard") return this.discardIn(media, keeps);
    const count = this.unitCount(unitBytes);
    let runStart = -1;
    for (let unit = 0; unit <= count; unit++) {
      const kept = unit < count && keeps(unit);
      if (kept && runStart < 0) runStart = unit;
      if (kept || runStart < 0) continue;
      const from = this.unitStart(runStart, unitBytes);
      this.applyRun(media, from, this.unitStart(unit, unitBytes) - from);
      runStart = -1;
    }
  }

  /** Bytes of the write before a unit. */
  unitStart(unit: number, unitBytes: number): number {
    if (unit === 0) return 0;
    const first = Math.floor(this.offsetBytes / unitBytes);
    return Math.min(this.lengthBytes, (first + unit) * unitBytes - this.offsetBytes);
  }

  /** Part of a write: whole pages by reference, the rest by copy. */
  applyRun(media: Media, from: number, lengthBytes: number): void {
    let at = from;
    const end = from + lengthBytes;
    const firstPage = this.offsetBytes / PAGE_BYTES;
    while (at < end) {
      const page = at % PAGE_BYTES === 0 && end - at >= PAGE_BYTES ? this.pages[at / PAGE_BYTES] : undefined;
      const part = Math.min(end - at, PAGE_BYTES - (at % PAGE_BYTES));
      if (page !== undefined) media.adopt(firstPage + at / PAGE_BYTES, page);
      else media.write(this.offsetBytes + at, this.bytes!, at, part);
      at += part;
    }
  }

  /** True if this operation decides what the byte at this offset is. */
  covers(offsetBytes: number): boolean {
    return offsetBytes >= this.offsetBytes && offsetBytes < this.offsetBytes + this.lengthBytes;
  }

  private discardIn(media: Media, keeps: ((unit: number) => boolean) | undefined): void {
    const mode = this.key & 3;
    if (mode === 0) return;
    if (mode !== 3 && keeps === undefined) return this.discardPart(media, this.offsetBytes, this.lengthBytes, mode);
    const end = this.offsetBytes + this.lengthBytes;
    let unit = 0;
    for (let at = this.offsetBytes; at < end; unit++) {
      const part = Math.min(end - at, PAGE_BYTES - (at % PAGE_BYTES));
      const partMode = mode === 3 ? mix32(this.key, 0x64697363, unit) % 3 : mode;
      if (partMode !== 0 && (keeps === undefined || keeps(unit))) this.discardPart(media, at, part, partMode);
      at += part;
    }
  }

  private discardPart(media: Media, offsetBytes: number, lengthBytes: number, mode: number): void {
    if (mode === 1) media.fill(offsetBytes, lengthBytes, 0, undefined);
    else media.fill(offsetBytes, lengthBytes, GARBAGE, GARBAGE_PAGE);
  }
}
