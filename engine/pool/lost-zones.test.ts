/**
 * Pools on a zoned device that gives zones up: what can be read is moved, what is lost is said to be, and the rest works.
 */
import * as Effect from "effect/Effect";
import { describe, expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { FaultPlan } from "../../devices/sim/faults.ts";
import { survivesAll } from "../../devices/sim/survival.ts";
import { BucketClass, BucketState } from "../allocator/buckets.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { formatPool, openPool, type Pool } from "./pool.ts";

const ZONE_BYTES = 256 * 1024;
const ZONES = 40;
const FILES = 6;
const FILE_BYTES = 100_000;
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0, readCacheBytes: 0 };
const UUID = new Uint8Array(16).fill(7);
const name = (index: number): Uint8Array => new TextEncoder().encode(`file ${index}`);
const noise = (seed: number): Uint8Array =>
  Uint8Array.from({ length: FILE_BYTES }, (_, at) => Math.imul(at + 1, seed * 2 + 1) >> 7);

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect as Effect.Effect<A>);

const session = <A>(disk: SimDisk, use: (pool: Pool) => Effect.Effect<A, unknown>): Promise<A> =>
  run(Effect.scoped(Effect.flatMap(openPool([disk], OPEN), use)));

const writeFiles = ({ filesystem }: Pool, from: number): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    for (let index = from; index < from + FILES; index++) {
      const { inode } = yield* filesystem.mknod(ROOT_INODE, name(index), FileType.regular | 0o644, 0, OWNER);
      yield* filesystem.write(inode, 0, noise(index));
      yield* filesystem.fsync(inode);
    }
  });

/** Numbers of the files that can be read; those must be right, and the others fail as they should. */
const readable = ({ filesystem }: Pool): Effect.Effect<Array<number>, unknown> =>
  Effect.gen(function* () {
    const good: Array<number> = [];
    for (let index = 0; index < FILES; index++) {
      const { inode } = yield* filesystem.lookup(ROOT_INODE, name(index));
      const read = yield* Effect.result(filesystem.read(inode, 0, FILE_BYTES));
      if (read._tag === "Failure") expect(read.failure).toMatchObject({ reason: "InputOutput" });
      else {
        expect(Buffer.compare(read.success, noise(index))).toBe(0);
        good.push(index);
      }
    }
    return good;
  });

/** A closed pool with files, and a zone that holds data of some of them. */
async function zonedPool(): Promise<{ disk: SimDisk; zone: number }> {
  const zones = {
    ...{ zoneBytes: ZONE_BYTES, zoneCapacityBytes: ZONE_BYTES, zoneCount: ZONES, conventionalCount: 0 },
    ...{ openZonesMax: 8, activeZonesMax: 8 },
  };
  const geometry = {
    capacityBytes: ZONES * ZONE_BYTES,
    blockBytes: 4096,
    atomicWriteBytes: 4096,
    rotational: false,
    zones,
  };
  const disk = SimDisk.make({ name: "disk", geometry, seed: 1 });
  await run(formatPool([disk], { uuid: UUID, compression: "none" }));
  const zone = await session(disk, (pool) =>
    Effect.gen(function* () {
      yield* writeFiles(pool, 0);
      const { buckets } = pool.runtime;
      const holding = Array.from({ length: ZONES }, (_, bucket) => ({ device: 0, bucket })).find(
        (at) => buckets.classOf(at) === BucketClass.data && buckets.liveOf(at) > 0,
      );
      yield* pool.close;
      return holding!.bucket;
    }),
  );
  return { disk, zone };
}

