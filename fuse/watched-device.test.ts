import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Device } from "../devices/device.ts";
import { makeMemoryDevice } from "../devices/memory.ts";
import { watchDevice } from "./watched-device.ts";

const SILENT = (): void => {};
const memory = makeMemoryDevice({ name: "memory", capacityBytes: 1024 * 1024 });

describe("a watched device", () => {
  it("hands out the memory from which the device below writes best", () => {
    // Without it every write of a mount went through the page cache, at twice the processor time.
    const own = new Uint8Array(8192);
    const below: Device = { ...memory, writeBuffer: () => own };
    expect(watchDevice(below, SILENT).writeBuffer?.(8192)).toBe(own);
    expect("writeBuffer" in watchDevice(memory, SILENT)).toBe(false);
    const back: Array<Uint8Array> = [];
    watchDevice({ ...memory, reuse: (bytes) => void back.push(bytes) }, SILENT).reuse?.(own);
    expect(back).toEqual([own]);
    expect("reuse" in watchDevice(memory, SILENT)).toBe(false);
  });

  it("counts what is asked of it, and tells of failures", () => {
    const told: Array<string> = [];
    const watched = watchDevice(memory, (line) => told.push(line));
    Effect.runSync(watched.write(4096, new Uint8Array(8192)));
    Effect.runSync(watched.flush);
    expect([...Effect.runSync(watched.read(4096, 4096))]).toEqual([...new Uint8Array(4096)]);
    expect(Effect.runSync(Effect.flip(watched.read(1024 * 1024, 4096)))._tag).toBe("OutOfRange");
    expect(watched.counts).toMatchObject({ writes: 1, writtenBytes: 8192, flushes: 1, reads: 2, errors: 1 });
    expect(told).toHaveLength(1);
  });
});
