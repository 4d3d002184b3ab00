/**
 * Sequential write of one large file that shrinks, with its sync, on memory, with no thread that compresses and with
 * one, two and so on, up to a processor each.
 *
 * What an extent is stored as does not depend on who compressed it, but where a file is cut into extents depends a little
 * on when writeback comes by: so the bytes stored, which stand beside the speeds, may differ by a thousandth.
 */
import { availableParallelism } from "node:os";
import * as Effect from "effect/Effect";
import type { Compressor } from "../engine/data/compressor.ts";
import { type Filesystem, ROOT_INODE } from "../engine/fs/types.ts";
import { CompressionPool } from "../fuse/compression-pool.ts";
import { text, withMemoryPool } from "./memory-pool.ts";
import { prose } from "./stream.ts";
import { type Figure, now, type Workload } from "./workload.ts";

const FILE_BYTES = 512 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const THREADS_MAX = 8;

interface Written {
  readonly seconds: number;
  readonly storedBytes: number;
}

/** Speed says nothing of a file that is not what was written. */
const readBack = (filesystem: Filesystem, inode: number, chunk: Uint8Array, chunks: number) =>
  Effect.gen(function* () {
    for (let index = 0; index < chunks; index++) {
      const bytes = yield* filesystem.read(inode, index * CHUNK_BYTES, CHUNK_BYTES);
      if (Buffer.compare(bytes, chunk) !== 0)
        return yield* Effect.die(new Error(`MiB ${index} is not what was written`));
    }
  });

const write = (chunks: number, compressor: Compressor | undefined): Promise<Written> =>
  withMemoryPool(
    2 * 1024 ** 3,
    (pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const chunk = prose(CHUNK_BYTES);
        const file = yield* filesystem.mknod(ROOT_INODE, text("file"), 0o100644, 0, { uid: 0, gid: 0 });
        const start = now();
        for (let index = 0; index < chunks; index++) {
          yield* filesystem.write(file.inode, index * CHUNK_BYTES, chunk);
        }
        yield* filesystem.fsync(file.inode);
        const seconds = now() - start;
        yield* readBack(filesystem, file.inode, chunk, chunks);
        const { written } = yield* pool.usage;
        return { seconds, storedBytes: [...written.values()].reduce((sum, { storedBytes }) => sum + storedBytes, 0) };
      }),
    { open: { compressor } },
  );

export const workers: Workload = {
  name: "workers",
  summary: "sequential write of text with threads that compress, on memory",
  run: async ({ scale, progress }) => {
    const chunks = Math.max(16, Math.floor((FILE_BYTES * scale) / CHUNK_BYTES));
    const figures: Array<Figure> = [];
    for (let threads = 0; threads <= Math.min(THREADS_MAX, availableParallelism()); threads++) {
      const compressor = threads === 0 ? undefined : new CompressionPool(threads, progress);
      const { seconds, storedBytes } = await write(chunks, compressor);
      compressor?.close();
      const value = Math.round((chunks * CHUNK_BYTES) / 1024 / 1024 / seconds);
      progress(`${threads} threads: ${value} MiB/s, ${storedBytes} bytes stored`);
      figures.push(
        { name: `write, ${threads} threads`, value, unit: "MiB/s" },
        { name: `stored, ${threads} threads`, value: storedBytes, unit: "bytes" },
      );
    }
    return figures;
  },
};
