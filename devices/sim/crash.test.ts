import * as Effect from "effect/Effect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Geometry, ZoneGeometry } from "../device.ts";
import type { CrashImage } from "./crash.ts";
import { SimDisk } from "./disk.ts";
import {
  survivesAll,
  survivesAllBut,
  survivesAllButTorn,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesPrefix,
  survivesReordered,
  survivesSubset,
} from "./survival.ts";
import type { Survival } from "./survival.ts";

const UNIT = 512;
const BLOCK = 4096;
const zones: ZoneGeometry = {
  zoneBytes: 16 * BLOCK,
  zoneCapacityBytes: 14 * BLOCK,
  zoneCount: 6,
  conventionalCount: 1,
  openZonesMax: 0,
  activeZonesMax: 2,
};

function geometry(blockBytes: number, zonesOf?: ZoneGeometry, atomicWriteBytes = UNIT): Geometry {
  return { capacityBytes: 96 * BLOCK, blockBytes, atomicWriteBytes, rotational: false, zones: zonesOf };
}

/** The value of each atomic unit; writes in these tests give all bytes of a write the same value. */
function units(image: CrashImage): Array<number> {
  const bytes = image.media.read(0, image.geometry.capacityBytes);
  return Array.from({ length: bytes.length / UNIT }, (_, unit) => {
    const value = bytes[unit * UNIT]!;
    for (let at = unit * UNIT; at < (unit + 1) * UNIT; at++) {
      if (bytes[at] !== value) throw new Error(`unit ${unit} is torn`);
    }
    return value;
  });
}

function mustBeAllowed(values: ReadonlyArray<number>, allowed: ReadonlyArray<ReadonlySet<number>>): void {
  values.forEach((value, unit) => {
    if (allowed[unit]!.has(value)) return;
    throw new Error(`unit ${unit} holds ${value}, allowed are ${[...allowed[unit]!].join(", ")}`);
  });
}

const survival: fc.Arbitrary<Survival> = fc.oneof(
  fc.constantFrom(survivesNone, survivesAll),
  fc.integer().map(survivesKeyed),
  fc.integer().map(survivesReordered),
  fc.integer().map(survivesSubset),
  fc.nat(10).map(survivesAllBut),
  fc.nat(10).map(survivesOnly),
  fc.tuple(fc.nat(10), fc.nat(9)).map(([count, units]) => survivesPrefix(count, units)),
  fc.tuple(fc.nat(10), fc.integer()).map(([torn, seed]) => survivesAllButTorn(torn, seed)),
);

type Step =
  | { readonly verb: "write" | "discard"; readonly block: number; readonly blocks: number }
  | { readonly verb: "flush" };
const place = { block: fc.nat(30), blocks: fc.integer({ min: 1, max: 12 }) };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ verb: fc.constant("write" as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant("discard" as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant("flush" as const) }) },
);

