/**
 * A disk whose cable is pulled and put back: what was not flushed is lost, and nobody is told that it is durable.
 *
 * Once the disk answered again the pool went on. The next flush succeeded, and an fsync was answered, of data that had
 * been written and completed before the disk went and that was no longer there.
 */
import * as Effect from "effect/Effect";
import { expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { FaultPlan } from "../../devices/sim/faults.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { formatPool, openPool } from "./pool.ts";

const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0, readCacheBytes: 0 };
const name = (text: string): Uint8Array => new TextEncoder().encode(text);
const content = (seed: number): Uint8Array => Uint8Array.from({ length: 100_000 }, (_, at) => (at * seed) % 251);

test("a disk that was gone for a moment fails the pool, and every fsync that was answered counts", async () => {
  const geometry = { capacityBytes: 16 * 1024 * 1024, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
  let failures = 0;
  for (let index = 0; index < 40; index += 3) {
    const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: index });
    const synced: Array<number> = [];
    const life = Effect.scoped(
      Effect.gen(function* () {
        const { filesystem } = yield* openPool([disk], OPEN);
        const from = disk.operations + index;
        const gone = { kind: "gone", delayMs: 0, when: { fromIndex: from, toIndex: from + 1 } } as const;
        disk.setFaults(new FaultPlan(index, [gone]));
        for (let file = 1; file <= 12; file++) {
          const { inode } = yield* filesystem.mknod(ROOT_INODE, name(`${file}`), FileType.regular | 0o644, 0, OWNER);
          yield* filesystem.write(inode, 0, content(file));
          // Reading writes nothing: it only meets the disk.
          if (file > 1) yield* Effect.ignore(filesystem.read(inode - 1, 0, 1000));
          const answer = yield* Effect.exit(filesystem.fsync(inode));
          if (answer._tag === "Success") synced.push(file);
          else failures++;
        }
      }),
    );
    const reopened = Effect.scoped(
      Effect.gen(function* () {
        disk.setFaults(new FaultPlan(0, []));
        const { filesystem } = yield* openPool([disk], OPEN);
        for (const file of synced) {
          const { inode } = yield* filesystem.lookup(ROOT_INODE, name(`${file}`));
          const found = yield* filesystem.read(inode, 0, 200_000);
          expect(Buffer.compare(found, content(file))).toBe(0);
        }
      }),
    );
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* formatPool([disk], { uuid: new Uint8Array(16).fill(7) });
        yield* Effect.exit(life);
        yield* reopened;
      }),
    );
  }
  expect(failures).toBeGreaterThan(0);
});
