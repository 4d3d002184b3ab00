/**
 * A disk exported on a real mount. The system calls are made by other programs, since this thread answers them.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RecordedDisk } from "../../devices/record/recorded-disk.ts";
import { ScratchDisk } from "../../devices/record/scratch-disk.ts";
import { survivesAll, survivesNone } from "../../devices/sim/survival.ts";
import { mountAt } from "../mount-point.ts";
import { missingPrograms, obstacle, run, shell } from "../test-mount.ts";
import { type Export, startExport } from "./export-session.ts";

const SIZE = 16 * 1024 * 1024;
const blocked = obstacle() ?? (await missingPrograms(["dd", "fallocate", "sync", "losetup"]));
let folder: string;
let directory: string;
let disk: RecordedDisk;
let exported: Export;
const reports: Array<string> = [];

beforeEach(async ({ skip }) => {
  if (blocked !== undefined) return skip(blocked);
  folder = mkdtempSync(join(tmpdir(), "varve-export-"));
  directory = join(folder, "d");
  mkdirSync(directory);
  disk = RecordedDisk.blank(SIZE);
  exported = await Effect.runPromise(startExport({ directory, disk, report: (line) => reports.push(line) }));
});

afterEach(async () => {
  if (blocked !== undefined) return;
  if (mountAt(directory) !== undefined) await Effect.runPromise(exported.unmount);
  rmSync(folder, { recursive: true });
  expect(reports.splice(0)).toEqual([]);
});

/** `count` blocks of 4096 bytes with this character, from block `seek` on. */
const put = (file: string, character: string, seek: number, count: number, more = ""): Promise<string> =>
  shell(
    `head -c ${count * 4096} /dev/zero | tr '\\0' ${character} |
      dd of=${file} bs=4096 seek=${seek} conv=notrunc${more} iflag=fullblock status=none`,
  );

describe("the file", () => {
  it("is alone in its directory, has the size of the disk and keeps it", async () => {
    expect(await shell(`ls -A ${directory}; stat -c %s ${exported.path}`)).toBe(`disk\n${SIZE}\n`);
    expect((await run("truncate", ["-s", "1M", exported.path])).status).not.toBe(0);
    expect((await run("touch", [join(directory, "other")])).status).not.toBe(0);
    expect((await run("rm", ["-f", exported.path])).status).not.toBe(0);
    expect(disk.length).toBe(0);
  });

  it("passes every write on as it comes, and no flush but that of a sync", async () => {
    await put(exported.path, "a", 3, 2);
    expect(disk.counts).toEqual({ writes: 2, writtenBytes: 8192, discards: 0, flushes: 0 });
    await shell(`sync ${exported.path}`);
    expect(disk.counts.flushes).toBe(1);
    await put(exported.path, "b", 4, 1);
    expect(disk.counts).toEqual({ writes: 3, writtenBytes: 12_288, discards: 0, flushes: 1 });
    const at = (block: number, survival = survivesNone): string =>
      String.fromCharCode(disk.crash(disk.length, survival).read(block * 4096, 1)[0]!);
    expect([at(3), at(4), at(4, survivesAll)]).toEqual(["a", "a", "b"]);
    expect(await shell(`dd if=${exported.path} bs=4096 skip=4 count=1 status=none | head -c 3`)).toBe("bbb");
  });

  it("takes a punched hole for a discard", async () => {
    await put(exported.path, "a", 0, 4);
    await shell(`fallocate --punch-hole --offset 4096 --length 8192 ${exported.path}`);
    expect(disk.counts.discards).toBe(1);
    expect([0, 1, 2, 3].map((block) => disk.read(block * 4096, 1)[0])).toEqual([97, 0, 0, 97]);
  });

  it("shows another disk when one is put in its place", async () => {
    await put(exported.path, "a", 0, 1);
    const other = RecordedDisk.blank(SIZE);
    other.write(0, new TextEncoder().encode("other"));
    exported.serve(new ScratchDisk(other.content()));
    expect(await shell(`head -c 5 ${exported.path}`)).toBe("other");
    await put(exported.path, "z", 0, 1);
    expect(disk.counts.writes).toBe(1);
    expect(() => exported.serve(RecordedDisk.blank(SIZE / 2))).toThrow("size");
  });

  it("carries a loop device, whose flushes arrive", async ({ skip }) => {
    const attached = await run("losetup", ["--find", "--show", "--direct-io=on", exported.path]);
    if (attached.status !== 0) return skip(`no loop device: ${attached.errors.trim()}`);
    const loop = attached.output.trim();
    try {
      await put(loop, "l", 1, 1, ",fsync");
      expect(disk.counts.flushes).toBeGreaterThan(0);
      const { flushPositions } = disk;
      expect(disk.crash(flushPositions.at(-1)!, survivesNone).read(4096, 1)[0]).toBe("l".charCodeAt(0));
    } finally {
      await shell(`losetup --detach ${loop}`);
    }
  });
});

it("ends with the mount", async () => {
  await Effect.runPromise(exported.unmount);
  await Effect.runPromise(exported.ended);
  expect(mountAt(directory)).toBeUndefined();
});
