/**
 * The benchmark of mounts, tiny, on the real kernel: it must come to its end with a value for every figure, leave out
 * what is missing, and leave nothing behind.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingPrograms, obstacle, Program, run, shell } from "../../fuse/test-mount.ts";
import { runMountBench, type MountBenchPlan, type MountBenchResult } from "./mount-bench.ts";
import { type Peer, peers } from "./peers.ts";
import { Programs, Stopped } from "./programs.ts";
import { ABSENT_WORD, textTree } from "./text-tree.ts";
import { workloads } from "./workloads.ts";

const MIB = 1024 * 1024;
const blocked = obstacle() ?? (await missingPrograms(["mkfs.ext4", "losetup", "fio", "sqlite3"])) ?? (await noLoop());
let program: Program;
let folder: string;

async function noLoop(): Promise<string | undefined> {
  return (await run("losetup", ["--find"])).status === 0 ? undefined : "there is no loop device";
}

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build(["bench/mount/metadata-load.ts"]);
  folder = mkdtempSync(join(tmpdir(), "varve-bench-test-"));
}, 60_000);

afterAll(() => {
  if (blocked !== undefined) return;
  program.remove();
  rmSync(folder, { recursive: true });
});

const nowhere: Peer = {
  name: "nowhere",
  group: "fuse",
  needs: [{ program: "mkfs.nowhere", from: "nobody" }],
  make: () => [],
  mount: () => [],
  unmount: () => [],
};

function planOf(programs: Programs, progress: (line: string) => void): MountBenchPlan {
  const varve = [process.execPath, program.fileOf("varve.js")] as const;
  const all = peers({
    builds: [{ name: "varve", command: varve, mountOptions: [], formatOptions: [] }],
    passthrough: "passthrough_hp",
  });
  return {
    peers: [...all.filter(({ name }) => name === "varve" || name === "ext4"), nowhere],
    workloads,
    rounds: 1,
    sizeBytes: MIB,
    deviceBytes: 64 * MIB,
    files: 20,
    treeFiles: 40,
    folder,
    load: program.fileOf("metadata-load.js"),
    programs,
    progress,
  };
}

async function expectNothingLeft(): Promise<void> {
  expect(readdirSync(folder)).toEqual([]);
  expect(await shell("losetup --list --output BACK-FILE --noheadings")).not.toContain(folder);
  expect(readFileSync("/proc/self/mounts", "latin1")).not.toContain(folder);
}

describe("a benchmark of mounts", () => {
  beforeEach(({ skip }) => {
    if (blocked !== undefined) skip(blocked);
  });

  it("gives every figure for every peer that is there, and takes everything away", async () => {
    const result: MountBenchResult = await runMountBench(planOf(new Programs(), () => undefined));
    expect(result.failures).toEqual([]);
    expect(result.missing).toEqual([{ name: "nowhere", why: "there is no mkfs.nowhere; it comes with nobody" }]);
    expect(result.peers).toEqual({ varve: "varve", ext4: "kernel" });
    for (const { name, rounds, medians } of result.figures) {
      expect(Object.keys(rounds), name).toEqual(["varve", "ext4"]);
      expect(
        Object.values(rounds)
          .flat()
          .filter((value) => value !== undefined && value > 0),
        name,
      ).toHaveLength(2);
      expect(medians["varve"], name).toBeGreaterThan(0);
    }
    expect(result.figures.flatMap(({ ratios }) => ratios.map(({ against }) => against))).toEqual(["ext4", "ext4"]);
    await expectNothingLeft();
  }, 300_000);

  it("that is stopped takes everything away", async () => {
    const programs = new Programs();
    const stopAtFirstTurn = (line: string): void => {
      if (line.startsWith("round 1")) programs.stop();
    };
    await expect(runMountBench(planOf(programs, stopAtFirstTurn))).rejects.toThrow(Stopped);
    await expectNothingLeft();
  }, 120_000);
});

describe("the tree that is unpacked", () => {
  it("is the same each time, and tar unpacks all of it", () => {
    const { bytes, files, directories, contentBytes } = textTree(100);
    expect(Buffer.compare(bytes, textTree(100).bytes)).toBe(0);
    const into = mkdtempSync(join(tmpdir(), "varve-tree-"));
    try {
      expect(spawnSync("tar", ["-xf", "-", "-C", into], { input: bytes }).status).toBe(0);
      expect(existsSync(join(into, "tree/part0/section0/file0.c"))).toBe(true);
      const entries = readdirSync(into, { recursive: true, withFileTypes: true });
      expect(entries.filter((entry) => entry.isFile())).toHaveLength(files);
      expect(entries.filter((entry) => entry.isDirectory())).toHaveLength(directories);
      expect(spawnSync("grep", ["-r", ABSENT_WORD, into]).status).toBe(1);
      expect(contentBytes).toBeGreaterThan(100 * 1000);
    } finally {
      rmSync(into, { recursive: true });
    }
  });
});
