/**
 * Tests lie beside the code; real devices and mounts are slow, so that no test has less than half a minute.
 *
 * Every file has a process of its own, and not a thread: a thread that ends closes descriptors of files by number, also
 * those that the kernel's reader has handed to libuv, and these numbers may be another thread's by then.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{devices,engine,harness,scenarios,fuse,bench,cli}/**/*.{test,fuzz}.ts"],
    setupFiles: ["./harness/noasync.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: availableParallelism(),
  },
});
