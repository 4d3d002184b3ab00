import { expect, it } from "vitest";
import { RecentlyTold } from "./recently-told.ts";

it("remembers for at least its time and at most twice as long", () => {
  let now = 0;
  const told = new RecentlyTold(10, () => now);
  for (const start of [0, 3, 9, 10, 19, 100, 101, 250]) {
    now = start;
    expect(told.has(start)).toBe(false);
    told.add(start);
    now = start + 9.9;
    expect(told.has(start)).toBe(true);
    now = start + 20;
    expect(told.has(start)).toBe(false);
    now = start;
  }
});
