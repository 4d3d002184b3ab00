/**
 * Metadata operations per second through the engine's API, in one thread, on memory, without syncs.
 *
 * Files are created over a number of directories, looked up, renamed and removed again, one operation after another.
 */
import * as Effect from "effect/Effect";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { text, withMemoryPool } from "./memory-pool.ts";
import { type Figure, now, rate, type Workload } from "./workload.ts";

const FILES = 400_000;
const DIRECTORIES = 100;
const OWNER = { uid: 0, gid: 0 };

export const metadata: Workload = {
  name: "metadata",
  summary: "create, lookup, rename and unlink of empty files, on memory, no sync",
  run: ({ scale, progress }) => {
    const files = Math.max(1000, Math.floor(FILES * scale));
    return withMemoryPool(4 * 1024 ** 3, ({ filesystem }) =>
      Effect.gen(function* () {
        const figures: Array<Figure> = [];
        const directories: Array<number> = [];
        for (let index = 0; index < DIRECTORIES; index++) {
          directories.push((yield* filesystem.mkdir(ROOT_INODE, text(`d${index}`), 0o755, OWNER)).inode);
        }
        const names = Array.from({ length: files }, (_, index) => text(`file-${index}`));
        const parent = (index: number): number => directories[index % DIRECTORIES]!;
        const measure = (
          name: string,
          each: (index: number) => Effect.Effect<unknown, unknown>,
        ): Effect.Effect<void, unknown> =>
          Effect.gen(function* () {
            const start = now();
            for (let index = 0; index < files; index++) yield* each(index);
            const value = rate(files, now() - start);
            progress(`${name}: ${value} a second`);
            figures.push({ name, value, unit: "operations/s" });
          });
        yield* measure("create", (at) => filesystem.mknod(parent(at), names[at]!, 0o100644, 0, OWNER));
        yield* measure("lookup", (at) => filesystem.lookup(parent(at), names[at]!));
        yield* measure("rename", (at) =>
          filesystem.rename(parent(at), names[at]!, parent(at + 1), names[at]!, "no-replace"),
        );
        yield* measure("unlink", (at) => filesystem.unlink(parent(at + 1), names[at]!));
        return figures;
      }),
    );
  },
};
