import { expect, it } from "vitest";
import { aims, best, median, pairedRatio, ratiosOf } from "./aims.ts";
import { workloads } from "./workloads.ts";

const groups = { varve: "varve", ext4: "kernel", slow: "fuse", fast: "fuse" } as const;

it("a median is the middle value, or the mean of the middle two", () => {
  expect(median([])).toBeUndefined();
  expect(median([3, 1, 100])).toBe(3);
  expect(median([4, 1, 2, 100])).toBe(3);
});

it("a ratio pairs rounds, so that a slow machine in one of them falls on both sides", () => {
  expect(pairedRatio([10, 1, 20], [5, 0.5, 10])).toBe(2);
  // A round in which one of them failed counts for neither.
  expect(pairedRatio([10, undefined, 30], [5, 1, undefined])).toBe(2);
  expect(pairedRatio([undefined], [1])).toBeUndefined();
});

it("the best peer is that of the highest rate or of the shortest time", () => {
  const rounds = { slow: [1, 2, 3], fast: [10, 20, 30], none: [undefined] };
  expect(best(rounds, ["slow", "fast", "none"], true)).toBe("fast");
  expect(best(rounds, ["slow", "fast", "none"], false)).toBe("slow");
  expect(best(rounds, ["none"], true)).toBeUndefined();
});

it("an aim is met by a rate above it or a time below it", () => {
  const create = { name: "create", unit: "operations/s", more: true };
  const rates = { varve: [20, 22, 24], slow: [1, 1, 1], fast: [10, 10, 10] };
  expect(ratiosOf(create, rates, groups)).toEqual([{ of: "varve", against: "fast", ratio: 2.2, aim: 2, met: true }]);
  const untar = { name: "untar", unit: "s", more: false };
  const seconds = { varve: [3], slow: [9], fast: [6] };
  expect(ratiosOf(untar, seconds, groups)).toEqual([
    { of: "varve", against: "fast", ratio: 0.5, aim: 0.4, met: false },
  ]);
  const write = { name: "write", unit: "MB/s", more: true };
  expect(ratiosOf(write, { varve: [1], ext4: [1] }, groups)).toEqual([]);
});

it("every aim is about a figure that some workload gives", () => {
  const figures = new Set(workloads.flatMap((workload) => workload.figures.map(({ name }) => name)));
  expect(aims.filter(({ figure }) => !figures.has(figure))).toEqual([]);
});
