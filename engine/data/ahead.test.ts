/** What is stored is the same whoever compressed it, and whoever was asked to is let go. */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { Entropy } from "../../harness/entropy.ts";
import { SlowCompressor } from "../../harness/slow-compressor.ts";
import { World } from "../../harness/world.ts";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeExtent } from "../format/values/extent.ts";
import { makeFilesystemCore } from "../fs/core.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import type { Compressor } from "./compressor.ts";
import { makeReferenceServices, type ReferenceBench } from "./reference-services.ts";

const KIB = 1024;

/** Pieces of a file: text, noise, and what looks as if it would shrink and does not. */
function piecesOf(seed: string): Array<{ readonly at: number; readonly bytes: Uint8Array }> {
  const random = new Entropy(seed).stream("pieces");
  const kinds = [() => 97 + random.below(4), () => random.below(256), () => random.below(64) + 64 * random.below(3)];
  let at = 0;
  return Array.from({ length: random.between(2, 12) }, () => {
    const kind = random.pick(kinds);
    const bytes = new Uint8Array(random.between(1, 300) * KIB).map(kind);
    at += random.chance(0.3) ? random.between(1, 400) * KIB : 0;
    const piece = { at, bytes };
    at += bytes.length;
    return piece;
  });
}

/** Writes a file, syncs it, and writes and syncs parts of it again; an append in between fails if that is asked for. */
const written = (seed: string, compressor: Compressor | undefined, fails = false): ReferenceBench => {
  const services = makeReferenceServices({ compressor });
  const run = Effect.gen(function* () {
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    const { filesystem } = core;
    const owner = { uid: 0, gid: 0 };
    const name = new TextEncoder().encode("f");
    const { inode } = yield* filesystem.mknod(ROOT_INODE, name, FileType.regular | 0o644, 0, owner);
    for (const again of ["", ", again"]) {
      for (const { at, bytes } of piecesOf(seed + again)) yield* filesystem.write(inode, at, bytes);
      if (fails) {
        services.store.failing = "error";
        yield* Effect.flip(filesystem.fsync(inode));
        services.store.failing = "no";
      }
      yield* filesystem.fsync(inode);
    }
  });
  new World({ seed: 1 }).run(run);
  return services;
};

/** The rows of the file, but for where the pieces lie: batches are appended in any order. */
const storedBy = ({ transactor }: ReferenceBench): ReadonlyArray<string> =>
  transactor.table(Table.extents).map(({ offset, value }) => {
    const extent = decodeExtent(viewOf(value), 0, value.length);
    if (extent.kind !== "data") return `${offset}: ${extent.kind}`;
    const { lengthBytes, storedBytes, compression, checksum } = extent;
    return `${offset}: ${lengthBytes} as ${storedBytes}, ${compression}, ${checksum}`;
  });

const slow = (seed: string): SlowCompressor => new SlowCompressor(new Entropy(seed).stream("compressor"));
const seeds = Array.from({ length: 12 }, (_, index) => `ahead ${index}`);

describe("compressing ahead", () => {
  it("stores what is stored without", () => {
    resetMarks();
    for (const seed of seeds) {
      const compressor = slow(seed);
      expect(storedBy(written(seed, compressor))).toEqual(storedBy(written(seed, undefined)));
      expect(compressor.outstanding).toBe(0);
    }
    for (const mark of ["compressed ahead", "compression taken back"]) {
      expect(marks.get(mark), mark).toBeGreaterThan(0);
    }
  });

  it("lets go of everything when what was compressed cannot be written", () => {
    for (const seed of seeds) {
      const compressor = slow(seed);
      written(seed, compressor, true);
      expect(compressor.outstanding).toBe(0);
    }
  });
});
