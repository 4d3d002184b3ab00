/**
 * The part of the conformance suite that only a zoned device has to pass: write pointers, states and limits.
 *
 * Every case first resets all sequential zones, so the cases can share a device.
 */
import * as Effect from "effect/Effect";
import { failureOf, must, pattern, sameBytes } from "./case.ts";
import type { ConformanceCase } from "./case.ts";
import type { Device, DeviceError, ZoneGeometry, ZoneReport, Zones } from "../device.ts";

interface Zoned {
  readonly device: Device;
  readonly geometry: ZoneGeometry;
  readonly zones: Zones;
  /** The first sequential zone. */
  readonly first: number;
  readonly block: number;
  readonly startOf: (zone: number) => number;
  readonly report: (zone: number) => Effect.Effect<ZoneReport, DeviceError>;
}

function zonedCase(
  title: string,
  run: (zoned: Zoned) => Effect.Effect<void, DeviceError>,
  appliesTo: (geometry: ZoneGeometry) => boolean = () => true,
): ConformanceCase {
  return {
    title,
    appliesTo: (zones) => zones !== undefined && appliesTo(zones),
    run: Effect.fnUntraced(function* (device) {
      const { zones } = device;
      const geometry = device.geometry.zones;
      if (zones === undefined || geometry === undefined) return;
      for (let zone = geometry.conventionalCount; zone < geometry.zoneCount; zone++) yield* zones.reset(zone);
      yield* run({
        device,
        geometry,
        zones,
        first: geometry.conventionalCount,
        block: device.geometry.blockBytes,
        startOf: (zone) => zone * geometry.zoneBytes,
        report: (zone) => Effect.map(zones.report, (reports) => reports[zone]!),
      });
    }),
  };
}

const sequentialCount = (geometry: ZoneGeometry): number => geometry.zoneCount - geometry.conventionalCount;

