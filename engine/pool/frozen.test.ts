/**
 * A pool whose disk no longer takes a flush: nothing changes any more, and everything can be read.
 */
import * as Effect from "effect/Effect";
import { expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { FaultPlan } from "../../devices/sim/faults.ts";
import { FileType, type Fs, ROOT_INODE } from "../fs/types.ts";
import { formatPool, openPool } from "./pool.ts";

const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0, readCacheBytes: 0 };
const name = (text: string): Uint8Array => new TextEncoder().encode(text);
const content = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251);

const refused = (change: Fs<unknown>): Effect.Effect<void> =>
  Effect.map(Effect.result(change), (result) => {
    expect(result).toMatchObject({ _tag: "Failure", failure: { reason: "InputOutput" } });
  });

test("a pool that can no longer be written takes no change, and gives all that it took before", async () => {
  const geometry = { capacityBytes: 16 * 1024 * 1024, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
  const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });
  const life = Effect.gen(function* () {
    const { filesystem: fs } = yield* openPool([disk], OPEN);
    const make = (text: string): ReturnType<typeof fs.mknod> =>
      fs.mknod(ROOT_INODE, name(text), FileType.regular | 0o644, 0, OWNER);
    const { inode: stored } = yield* make("stored");
    yield* fs.write(stored, 0, content);
    yield* fs.fsync(stored);
    const { inode: dirty } = yield* make("dirty");
    yield* fs.write(dirty, 5, content);
    disk.setFaults(new FaultPlan(1, [{ kind: "flush-error", permanent: true }]));
    yield* refused(fs.fsync(dirty));
    for (const change of [
      make("late"),
      fs.write(dirty, 0, content),
      fs.write(stored, 0, content),
      fs.setattr(stored, { sizeBytes: 1 }),
      fs.unlink(ROOT_INODE, name("stored")),
      fs.fsync(stored),
    ])
      yield* refused(change);
    expect((yield* fs.lookup(ROOT_INODE, name("stored"))).sizeBytes).toBe(content.length);
    const found = yield* fs.read(stored, 0, content.length);
    expect(Buffer.compare(found, content)).toBe(0);
    const unsynced = yield* fs.read(dirty, 0, content.length + 5);
    expect(Buffer.compare(unsynced.subarray(5), content)).toBe(0);
    const gone = yield* Effect.result(fs.lookup(ROOT_INODE, name("late")));
    expect(gone).toMatchObject({ _tag: "Failure", failure: { reason: "NoEntry" } });
  });
  await Effect.runPromise(
    Effect.andThen(formatPool([disk], { uuid: new Uint8Array(16).fill(7) }), Effect.scoped(life)),
  );
});
