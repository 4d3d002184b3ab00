import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import type { Scope } from "effect/Scope";
import { afterAll, describe, expect, it } from "vitest";
import { isAligned } from "./aligned-memory.ts";
import { deviceNumbers } from "./block-sysfs.ts";
import { createFile, openFileDevice } from "./file.ts";
import type { DeviceRefused, FileDeviceOptions } from "./file.ts";

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "varve-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

let made = 0;
function image(bytes = 4 * MIB): string {
  const path = join(folder, `image-${made++}`);
  Effect.runSync(createFile(path, bytes));
  return path;
}

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect));
const refusal = (path: string, options?: FileDeviceOptions): Promise<DeviceRefused> =>
  scoped(Effect.flip(openFileDevice(path, options)));

describe("opening a file device", () => {
  it("refuses in one line what cannot be one", async () => {
    const empty = join(folder, "empty");
    writeFileSync(empty, "");
    mkdirSync(join(folder, "directory"));
    const messages = [];
    for (const path of ["missing", "directory", "empty"]) messages.push((await refusal(join(folder, path))).message);
    expect(messages).toEqual([
      `${folder}/missing: no such file or device`,
      `${folder}/directory: is a directory, not a file or block device`,
      `${folder}/empty: is too small: 0 bytes`,
    ]);
    expect((await refusal("/dev/null")).message).toBe("/dev/null: is neither a file nor a block device");
  });

  it("refuses a file that is open already, by this process or another, until that is over", async () => {
    const path = image();
    await scoped(
      Effect.gen(function* () {
        yield* openFileDevice(path);
        const second = yield* Effect.flip(openFileDevice(path));
        expect(second.message).toBe(`${path}: is in use by another process`);
        yield* openFileDevice(path, { readOnly: true, force: true });
      }),
    );
    const holder = spawn("flock", ["--no-fork", path, "sh", "-c", "echo held; exec sleep 60"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    expect((await refusal(path, { readOnly: true })).message).toMatch(/in use/);
    holder.kill("SIGKILL");
    await new Promise((resolve) => holder.once("exit", resolve));
    await scoped(openFileDevice(path));
  });

  it("ignores force without readOnly", async () => {
    const path = image();
    await scoped(Effect.andThen(openFileDevice(path), Effect.flip(openFileDevice(path, { force: true }))));
  });

  it("counts whole blocks only", async () => {
    const device = await scoped(openFileDevice(image(MIB + 5000)));
    expect(device.geometry).toMatchObject({ capacityBytes: MIB + 4096, blockBytes: 4096, zones: undefined });
  });
});

describe("long transfers", () => {
  it("past the page cache and short ones through it show the same bytes", async () => {
    const path = image();
    const blocks = MIB / 4096;
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(path);
        const buffer = device.writeBuffer!(MIB).subarray(0, MIB);
        expect(isAligned(buffer)).toBe(true);
        const model = new Uint8Array(MIB);
        // Every other block is then written alone, and read alone before and after.
        for (let round = 1; round <= 3; round++) {
          for (let block = 0; block < blocks; block++)
            model.fill(round * 16 + (block % 16), block * 4096, (block + 1) * 4096);
          buffer.set(model);
          yield* device.write(0, buffer);
          buffer.fill(0xee);
          expect(Buffer.compare(yield* device.read(8192, 4096), model.subarray(8192, 12288))).toBe(0);
          for (let block = 0; block < blocks; block += 2) {
            const bytes = new Uint8Array(4096).fill(round);
            yield* device.write(block * 4096, bytes);
            model.set(bytes, block * 4096);
          }
          expect(Buffer.compare(yield* device.read(0, MIB), model)).toBe(0);
          expect(
            Buffer.compare(yield* device.read(3 * 4096, MIB / 2), model.subarray(3 * 4096, 3 * 4096 + MIB / 2)),
          ).toBe(0);
          yield* device.flush;
        }
        expect(Buffer.compare(readFileSync(path).subarray(0, MIB), model)).toBe(0);
      }),
    );
  });

  it("take any memory, and many reads at once", async () => {
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(image());
        const bytes = Uint8Array.from({ length: MIB }, (_, at) => at >> 12);
        yield* device.write(MIB, bytes);
        const reads = Array.from({ length: 20 }, () => device.read(MIB, MIB));
        for (const read of yield* Effect.all(reads, { concurrency: "unbounded" })) {
          expect(Buffer.compare(read, bytes)).toBe(0);
        }
      }),
    );
  });
});

describe("making a file", () => {
  it("makes it sparse, and leaves an existing one alone", async () => {
    const path = image(64 * MIB);
    expect(statSync(path)).toMatchObject({ size: 64 * MIB, blocks: 0 });
    const failure = await Effect.runPromise(Effect.flip(createFile(path, MIB)));
    expect(failure.message).toBe(`${path}: exists already`);
    expect(statSync(path).size).toBe(64 * MIB);
  });

  it("refuses impossible sizes and places", () => {
    for (const size of [0, -1, 1.5])
      expect(Effect.runSync(Effect.flip(createFile(join(folder, "new"), size)))).toBeDefined();
    const nowhere = Effect.runSync(Effect.flip(createFile(join(folder, "no", "new"), MIB)));
    expect(nowhere.message).toMatch(/no such file/);
  });
});

