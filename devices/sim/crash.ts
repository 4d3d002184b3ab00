/**
 * Composes what a medium holds after a crash, from its durable content and the volatile operations.
 *
 * Conventional ranges: any subset of the operations, each whole or in any subset of its atomic units, in any order.
 * Sequential zones: what survives of the operations on a zone is a prefix in issue order, the last write perhaps cut
 * short; the write pointer then stands behind the last block of which anything survived, and that block may be torn.
 * A device never has more active zones than it allows: where the chosen fates would leave more, the operations on some
 * zones survive in full after all. Costs O(volatile operations); disturbs nothing that it is given.
 */
import type { Geometry } from "../device.ts";
import type { BadRanges } from "./faults.ts";
import type { Media } from "./media.ts";
import type { Survival } from "./survival.ts";
import type { VolatileOperation } from "./volatile.ts";
import type { ZoneTable } from "./zones.ts";

/** A device as a crash left it. Immutable by convention: a disk made from it works on forks. */
export class CrashImage {
  readonly geometry: Geometry;
  readonly media: Media;
  readonly zones: ZoneTable | undefined;
  readonly bad: BadRanges;
  /** What blocks held before what they hold now, of a disk that keeps that. */
  readonly earlier: Media | undefined;
  constructor(geometry: Geometry, media: Media, zones: ZoneTable | undefined, bad: BadRanges, earlier?: Media) {
    this.earlier = earlier;
    this.geometry = geometry;
    this.media = media;
    this.zones = zones;
    this.bad = bad;
  }
}

/** The same device, but a sequential zone that held something did not come back from the crash as it was. */
export function withZoneLost(image: CrashImage, zone: number, loss: "read-only" | "offline"): CrashImage {
  const zones = image.zones?.fork();
  zones?.fail(zone, loss);
  return new CrashImage(image.geometry, image.media, zones, image.bad);
}

/** Applies the chosen part of the operations to a medium and zones that belong to the caller. */
export function applySurvivors(
  media: Media,
  zones: ZoneTable | undefined,
  operations: ReadonlyArray<VolatileOperation>,
  survival: Survival,
  atomicWriteBytes: number,
  blockBytes: number,
): void {
  const order = survival.order?.(operations.length);
  for (let at = 0; at < operations.length; at++) {
    const position = order === undefined ? at : order[at]!;
    const operation = operations[position]!;
    if (operation.zone >= 0) continue;
    const fate = survival.fate(operation, position);
    if (fate === "kept") operation.applyTo(media);
    else if (fate === "torn") {
      operation.applyUnits(media, atomicWriteBytes, (unit) => survival.keepsUnit(operation, unit));
    }
  }
  if (zones === undefined) return;
  const cut = applyZoneSurvivors(media, zones, operations, survival, atomicWriteBytes, blockBytes);
  respectActiveLimit(media, zones, operations, cut);
  zones.losePower();
}

/** Returns for each zone that lost something the position from which it did. */
function applyZoneSurvivors(
  media: Media,
  zones: ZoneTable,
  operations: ReadonlyArray<VolatileOperation>,
  survival: Survival,
  atomicWriteBytes: number,
  blockBytes: number,
): Map<number, number> {
  const cut = new Map<number, number>();
  for (let position = 0; position < operations.length; position++) {
    const operation = operations[position]!;
    if (operation.zone < 0 || cut.has(operation.zone)) continue;
    const fate = survival.fate(operation, position);
    if (fate === "kept") {
      operation.applyTo(media);
      operation.applyToZone(zones);
      continue;
    }
    cut.set(operation.zone, position);
    if (fate === "dropped" || operation.kind !== "write") continue;
    const units = operation.unitCount(atomicWriteBytes);
    let kept = 0;
    for (let unit = 0; unit < units; unit++) if (survival.keepsUnit(operation, unit)) kept++;
    const keptBytes = operation.unitStart(kept, atomicWriteBytes);
    if (keptBytes === 0) continue;
    operation.applyRun(media, 0, keptBytes);
    const within = operation.offsetBytes - zones.startBytes(operation.zone);
    zones.restore(operation.zone, within + Math.ceil(keptBytes / blockBytes) * blockBytes);
  }
  return cut;
}

/** Zones that lost something get it back, one after another, until no more are active than may be. */
function respectActiveLimit(
  media: Media,
  zones: ZoneTable,
  operations: ReadonlyArray<VolatileOperation>,
  cut: Map<number, number>,
): void {
  const { activeZonesMax } = zones.geometry;
  if (activeZonesMax === 0) return;
  for (const [zone, from] of cut) {
    if (zones.activeCount <= activeZonesMax) return;
    for (let position = from; position < operations.length; position++) {
      const operation = operations[position]!;
      if (operation.zone !== zone) continue;
      operation.applyTo(media);
      operation.applyToZone(zones);
    }
  }
}
