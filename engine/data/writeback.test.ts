/** Batches of one long file: several are on their way at a time, and what is committed of them is always a front. */
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import * as Latch from "effect/Latch";
import { describe, expect, it } from "vitest";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeExtent, extentLengthBytes } from "../format/values/extent.ts";
import { makeFilesystemCore } from "../fs/core.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../fs/types.ts";
import { makeReferenceServices, type ReferenceBench } from "./reference-services.ts";

const KIB = 1024;
const LENGTH = 1536 * KIB;
const BATCHES = LENGTH / (256 * KIB);

interface Bench {
  readonly services: ReferenceBench;
  readonly fs: Filesystem;
  readonly inode: number;
  /** One for each append, in order: it ends when that is open. */
  readonly gates: ReadonlyArray<Latch.Latch>;
}

/** A file whose bytes all wait to be written. */
const bench: Effect.Effect<Bench, unknown> = Effect.gen(function* () {
  const services = makeReferenceServices({ compression: 0 });
  const core = yield* makeFilesystemCore(services);
  yield* core.initialiseRoot;
  const name = new TextEncoder().encode("f");
  const owner = { uid: 0, gid: 0 };
  const { inode } = yield* core.filesystem.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, owner);
  yield* core.filesystem.write(inode, 0, new Uint8Array(LENGTH).fill(7));
  const gates = Array.from({ length: BATCHES }, () => Latch.makeUnsafe(false));
  let begun = 0;
  services.store.before = Effect.suspend(() => gates[begun++]!.await);
  return { services, fs: core.filesystem, inode, gates };
});

/** The ends of the extents that stand in the tree. */
const ends = ({ services, inode }: Bench): ReadonlyArray<number> =>
  services.transactor
    .table(Table.extents)
    .filter((row) => row.inode === inode)
    .map(({ offset, value }) => {
      expect(extentLengthBytes(decodeExtent(viewOf(value), 0, value.length))).toBe(128 * KIB);
      return offset;
    });

const settle = Effect.forEach(Array.from({ length: 40 }), () => Effect.yieldNow, { discard: true });

describe("the batches of a file", () => {
  it("are committed from the front, in whatever order they arrive", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const it = yield* bench;
        const sync = yield* Effect.forkChild(it.fs.fsync(it.inode));
        yield* settle;
        for (const index of [2, 1, 4]) yield* it.gates[index]!.open;
        yield* settle;
        expect(ends(it)).toEqual([]);
        yield* it.gates[0]!.open;
        yield* settle;
        expect(ends(it)).toEqual([1, 2, 3, 4, 5, 6].map((count) => count * 128 * KIB));
        for (const gate of it.gates) yield* gate.open;
        yield* Fiber.join(sync);
        expect(ends(it)).toHaveLength(LENGTH / (128 * KIB));
        expect(it.services.store.held).toBe(0);
      }),
    ));

  it("stay unwritten behind one that fails, and nothing of them stays held", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const it = yield* bench;
        const sync = yield* Effect.forkChild(Effect.flip(it.fs.fsync(it.inode)));
        yield* settle;
        for (const index of [0, 2, 3, 4, 5]) yield* it.gates[index]!.open;
        yield* settle;
        it.services.store.failing = "error";
        yield* it.gates[1]!.open;
        expect((yield* Fiber.join(sync)).reason).toBe("InputOutput");
        expect(ends(it)).toEqual([128 * KIB, 256 * KIB]);
        expect(it.services.store.held).toBe(0);
        it.services.store.failing = "no";
        it.services.store.before = Effect.void;
        yield* it.fs.fsync(it.inode);
        const read = yield* it.fs.read(it.inode, 0, LENGTH);
        expect(read.every((byte) => byte === 7)).toBe(true);
        expect(ends(it)).toHaveLength(LENGTH / (128 * KIB));
      }),
    ));

  it("count once: set aside until they are committed, and again if they are dirty again", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const it = yield* bench;
        const { space, store } = it.services;
        const { reserved } = space;
        expect(reserved).toBeGreaterThanOrEqual(LENGTH);
        const sync = yield* Effect.forkChild(Effect.flip(it.fs.fsync(it.inode)));
        yield* settle;
        expect(space.reserved).toBe(reserved);
        yield* it.gates[0]!.open;
        yield* settle;
        expect(space.reserved).toBe(reserved - 256 * KIB);
        store.failing = "error";
        for (const gate of it.gates) yield* gate.open;
        yield* Fiber.join(sync);
        expect(space.reserved).toBe(reserved);
        store.failing = "no";
        store.before = Effect.void;
        yield* it.fs.fsync(it.inode);
        expect(space.reserved).toBe(0);
      }),
    ));
});
