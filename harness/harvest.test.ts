import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { describe, expect, it } from "vitest";
import { SimDisk } from "../devices/sim/disk.ts";
import { Prng } from "./entropy.ts";
import type { IoPoint } from "./crash-point.ts";
import { drawSurvival, Harvest } from "./harvest.ts";
import type { Mark } from "./oracle/history.ts";
import { World } from "./world.ts";

const MARK: Mark = { moment: 0, syncs: 0 };
const io = (index: number): IoPoint => ({ phase: "issue", operation: "write", index });

/** A disk with two volatile writes. */
function usedDisk(): SimDisk {
  const disk = SimDisk.make({
    name: "disk0",
    geometry: { capacityBytes: 1 << 20, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  });
  const page = new Uint8Array(4096).fill(1);
  new World({ seed: 1 }).run(Effect.andThen(disk.write(0, page), disk.write(8192, page)));
  return disk;
}

/** Which of the points were kept, after so many were offered. */
function kept(seed: number, offered: number, statesMax: number): Array<number> {
  const disk = usedDisk();
  const harvest = new Harvest(new Prng(seed), statesMax, 1);
  for (let point = 0; point < offered; point++)
    harvest.point(
      disk,
      () => io(point),
      () => ({ ...MARK, moment: point }),
    );
  return harvest.states.map(({ point }) => point.index);
}

describe("harvest", () => {
  it("keeps no more than its budget, spread over the whole run however long it is", () => {
    const all = Array.from({ length: 60 }, (_, seed) => kept(seed, 1000, 10)).flat();
    expect(all.length).toBe(600);
    for (let tenth = 0; tenth < 10; tenth++) {
      const within = all.filter((point) => Math.floor(point / 100) === tenth).length;
      expect(within).toBeGreaterThan(30);
      expect(within).toBeLessThan(95);
    }
  });

  it("chooses the same points for a seed, and others for another", () => {
    expect(kept(3, 200, 10)).toEqual(kept(3, 200, 10));
    expect(kept(3, 200, 10)).not.toEqual(kept(4, 200, 10));
  });

  it("makes labels and marks only for states that it keeps", () => {
    const disk = usedDisk();
    let made = 0;
    const harvest = new Harvest(new Prng(1), 2, 1);
    const mark = (): Mark => {
      return { ...MARK, moment: made++ };
    };
    for (let point = 0; point < 500; point++) harvest.point(disk, () => io(point), mark);
    expect(made).toBeLessThan(50);
    const none = new Harvest(new Prng(1), 10, 0);
    for (let point = 0; point < 100; point++) none.point(disk, () => io(point), mark);
    expect(none.states).toEqual([]);
  });

  it("keeps no state twice, of the same instant", () => {
    const disk = usedDisk();
    const harvest = new Harvest(new Prng(1), 50, 1);
    const take = (count: number, moment: number): void => {
      for (let point = 0; point < count; point++) {
        harvest.point(
          disk,
          () => io(point),
          () => ({ ...MARK, moment }),
        );
      }
    };
    take(100, 0);
    // Of two writes either survives or not, and reordering them makes no difference, nor can one of a block be torn.
    expect(harvest.states.length).toBe(4);
    take(100, 1);
    expect(harvest.states.length).toBe(8);
  });

  it("takes the one state that it is told to, and nothing else", () => {
    const disk = usedDisk();
    const harvest = new Harvest(new Prng(1), 10, 1, [{ ...io(7), survives: { kind: "only", position: 1 } }]);
    for (let point = 0; point < 20; point++) {
      harvest.point(
        disk,
        () => io(point),
        () => MARK,
      );
    }
    expect(harvest.states.map(({ label }) => label)).toEqual(["issue of write 7: only volatile operation 1 survives"]);
    const again = SimDisk.fromImage(harvest.states[0]!.image, { name: "disk0" });
    const bytes = [0, 8192].map((at) => new World({ seed: 1 }).run(again.read(at, 4096)));
    expect(bytes.map((exit) => (Exit.isSuccess(exit) ? exit.value[0] : undefined))).toEqual([0, 1]);
  });

  it("draws every way of surviving there is, with its name", () => {
    const random = new Prng(1);
    const names = new Set(Array.from({ length: 300 }, () => drawSurvival(random, 3).name.replaceAll(/\d+/gu, "N")));
    expect([...names].sort()).toEqual([
      "all but volatile operation N survive",
      "everything survives",
      "nothing volatile survives",
      "only volatile operation N survives",
      "operations survive by key N",
      "operations survive by key N, reordered",
      "the first N volatile operations survive",
      "volatile operation N is torn",
    ]);
  });
});
