import * as fc from "fast-check";
import { expect, it } from "vitest";
import { LookupCounts } from "./lookup-counts.ts";

/** Numbers that meet in the table, lie apart, and do not fit a word. */
const inode = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  fc.integer({ min: 2 ** 32, max: 2 ** 32 + 9 }),
);
const times = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant(2 ** 31 - 1));
const step = fc.record({ add: fc.boolean(), inode, times });

it("counts as a map of numbers does, whatever comes and goes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const counts = new LookupCounts();
      const model = new Map<number, number>();
      for (const { add, inode: number, times: by } of steps) {
        const before = model.get(number);
        if (add) {
          counts.add(number, by);
          model.set(number, (before ?? 0) + by);
        } else {
          expect(counts.subtract(number, by)).toBe(before !== undefined && before <= by);
          if (before !== undefined && before > by) model.set(number, before - by);
          else model.delete(number);
        }
        expect(counts.has(number)).toBe(model.has(number));
      }
      expect(counts.size).toBe(model.size);
      for (const number of model.keys()) expect(counts.has(number)).toBe(true);
    }),
  );
});

it("a million inodes take less than 20 MB, and what they took is given back", () => {
  const counts = new LookupCounts();
  for (let number = 1; number <= 1_000_000; number++) counts.add(number);
  for (let number = 1; number <= 1_000_000; number += 3) counts.add(number, 2);
  expect(counts.size).toBe(1_000_000);
  expect(counts.bytes).toBeLessThan(20e6);
  let last = 0;
  for (let number = 1_000_000; number >= 1; number--) if (counts.subtract(number, 1)) last++;
  expect(last).toBe(666_666);
  for (let number = 1; number <= 1_000_000; number += 3) if (counts.subtract(number, 2)) last++;
  expect(last).toBe(1_000_000);
  expect([counts.size, counts.has(7)]).toEqual([0, false]);
  expect(counts.bytes).toBeLessThan(20_000);
});
