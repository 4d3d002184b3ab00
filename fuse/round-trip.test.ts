/**
 * A real tree goes in, the pool is unmounted, checked and mounted again, and the tree that comes out is the same.
 *
 * On a loop device where one can be had. `VARVE_TREES` names trees between colons (the package `effect`), `VARVE_SIZE`
 * the size of the pool.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mountAt } from "./mount-point.ts";
import { missingPrograms, obstacle, Program, run, shell } from "./test-mount.ts";

const EFFECT = fileURLToPath(new URL("../node_modules/effect", import.meta.url));
const TREES = (process.env["VARVE_TREES"] ?? EFFECT).split(":");
const SIZE = process.env["VARVE_SIZE"] ?? "512M";

const blocked = obstacle();
let program: Program;
let folder: string;
let loop: string | undefined;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  folder = mkdtempSync(join(tmpdir(), "varve-round-trip-"));
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  const directory = join(folder, "mnt");
  if (mountAt(directory) !== undefined) await program.run(["umount", directory, "--detach"]);
  if (loop !== undefined) execFileSync("losetup", ["--detach", loop]);
  rmSync(folder, { recursive: true, force: true });
  program.remove();
}, 60_000);

/** A loop device over a new file, or that file where there are no loop devices. */
function makeDevice(): string {
  const image = join(folder, "image");
  writeFileSync(image, "");
  execFileSync("truncate", ["-s", SIZE, image]);
  try {
    loop = execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return image;
  }
  return loop;
}

it("a real tree is the same after unmount, check and mount", { timeout: 1_800_000 }, async ({ skip }) => {
  const missing = blocked ?? (await missingPrograms(["rsync", "cp", "diff"]));
  if (missing !== undefined) return skip(missing);
  const device = makeDevice();
  const directory = join(folder, "mnt");
  mkdirSync(directory);
  const varve = async (...words: ReadonlyArray<string>): Promise<void> => {
    const { status, errors, output } = await program.run(words);
    expect(status, `varve ${words.join(" ")}: ${errors}${output}`).toBe(0);
  };
  await varve("format", device);
  await varve("mount", device, directory);
  for (const tree of TREES) await shell(`cp -a ${tree} ${directory}/`);
  await varve("umount", directory);
  await varve("check", device);
  await varve("mount", device, directory);
  for (const tree of TREES) {
    const copy = join(directory, basename(tree));
    await shell(`diff -r --no-dereference ${tree} ${copy}`);
    const { output } = await run("rsync", ["-aHAXni", `${tree}/`, `${copy}/`]);
    expect(output).toBe("");
  }
  expect(statfsSync(directory).bavail).toBeGreaterThan(0);
  await varve("umount", directory);
  await varve("check", device);
});
