import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Resending } from "./resending.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("is over soon behind what is new, or after a while, once", () => {
  for (const idleMs of [0, 9000, 30_000]) {
    let over = 0;
    const resending = new Resending(() => over++);
    vi.advanceTimersByTime(idleMs);
    expect(over).toBe(idleMs > 10_000 ? 1 : 0);
    for (let count = 0; count < 3; count++) resending.newCame();
    vi.advanceTimersByTime(1000);
    expect(over).toBe(1);
    resending.newCame();
    vi.advanceTimersByTime(30_000);
    expect(over).toBe(1);
  }
});
