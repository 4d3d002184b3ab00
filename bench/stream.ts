/**
 * Sequential write and read of one large file through the engine's API, on memory: data that shrinks and data that
 * does not.
 *
 * The write includes the final sync; the read goes past the cache of decoded extents, so it includes checksums and
 * decompression.
 */
import * as Effect from "effect/Effect";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { text, withMemoryPool } from "./memory-pool.ts";
import { type Figure, now, type Workload } from "./workload.ts";

const FILE_BYTES = 512 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const MEBIBYTE = 1024 * 1024;

/** Bytes that no compressor shrinks, from a small generator so that runs are alike. */
function noise(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  let state = 0x9e3779b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

/** Text that shrinks, with some noise in it. */
export function prose(bytes: number): Uint8Array {
  const source = text("A varve is one year's layer of sediment: written once, in order, never rewritten. ");
  const salt = noise(bytes);
  const result = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index++) {
    result[index] = (index & 7) === 0 ? 97 + (salt[index]! % 26) : source[index % source.length]!;
  }
  return result;
}

export const stream: Workload = {
  name: "stream",
  summary: "sequential write with sync, and read, of one large file on memory",
  run: async ({ scale, progress }) => {
    const chunks = Math.max(16, Math.floor((FILE_BYTES * scale) / CHUNK_BYTES));
    const figures: Array<Figure> = [];
    for (const [kind, chunk] of [
      ["incompressible", noise(CHUNK_BYTES)],
      ["text", prose(CHUNK_BYTES)],
    ] as const) {
      const [write, read] = await withMemoryPool(2 * 1024 ** 3, ({ filesystem }) =>
        Effect.gen(function* () {
          const file = yield* filesystem.mknod(ROOT_INODE, text("file"), 0o100644, 0, { uid: 0, gid: 0 });
          const start = now();
          for (let index = 0; index < chunks; index++) {
            yield* filesystem.write(file.inode, index * CHUNK_BYTES, chunk);
          }
          yield* filesystem.fsync(file.inode);
          const written = now();
          for (let index = 0; index < chunks; index++) {
            yield* filesystem.read(file.inode, index * CHUNK_BYTES, CHUNK_BYTES);
          }
          return [written - start, now() - written] as const;
        }),
      );
      const mebibytes = (chunks * CHUNK_BYTES) / MEBIBYTE;
      for (const [name, seconds] of [
        [`write ${kind}`, write],
        [`read ${kind}`, read],
      ] as const) {
        const value = Math.round(mebibytes / seconds);
        progress(`${name}: ${value} MiB/s`);
        figures.push({ name, value, unit: "MiB/s" });
      }
    }
    return figures;
  },
};
