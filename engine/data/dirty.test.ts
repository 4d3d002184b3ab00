import { describe, expect, it } from "vitest";
import { DirtyBytes, DirtyMemory, WINDOW_BYTES } from "./dirty.ts";

const filled = (bytes: number, value: number): Uint8Array => new Uint8Array(bytes).fill(value);

describe("buffers of windows that are through", () => {
  it("serve the next ones, as many as fit into the limit beside what is held", () => {
    let limit = 4.5 * WINDOW_BYTES;
    const memory = new DirtyMemory(() => limit);
    const first = new DirtyBytes(memory);
    first.write(0, filled(6 * WINDOW_BYTES, 1));
    first.recycle();
    expect(memory.heldBytes).toBe(0);
    expect(memory.spareBytes).toBe(4 * WINDOW_BYTES);
    const second = new DirtyBytes(memory);
    second.write(0, filled(3 * WINDOW_BYTES, 2));
    expect(memory.spareBytes).toBe(WINDOW_BYTES);
    const third = new DirtyBytes(memory);
    third.write(0, filled(2 * WINDOW_BYTES, 3));
    third.recycle();
    expect(memory.heldBytes + memory.spareBytes).toBeLessThanOrEqual(limit);
    second.recycle();
    limit = WINDOW_BYTES;
    memory.trim();
    expect(memory.spareBytes).toBe(WINDOW_BYTES);
  });

  it("show nothing of what was in them", () => {
    const memory = new DirtyMemory(() => 1024 * 1024);
    const before = new DirtyBytes(memory);
    before.write(0, filled(WINDOW_BYTES, 0xee));
    before.recycle();
    const dirty = new DirtyBytes(memory);
    dirty.write(10, filled(70_000, 1));
    dirty.write(100_000, filled(5, 2));
    const out = new Uint8Array(WINDOW_BYTES);
    dirty.overlay(0, out);
    const expected = new Uint8Array(WINDOW_BYTES);
    expected.fill(1, 10, 70_010).fill(2, 100_000, 100_005);
    expect(out).toEqual(expected);
    expect(dirty.ranges()).toEqual([
      { start: 10, end: 70_010 },
      { start: 100_000, end: 100_005 },
    ]);
  });
});
