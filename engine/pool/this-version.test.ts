/**
 * A pool that a program of version 3 made, and was killed over: `version-3.zst` is its device, as it was left.
 */
import { readFileSync } from "node:fs";
import * as Effect from "effect/Effect";
import { describe, expect, test } from "vitest";
import { decompress } from "zstd-napi";
import { SimDisk } from "../../devices/sim/disk.ts";
import { FORMAT_VERSION, program, RecordHeader, viewOf } from "../format/codec.ts";
import { findSuperblock } from "../device/superblock-log.ts";
import type { Filesystem } from "../fs/types.ts";
import { formatPool, openPool, type OpenOptions, type Pool } from "./pool.ts";

const MIB = 1024 * 1024;
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0 };
const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect as Effect.Effect<A>);
const inPool = <A>(disk: SimDisk, use: (pool: Pool) => Effect.Effect<A, unknown>, options: OpenOptions = OPEN) =>
  run(Effect.scoped(Effect.flatMap(openPool([disk], options), use)) as Effect.Effect<A>);

const geometry = { capacityBytes: 4 * MIB, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
const emptyDisk = (): SimDisk => SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });

async function diskOfVersion3(): Promise<SimDisk> {
  const disk = emptyDisk();
  const image = decompress(readFileSync(new URL("./version-3.zst", import.meta.url)));
  await run(Effect.andThen(disk.write(0, Uint8Array.from(image)), disk.flush));
  return disk;
}

/** Version in the header of the record at the front of each bucket of the superblock log. */
const versions = (disk: SimDisk, bucketBytes: number): Promise<Array<number>> =>
  run(
    Effect.forEach([0, bucketBytes], (at) =>
      Effect.map(disk.read(at, 4096), (bytes) => viewOf(bytes).getUint16(RecordHeader.at.version, true)),
    ),
  );

const contents = (fs: Filesystem): Effect.Effect<ReadonlyArray<unknown>, unknown> =>
  Effect.gen(function* () {
    const directory = yield* fs.lookup(1, n("directory"));
    const long = yield* fs.lookup(directory.inode, n("long"));
    const short = yield* fs.lookup(1, n("short"));
    const text = new TextDecoder().decode(yield* fs.read(long.inode, 199_900, 1000));
    return [
      [long.sizeBytes, long.compression, text.includes("was written by version 3"), text.length],
      new TextDecoder().decode(yield* fs.getxattr(long.inode, n("user.key"))),
      [short.sizeBytes, short.mode, new TextDecoder().decode(yield* fs.read(short.inode, 0, 30))],
    ];
  });
const THERE = [[200_000, 0, true, 100], "value", [300, 0o100600, "short was written by version 3"]];

describe("a pool of version 3", () => {
  test("is read as it is, and stays one when it is opened to be read", async () => {
    const disk = await diskOfVersion3();
    expect(await inPool(disk, ({ filesystem }) => contents(filesystem), { ...OPEN, readOnly: true })).toEqual(THERE);
    const found = await run(findSuperblock(disk));
    expect(found).toMatchObject({ superblock: { version: 3 }, versionMin: 3 });
  });

  test("is one of this version before anything else is written, and no record of version 3 is left to be found", async () => {
    const disk = await diskOfVersion3();
    const bucketBytes = await inPool(disk, ({ superblock }) => Effect.succeed(superblock.bucketBytes));
    expect(await versions(disk, bucketBytes)).toEqual([FORMAT_VERSION, FORMAT_VERSION]);
    const after = await inPool(disk, (pool) =>
      Effect.gen(function* () {
        const { filesystem: fs } = pool;
        const before = yield* contents(fs);
        const { inode } = yield* fs.lookup(1, n("short"));
        yield* fs.setattr(inode, { compression: 1 });
        const report = yield* pool.check({ data: true });
        yield* pool.close;
        return { before, problems: report.problems };
      }),
    );
    expect(after).toEqual({ before: THERE, problems: [] });
    const own = await inPool(disk, ({ filesystem }) =>
      Effect.map(filesystem.lookup(1, n("short")), (a) => a.compression),
    );
    expect(own).toBe(1);
  });

  test("that was cut off between both records is whole, and the older one goes next time", async () => {
    const disk = await diskOfVersion3();
    const found = await run(findSuperblock(disk));
    if (typeof found === "string") throw new Error(found);
    const { bucketBytes } = found.superblock;
    // As if only the first of both had been written.
    const old = await run(disk.read(found.bucket * bucketBytes, 8192));
    const kept = Uint8Array.from(old);
    await inPool(disk, () => Effect.void);
    await run(Effect.andThen(disk.write(found.bucket * bucketBytes, kept), disk.flush));
    expect(new Set(await versions(disk, bucketBytes))).toEqual(new Set([3, FORMAT_VERSION]));
    expect(await inPool(disk, ({ filesystem }) => contents(filesystem))).toEqual(THERE);
    expect(await versions(disk, bucketBytes)).toEqual([FORMAT_VERSION, FORMAT_VERSION]);
  });

  test("that a later version has and a crash tore is called of a later version, not damaged", async () => {
    const disk = await diskOfVersion3();
    const bucketBytes = await inPool(disk, ({ superblock }) => Effect.succeed(superblock.bucketBytes));
    const first = Uint8Array.from(await run(disk.read(0, 4096)));
    first[100]! ^= 1;
    await run(Effect.andThen(disk.write(0, first), disk.flush));
    program.version = 3;
    try {
      expect(await run(findSuperblock(disk))).toBe("unsupported version");
    } finally {
      program.version = FORMAT_VERSION;
    }
    const second = Uint8Array.from(await run(disk.read(bucketBytes, 4096)));
    second[100]! ^= 1;
    await run(Effect.andThen(disk.write(bucketBytes, second), disk.flush));
    expect(await run(findSuperblock(disk))).toBe("damaged");
  });

  test("leaves a pool of this version alone", async () => {
    const disk = emptyDisk();
    await run(formatPool([disk], { uuid: new Uint8Array(16).fill(3) }));
    const before = await run(findSuperblock(disk));
    await inPool(disk, () => Effect.void);
    expect(await run(findSuperblock(disk))).toEqual(before);
  });
});
