/**
 * Pools that are crashed again before the first entry after a recovery is durable: what the first recovery found must
 * be found by the second.
 */
import * as Effect from "effect/Effect";
import { describe, expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { survivesAll, survivesAllBut } from "../../devices/sim/survival.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import { formatPool, openPool, type Pool } from "./pool.ts";

const MIB = 1024 * 1024;
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0, dirtyBytesMax: 50_000 };
const UUID = new Uint8Array(16).fill(7);
const name = (index: number): Uint8Array => new TextEncoder().encode(`file ${index}`);
const noise = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 100_000 }, (_, at) => Math.imul(at + 1, seed * 2 + 1) >> 7);

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect as Effect.Effect<A>);

const session = <A>(disk: SimDisk, use: (pool: Pool) => Effect.Effect<A, unknown>): Promise<A> =>
  run(Effect.scoped(Effect.flatMap(openPool([disk], OPEN), use)));

const writeFile = ({ filesystem }: Pool, index: number, bytes: Uint8Array): Effect.Effect<number, unknown> =>
  Effect.gen(function* () {
    const { inode } = yield* filesystem.mknod(ROOT_INODE, name(index), FileType.regular | 0o644, 0, OWNER);
    yield* filesystem.write(inode, 0, bytes);
    yield* filesystem.fsync(inode);
    return inode;
  });

describe("a second crash", () => {
  test("before anything of the second life is durable finds all that the first recovery found", async () => {
    const geometry = { capacityBytes: 8 * MIB, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
    const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });
    await run(formatPool([disk], { uuid: UUID, compression: "none" }));
    // The last entry refers to data that is gone again by its end, so the buckets of that are free.
    await session(disk, (pool) =>
      Effect.gen(function* () {
        yield* writeFile(pool, 0, noise(1));
        const { filesystem } = pool;
        const { inode } = yield* filesystem.mknod(ROOT_INODE, name(1), FileType.regular | 0o644, 0, OWNER);
        // More than may wait in memory: it is written back without a sync.
        for (let part = 0; part < 5; part++) yield* filesystem.write(inode, part * 100_000, noise(part + 2));
        yield* filesystem.unlink(ROOT_INODE, name(1));
        yield* filesystem.mkdir(ROOT_INODE, name(2), 0o755, OWNER);
        yield* filesystem.syncfs;
      }),
    );
    const first = SimDisk.fromImage(disk.crash(survivesAll), { name: "disk", seed: 2 });
    resetMarks();
    let second: SimDisk | undefined;
    await session(first, (pool) =>
      Effect.gen(function* () {
        expect((yield* pool.filesystem.getattr(ROOT_INODE)).sizeBytes).toBe(2);
        // The device keeps all writes of data and loses the journal entry that tells of them.
        first.setObserver((phase, operation) => {
          if (phase !== "issue" || operation !== "flush" || second !== undefined) return;
          second = SimDisk.fromImage(first.crash(survivesAllBut(first.pending.length - 1)), { name: "disk", seed: 3 });
        });
        for (let index = 10; index < 40; index++) yield* writeFile(pool, index, noise(index));
      }),
    );
    expect(second).toBeDefined();
    await session(second!, (pool) =>
      Effect.gen(function* () {
        expect((yield* pool.filesystem.getattr(ROOT_INODE)).sizeBytes).toBe(2);
        const { inode } = yield* pool.filesystem.lookup(ROOT_INODE, name(0));
        expect(yield* pool.filesystem.read(inode, 0, 100_000)).toEqual(noise(1));
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
      }),
    );
    expect(marks.get("unclean pool recovered")).toBe(2);
    expect(marks.get("free bucket kept for the recovery")).toBeGreaterThan(0);
  });
});
