/**
 * A device that gets into trouble while it is mounted: what was synced stays, errors are told, and the log says why.
 */
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mountAt } from "./mount-point.ts";
import { obstacle, Program, run, shell } from "./test-mount.ts";

const MEBIBYTE = 1024 * 1024;
const blocked = obstacle();
let program: Program;
let folder: string;
const mountPoints: Array<string> = [];
const loops: Array<string> = [];

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  folder = fs.mkdtempSync(join(tmpdir(), "varve-trouble-"));
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  for (const directory of mountPoints) {
    while (mountAt(directory) !== undefined) await run("umount", ["-l", directory]);
  }
  for (const device of loops) {
    // Whoever gets the device next would find it so.
    await run("blockdev", ["--setrw", device]);
    await run("losetup", ["--detach", device]);
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
  mountPoints.push(directory, small);
  for (const path of [small, directory]) fs.mkdirSync(path);
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

/** A pool on a loop device over a file, mounted, with something synced on it. */
async function onLoop(name: string): Promise<{
  readonly device: string;
  readonly file: string;
  readonly directory: string;
  readonly log: string;
  readonly sum: string;
}> {
  const [file, directory, log] = [join(folder, `${name}.disk`), join(folder, name), join(folder, `${name}.log`)];
  fs.mkdirSync(directory);
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 128 * MEBIBYTE);
  const device = (await shell(`losetup --find --show ${file}`)).trim();
  loops.push(device);
  mountPoints.push(directory);
  for (const words of [
    ["format", device],
    ["mount", device, directory, "--log", log],
  ])
    expect((await program.run(words)).status).toBe(0);
  const kept = randomBytes(4 * MEBIBYTE);
  writeSynced(join(directory, "kept"), kept);
  return { device, file, directory, log, sum: createHash("sha256").update(kept).digest("hex") };
}

/** Everything fails from now on, and says so; the mount can be left. */
async function isLost(directory: string, log: string): Promise<void> {
  fs.writeFileSync("/proc/sys/vm/drop_caches", "3");
  for (const bytes of [randomBytes(MEBIBYTE), Buffer.from("small enough for the journal alone")]) {
    expect(() => writeSynced(join(directory, `more-${bytes.length}`), bytes)).toThrow(/EIO/);
  }
  const status = await program.run(["status", directory]);
  expect(status.status).toBe(1);
  expect(status.output).toContain("FAILED, read-only: the journal can no longer be written");
  const metrics = await program.run(["status", directory, "--metrics"]);
  expect(metrics.output).toMatch(/varve_healthy\{[^}]*\} 0/u);
  expect(fs.readFileSync(log, "utf8")).toContain("the pool is read-only from now on");
}

it("a device that becomes read-only: reads go on, syncs fail, status says why, and what was synced stays", async ({
  skip,
}) => {
  if (blocked !== undefined) return skip(blocked);
  const { device, directory, log, sum } = await onLoop("protected");
  await shell(`blockdev --setro ${device}`);
  await isLost(directory, log);
  expect(digest(join(directory, "kept"))).toBe(sum);
  expect((await program.run(["umount", directory])).status).toBe(3);
  expect(mountAt(directory)).toBeUndefined();
  await shell(`blockdev --setrw ${device}`);
  expect((await program.run(["check", "--data", device])).status).toBe(0);
  expect((await program.run(["mount", device, directory, "--log", log])).status).toBe(0);
  expect(digest(join(directory, "kept"))).toBe(sum);
  expect((await program.run(["umount", directory])).status).toBe(0);
}, 120_000);

it("a device that is cut short: reads of what is gone fail and never give anything else, and the mount can be left", async ({
  skip,
}) => {
  if (blocked !== undefined) return skip(blocked);
  const { device, file, directory, log } = await onLoop("short");
  await shell(`truncate -s 1M ${file}; losetup --set-capacity ${device}`);
  await isLost(directory, log);
  expect(() => digest(join(directory, "kept"))).toThrow(/EIO/);
  expect((await program.run(["umount", directory])).status).toBe(3);
  expect(mountAt(directory)).toBeUndefined();
  expect((await program.run(["mount", device, directory, "--log", log])).status).toBe(3);
}, 120_000);
