import { expect, it } from "vitest";
import { RecentlyTold } from "./recently-told.ts";

it.for([0, 3, 9.5, 10, 19, 1000])(
  "remembers for its time and at most twice as long, whenever it was told (%d)",
  (at) => {
    let now = 0;
    const told = new RecentlyTold(10, () => now);
    told.add(1);
    now = at;
    expect(told.has(2)).toBe(false);
    told.add(2);
    now = at + 9.9;
    expect(told.has(2)).toBe(true);
    now = at + 20;
    expect(told.has(2)).toBe(false);
  },
);
