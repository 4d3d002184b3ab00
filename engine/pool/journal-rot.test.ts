/**
 * A journal of which a part has turned bad: the pool opens as it was closed or is refused, never as it was earlier.
 */
import * as Effect from "effect/Effect";
import { describe, expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { decodeEntry } from "../format/journal-entry.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import { formatPool, openPool } from "./pool.ts";

const ZEROS = new TextEncoder().encode("user.zeros");
const MIB = 1024 * 1024;
const BLOCK = 4096;
const UUID = new Uint8Array(16).fill(7);
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0 };
const name = (index: number): Uint8Array => new TextEncoder().encode(`file ${index}`);

/**
 * A pool of several synced files, closed cleanly or stopped after its last sync, as it lies on the medium. Each has an
 * attribute of so many zeros, if any.
 */
function poolOnDisk(
  files: number,
  close: boolean,
  zeros = 0,
  blockBytes = BLOCK,
): Promise<{ disk: SimDisk; journal: ReadonlyArray<number> }> {
  const geometry = { capacityBytes: 8 * MIB, blockBytes, atomicWriteBytes: blockBytes, rotational: false };
  const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });
  return Effect.runPromise(
    Effect.gen(function* () {
      yield* formatPool([disk], { uuid: UUID });
      const journal = yield* Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* openPool([disk], OPEN);
          for (let index = 0; index < files; index++) {
            const { inode } = yield* pool.filesystem.mknod(ROOT_INODE, name(index), FileType.regular | 0o644, 0, OWNER);
            if (zeros > 0) yield* pool.filesystem.setxattr(inode, ZEROS, new Uint8Array(zeros), "set");
            yield* pool.filesystem.syncfs;
          }
          if (close) yield* pool.close;
          const { superblock } = pool;
          return superblock.journalBuckets.map(({ bucket }) => bucket * superblock.bucketBytes);
        }),
      );
      yield* disk.flush;
      return { disk, journal };
    }),
  );
}

/** Names in the root of the pool as it opens now, or why it does not open. */
const opened = (disk: SimDisk): Promise<number | string> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* Effect.result(openPool([disk], { ...OPEN, readOnly: true }));
        if (pool._tag === "Failure") return (pool.failure as { readonly _tag: string })._tag;
        return (yield* pool.success.filesystem.getattr(ROOT_INODE)).sizeBytes;
      }),
    ),
  );

/** Blocks at which the entries of the journal begin, in the order of their sequence. */
async function entryBlocks(disk: SimDisk, journal: ReadonlyArray<number>): Promise<Array<number>> {
  const { blockBytes } = disk.geometry;
  const entries = new Map<number, number>();
  for (const start of journal) {
    for (let at = start; at < start + 30 * BLOCK; at += blockBytes) {
      const entry = decodeEntry(await Effect.runPromise(disk.read(at, 4 * BLOCK)), 0, UUID);
      if (entry !== undefined) entries.set(entry.sequence, at);
    }
  }
  return [...entries].sort((a, b) => a[0] - b[0]).map(([, at]) => at);
}

describe("a journal with a bad block", () => {
  test.each([
    ["closed", true],
    ["stopped after a sync", false],
  ])("of a pool that was %s never shows an earlier state", async (_how, close) => {
    const files = 6;
    const { disk, journal } = await poolOnDisk(files, close);
    const entries = await entryBlocks(disk, journal);
    expect(entries.length).toBeGreaterThan(files);
    // The last entry before a stop is the one that nothing vouches for: it may never have been finished.
    const blocks = close ? entries : entries.slice(0, -1);
    const answers = new Set<number | string>();
    resetMarks();
    for (const block of blocks) {
      // A turned bit can be turned back.
      disk.rot(block + 100, 3);
      answers.add(await opened(disk));
      disk.rot(block + 100, 3);
    }
    expect(await opened(disk)).toBe(files);
    expect(answers).toEqual(new Set([files, "PoolDamaged"]));
    expect(marks.get("journal entry found behind one that cannot be read")).toBeGreaterThan(0);
  });

  test("never shows an earlier state where the entry holds blocks of zeros", async () => {
    const { disk, journal } = await poolOnDisk(6, false, 3 * BLOCK, 512);
    const answers = new Set<number | string>();
    for (const block of (await entryBlocks(disk, journal)).slice(0, -1)) {
      disk.rot(block + 100, 3);
      answers.add(await opened(disk));
      disk.rot(block + 100, 3);
    }
    expect(answers).toEqual(new Set([6, "PoolDamaged"]));
  });

  test("that the device never wrote never shows an earlier state either", async () => {
    const { disk, journal } = await poolOnDisk(6, false);
    const answers = new Set<number | string>();
    for (const block of (await entryBlocks(disk, journal)).slice(0, -1)) {
      const entry = await Effect.runPromise(disk.read(block, BLOCK));
      await Effect.runPromise(disk.write(block, new Uint8Array(BLOCK)));
      answers.add(await opened(disk));
      await Effect.runPromise(disk.write(block, entry));
    }
    expect(answers).toEqual(new Set([6, "PoolDamaged"]));
    expect(await opened(disk)).toBe(6);
  });

  test("that takes the last entries of a clean close with it is found out by the superblock", async () => {
    const { disk, journal } = await poolOnDisk(3, true);
    for (const block of (await entryBlocks(disk, journal)).slice(-2)) disk.rot(block + 50, 1);
    expect(await opened(disk)).toBe("PoolDamaged");
  });
});
