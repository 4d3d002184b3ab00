/**
 * How much user data fits on a small disk before the filesystem says that it is full.
 *
 * One file of incompressible data is appended to in 64 KiB writes, and synced now and then, until a write fails for
 * want of space. The share counts only bytes that a sync acknowledged and that read back.
 */
import * as Effect from "effect/Effect";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { text, withMemoryPool } from "./memory-pool.ts";
import type { Workload } from "./workload.ts";

const CAPACITY_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const SYNC_EVERY = 16;

function block(seed: number): Uint8Array {
  const words = new Uint32Array(CHUNK_BYTES / 4);
  let state = (seed + 1) * 0x9e3779b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

export const fill: Workload = {
  name: "fill",
  summary: "user data that fits on a 64 MiB disk",
  run: ({ progress }) =>
    withMemoryPool(CAPACITY_BYTES, ({ filesystem }) =>
      Effect.gen(function* () {
        const file = yield* filesystem.mknod(ROOT_INODE, text("file"), 0o100644, 0, { uid: 0, gid: 0 });
        let synced = 0;
        let written = 0;
        for (;;) {
          const result = yield* Effect.result(
            Effect.gen(function* () {
              yield* filesystem.write(file.inode, written * CHUNK_BYTES, block(written));
              if ((written + 1) % SYNC_EVERY === 0) yield* filesystem.fsync(file.inode);
            }),
          );
          if (result._tag === "Failure") break;
          written++;
          if (written % SYNC_EVERY === 0) synced = written;
        }
        yield* filesystem.fsync(file.inode);
        synced = Math.max(synced, written);
        for (let index = 0; index < synced; index++) {
          const bytes = yield* filesystem.read(file.inode, index * CHUNK_BYTES, CHUNK_BYTES);
          const expected = block(index);
          for (let at = 0; at < CHUNK_BYTES; at += 997) {
            if (bytes[at] !== expected[at]) return yield* Effect.die(new Error(`chunk ${index} reads back wrong`));
          }
        }
        const share = (synced * CHUNK_BYTES) / CAPACITY_BYTES;
        progress(`fill: ${(share * 100).toFixed(1)} % of the disk`);
        return [
          { name: "user data on 64 MiB", value: synced * CHUNK_BYTES, unit: "bytes" },
          { name: "share of the disk", value: Math.round(share * 1000) / 10, unit: "%" },
        ];
      }),
    ),
};
