import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { heapFlags } from "./heap-room.ts";

const GIB = 1024 ** 3;

describe("room for the heaps of workers", () => {
  it("is what is good for them, or their share of the machine's memory", () => {
    const counted = "--external-memory-accounted-in-global-limit";
    expect(heapFlags(2, 22 * GIB, "14.6.202.34-node.34")).toEqual(["--initial-old-space-size=256", counted]);
    expect(heapFlags(4, 4 * GIB, "13.6.233.17-node.53")).toEqual(["--initial-old-space-size=170", counted]);
  });

  it("is left to V8 where memory is short, and where it knows no such flags", () => {
    expect(heapFlags(8, 2 * GIB, "14.6.202.34-node.34")).toEqual([]);
    expect(heapFlags(2, 22 * GIB, "12.4.254.21-node.57")).toEqual([]);
    expect(heapFlags(2, 22 * GIB, "11.3.244.8-node.38")).toEqual([]);
  });

  it("is asked for with flags that this V8 takes", () => {
    const flags = heapFlags(1, 22 * GIB, process.versions.v8);
    const { status, stderr } = spawnSync(process.execPath, [...flags, "--eval", "0"], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
});
