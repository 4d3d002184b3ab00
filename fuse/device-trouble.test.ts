/**
 * A device that gets into trouble while it is mounted: what was synced stays, errors are told, and the log says why.
 */
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mountAt } from "./mount-point.ts";
import { obstacle, Program, run } from "./test-mount.ts";

const MEBIBYTE = 1024 * 1024;
const blocked = obstacle();
let program: Program;
let folder: string;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  folder = fs.mkdtempSync(join(tmpdir(), "varve-trouble-"));
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  for (const name of ["mnt", "small"]) {
    while (mountAt(join(folder, name)) !== undefined) await run("umount", ["-l", join(folder, name)]);
  }
  fs.rmSync(folder, { recursive: true, force: true });
  program.remove();
});

function writeSynced(path: string, bytes: Buffer): void {
  const fd = fs.openSync(path, "w");
  try {
    for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const digest = (path: string): string => createHash("sha256").update(fs.readFileSync(path)).digest("hex");

it("a backing file whose filesystem is full: syncs fail, what was synced stays, and the pool is sound with room again", async ({
  skip,
}) => {
  if (blocked !== undefined) return skip(blocked);
  const [small, directory, log] = [join(folder, "small"), join(folder, "mnt"), join(folder, "log")];
  fs.mkdirSync(small);
  fs.mkdirSync(directory);
  expect((await run("mount", ["-t", "tmpfs", "-o", "size=20M", "none", small])).status).toBe(0);
  const image = join(small, "pool");
  const varve = async (...words: ReadonlyArray<string>): Promise<number> => (await program.run(words)).status;
  expect(await varve("format", "--size", "64M", image)).toBe(0);
  expect(await varve("mount", image, directory, "--log", log)).toBe(0);
  const kept = randomBytes(MEBIBYTE);
  writeSynced(join(directory, "kept"), kept);
  const sum = createHash("sha256").update(kept).digest("hex");
  expect(() => {
    for (let file = 0; file < 10; file++) writeSynced(join(directory, `more-${file}`), randomBytes(4 * MEBIBYTE));
  }).toThrow(/EIO|ENOSPC|EROFS/);
  expect(digest(join(directory, "kept"))).toBe(sum);
  await program.run(["umount", directory]);
  expect(mountAt(directory)).toBeUndefined();
  expect(fs.readFileSync(log, "utf8")).toContain(image);
  expect((await run("mount", ["-o", "remount,size=100M", small])).status).toBe(0);
  expect(await varve("mount", image, directory, "--log", log)).toBe(0);
  expect(digest(join(directory, "kept"))).toBe(sum);
  expect(await varve("umount", directory)).toBe(0);
  expect(await varve("check", image)).toBe(0);
}, 120_000);
