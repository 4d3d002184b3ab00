import { describe, expect, test } from "vitest";
import * as Effect from "effect/Effect";
import { probeContents } from "./contents.ts";
import { makeMemoryDevice } from "./memory.ts";

const MIB = 1024 * 1024;

/** What is seen on a device with these bytes at this place. */
async function seen(offsetBytes: number, content: Uint8Array): Promise<string | undefined> {
  const device = makeMemoryDevice({ name: "disk", capacityBytes: MIB });
  const block = new Uint8Array(4096);
  const from = offsetBytes - (offsetBytes % 4096);
  block.set(content, offsetBytes - from);
  await Effect.runPromise(device.write(from, block));
  return Effect.runPromise(probeContents(device));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("what a device holds", () => {
  test("nothing, if its beginning and its end are zeros", async () => {
    const device = makeMemoryDevice({ name: "disk", capacityBytes: MIB });
    expect(await Effect.runPromise(probeContents(device))).toBeUndefined();
    expect(await seen(512 * 1024, text("in the middle"))).toBeUndefined();
  });

  test.each([
    [1080, Uint8Array.of(0x53, 0xef), "an ext2, ext3 or ext4 filesystem"],
    [0, text("XFSB"), "an XFS filesystem"],
    [65_600, text("_BHRfS_M"), "a btrfs filesystem"],
    [4086, text("SWAPSPACE2"), "swap space"],
    [512, text("EFI PART"), "a GPT partition table"],
    [510, Uint8Array.of(0x55, 0xaa), "a partition table or boot sector"],
    [0, Uint8Array.of(0x50, 0x4b, 3, 4), "a zip archive"],
    [100_000, Uint8Array.of(1), "data that is not known"],
    [MIB - 1, Uint8Array.of(1), "data at its end that is not known"],
  ])("at byte %i, %j: %s", async (offsetBytes, content, what) => {
    expect(await seen(offsetBytes, content)).toBe(what);
  });

  test("a device shorter than what is looked at is looked at as a whole", async () => {
    const device = makeMemoryDevice({ name: "disk", capacityBytes: 8192 });
    expect(await Effect.runPromise(probeContents(device))).toBeUndefined();
    await Effect.runPromise(device.write(4096, new Uint8Array(4096).fill(1)));
    expect(await Effect.runPromise(probeContents(device))).toBe("data that is not known");
  });
});
