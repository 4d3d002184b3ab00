/** Tests lie beside the code; real devices and mounts are slow, so that no test has less than half a minute. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{devices,engine,harness,scenarios,fuse,bench,cli}/**/*.{test,fuzz}.ts"],
    setupFiles: ["./harness/noasync.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "threads",
  },
});
