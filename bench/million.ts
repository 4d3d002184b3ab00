/**
 * Memory of a process that has made a million files, with the cache of btree nodes at 256 MiB.
 *
 * Files are empty, over a thousand directories, synced at the end. Resident memory is the operating system's figure
 * for the whole process, taken after a garbage collection if the process was started with one exposed; the device
 * itself is a file, so its bytes are not in the figure.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { createFile, openFileDevice } from "../devices/file.ts";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { runScoped, text, usePool } from "./memory-pool.ts";
import { now, rate, type Workload } from "./workload.ts";

const FILES = 1_000_000;
const DIRECTORIES = 1000;
const CAPACITY_BYTES = 2 * 1024 ** 3;
const OWNER = { uid: 0, gid: 0 };

export const million: Workload = {
  name: "million",
  summary: "resident memory with a million files",
  run: async ({ scale, progress }) => {
    const files = Math.max(10_000, Math.floor(FILES * scale));
    const folder = mkdtempSync(join(tmpdir(), "varve-bench-"));
    const path = join(folder, "disk");
    try {
      const started = now();
      await runScoped(
        Effect.gen(function* () {
          yield* createFile(path, CAPACITY_BYTES);
          const device = yield* openFileDevice(path);
          yield* usePool(device, ({ filesystem }) =>
            Effect.gen(function* () {
              const directories: Array<number> = [];
              for (let index = 0; index < DIRECTORIES; index++) {
                directories.push((yield* filesystem.mkdir(ROOT_INODE, text(`d${index}`), 0o755, OWNER)).inode);
              }
              for (let index = 0; index < files; index++) {
                const parent = directories[index % DIRECTORIES]!;
                yield* filesystem.mknod(parent, text(`file-${index}`), 0o100644, 0, OWNER);
              }
              yield* filesystem.syncfs;
            }),
          );
        }),
      );
      const seconds = now() - started;
      globalThis.gc?.();
      const { rss, heapUsed } = process.memoryUsage();
      progress(`million: ${files} files, ${Math.round(rss / 1024 ** 2)} MiB resident`);
      return [
        { name: "files", value: files, unit: "" },
        { name: "creates on a file device", value: rate(files, seconds), unit: "operations/s" },
        { name: "resident memory", value: rss, unit: "bytes" },
        { name: "JavaScript heap", value: heapUsed, unit: "bytes" },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