describe("a file device", () => {
  it("keeps what was written for the next one to open it", async () => {
    const path = image();
    const bytes = new Uint8Array(8192).fill(7);
    await scoped(
      Effect.flatMap(openFileDevice(path), (device) => Effect.andThen(device.write(4096, bytes), device.flush)),
    );
    expect(
      readFileSync(path)
        .subarray(4096, 4096 + 8192)
        .every((byte) => byte === 7),
    ).toBe(true);
    const read = Effect.flatMap(openFileDevice(path, { readOnly: true }), (device) => device.read(4096, 8192));
    expect(Buffer.compare(await scoped(read), bytes)).toBe(0);
  });

  it("takes no write when opened read-only", async () => {
    const path = image();
    const write = Effect.flatMap(openFileDevice(path, { readOnly: true }), (device) =>
      Effect.flip(device.write(0, new Uint8Array(4096))),
    );
    expect(await scoped(write)).toMatchObject({ _tag: "MediumError", permanent: true });
  });

  it("reports a file that became shorter as an error of the medium", async () => {
    const path = image();
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(path);
        truncateSync(path, 8192);
        expect(yield* Effect.flip(device.read(4096, 8192))).toMatchObject({ _tag: "MediumError", operation: "read" });
      }),
    );
  });

  it("flushes on the stack where nothing else waits, once flushes were short, and nowhere else", async () => {
    const immediate: Array<boolean> = [];
    let alone = true;
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(image(), { alone: () => alone });
        const flush = Effect.suspend(() => {
          const fiber = Effect.runFork(device.flush);
          immediate.push(fiber.pollUnsafe() !== undefined);
          return Fiber.join(fiber);
        });
        // Flushes of a busy machine may be long for a while.
        for (let count = 0; count < 2000 && immediate.at(-1) !== true; count++) yield* flush;
        alone = false;
        yield* flush;
      }),
    );
    expect([immediate[0], immediate.at(-2), immediate.at(-1)]).toEqual([false, true, false]);
  });

  it("reads again into what was given back, if it may keep that", async () => {
    const reads = (spareReadBytes: number): Promise<boolean> =>
      scoped(
        Effect.gen(function* () {
          const device = yield* openFileDevice(image(), { spareReadBytes });
          const first = yield* device.read(0, MIB);
          device.reuse?.(first);
          return (yield* device.read(0, MIB)).buffer === first.buffer;
        }),
      );
    expect([await reads(4 * MIB), await reads(MIB / 2)]).toEqual([true, false]);
  });

  it("answers no more once its scope is closed", async () => {
    const device = await scoped(openFileDevice(image()));
    expect(await Effect.runPromise(Effect.flip(device.read(0, 4096)))).toMatchObject({ _tag: "DeviceGone" });
  });

  it("waits for what is in flight before it lets go of the file", async () => {
    const path = image(16 * MIB);
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(path);
        yield* Effect.forkDetach(device.write(0, new Uint8Array(16 * MIB).fill(9)), { startImmediately: true });
      }),
    );
    expect(readFileSync(path).every((byte) => byte === 9)).toBe(true);
  });
});

describe("discard on a file", () => {
  it("gives space back after a while, and never takes what was written since", async () => {
    const path = image(16 * MIB);
    await scoped(
      Effect.gen(function* () {
        const device = yield* openFileDevice(path);
        yield* device.write(0, new Uint8Array(16 * MIB).fill(5));
        yield* device.flush;
        const before = statSync(path).blocks;
        for (let at = 0; at < 16; at++) yield* device.discard(at * MIB, MIB);
        yield* device.write(4 * MIB, new Uint8Array(4096).fill(6));
        for (let waits = 0; waits < 200 && statSync(path).blocks > before / 4; waits++) yield* Effect.sleep(50);
        expect(statSync(path).blocks).toBeLessThan(before / 4);
        expect((yield* device.read(4 * MIB, 4096)).every((byte) => byte === 6)).toBe(true);
      }),
    );
  });
});

describe("a block device", () => {
  const obstacle = process.getuid?.() === 0 ? undefined : "needs root";

  it("is refused while it is mounted, and its file while it is attached", async ({ skip }) => {
    if (obstacle !== undefined) skip(obstacle);
    const path = image(16 * MIB);
    const mounted = join(folder, "mounted");
    mkdirSync(mounted);
    let loop = "";
    try {
      execFileSync("mkfs.ext4", ["-q", path], { stdio: "pipe" });
      loop = execFileSync("losetup", ["--find", "--show", path], { encoding: "utf8", stdio: "pipe" }).trim();
      execFileSync("mount", [loop, mounted], { stdio: "pipe" });
    } catch (error) {
      if (loop !== "") execFileSync("losetup", ["--detach", loop]);
      skip(`no loop device can be mounted: ${String(error).split("\n")[0]}`);
    }
    try {
      expect((await refusal(loop)).message).toBe(`${loop}: is in use: mounted on ${mounted}`);
      expect((await refusal(path)).message).toBe(`${path}: is in use: attached to ${loop}`);
      await scoped(openFileDevice(loop, { readOnly: true, force: true }));
    } finally {
      execFileSync("umount", [mounted]);
      execFileSync("losetup", ["--detach", loop]);
    }
  });

  it("has a second exclusive user refused by the kernel", async ({ skip }) => {
    if (obstacle !== undefined) skip(obstacle);
    let loop = "";
    try {
      loop = execFileSync("losetup", ["--find", "--show", image()], { encoding: "utf8", stdio: "pipe" }).trim();
    } catch (error) {
      skip(`no loop device: ${String(error).split("\n")[0]}`);
    }
    try {
      const message = scoped(
        Effect.map(
          Effect.andThen(openFileDevice(loop), Effect.flip(openFileDevice(loop))),
          (refused) => refused.message,
        ),
      );
      expect(await message).toBe(`${loop}: is in use: mounted, part of another device, or open exclusively`);
    } finally {
      execFileSync("losetup", ["--detach", loop]);
    }
  });

  it("has numbers as the C library packs them", () => {
    expect(deviceNumbers(0x0801)).toBe("8:1");
    expect(deviceNumbers(0x11032c)).toBe("259:300");
  });
});