describe("crash states of a conventional disk", () => {
  it.each([512, 4096])("hold in each atomic unit its durable value or one written since (blocks of %i)", (block) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer(), survival, (steps, seed, survival) => {
        const disk = SimDisk.make({ name: "disk", seed, geometry: geometry(block) });
        let allowed = Array.from({ length: 96 * (BLOCK / UNIT) }, () => new Set([0]));
        steps.forEach((step, number) => {
          if (step.verb === "flush") {
            Effect.runSync(disk.flush);
            const durable = units(disk.crash(survivesNone));
            mustBeAllowed(durable, allowed);
            allowed = durable.map((value) => new Set([value]));
            return;
          }
          const [offset, length] = [step.block * block, step.blocks * block];
          const written = new Uint8Array(length).fill(number + 1);
          Effect.runSync(step.verb === "write" ? disk.write(offset, written) : disk.discard(offset, length));
          for (let unit = offset / UNIT; unit < (offset + length) / UNIT; unit++) {
            for (const value of step.verb === "write" ? [number + 1] : [0, 0xa5]) allowed[unit]!.add(value);
          }
        });
        mustBeAllowed(units(disk.crash(survival)), allowed);
        const everything = disk.crash(survivesAll).media.read(0, 96 * BLOCK);
        return Buffer.compare(everything, Effect.runSync(disk.read(0, 96 * BLOCK))) === 0;
      }),
      { numRuns: 150 },
    );
  });

  it("reach every subset of the atomic units of one write", () => {
    const disk = SimDisk.make({ name: "disk", geometry: geometry(4096, undefined, 1024) });
    Effect.runSync(disk.write(BLOCK, new Uint8Array(BLOCK).fill(1)));
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const image = disk.crash(survivesAllButTorn(0, seed));
      seen.add(units(image).slice(8, 16).join(""));
    }
    expect(seen.size).toBe(16);
    expect([...seen].every((pattern) => /^(00|11)+$/.test(pattern))).toBe(true);
  });

  it("may hold a discard of some pages of its range and not of others", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const disk = SimDisk.make({ name: "disk", seed, geometry: geometry(4096) });
      Effect.runSync(disk.write(0, new Uint8Array(4 * BLOCK).fill(1)));
      Effect.runSync(disk.flush);
      Effect.runSync(disk.discard(0, 4 * BLOCK));
      if (new Set(units(disk.crash(survivesAll)).slice(0, 32)).size > 1) continue;
      const torn = units(disk.crash(survivesAllButTorn(0, seed)));
      seen.add([0, 8, 16, 24].map((unit) => (torn[unit] === 1 ? "kept" : "discarded")).join(" "));
    }
    expect(seen.size).toBe(16);
  });

  it("let an older write to the same place win when the order is the seed's", () => {
    const disk = SimDisk.make({ name: "disk", geometry: geometry(4096) });
    for (const value of [1, 2]) Effect.runSync(disk.write(0, new Uint8Array(BLOCK).fill(value)));
    const reordered = Array.from({ length: 100 }, (_, seed) => units(disk.crash(survivesReordered(seed)))[0]);
    expect(new Set(reordered)).toEqual(new Set([0, 1, 2]));
  });

  it("are the same for the same seed", () => {
    const make = (): CrashImage => {
      const disk = SimDisk.make({ name: "disk", seed: 5, geometry: geometry(4096) });
      for (let at = 0; at < 20; at++) Effect.runSync(disk.write(at * BLOCK, new Uint8Array(2 * BLOCK).fill(at)));
      Effect.runSync(disk.discard(0, 10 * BLOCK));
      return disk.crash(survivesReordered(9));
    };
    expect(units(make()).join()).toBe(units(make()).join());
  });

  it("outlive the disk that they were taken from, and disks made from them leave them alone", () => {
    const disk = SimDisk.make({ name: "disk", geometry: geometry(4096) });
    Effect.runSync(disk.write(0, new Uint8Array(BLOCK).fill(1)));
    const image = disk.crash(survivesAll);
    Effect.runSync(disk.write(0, new Uint8Array(BLOCK).fill(2)));
    const revived = SimDisk.fromImage(image, { name: "revived" });
    Effect.runSync(revived.write(0, new Uint8Array(BLOCK).fill(3)));
    Effect.runSync(revived.flush);
    expect(units(image)[0]).toBe(1);
    expect(units(disk.crash(survivesAll))[0]).toBe(2);
    expect(units(revived.crash(survivesNone))[0]).toBe(3);
  });
});

const zoneNumber = fc.integer({ min: 1, max: 5 });
const zoneStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ verb: fc.constant("append"), zone: zoneNumber, blocks: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ verb: fc.constantFrom("reset", "finish"), zone: zoneNumber, blocks: fc.constant(0) }),
  },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant("flush"), zone: zoneNumber, blocks: fc.constant(0) }) },
);

