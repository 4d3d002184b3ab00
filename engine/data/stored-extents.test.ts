import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import * as Latch from "effect/Latch";
import { describe, expect, it } from "vitest";
import { makeFilesystemCore } from "../fs/core.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../fs/types.ts";
import { makeReferenceServices, type ReferenceBench } from "./reference-services.ts";
import type { EngineServices } from "./services.ts";

const KIB = 1024;
const LENGTH = 2 * KIB * KIB;

/** Other bytes in every place, which do not compress. */
function content(): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  let state = 1;
  for (let at = 0; at < LENGTH; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

interface Bench {
  readonly services: ReferenceBench;
  /** A file with `bytes` on the device, of which nothing is in memory. */
  readonly fs: Filesystem;
  readonly inode: number;
  readonly bytes: Uint8Array;
}

/** Fibers of the background run beside those that ask, as in a pool. */
const bench = (readCacheBytes: number): Effect.Effect<Bench, unknown> =>
  Effect.withFiber((fiber) =>
    Effect.gen(function* () {
      const background: EngineServices["background"] = (_name, work) =>
        void Effect.runForkWith(fiber.context)(Effect.andThen(Effect.yieldNow, work));
      const services = makeReferenceServices({ readCacheBytes, background, compression: 0 });
      const core = yield* makeFilesystemCore(services);
      yield* core.initialiseRoot;
      const name = new TextEncoder().encode("f");
      const owner = { uid: 0, gid: 0 };
      const { inode } = yield* core.filesystem.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, owner);
      const bytes = content();
      yield* core.filesystem.write(inode, 0, bytes);
      yield* core.filesystem.fsync(inode);
      return { services, fs: core.filesystem, inode, bytes };
    }),
  );

const run = <A>(test: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(test);

describe("stored extents", () => {
  it("of a file read from its front are read before they are asked for, several at once, each once", () =>
    run(
      Effect.gen(function* () {
        const { services, fs, inode, bytes } = yield* bench(16 * KIB * KIB);
        for (let at = 0; at < LENGTH; at += 64 * KIB) {
          const read = yield* fs.read(inode, at, 64 * KIB);
          expect(Buffer.compare(read, bytes.subarray(at, at + 64 * KIB))).toBe(0);
          yield* Effect.yieldNow;
        }
        expect(services.store.reads).toBeLessThan(8);
        expect(services.store.readBytes).toBe(LENGTH);
        expect(services.store.held).toBe(0);
      }),
    ));

  it("that are on their way are waited for, and not read again", () =>
    run(
      Effect.gen(function* () {
        const { services, fs, inode, bytes } = yield* bench(16 * KIB * KIB);
        const gate = yield* Latch.make(false);
        services.store.before = gate.await;
        const reads = [0, 128, 256, 384].map((at) => fs.read(inode, at * KIB, 128 * KIB));
        const fiber = yield* Effect.forkChild(Effect.all(reads, { concurrency: "unbounded" }));
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow;
        yield* gate.open;
        const parts = yield* Fiber.join(fiber);
        expect(Buffer.compare(Buffer.concat(parts), bytes.subarray(0, 512 * KIB))).toBe(0);
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow;
        expect(services.store.readBytes).toBe(services.store.distinctBytes);
        expect(services.store.held).toBe(0);
      }),
    ));

  it("leave nobody waiting when whoever read them is interrupted", () =>
    run(
      Effect.gen(function* () {
        const { services, fs, inode, bytes } = yield* bench(0);
        const gate = yield* Latch.make(false);
        services.store.before = gate.await;
        const first = yield* Effect.forkChild(fs.read(inode, 0, LENGTH), { startImmediately: true });
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow;
        const second = yield* Effect.forkChild(fs.read(inode, 0, LENGTH), { startImmediately: true });
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow;
        yield* Fiber.interrupt(first);
        yield* gate.open;
        expect(Buffer.compare(yield* Fiber.join(second), bytes)).toBe(0);
        expect(services.store.held).toBe(0);
      }),
    ));

  it("that do not verify are lost for their own readers alone", () =>
    run(
      Effect.gen(function* () {
        const { services, fs, inode, bytes } = yield* bench(0);
        const [, second] = [...services.store.stored.keys()].sort((one, other) => one - other);
        const spoiled = services.store.stored.get(second!)!.slice();
        spoiled[0] = spoiled[0]! ^ 1;
        services.store.stored.set(second!, spoiled);
        const failure = yield* Effect.flip(fs.read(inode, 0, LENGTH));
        expect(failure.reason).toBe("InputOutput");
        const rest = yield* fs.read(inode, 256 * KIB, LENGTH);
        expect(Buffer.compare(rest, bytes.subarray(256 * KIB))).toBe(0);
        expect(services.store.held).toBe(0);
      }),
    ));
});