export const zonedCases: ReadonlyArray<ConformanceCase> = [
  zonedCase(
    "takes writes to a sequential zone at its write pointer alone",
    Effect.fnUntraced(function* ({ device, first, block, startOf, report }) {
      const start = startOf(first);
      must((yield* failureOf(device.write(start + block, pattern(block, 1)))) === "ZoneViolation", "a gap was left");
      yield* device.write(start, pattern(2 * block, 2));
      must((yield* failureOf(device.write(start, pattern(block, 3)))) === "ZoneViolation", "a block was overwritten");
      must((yield* report(first)).writePointerBytes === start + 2 * block, "the write pointer is elsewhere");
      must(sameBytes(yield* device.read(start, 2 * block), pattern(2 * block, 2)), "a refused write changed content");
    }),
  ),
  zonedCase(
    "appends at the write pointer and says where",
    Effect.fnUntraced(function* ({ device, zones, first, block, startOf }) {
      const start = startOf(first);
      must((yield* zones.append(first, pattern(block, 1))) === start, "the first append is not at the start");
      must((yield* zones.append(first, pattern(3 * block, 2))) === start + block, "the second is not behind the first");
      yield* device.write(start + 4 * block, pattern(block, 3));
      must(sameBytes(yield* device.read(start + block, 3 * block), pattern(3 * block, 2)), "an append reads otherwise");
    }),
  ),
  zonedCase(
    "empties a zone by reset, which can then be filled again from its start",
    Effect.fnUntraced(function* ({ device, zones, first, block, startOf, report }) {
      yield* device.write(startOf(first), pattern(2 * block, 1));
      must((yield* report(first)).state === "open", "a zone that is being written is not open");
      yield* zones.reset(first);
      const { state, writePointerBytes } = yield* report(first);
      must(state === "empty" && writePointerBytes === startOf(first), "a reset zone is not empty");
      yield* device.write(startOf(first), pattern(block, 2));
      must(sameBytes(yield* device.read(startOf(first), block), pattern(block, 2)), "content differs after a reset");
    }),
  ),
  zonedCase(
    "has a zone full at its capacity and not a block later",
    Effect.fnUntraced(function* ({ device, zones, geometry, first, block, startOf, report }) {
      const { zoneCapacityBytes } = geometry;
      yield* device.write(startOf(first), pattern(zoneCapacityBytes - block, 1));
      const tooLong = device.write(startOf(first) + zoneCapacityBytes - block, pattern(2 * block, 2));
      must((yield* failureOf(tooLong)) === "ZoneViolation", "a write passed the capacity");
      yield* zones.append(first, pattern(block, 3));
      must((yield* report(first)).state === "full", "a zone at its capacity is not full");
      must(
        (yield* failureOf(zones.append(first, pattern(block, 4)))) === "ZoneViolation",
        "a full zone took an append",
      );
      const last = yield* device.read(startOf(first) + zoneCapacityBytes - block, block);
      must(sameBytes(last, pattern(block, 3)), "the last block differs");
    }),
  ),
  zonedCase(
    "makes a zone full by finish and keeps what it held",
    Effect.fnUntraced(function* ({ device, zones, first, block, startOf, report }) {
      yield* device.write(startOf(first), pattern(block, 1));
      yield* zones.finish(first);
      must((yield* report(first)).state === "full", "a finished zone is not full");
      const more = device.write(startOf(first) + block, pattern(block, 2));
      must((yield* failureOf(more)) === "ZoneViolation", "a finished zone took a write");
      must(sameBytes(yield* device.read(startOf(first), block), pattern(block, 1)), "finish changed content");
    }),
  ),
  zonedCase(
    "opens and closes zones on demand",
    Effect.fnUntraced(function* ({ device, zones, first, block, startOf, report }) {
      yield* zones.open(first);
      must((yield* report(first)).state === "open", "an opened zone is not open");
      yield* device.write(startOf(first), pattern(block, 1));
      yield* zones.close(first);
      must((yield* report(first)).state === "closed", "a closed zone is not closed");
      yield* device.write(startOf(first) + block, pattern(block, 2));
      must((yield* report(first)).state === "open", "a write does not open a closed zone");
    }),
  ),
  zonedCase(
    "refuses discards and verbs where they have no meaning",
    Effect.fnUntraced(function* ({ device, zones, geometry, first, block, startOf }) {
      must(
        (yield* failureOf(device.discard(startOf(first), block))) === "ZoneViolation",
        "a sequential zone, discarded",
      );
      must(
        (yield* failureOf(zones.reset(geometry.zoneCount))) === "ZoneViolation",
        "a zone that does not exist, reset",
      );
      must((yield* failureOf(zones.close(first))) === "ZoneViolation", "an empty zone, closed");
      if (geometry.conventionalCount === 0) return;
      must((yield* failureOf(zones.reset(0))) === "ZoneViolation", "a conventional zone, reset");
      must(
        (yield* failureOf(zones.append(0, pattern(block, 1)))) === "ZoneViolation",
        "a conventional zone, appended to",
      );
    }),
  ),
  zonedCase(
    "writes conventional zones at random, and not beyond them",
    Effect.fnUntraced(function* ({ device, first, block, startOf, report }) {
      yield* device.write(2 * block, pattern(block, 1));
      yield* device.write(0, pattern(block, 2));
      yield* device.write(2 * block, pattern(block, 3));
      must(sameBytes(yield* device.read(2 * block, block), pattern(block, 3)), "an overwritten block differs");
      must((yield* report(0)).state === "conventional", "the first zone is not conventional");
      const across = device.write(startOf(first) - block, pattern(2 * block, 4));
      must((yield* failureOf(across)) === "ZoneViolation", "a write ran on into a sequential zone");
    }),
    (geometry) => geometry.conventionalCount > 0,
  ),
  zonedCase(
    "holds its limit of active zones until one of them is finished or reset",
    Effect.fnUntraced(function* ({ device, zones, geometry, first, block, startOf }) {
      const { activeZonesMax } = geometry;
      for (let at = 0; at < activeZonesMax; at++) yield* device.write(startOf(first + at), pattern(block, at));
      const next = startOf(first + activeZonesMax);
      const tooMany = device.write(next, pattern(block, 1));
      must((yield* failureOf(tooMany)) === "ZoneViolation", "one zone more than allowed is active");
      yield* zones.finish(first);
      yield* device.write(next, pattern(block, 1));
      must((yield* failureOf(zones.open(first + activeZonesMax + 1))) === "ZoneViolation", "an open passed the limit");
      yield* zones.reset(first + 1);
      yield* zones.open(first + activeZonesMax + 1);
    }),
    (geometry) => geometry.activeZonesMax > 0 && sequentialCount(geometry) > geometry.activeZonesMax + 1,
  ),
  zonedCase(
    "closes a zone that a write opened when another needs to open, but none that was opened on purpose",
    Effect.fnUntraced(function* ({ device, zones, geometry, first, block, startOf, report }) {
      const { openZonesMax } = geometry;
      for (let at = 0; at < openZonesMax; at++) yield* device.write(startOf(first + at), pattern(block, at));
      yield* zones.open(first + openZonesMax);
      const states = (yield* zones.report).map(({ state }) => state);
      must(states.filter((state) => state === "open").length === openZonesMax, "more zones are open than may be");
      must((yield* report(first + openZonesMax)).state === "open", "the zone opened last is not open");
      for (let at = 1; at < openZonesMax; at++) yield* zones.open(first + at);
      must((yield* failureOf(zones.open(first))) === "ZoneViolation", "a zone opened on purpose had to give way");
    }),
    ({ openZonesMax, activeZonesMax, zoneCount, conventionalCount }) =>
      openZonesMax > 0 &&
      zoneCount - conventionalCount > openZonesMax &&
      (activeZonesMax === 0 || activeZonesMax > openZonesMax),
  ),
];
