import * as Effect from "effect/Effect";
import { expect, it } from "vitest";
import type { Filesystem } from "../engine/fs/types.ts";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { copyRange } from "./copy-range.ts";
import { bytes, withFilesystem } from "./test-pool.ts";

const KIB = 1024;
const OWNER = { uid: 0, gid: 0 };
const file = (fs: Filesystem, name: string) =>
  Effect.map(fs.mknod(ROOT_INODE, bytes(name), 0o600, 0, OWNER), ({ inode }) => inode);
const noise = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => ((at * 2654435761 + seed * 40503) >>> 7) & 255);

// A matcher of equality would take minutes.
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** Copies as a caller does, until nothing more comes. */
const copyAll = (fs: Filesystem, from: number, to: number, length: number) =>
  Effect.gen(function* () {
    let calls = 0;
    let done = 0;
    for (let count = 1; count > 0 && done < length; calls++) {
      const [source, target] = [from, to].map((inode) => ({ inode, offsetBytes: done }));
      count = yield* copyRange(fs, source!, target!, length - done);
      done += count;
    }
    return { calls, done };
  });

it("copies bytes that are on disk or only in memory, between any offsets, and no further than the source", () =>
  withFilesystem((fs) =>
    Effect.gen(function* () {
      const [a, b] = [yield* file(fs, "a"), yield* file(fs, "b")];
      yield* fs.write(a, 0, noise(50_000, 1));
      yield* fs.fsync(a);
      yield* fs.write(a, 40_000, noise(20_000, 2));
      yield* fs.write(b, 0, noise(9000, 3));
      const copied = yield* copyRange(fs, { inode: a, offsetBytes: 123 }, { inode: b, offsetBytes: 7000 }, 1e12);
      expect(copied).toBe(60_000 - 123);
      expect(yield* fs.read(b, 0, 7000)).toEqual(noise(9000, 3).subarray(0, 7000));
      expect(same(yield* fs.read(b, 7000, 1e6), (yield* fs.read(a, 0, 1e6)).subarray(123))).toBe(true);
      expect(yield* copyRange(fs, { inode: a, offsetBytes: 60_000 }, { inode: b, offsetBytes: 0 }, 10)).toBe(0);
    }),
  ));

it("holes stay holes, over what was there and at the end", () =>
  withFilesystem((fs) =>
    Effect.gen(function* () {
      const [a, b] = [yield* file(fs, "a"), yield* file(fs, "b")];
      yield* fs.write(a, 512 * KIB, noise(64 * KIB, 1));
      yield* fs.setattr(a, { sizeBytes: 900 * KIB });
      yield* fs.write(b, 0, noise(300 * KIB, 2));
      expect((yield* copyAll(fs, a, b, 900 * KIB)).done).toBe(900 * KIB);
      yield* fs.fsync(b);
      expect(same(yield* fs.read(b, 0, 1e7), yield* fs.read(a, 0, 1e7))).toBe(true);
      const { sizeBytes, allocatedBytes } = yield* fs.getattr(b);
      expect(sizeBytes).toBe(900 * KIB);
      expect(allocatedBytes).toBeLessThan(66 * KIB);
    }),
  ));

it("a call copies some megabytes at most, and the next one goes on", () =>
  withFilesystem((fs) =>
    Effect.gen(function* () {
      const [a, b] = [yield* file(fs, "a"), yield* file(fs, "b")];
      const text = bytes("all work and no play ".repeat(50_000));
      for (let at = 0; at < 10e6; at += text.length) yield* fs.write(a, at, text);
      const { sizeBytes } = yield* fs.getattr(a);
      const { calls, done } = yield* copyAll(fs, a, b, sizeBytes);
      expect(done).toBe(sizeBytes);
      expect(calls).toBeGreaterThan(1);
      expect(same(yield* fs.read(b, 0, 1e8), yield* fs.read(a, 0, 1e8))).toBe(true);
    }),
  ));

it("within a file, and not into what is no file", () =>
  withFilesystem((fs) =>
    Effect.gen(function* () {
      const a = yield* file(fs, "a");
      yield* fs.write(a, 0, noise(5000, 1));
      expect(yield* copyRange(fs, { inode: a, offsetBytes: 0 }, { inode: a, offsetBytes: 8000 }, 5000)).toBe(5000);
      expect(yield* fs.read(a, 8000, 9999)).toEqual(noise(5000, 1));
      const refused = copyRange(fs, { inode: a, offsetBytes: 0 }, { inode: ROOT_INODE, offsetBytes: 0 }, 10);
      expect((yield* Effect.flip(refused)).reason).toBe("IsDirectory");
    }),
  ));
