import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { DeviceError, ZoneGeometry } from "../device.ts";
import { SimDisk } from "./disk.ts";
import { type Fault, FaultPlan } from "./faults.ts";
import { survivesAll, survivesNone } from "./survival.ts";

const BLOCK = 4096;
const zones: ZoneGeometry = {
  zoneBytes: 16 * BLOCK,
  zoneCapacityBytes: 12 * BLOCK,
  zoneCount: 16,
  conventionalCount: 1,
  openZonesMax: 0,
  activeZonesMax: 3,
};
const START = zones.zoneBytes;

function disk(...faults: ReadonlyArray<Fault>): SimDisk {
  const geometry = { capacityBytes: 256 * BLOCK, blockBytes: BLOCK, atomicWriteBytes: 512, rotational: false, zones };
  return SimDisk.make({ name: "disk", geometry, faults: new FaultPlan(7, faults) });
}

const filled = (value: number, blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK).fill(value);
const run = <A>(effect: Effect.Effect<A, DeviceError>): A => Effect.runSync(effect);
const errorOf = <A>(effect: Effect.Effect<A, DeviceError>): DeviceError => Effect.runSync(Effect.flip(effect));
const reportOf = (at: SimDisk, zone: number) => run(at.zones!.report)[zone]!;

describe("faults of zones", () => {
  it("turn a zone read-only at a read, which still succeeds, as all later ones do", () => {
    const it = disk({ kind: "zone-read-only", when: { fromIndex: 1, toIndex: 2 } });
    run(it.write(START, filled(1)));
    expect(run(it.read(START, BLOCK))[0]).toBe(1);
    expect(reportOf(it, 1).state).toBe("read-only");
    expect(errorOf(it.write(START + BLOCK, filled(2)))).toMatchObject({ _tag: "MediumError", permanent: true });
    expect(errorOf(it.zones!.reset(1))).toMatchObject({ _tag: "MediumError", permanent: true });
    expect(run(it.read(START, BLOCK))[0]).toBe(1);
    expect(it.violations).toHaveLength(0);
  });

  it("take a zone offline at the write that they strike, now and after a crash", () => {
    const it = disk({ kind: "zone-offline", when: { fromIndex: 2, toIndex: 3 } });
    run(it.write(START, filled(1)));
    run(it.flush);
    expect(errorOf(it.write(START + BLOCK, filled(2)))._tag).toBe("MediumError");
    expect(errorOf(it.read(START, BLOCK))._tag).toBe("MediumError");
    const after = SimDisk.fromImage(it.crash(survivesNone), { name: "disk" });
    expect(reportOf(after, 1).state).toBe("offline");
    expect(errorOf(after.read(START, BLOCK))._tag).toBe("MediumError");
    expect(reportOf(after, 2).state).toBe("empty");
  });

  it("leave conventional zones alone", () => {
    const it = disk({ kind: "zone-offline" }, { kind: "cut-write" }, { kind: "open-error" });
    run(it.write(0, filled(1)));
    expect(run(it.read(0, BLOCK))[0]).toBe(1);
    expect(reportOf(it, 0).state).toBe("conventional");
  });

  it("fail a reset once, or for good, and leave the zone as it was", () => {
    const once = disk({ kind: "reset-error", when: { fromIndex: 1, toIndex: 2 } });
    run(once.write(START, filled(1)));
    expect(errorOf(once.zones!.reset(1))).toMatchObject({ operation: "reset", permanent: false });
    expect(run(once.read(START, BLOCK))[0]).toBe(1);
    run(once.zones!.reset(1));
    expect(reportOf(once, 1).state).toBe("empty");
    const forGood = disk({ kind: "reset-error", permanent: true, when: { fromIndex: 1, toIndex: 2 } });
    run(forGood.write(START, filled(1)));
    expect(errorOf(forGood.zones!.reset(1))).toMatchObject({ permanent: true });
    expect(errorOf(forGood.zones!.reset(1))).toMatchObject({ permanent: true });
    const after = SimDisk.fromImage(forGood.crash(survivesAll), { name: "disk" });
    expect(errorOf(after.zones!.reset(1))).toMatchObject({ permanent: true });
    expect(run(after.read(START, BLOCK))[0]).toBe(1);
  });

  it("fail a finish once, or give the zone up, which then is not active", () => {
    const once = disk({ kind: "finish-error", when: { fromIndex: 1, toIndex: 2 } });
    run(once.write(START, filled(1)));
    expect(errorOf(once.zones!.finish(1))).toMatchObject({ operation: "finish", permanent: false });
    expect(reportOf(once, 1).state).toBe("open");
    const forGood = disk({ kind: "finish-error", permanent: true });
    run(forGood.write(START, filled(1)));
    expect(errorOf(forGood.zones!.finish(1))).toMatchObject({ permanent: true });
    expect(reportOf(forGood, 1).state).toBe("read-only");
    for (const zone of [2, 3, 4]) run(forGood.write(zone * START, filled(2)));
    expect(forGood.violations).toHaveLength(0);
  });

  it("fail a write that has to open its zone, and no other", () => {
    const it = disk(
      { kind: "open-error", when: { fromIndex: 0, toIndex: 1 } },
      { kind: "open-error", when: { fromIndex: 2, toIndex: 9 } },
    );
    expect(errorOf(it.write(START, filled(1)))).toMatchObject({ operation: "write", permanent: false });
    expect(reportOf(it, 1).state).toBe("empty");
    run(it.write(START, filled(1)));
    run(it.write(START + BLOCK, filled(1)));
  });

  it("cut a write short, and the write pointer tells how much of it is there", () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed < 60; seed++) {
      const it = disk();
      it.setFaults(new FaultPlan(seed, [{ kind: "cut-write", when: { fromIndex: 1, toIndex: 2 } }]));
      run(it.write(START, filled(1)));
      expect(errorOf(it.write(START + BLOCK, filled(2, 3)))).toMatchObject({ permanent: false });
      const written = (reportOf(it, 1).writePointerBytes - START) / BLOCK;
      lengths.add(written);
      for (let block = 0; block < 4; block++) {
        const expected = block === 0 ? 1 : block < written ? 2 : 0;
        expect(run(it.read(START + block * BLOCK, BLOCK))[0]).toBe(expected);
      }
      run(it.write(START + written * BLOCK, filled(3)));
    }
    expect(lengths).toEqual(new Set([1, 2, 3, 4]));
  });
});
