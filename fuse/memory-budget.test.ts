import { describe, expect, it } from "vitest";
import {
  defaultBudgetBytes,
  divideMemory,
  MEMORY_BYTES_MIN,
  type MemoryShares,
  MemoryTooSmall,
  nodeOptions,
} from "./memory-budget.ts";
import { MemoryControl } from "./memory-control.ts";

const MEBIBYTE = 1024 * 1024;

function shares(budget: number, wishes = {}): MemoryShares {
  const divided = divideMemory(budget * MEBIBYTE, wishes);
  if (divided instanceof MemoryTooSmall) throw new Error(divided.message);
  return divided;
}

const total = (divided: MemoryShares): number =>
  divided.nodeCacheBytes +
  divided.dirtyBytesMax +
  divided.readCacheBytes +
  divided.inFlightBytesMax +
  divided.heapBytes +
  3 * divided.semiSpaceBytes;

describe("a budget of memory", () => {
  it.each([192, 256, 300, 512, 1000, 1024, 4096, 65_536])(
    "of %i MiB holds all its shares and the program",
    (budget) => {
      const divided = shares(budget);
      expect(total(divided) + 70 * MEBIBYTE).toBeLessThanOrEqual(budget * MEBIBYTE);
      for (const share of Object.values(divided)) expect(share).toBeGreaterThanOrEqual(2 * MEBIBYTE);
    },
  );

  it("that grows takes no share away", () => {
    for (let budget = 192; budget < 2000; budget += 8) {
      // At these two the young generation takes a step.
      if (budget + 8 === 256 || budget + 8 === 1024) continue;
      const [less, more] = [shares(budget), shares(budget + 8)];
      for (const key of Object.keys(less) as Array<keyof MemoryShares>)
        expect(more[key]).toBeGreaterThanOrEqual(less[key]);
    }
  });

  it("gives what is asked for by name, and divides the rest", () => {
    const plain = shares(512);
    const asked = shares(512, { nodeCacheBytes: 10 * MEBIBYTE });
    expect(asked.nodeCacheBytes).toBe(10 * MEBIBYTE);
    expect(asked.dirtyBytesMax).toBeGreaterThan(plain.dirtyBytesMax);
    expect(asked.readCacheBytes).toBeGreaterThan(plain.readCacheBytes);
    expect(total(asked)).toBeLessThan(512 * MEBIBYTE);
    const all = shares(512, { nodeCacheBytes: 1, dirtyBytesMax: 2, readCacheBytes: 3 });
    expect([all.nodeCacheBytes, all.dirtyBytesMax, all.readCacheBytes]).toEqual([1, 2, 3]);
  });

  it("that is too small is refused, with what would do", () => {
    expect(divideMemory(MEMORY_BYTES_MIN - 1)).toBeInstanceOf(MemoryTooSmall);
    expect(divideMemory(512 * MEBIBYTE, { nodeCacheBytes: 600 * MEBIBYTE })).toMatchObject({
      message: expect.stringMatching(/do not fit into memory=512M: \d+M would/u),
    });
  });

  it("is an eighth of the machine's memory unless told otherwise, within limits", () => {
    expect(defaultBudgetBytes(512 * MEBIBYTE)).toBe(256 * MEBIBYTE);
    expect(defaultBudgetBytes(4096 * MEBIBYTE)).toBe(512 * MEBIBYTE);
    expect(defaultBudgetBytes(2 ** 40)).toBe(1024 * MEBIBYTE);
  });

  it("limits the heap above what is expected of it, and leaves it alone until then", () => {
    const divided = shares(512);
    const [most, least] = nodeOptions(divided).map((option) => Number(option.split("=")[1]));
    expect(most).toBeGreaterThan((1.5 * divided.heapBytes) / MEBIBYTE);
    expect(least).toBe(Math.ceil(divided.heapBytes / MEBIBYTE));
  });
});

describe("the control of memory", () => {
  const BUDGET = 512 * MEBIBYTE;

  it("leaves limits as they are while memory is easy", () => {
    const control = new MemoryControl(shares(512));
    for (let look = 0; look < 20; look++)
      expect(control.look(BUDGET * 0.5)).toEqual({ limits: undefined, collect: false });
  });

  it("shrinks all limits near the budget, to a floor, and lets them grow again", () => {
    const divided = shares(512);
    const control = new MemoryControl(divided);
    let last = divided.dirtyBytesMax;
    for (let look = 0; look < 5; look++) {
      const { limits } = control.look(BUDGET * 1.05);
      expect(limits!.dirtyBytesMax).toBeLessThan(last);
      last = limits!.dirtyBytesMax;
    }
    for (let look = 0; look < 50; look++) control.look(BUDGET * 1.5);
    expect(control.limits.nodeCacheBytes).toBe(Math.floor(divided.nodeCacheBytes / 16));
    expect(control.look(BUDGET * 0.87).limits).toBeUndefined();
    let looks = 0;
    for (; control.ease < 1; looks++) control.look(BUDGET * 0.5);
    expect(looks).toBeGreaterThan(10);
    const { nodeCacheBytes, dirtyBytesMax, readCacheBytes } = divided;
    expect(control.limits).toEqual({ nodeCacheBytes, dirtyBytesMax, readCacheBytes });
  });

  it("waits for what shrinking brought while the budget is kept, and tries more later where it brought little", () => {
    const control = new MemoryControl(shares(512));
    const looked = (times: number, share: number): Array<number> =>
      Array.from({ length: times }, () => {
        control.look(BUDGET * share);
        return control.ease;
      });
    expect(new Set(looked(8, 0.95))).toEqual(new Set([0.75]));
    expect(looked(1, 0.95)).toEqual([0.75 * 0.75]);
    expect(control.squeezes).toBe(2);
    const later = looked(400, 0.87);
    expect(new Set(later.slice(0, 30))).toEqual(new Set([0.75 * 0.75]));
    expect(later.at(-1)).toBe(1);
  });

  it("asks for a collection when it gets tight, and not again and again", () => {
    const control = new MemoryControl(shares(512));
    const asked = Array.from({ length: 16 }, () => control.look(BUDGET * 0.95).collect);
    expect(asked.filter(Boolean)).toHaveLength(2);
    expect(asked[0]).toBe(true);
  });
});
