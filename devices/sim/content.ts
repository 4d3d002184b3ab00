/**
 * Content of a simulated disk, without time or faults: what a read sees, what is durable, and what lies between.
 *
 * `live` is the durable content with all accepted operations applied; `pending` are those operations in issue order,
 * completed or still in flight. A flush makes durable what had completed when it began. In a sequential zone that
 * includes what was issued before it in the same zone, since a zone has no gaps. Crash states are composed on forks and
 * never disturb the disk. If asked, a disk also keeps what each block held before, one life back, for stale reads.
 */
import type { Geometry } from "../device.ts";
import { applySurvivors, CrashImage } from "./crash.ts";
import { BadRanges } from "./faults.ts";
import { Media, PAGE_BYTES } from "./media.ts";
import type { Survival } from "./survival.ts";
import { isBlank, type VolatileOperation } from "./volatile.ts";
import { ZoneTable } from "./zones.ts";

/** What a flush promises from its beginning on. */
export interface FlushPoint {
  /** The operations that it covers. */
  readonly covered: ReadonlySet<VolatileOperation>;
  /** Content with exactly the covered operations, if that could be had for nothing. */
  readonly snapshot: { readonly media: Media; readonly zones: ZoneTable | undefined } | undefined;
  /** Changes of the durable content when the flush began. */
  readonly durableChanges: number;
}

export class DiskContent {
  readonly geometry: Geometry;
  live: Media;
  liveZones: ZoneTable | undefined;
  /** What blocks held before they were last overwritten, discarded or reset; undefined on a disk that forgets it. */
  readonly earlier: Media | undefined;
  readonly bad: BadRanges;
  private durable: Media;
  private durableZones: ZoneTable | undefined;
  private durableChanges = 0;
  private operations: Array<VolatileOperation> = [];

  constructor(image: CrashImage, keepsEarlier = false) {
    this.geometry = image.geometry;
    this.durable = image.media.fork();
    this.live = this.durable.fork();
    this.durableZones = image.zones?.fork();
    this.liveZones = image.zones?.fork();
    this.bad = image.bad.fork();
    this.earlier = image.earlier?.fork() ?? (keepsEarlier ? Media.empty(image.geometry.capacityBytes) : undefined);
  }

  /** Content of a new disk: all holes, all zones empty. */
  static blank(geometry: Geometry): CrashImage {
    const zones = geometry.zones === undefined ? undefined : ZoneTable.empty(geometry.zones);
    return new CrashImage(geometry, Media.empty(geometry.capacityBytes), zones, BadRanges.none());
  }

  get pending(): ReadonlyArray<VolatileOperation> {
    return this.operations;
  }

  /** Takes an operation on; the live zones have already moved. */
  accept(operation: VolatileOperation): void {
    if (this.earlier !== undefined) this.keepEarlier(this.earlier, operation);
    operation.applyTo(this.live);
    this.operations.push(operation);
  }

  /** A flush begins. */
  beginFlush(): FlushPoint {
    const { operations, durableChanges } = this;
    if (operations.every((operation) => operation.completed)) {
      const snapshot = { media: this.live.fork(), zones: this.liveZones?.fork() };
      return { covered: new Set(operations), snapshot, durableChanges };
    }
    const lastOfZone = new Map<number, number>();
    operations.forEach((operation, position) => {
      if (operation.completed && operation.zone >= 0) lastOfZone.set(operation.zone, position);
    });
    const covered = operations.filter((operation, position) => {
      if (operation.zone < 0) return operation.completed;
      return position <= (lastOfZone.get(operation.zone) ?? -1);
    });
    return { covered: new Set(covered), snapshot: undefined, durableChanges };
  }

  /** A flush ends well: what it covers is durable. */
  endFlush(point: FlushPoint): void {
    if (point.covered.size === 0) return;
    if (point.snapshot !== undefined && point.durableChanges === this.durableChanges) {
      this.durable = point.snapshot.media;
      this.durableZones = point.snapshot.zones;
    } else {
      for (const operation of this.operations) {
        if (!point.covered.has(operation)) continue;
        operation.applyTo(this.durable);
        if (this.durableZones !== undefined) operation.applyToZone(this.durableZones);
      }
    }
    this.durableChanges++;
    this.operations = this.operations.filter((operation) => !point.covered.has(operation));
  }

  /** What the disk would hold if it lost power now and the volatile operations met these fates. */
  crash(survival: Survival): CrashImage {
    const { geometry } = this;
    const media = this.durable.fork();
    const zones = this.durableZones?.fork();
    applySurvivors(media, zones, this.operations, survival, geometry.atomicWriteBytes, geometry.blockBytes);
    return new CrashImage(geometry, media, zones, this.bad.fork(), this.earlier?.fork());
  }

  /** Power is lost while the disk goes on: from here on it holds what the crash left. */
  losePower(survival: Survival): void {
    const { media, zones } = this.crash(survival);
    this.durable = media;
    this.live = media.fork();
    this.durableZones = zones;
    this.liveZones = zones?.fork();
    this.operations = [];
    this.durableChanges++;
  }

  /** Blocks that hold nothing, as those that were discarded, keep what they held before that. */
  private keepEarlier(earlier: Media, { kind, offsetBytes, lengthBytes }: VolatileOperation): void {
    if (kind === "finish") return;
    const grain = Math.min(this.geometry.blockBytes, PAGE_BYTES);
    for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += grain) {
      const held = this.live.read(at, grain);
      if (!isBlank(held)) earlier.write(at, held);
    }
  }

  /** A bit of the medium turns. What a volatile operation is yet to put there is not on the medium and stays right. */
  rot(offsetBytes: number, bit: number): void {
    this.durable.flip(offsetBytes, bit);
    if (!this.operations.some((operation) => operation.covers(offsetBytes))) this.live.flip(offsetBytes, bit);
    this.durableChanges++;
  }

  /** The device gives a zone up, now and after any crash. */
  failZone(zone: number, state: "read-only" | "offline"): void {
    this.liveZones?.fail(zone, state);
    this.durableZones?.fail(zone, state);
    this.durableChanges++;
  }

  /** The zone cannot be reset any more, now and after any crash. */
  refuseReset(zone: number): void {
    this.liveZones?.refuseReset(zone);
    this.durableZones?.refuseReset(zone);
    this.durableChanges++;
  }
}