describe("a zone that the device gives up", () => {
  test("read-only, is emptied when the pool opens and never used again", async () => {
    const { disk, zone } = await zonedPool();
    disk.failZone(zone, "read-only");
    await session(disk, (pool) =>
      Effect.gen(function* () {
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
        const { buckets } = pool.runtime;
        expect(buckets.stateOf({ device: 0, bucket: zone })).toBe(BucketState.bad);
        expect(buckets.liveOf({ device: 0, bucket: zone })).toBe(0);
        yield* pool.close;
      }),
    );
    // Nothing stands there any more.
    disk.failZone(zone, "offline");
    await session(disk, (pool) =>
      Effect.gen(function* () {
        expect(yield* readable(pool)).toHaveLength(FILES);
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
        for (let round = 1; round < 12; round++) {
          yield* writeFiles(pool, round * FILES);
          for (let index = 0; index < FILES; index++) {
            yield* pool.filesystem.unlink(ROOT_INODE, name(round * FILES + index));
          }
        }
        yield* pool.close;
      }),
    );
    expect(disk.violations).toEqual([]);
    expect(disk.futileOperations).toBe(0);
  });

  test("offline, costs what was in it and nothing else, and is named by a check", async () => {
    const { disk, zone } = await zonedPool();
    disk.failZone(zone, "offline");
    await session(disk, (pool) =>
      Effect.gen(function* () {
        const left = (yield* readable(pool)).length;
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThan(FILES);
        const { problems, counts } = yield* pool.check({ data: true });
        expect(counts["offline zones"]).toBe(1);
        expect(problems.map(({ pass }) => pass)).toContain("zones");
        expect(problems.find(({ pass }) => pass === "zones")?.what).toContain(`bucket ${zone} of device 0`);
        // What is lost can be removed, and then the pool is sound.
        const good = new Set(yield* readable(pool));
        for (let index = 0; index < FILES; index++) {
          if (!good.has(index)) yield* pool.filesystem.unlink(ROOT_INODE, name(index));
        }
        yield* pool.filesystem.syncfs;
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
        yield* pool.close;
      }),
    );
  });

  test("offline after a sync, does not take the rest of what was synced with it", async () => {
    const { disk } = await zonedPool();
    let zone = -1;
    await session(disk, ({ filesystem, runtime }) =>
      Effect.gen(function* () {
        yield* filesystem.mkdir(ROOT_INODE, name(90), 0o755, OWNER);
        const { inode } = yield* filesystem.mknod(ROOT_INODE, name(91), FileType.regular | 0o644, 0, OWNER);
        yield* filesystem.write(inode, 0, noise(91));
        yield* filesystem.fsync(inode);
        const { buckets } = runtime;
        for (let bucket = 0; bucket < ZONES; bucket++) {
          if (buckets.stateOf({ device: 0, bucket }) !== BucketState.open) continue;
          if (buckets.classOf({ device: 0, bucket }) === BucketClass.data) zone = bucket;
        }
      }),
    );
    disk.failZone(zone, "offline");
    const after = SimDisk.fromImage(disk.crash(survivesAll), { name: "disk", seed: 2 });
    await session(after, (pool) =>
      Effect.gen(function* () {
        yield* pool.filesystem.lookup(ROOT_INODE, name(90));
        const { inode } = yield* pool.filesystem.lookup(ROOT_INODE, name(91));
        const read = yield* Effect.result(pool.filesystem.read(inode, 0, FILE_BYTES));
        expect(read._tag === "Failure" && read.failure.reason).toBe("InputOutput");
        expect(yield* readable(pool)).toHaveLength(FILES);
      }),
    );
  });

  test("in the journal, leaves the ring, and at a clean close the superblock", async () => {
    const { disk } = await zonedPool();
    const lost = await session(disk, (pool) =>
      Effect.gen(function* () {
        const { bucket } = pool.superblock.journalBuckets.at(-1)!;
        disk.failZone(bucket, "offline");
        yield* pool.close;
        return bucket;
      }),
    );
    await session(disk, (pool) =>
      Effect.gen(function* () {
        expect(pool.superblock.journalBuckets.map(({ bucket }) => bucket)).toContain(lost);
        expect(yield* readable(pool)).toHaveLength(FILES);
        yield* pool.close;
      }),
    );
    await session(disk, (pool) =>
      Effect.gen(function* () {
        expect(pool.superblock.journalBuckets.map(({ bucket }) => bucket)).not.toContain(lost);
        expect(yield* readable(pool)).toHaveLength(FILES);
        yield* writeFiles(pool, 50);
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
      }),
    );
  });

  test("while its write pointer moves under a failing write, costs nothing", async () => {
    const { disk } = await zonedPool();
    disk.setFaults(new FaultPlan(3, [{ kind: "cut-write", probability: 0.3 }]));
    await session(disk, (pool) =>
      Effect.gen(function* () {
        yield* writeFiles(pool, 20);
        disk.setFaults(new FaultPlan(0, []));
        yield* pool.close;
      }),
    );
    await session(disk, (pool) =>
      Effect.gen(function* () {
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
        expect(yield* pool.filesystem.lookup(ROOT_INODE, name(25))).toMatchObject({ sizeBytes: FILE_BYTES });
      }),
    );
    expect(disk.violations).toEqual([]);
  });
});
