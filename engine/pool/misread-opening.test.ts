/**
 * An opening during which the device answers one read wrongly: the pool is found as it was, whichever read it is.
 */
import * as Effect from "effect/Effect";
import { expect, test } from "vitest";
import type { Geometry } from "../../devices/device.ts";
import { CrashImage } from "../../devices/sim/crash.ts";
import { SimDisk } from "../../devices/sim/disk.ts";
import { type FaultKind, FaultPlan } from "../../devices/sim/faults.ts";
import { survivesAll, survivesNone } from "../../devices/sim/survival.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import { formatPool, openPool } from "./pool.ts";

const MIB = 1024 * 1024;
const BLOCK = 4096;
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0 };
const FILES = 40;
const GEOMETRY: Geometry = {
  capacityBytes: 8 * MIB,
  blockBytes: BLOCK,
  atomicWriteBytes: BLOCK,
  rotational: false,
  zones: undefined,
};
const name = (index: number): Uint8Array => new TextEncoder().encode(`file ${index}`);

/** A small journal that has gone round several times, closed now and then, and stopped after its last sync. */
const worn = Effect.gen(function* () {
  const disk = SimDisk.make({ name: "disk", geometry: GEOMETRY, keepsEarlier: true, seed: 3 });
  yield* formatPool([disk], { uuid: new Uint8Array(16).fill(7), journalBuckets: 8 });
  for (let life = 0; life < 4; life++) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { filesystem, close } = yield* openPool([disk], OPEN);
        for (let index = life * 10; index < life * 10 + 10; index++) {
          const { inode } = yield* filesystem.mknod(ROOT_INODE, name(index), FileType.regular | 0o644, 0, OWNER);
          for (let turn = 0; turn < 12; turn++) {
            yield* filesystem.setxattr(inode, name(turn), new Uint8Array(20_000).fill(index), "set");
          }
          yield* filesystem.syncfs;
        }
        if (life < 3) yield* close;
      }),
    );
  }
  return disk.crash(survivesNone);
});

/** What an opening finds of which one read after another is struck: how many files, and whether there was such a read. */
async function openings(image: CrashImage, kind: FaultKind): Promise<ReadonlyArray<string>> {
  const opened = (index: number): Effect.Effect<string> => {
    const disk = SimDisk.fromImage(image, { name: "disk" });
    disk.setFaults(new FaultPlan(index, [{ kind, when: { fromIndex: index, toIndex: index + 1 } }]));
    const open = Effect.scoped(
      Effect.gen(function* () {
        const { filesystem } = yield* openPool([disk], { ...OPEN, readOnly: true });
        const { sizeBytes } = yield* filesystem.getattr(ROOT_INODE);
        return `${sizeBytes} files, ${disk.operations > index ? "struck" : "spared"}`;
      }),
    );
    return Effect.catch(open, (error) => Effect.succeed(`read ${index}: ${JSON.stringify(error)}`));
  };
  const answers: Array<string> = [];
  for (let index = 0; answers.at(-1)?.endsWith("spared") !== true; index++) {
    answers.push(await Effect.runPromise(opened(index)));
  }
  return answers;
}

test.each<readonly [FaultKind]>([["stale-read"], ["misdirected-read"], ["read-rot"], ["read-error"]])(
  "one %s costs nothing, whichever read of the opening it strikes",
  async (kind) => {
    const image = await Effect.runPromise(worn);
    resetMarks();
    const answers = await openings(image, kind);
    expect(answers.length).toBeGreaterThan(30);
    expect(new Set(answers)).toEqual(new Set([`${FILES} files, struck`, `${FILES} files, spared`]));
    if (kind === "stale-read") {
      expect(marks.get("superblock read again")).toBeGreaterThan(0);
      expect(marks.get("journal read again where it was not as expected")).toBeGreaterThan(0);
    }
  },
);

/** Fills one entry after another, with the file at the end; returns where the first is. */
const wordyLife = (disk: SimDisk, file: number, syncs: boolean): Effect.Effect<number, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { filesystem } = yield* openPool([disk], { ...OPEN, commitIntervalMs: 60_000 });
      let firstAt = -1;
      disk.setObserver((phase, operation, offsetBytes) => {
        if (phase === "issue" && operation === "discard" && firstAt < 0) firstAt = offsetBytes;
      });
      for (let turn = 0; turn < 30; turn++) {
        yield* filesystem.setxattr(ROOT_INODE, name(turn), new Uint8Array(20_000).fill(file), "set");
      }
      yield* filesystem.mknod(ROOT_INODE, name(file), FileType.regular | 0o644, 0, OWNER);
      if (syncs) yield* filesystem.syncfs;
      disk.setObserver(undefined);
      return firstAt;
    }),
  );

test("an entry of a life whose first was never written is not taken for what stands there now", async () => {
  const relived = Effect.gen(function* () {
    const disk = SimDisk.make({
      name: "disk",
      geometry: { ...GEOMETRY, capacityBytes: 64 * MIB },
      keepsEarlier: true,
      seed: 4,
    });
    yield* formatPool([disk], { uuid: new Uint8Array(16).fill(8), bucketBytes: MIB });
    const firstAt = yield* wordyLife(disk, 1, false);
    const { geometry, media, zones, bad, earlier } = disk.crash(survivesAll);
    const torn = media.fork();
    torn.write(firstAt, new Uint8Array(BLOCK));
    const next = SimDisk.fromImage(new CrashImage(geometry, torn, zones, bad, earlier), { name: "disk", seed: 5 });
    expect(yield* wordyLife(next, 2, true)).toBe(firstAt);
    return next.crash(survivesNone);
  });
  const answers = await openings(await Effect.runPromise(relived), "stale-read");
  expect(answers.length).toBeGreaterThan(10);
  expect(new Set(answers)).toEqual(new Set(["1 files, struck", "1 files, spared"]));
});
