/**
 * A campaign against ext4, short, on the real kernel: it must come to its end and leave nothing behind.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { missingPrograms, obstacle, Program, run, shell } from "../../fuse/test-mount.ts";
import { targets } from "./target.ts";
import { whatIsMissing } from "./workbench.ts";

const blocked = obstacle() ?? (await missingPrograms(["mkfs.ext4", "e2fsck", "losetup"])) ?? (await noLoopDevice());
let program: Program;
/** Where the campaigns of these tests have their folders. */
let folder: string;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build(["cli/targets/client.ts"]);
  folder = mkdtempSync(join(tmpdir(), "varve-targets-"));
}, 60_000);

afterAll(() => {
  if (blocked !== undefined) return;
  program.remove();
  rmSync(folder, { recursive: true });
});

beforeEach(({ skip }) => {
  if (blocked !== undefined) skip(blocked);
});

async function noLoopDevice(): Promise<string | undefined> {
  return (await run("losetup", ["--find"])).status === 0 ? undefined : "there is no loop device";
}

/** Loop devices, mounts and folders that are there. */
async function leftovers(): Promise<ReadonlyArray<string>> {
  const lines = (await shell("losetup --list; cat /proc/self/mountinfo")).split("\n");
  return [...readdirSync(folder), ...lines.filter((line) => line.includes(folder))];
}

interface Result {
  readonly crashStates: number;
  readonly recorded: { readonly operations: number; readonly writes: number; readonly flushes: number };
  readonly promises: ReadonlyArray<{ readonly name: string; readonly kept: number; readonly broken: number }>;
}

it("crashes ext4, judges every state and cleans up", async () => {
  const words = ["campaign", "--target", "ext4", "--seeds", "1", "--states", "4", "--json"];
  const { status, output, errors } = await program.run(words, { env: { TMPDIR: folder } });
  expect([0, 1], errors).toContain(status);
  const { crashStates, recorded, promises } = JSON.parse(output) as Result;
  expect(crashStates).toBe(4);
  expect(recorded.operations).toBe(60);
  expect(recorded.writes).toBeGreaterThan(0);
  expect(recorded.flushes).toBeGreaterThan(0);
  expect(promises.find(({ name }) => name === "mounts")).toMatchObject({ by: "target" });
  for (const { name, kept, broken } of promises) {
    if (name === "mounts") expect(kept + broken).toBe(4);
    // What was synced is there: ext4 has not broken that in any state that was tried.
    if (name === "syncedData" || name === "fsyncNames") expect(broken).toBe(0);
  }
  expect(await leftovers()).toEqual([]);
}, 120_000);

it("cleans up when it is interrupted", async () => {
  const words = ["campaign", "--target", "ext4", "--seeds", "1..1000", "--states", "3"];
  const child = spawn(process.execPath, [program.fileOf("varve.js"), ...words], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<number | null>((settle) => child.on("close", settle));
  while ((await leftovers()).length === 0 && child.exitCode === null)
    await new Promise((settle) => setTimeout(settle, 50));
  child.kill("SIGINT");
  expect(await ended).toBe(3);
  expect(errors).toContain("varve: interrupted");
  expect(await leftovers()).toEqual([]);
}, 120_000);

it.for([
  ["a target that nobody knows", ["--target", "zfs"], /no target "zfs": there are ext4, xfs, btrfs/],
  ["a scenario besides the target", ["--target", "ext4", "sparse"], /takes no scenario/],
  ["a unit that is none", ["--target", "ext4", "--atomic", "1000"], /--atomic takes 512/],
] as const)("refuses %s", async ([, words, line]) => {
  const { status, errors } = await program.run(["campaign", ...words]);
  expect(status).toBe(2);
  expect(errors).toMatch(line);
});

it("says which package is missing", () => {
  const [ext4] = targets;
  expect(whatIsMissing(ext4!)).toBeUndefined();
  const other = { ...ext4!, debianPackage: "nonefs-progs", fsck: ["fsck.none"] as const };
  expect(whatIsMissing(other)).toBe("there is no fsck.none; install the Debian package nonefs-progs");
});
