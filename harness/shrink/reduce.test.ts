import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reduce, reducePairs } from "./reduce.ts";

const holdsAll =
  (needed: ReadonlyArray<number>) =>
  (list: ReadonlyArray<number>): boolean =>
    needed.every((each) => list.includes(each));

describe("a list that fails", () => {
  it("is reduced to the elements that are needed, in their order, wherever they stand", () => {
    fc.assert(
      fc.property(fc.nat(80), fc.array(fc.nat(79), { maxLength: 6 }), (length, drawn) => {
        const whole = Array.from({ length }, (_, index) => index);
        const needed = whole.filter((each) => drawn.includes(each));
        expect(reduce(whole, holdsAll(needed))).toEqual(needed);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("is asked about in few steps: some for each needed element, not all lists there are", () => {
    const whole = Array.from({ length: 1000 }, (_, index) => index);
    let asked = 0;
    const stillFails = (list: ReadonlyArray<number>): boolean => {
      asked++;
      return holdsAll([3, 500, 999])(list);
    };
    expect(reduce(whole, stillFails)).toEqual([3, 500, 999]);
    expect(asked).toBeLessThan(100);
  });

  it("loses two elements together that cannot be taken out one by one", () => {
    const paired = (list: ReadonlyArray<number>): boolean => list.includes(2) && list.includes(1) === list.includes(4);
    expect(reduce([1, 2, 4], paired)).toEqual([1, 2, 4]);
    expect(reducePairs([1, 2, 4], paired)).toEqual([2]);
  });
});