describe("crash states of a zoned disk", () => {
  it("leave each zone as it was at some moment since the flush, its last write perhaps cut short", () => {
    fc.assert(
      fc.property(fc.array(zoneStep, { maxLength: 40 }), survival, (steps, survival) => {
        const disk = SimDisk.make({ name: "disk", geometry: geometry(BLOCK, zones) });
        // Contents of each zone, by unit, at all moments since the last flush.
        const moments = Array.from({ length: 6 }, () => [{ values: [] as Array<number>, full: false }]);
        steps.forEach(({ verb, zone, blocks }, number) => {
          const history = moments[zone]!;
          const { values, full } = history.at(-1)!;
          const bytes = new Uint8Array(blocks * BLOCK).fill(number + 1);
          const verbs = disk.zones!;
          const act =
            verb === "append" ? verbs.append(zone, bytes) : verb === "reset" ? verbs.reset(zone) : verbs.finish(zone);
          if (Effect.runSync(Effect.exit(verb === "flush" ? disk.flush : act))._tag === "Failure") return;
          if (verb === "flush") for (const states of moments) states.splice(0, states.length - 1);
          else if (verb === "reset") history.push({ values: [], full: false });
          else if (verb === "finish") history.push({ values, full: true });
          else
            history.push({
              values: [...values, ...Array.from(bytes, () => number + 1).filter((_, at) => at % UNIT === 0)],
              full,
            });
        });
        const image = disk.crash(survival);
        const content = units(image);
        expect(image.zones!.activeCount).toBeLessThanOrEqual(zones.activeZonesMax);
        for (let zone = 1; zone < 6; zone++) {
          const start = image.zones!.startBytes(zone);
          const pointer = image.zones!.writePointerBytes(zone) - start;
          const held = content.slice(start / UNIT, (start + zones.zoneBytes) / UNIT);
          const fits = moments[zone]!.some(({ values, full }, moment) => {
            const empty = held.slice(values.length).every((value) => value === 0);
            const same = values.every((value, unit) => held[unit] === value);
            const atEnd = full ? zones.zoneCapacityBytes : values.length * UNIT;
            if (same && empty && pointer === atEnd) return true;
            // Or the write that led to the moment was cut short.
            const before = moments[zone]![moment - 1];
            if (before === undefined || before.values.length >= values.length) return false;
            const kept = values.findIndex((value, unit) => held[unit] !== value);
            return (
              kept > before.values.length &&
              held.slice(kept).every((value) => value === 0) &&
              pointer === Math.ceil((kept * UNIT) / BLOCK) * BLOCK
            );
          });
          expect(fits).toBe(true);
          expect(image.zones!.state(zone)).not.toBe("open");
        }
      }),
      { numRuns: 400 },
    );
  });

  it("may hold a reset zone as it was before, and never what was written after a reset that did not happen", () => {
    const disk = SimDisk.make({ name: "disk", geometry: geometry(BLOCK, zones) });
    const start = zones.zoneBytes;
    Effect.runSync(disk.write(start, new Uint8Array(2 * BLOCK).fill(1)));
    Effect.runSync(disk.flush);
    Effect.runSync(disk.zones!.reset(1));
    Effect.runSync(disk.write(start, new Uint8Array(BLOCK).fill(2)));
    const afterReset = disk.crash(survivesPrefix(1));
    expect(afterReset.zones!.state(1)).toBe("empty");
    expect(afterReset.media.read(start, 1)[0]).toBe(0);
    const resetLost = disk.crash(survivesOnly(1));
    expect(resetLost.zones!.writePointerBytes(1)).toBe(start + 2 * BLOCK);
    expect(resetLost.media.read(start, 1)[0]).toBe(1);
  });

  it("never have more active zones than allowed, even if that means that a finish survived after all", () => {
    const disk = SimDisk.make({ name: "disk", geometry: geometry(BLOCK, zones) });
    for (const zone of [1, 2]) Effect.runSync(disk.zones!.append(zone, new Uint8Array(BLOCK).fill(zone)));
    Effect.runSync(disk.flush);
    Effect.runSync(disk.zones!.finish(1));
    Effect.runSync(disk.zones!.append(3, new Uint8Array(BLOCK).fill(3)));
    const image = disk.crash(survivesOnly(1));
    expect([1, 2, 3].map((zone) => image.zones!.state(zone))).toEqual(["full", "closed", "closed"]);
  });
});
