import * as Effect from "effect/Effect";
import { expect, it } from "vitest";
import { makeFilesystemCore } from "../fs/core.ts";
import { FileOperations } from "../fs/file.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { makeReferenceServices } from "./reference-services.ts";

const LENGTH = 100_000;
const HIDDEN = { start: 30_000, end: 60_000 };

it("reads on both sides of a range that is being punched, and beside it, what was asked for", () => {
  const services = makeReferenceServices({});
  const bytes = Uint8Array.from({ length: LENGTH }, (_, at) => 1 + (at % 251));
  const expected = bytes.slice().fill(0, HIDDEN.start, HIDDEN.end);
  const reads = Effect.gen(function* () {
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    const name = new TextEncoder().encode("f");
    const { inode } = yield* core.filesystem.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, { uid: 0, gid: 0 });
    yield* core.filesystem.write(inode, 0, bytes);
    yield* core.filesystem.fsync(inode);
    // Another view of the same rows, in which the first transaction of a punch has just been through.
    const files = new FileOperations(services, () => ({ seconds: 0, nanoseconds: 0 }));
    files.files.obtain(inode, LENGTH, true).hidden = HIDDEN;
    for (const [from, to] of [
      [10_000, 40_000],
      [40_000, 50_000],
      [50_000, 70_000],
      [0, LENGTH],
      [70_000, 80_000],
    ] as const) {
      for (let again = 0; again < 2; again++) {
        const read = yield* files.reader.read(inode, from, to - from, () => {});
        expect(Buffer.compare(read, expected.subarray(from, to))).toBe(0);
      }
    }
  });
  return Effect.runPromise(reads);
});

it("reads holes before, between and behind extents as zeros, however long, in pieces that lie behind one another", () => {
  const services = makeReferenceServices({});
  const SIZE = 1_000_000;
  const expected = new Uint8Array(SIZE);
  expected.fill(1, 200_000, 204_096).fill(2, 500_000, 700_000);
  const reads = Effect.gen(function* () {
    const files = new FileOperations(services, () => ({ seconds: 0, nanoseconds: 0 }));
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    const name = new TextEncoder().encode("f");
    const { inode } = yield* core.filesystem.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, { uid: 0, gid: 0 });
    yield* core.filesystem.write(inode, 200_000, expected.subarray(200_000, 204_096));
    yield* core.filesystem.write(inode, 500_000, expected.subarray(500_000, 700_000));
    yield* core.filesystem.setattr(inode, { sizeBytes: SIZE });
    yield* core.filesystem.fsync(inode);
    for (const [from, to] of [
      [0, SIZE],
      [0, 150_000],
      [199_999, 204_097],
      [300_000, 500_001],
      [699_999, SIZE],
    ] as const) {
      const pieces = yield* files.reader.readPieces(inode, from, to - from, () => {});
      expect(Buffer.compare(Buffer.concat(pieces.list), expected.subarray(from, to))).toBe(0);
    }
  });
  return Effect.runPromise(reads);
});
