/**
 * An opening during which the device answers one read wrongly: the pool is found as it was, whichever read it is.
 */
import * as Effect from "effect/Effect";
import { expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { type FaultKind, FaultPlan } from "../../devices/sim/faults.ts";
import { survivesNone } from "../../devices/sim/survival.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import { formatPool, openPool } from "./pool.ts";

const MIB = 1024 * 1024;
const BLOCK = 4096;
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0 };
const FILES = 40;
const name = (index: number): Uint8Array => new TextEncoder().encode(`file ${index}`);

/** A small journal that has gone round several times, closed now and then, and stopped after its last sync. */
const worn = Effect.gen(function* () {
  const geometry = { capacityBytes: 8 * MIB, blockBytes: BLOCK, atomicWriteBytes: BLOCK, rotational: false };
  const disk = SimDisk.make({
    name: "disk",
    geometry: { ...geometry, zones: undefined },
    keepsEarlier: true,
    seed: 3,
  });
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

test.each<readonly [FaultKind]>([["stale-read"], ["misdirected-read"], ["read-rot"], ["read-error"]])(
  "one %s costs nothing, whichever read of the opening it strikes",
  async (kind) => {
    const image = await Effect.runPromise(worn);
    resetMarks();
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
    expect(answers.length).toBeGreaterThan(30);
    expect(new Set(answers)).toEqual(new Set([`${FILES} files, struck`, `${FILES} files, spared`]));
    if (kind === "stale-read") {
      expect(marks.get("superblock read again")).toBeGreaterThan(0);
      expect(marks.get("journal read again where it was not as expected")).toBeGreaterThan(0);
    }
  },
);
