import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventLoopReads } from "./kernel-reader.ts";
import { obstacle, Program, TestMount } from "./test-mount.ts";

const blocked = obstacle();
const BY_THREADS = "requests are read by the thread pool";

it("the event loop can read from the kernel's device with this version of Node", async ({ skip }) => {
  if (blocked !== undefined) return skip(blocked);
  expect(await eventLoopReads()).toBe(true);
});

describe.each([
  { reader: "the event loop", options: [] },
  { reader: "the thread pool", options: ["thread-pool"] },
])("requests read by $reader", ({ reader, options }) => {
  let program: Program | undefined;

  beforeAll(async () => {
    if (blocked === undefined) program = await Program.build();
  }, 60_000);

  afterAll(() => program?.remove());

  it("are answered each with its own, small and large, many at a time", { timeout: 60_000 }, async ({ skip }) => {
    if (blocked !== undefined) return skip(blocked);
    const mount = await TestMount.format(program!, "256M");
    try {
      await mount.mount("direct", ...options);
      expect(readFileSync(mount.log, "utf8").includes(BY_THREADS)).toBe(reader === "the thread pool");
      const contents = Array.from({ length: 200 }, (_, index) => Buffer.alloc(1 + index * 4111, index));
      const path = (index: number): string => join(mount.directory, `file-${index}`);
      await Promise.all(contents.map((bytes, index) => writeFile(path(index), bytes)));
      const read = await Promise.all(contents.map((_, index) => readFile(path(index))));
      expect(read.map((bytes, index) => bytes.equals(contents[index]!))).toEqual(contents.map(() => true));
      await mount.umount();
      await mount.check();
    } finally {
      await mount.remove();
    }
  });
});
