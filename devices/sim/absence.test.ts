import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { Device, DeviceError, Geometry, ZoneGeometry } from "../device.ts";
import { SimDisk } from "./disk.ts";
import { type Fault, FaultPlan } from "./faults.ts";
import { survivesAll, survivesNone } from "./survival.ts";
import { fixedTiming } from "./timing.ts";

const BLOCK = 4096;
const ZONES: ZoneGeometry = {
  zoneBytes: 16 * BLOCK,
  zoneCapacityBytes: 16 * BLOCK,
  zoneCount: 8,
  conventionalCount: 0,
  openZonesMax: 0,
  activeZonesMax: 0,
};

function makeDisk(faults: ReadonlyArray<Fault>, zones?: ZoneGeometry, seed = 7): SimDisk {
  const geometry: Geometry = {
    capacityBytes: 128 * BLOCK,
    blockBytes: BLOCK,
    atomicWriteBytes: BLOCK,
    rotational: false,
    zones,
  };
  return SimDisk.make({ name: "disk", geometry, keepsEarlier: true, faults: new FaultPlan(seed, faults) });
}

const filled = (value: number, blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK).fill(value);
const run = <A>(effect: Effect.Effect<A, DeviceError>): A => Effect.runSync(effect);
const tagOf = <A>(effect: Effect.Effect<A, DeviceError>): string => Effect.runSync(Effect.flip(effect))._tag;
const first = (disk: Device, block = 0): number => run(disk.read(block * BLOCK, BLOCK))[0]!;
const at = (index: number): NonNullable<Fault["when"]> => ({ fromIndex: index, toIndex: index + 1 });

describe("a stale read", () => {
  it("gives what was there before the last write, once", () => {
    const seen = Array.from({ length: 20 }, (_, seed) => {
      const again = makeDisk([{ kind: "stale-read", when: at(2) }], undefined, seed);
      run(again.write(0, filled(1)));
      run(again.write(0, filled(2)));
      return [first(again), first(again)].join();
    });
    expect(new Set(seen)).toEqual(new Set(["1,2", "2,2"]));
  });

  it("gives what a zone held before it was reset and filled again, also after a crash", () => {
    const disk = makeDisk([], ZONES);
    run(disk.write(0, filled(1, 4)));
    run(disk.zones!.reset(0));
    run(disk.write(0, filled(2, 2)));
    const image = disk.crash(survivesAll);
    const values = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const revived = SimDisk.fromImage(image, { name: "disk", faults: new FaultPlan(seed, [{ kind: "stale-read" }]) });
      const bytes = run(revived.read(0, 4 * BLOCK));
      values.add([0, 1, 2, 3].map((block) => bytes[block * BLOCK]).join(""));
    }
    expect([...values].every((value) => /^[12][12][01][01]$/.test(value))).toBe(true);
    expect(values).toContain("1111");
    expect(values.size).toBeGreaterThan(4);
  });

  it("gives zeros where nothing was before", () => {
    const disk = makeDisk([{ kind: "stale-read", when: at(1) }], undefined, 3);
    run(disk.write(BLOCK, filled(1)));
    expect([0, 1]).toContain(first(disk, 1));
    expect(first(disk, 1)).toBe(1);
  });
});

describe("a fault with a respite", () => {
  it("spares a place that it struck for so many operations, and no other place", () => {
    const disk = makeDisk([{ kind: "read-error", respite: 2 }]);
    const fails = (block: number): boolean =>
      Exit.isFailure(Effect.runSync(Effect.exit(disk.read(block * BLOCK, BLOCK))));
    expect([fails(0), fails(0), fails(0), fails(0)]).toEqual([true, false, false, true]);
    expect([fails(5), fails(6), fails(5)]).toEqual([true, true, false]);
  });

  it("spares whoever tries again from the other faults that have one too", () => {
    const disk = makeDisk([
      { kind: "read-error", respite: 1, when: at(0) },
      { kind: "read-rot", respite: 1 },
    ]);
    expect(tagOf(disk.read(0, BLOCK))).toBe("MediumError");
    expect(first(disk)).toBe(0);
    expect(run(disk.read(0, BLOCK)).some((byte) => byte !== 0)).toBe(true);
  });
});

describe("a device that goes", () => {
  it("fails what it is asked until it is back, and keeps what was flushed", () => {
    const lost = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const disk = makeDisk([{ kind: "gone", delayMs: 0, when: at(4) }], undefined, seed);
      run(disk.write(0, filled(1)));
      run(disk.flush);
      run(disk.write(0, filled(2)));
      run(disk.write(BLOCK, filled(3)));
      expect(tagOf(disk.flush)).toBe("DeviceGone");
      expect(disk.departed).toBe(true);
      expect(disk.pending).toEqual([]);
      lost.add(`${first(disk)}${first(disk, 1)}`);
    }
    expect(lost).toEqual(new Set(["10", "13", "20", "23"]));
  });

  it("stays away for good unless it is told for how long", () => {
    const disk = makeDisk([{ kind: "gone", when: at(1) }], ZONES);
    run(disk.write(0, filled(1)));
    for (let count = 0; count < 3; count++) expect(tagOf(disk.read(0, BLOCK))).toBe("DeviceGone");
    expect(tagOf(disk.zones!.report)).toBe("DeviceGone");
  });

  it("fails what was in flight, though it is back before that would have completed", async () => {
    const geometry = { capacityBytes: 8 * BLOCK, blockBytes: BLOCK, atomicWriteBytes: BLOCK, rotational: false };
    const disk = SimDisk.make({
      name: "disk",
      geometry: { ...geometry, zones: undefined },
      timing: fixedTiming({ write: 30 }),
      faults: new FaultPlan(1, [{ kind: "gone", delayMs: 0, when: at(1) }]),
    });
    const answers = await Effect.runPromise(
      Effect.gen(function* () {
        const write = yield* Effect.forkChild(Effect.exit(disk.write(0, filled(1))));
        yield* Effect.sleep(5);
        const pulled = yield* Effect.exit(disk.read(0, BLOCK));
        const back = yield* Effect.exit(disk.read(0, BLOCK));
        return [yield* Fiber.join(write), pulled, back].map(({ _tag }) => _tag);
      }),
    );
    expect(answers).toEqual(["Failure", "Failure", "Success"]);
  });

  it("closes the zones that were open and leaves each of them a prefix", () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = makeDisk([{ kind: "gone", delayMs: 0, when: at(3) }], ZONES, seed);
      for (const block of [0, 1, 2]) run(disk.write(block * BLOCK, filled(block + 1)));
      expect(tagOf(disk.flush)).toBe("DeviceGone");
      const [zone] = run(disk.zones!.report);
      const kept = zone!.writePointerBytes / BLOCK;
      expect(zone!.state).toBe(kept === 0 ? "empty" : "closed");
      for (let block = 0; block < 3; block++) expect(first(disk, block)).toBe(block < kept ? block + 1 : 0);
      run(disk.write(kept * BLOCK, filled(9)));
      run(disk.flush);
      expect(disk.crash(survivesNone).media.read(kept * BLOCK, 1)[0]).toBe(9);
      expect(disk.violations).toEqual([]);
    }
  });
});
