/**
 * `varve export` in a process of its own, used by other programs.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { mountAt } from "../../fuse/mount-point.ts";
import { obstacle, Program, run, shell } from "../../fuse/test-mount.ts";

const blocked = obstacle();
let program: Program;
let folder: string;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  folder = mkdtempSync(join(tmpdir(), "varve-exported-"));
}, 60_000);

afterAll(() => {
  if (blocked !== undefined) return;
  program.remove();
  rmSync(folder, { recursive: true });
});

beforeEach(({ skip }) => {
  if (blocked !== undefined) skip(blocked);
});

it("serves until it is interrupted, then unmounts and says what was recorded", async () => {
  const directory = join(folder, "d");
  mkdirSync(directory);
  const words = ["export", directory, "--size", "1M", "--json"];
  const child = spawn(process.execPath, [program.fileOf("varve.js"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: Array<string> = [];
  const ended = new Promise<number | null>((settle) => child.on("close", settle));
  child.stdout.on("data", (chunk: Buffer) => lines.push(...chunk.toString().trim().split("\n")));
  const begun = new Promise<void>((settle) => {
    child.stdout.once("data", () => settle());
    child.once("exit", () => settle());
  });
  try {
    await begun;
    const path = join(directory, "disk");
    expect(JSON.parse(lines[0]!)).toEqual({ exported: path, sizeBytes: 1024 * 1024, pid: child.pid });
    await shell(`echo 1234567 | dd of=${path} conv=notrunc,fsync status=none`);
  } finally {
    child.kill("SIGINT");
  }
  expect(await ended).toBe(0);
  expect(mountAt(directory)).toBeUndefined();
  expect(JSON.parse(lines[1]!)).toEqual({ ended: true, writes: 1, writtenBytes: 8, discards: 0, flushes: 1 });
});

it.for([
  ["a directory that is not there", ["none"], 3, /none does not exist/],
  ["a size of no whole sectors", [".", "--size", "1000"], 2, /whole sectors/],
] as const)("refuses %s", async ([, words, status, line]) => {
  const refused = await run(process.execPath, [program.fileOf("varve.js"), "export", ...words], { cwd: folder });
  expect(refused.status).toBe(status);
  expect(refused.errors).toMatch(line);
});
