import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { runIn } from "../harness/recovery-check.ts";
import { World } from "../harness/world.ts";
import { divideMemory, type MemoryShares, MemoryTooSmall } from "./memory-budget.ts";
import { MemoryControl, type MemoryLimit } from "./memory-control.ts";
import { memoryShares, processMemory, watchMemory } from "./memory-watch.ts";

const MEBIBYTE = 1024 * 1024;
const BUDGET = 512 * MEBIBYTE;

interface Told {
  readonly limits: ReadonlyArray<MemoryLimit>;
  readonly collections: number;
  readonly lines: ReadonlyArray<string>;
}

/** Watches for so many seconds a process of which so much is resident. */
function watched(residentMiB: (second: number) => number, seconds: number): Told {
  const limits: Array<MemoryLimit> = [];
  const lines: Array<string> = [];
  let collections = 0;
  let looks = 0;
  const memory = {
    residentBytes: () => residentMiB(looks++ / 4) * MEBIBYTE,
    collectGarbage: () => collections++,
  };
  const pool = { limitMemory: (limit: Partial<MemoryLimit>) => limits.push(limit as MemoryLimit) };
  const control = new MemoryControl(divideMemory(BUDGET) as MemoryShares);
  const watching = watchMemory(pool, control, memory, (line) => lines.push(line));
  const { problem } = runIn(new World({ seed: 1 }), Effect.asVoid(Effect.timeoutOption(watching, seconds * 1000)));
  expect(problem).toBeUndefined();
  return { limits, collections, lines };
}

describe("a process whose memory is watched", () => {
  it("keeps its limits while it is well within its budget", () => {
    expect(watched(() => 300, 60)).toEqual({ limits: [], collections: 0, lines: [] });
  });

  it("takes memory from its pool when it gets tight, gives it back later, and says so once", () => {
    const { limits, collections, lines } = watched((second) => (second > 10 && second < 15 ? 500 : 300), 60);
    const dirty = limits.map(({ dirtyBytesMax }) => dirtyBytesMax);
    const least = Math.min(...dirty);
    expect(least).toBeLessThan(dirty.at(-1)! / 2);
    expect(dirty.at(-1)).toBe((divideMemory(BUDGET) as MemoryShares).dirtyBytesMax);
    expect(collections).toBe(3);
    expect(lines).toEqual(["memory is tight: 500 MiB are resident"]);
  });
});

describe("the memory of this process", () => {
  it("is known, and its garbage can be collected", () => {
    expect(processMemory.residentBytes()).toBeGreaterThan(20 * MEBIBYTE);
    let weight: Array<number> | undefined = Array.from({ length: 2_000_000 }, (_, index) => index + 0.5);
    const full = process.memoryUsage().heapUsed;
    expect(weight).toHaveLength(2_000_000);
    weight = undefined;
    processMemory.collectGarbage();
    expect(process.memoryUsage().heapUsed).toBeLessThan(full - 8 * MEBIBYTE);
  });

  it("has a budget with room for what was asked for by name, unless that was given too", () => {
    const wishes = { nodeCacheBytes: 2048 * MEBIBYTE };
    expect(memoryShares(undefined, wishes)).toMatchObject(wishes);
    expect(memoryShares(BUDGET, wishes)).toBeInstanceOf(MemoryTooSmall);
  });
});
