import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { makeFilesystemCore } from "../fs/core.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../fs/types.ts";
import { makeReferenceServices, type ReferenceBench } from "./reference-services.ts";

const KIB = 1024;
const FILES = 60;
const LENGTH = 5000;

const contentOf = (file: number, round = 0): Uint8Array =>
  Uint8Array.from({ length: LENGTH }, (_, at) => Math.imul(at + 1, 2 * file + 7 * round + 3) >>> 3);

interface Bench {
  readonly services: ReferenceBench;
  readonly fs: Filesystem;
  readonly inodes: ReadonlyArray<number>;
}

/** Files one after another on the device, of which nothing is in memory. */
const bench = (readCacheBytes: number, compression: number): Effect.Effect<Bench, unknown> =>
  Effect.gen(function* () {
    const services = makeReferenceServices({ readCacheBytes, compression });
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    const fs = core.filesystem;
    const inodes: Array<number> = [];
    for (let file = 0; file < FILES; file++) {
      const name = new TextEncoder().encode(`f${file}`);
      const { inode } = yield* fs.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, { uid: 0, gid: 0 });
      yield* fs.write(inode, 0, contentOf(file));
      yield* fs.fsync(inode);
      inodes.push(inode);
    }
    return { services, fs, inodes };
  });

const expectFile = ({ fs, inodes }: Bench, file: number, round = 0): Effect.Effect<void, unknown> =>
  Effect.map(fs.read(inodes[file]!, 0, LENGTH), (read) => {
    expect(Buffer.compare(read, contentOf(file, round))).toBe(0);
  });

const run = <A>(test: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(test);

describe("windows", () => {
  it.each([0, 1])("bring files that were written one after another in with few reads, compression %d", (compression) =>
    run(
      Effect.gen(function* () {
        const made = yield* bench(4096 * KIB, compression);
        for (let file = 0; file < FILES; file++) yield* expectFile(made, (file * 37) % FILES);
        // One alone and one window for each 256 KiB at most.
        expect(made.services.store.reads).toBeLessThan(10);
        expect(made.services.store.held).toBe(0);
      }),
    ),
  );

  it("that are older than an extent in them say nothing of it", () =>
    run(
      Effect.gen(function* () {
        const made = yield* bench(4096 * KIB, 0);
        yield* expectFile(made, FILES - 1);
        yield* expectFile(made, FILES - 2);
        const before = made.services.store.reads;
        yield* made.fs.write(made.inodes[3]!, 0, contentOf(3, 1));
        yield* made.fs.fsync(made.inodes[3]!);
        yield* expectFile(made, 3, 1);
        expect(made.services.store.reads).toBeGreaterThan(before);
      }),
    ));

  it("do not hide that bytes are lost", () =>
    run(
      Effect.gen(function* () {
        const made = yield* bench(4096 * KIB, 0);
        made.services.store.spoil();
        const failure = yield* Effect.flip(made.fs.read(made.inodes[0]!, 0, LENGTH));
        expect(failure.reason).toBe("InputOutput");
        const again = yield* Effect.flip(made.fs.read(made.inodes[1]!, 0, LENGTH));
        expect(again.reason).toBe("InputOutput");
      }),
    ));

  it("take no memory beyond that of the cache, and are done without where it is small", () =>
    run(
      Effect.gen(function* () {
        for (const [cacheBytes, reads] of [
          [0, FILES],
          [32 * KIB, FILES],
        ] as const) {
          const made = yield* bench(cacheBytes, 0);
          for (let file = 0; file < FILES; file++) yield* expectFile(made, file);
          expect(made.services.store.reads).toBe(reads);
        }
      }),
    ));
});
