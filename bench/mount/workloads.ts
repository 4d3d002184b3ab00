/**
 * What is done on every peer: the load, and what it gives as figures.
 *
 * A workload runs in an empty directory of a peer that was just synced while the caches of the kernel were emptied, and
 * leaves nothing that another one relies on. What only prepares is not in a figure. Unless its figure says otherwise a
 * workload does not wait until what it wrote is on the device: see docs/benchmarks.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathOf, type Programs, StepFailed } from "./programs.ts";
import { ABSENT_WORD } from "./text-tree.ts";

export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly more: boolean;
}

/** What a workload gets to work with. */
export interface Bench {
  readonly programs: Programs;
  /** An empty directory on the peer. */
  readonly directory: string;
  /** Mounts the peer anew and empties the kernel's caches. */
  readonly chill: () => Promise<void>;
  readonly sizeBytes: number;
  readonly files: number;
  /** The tree, outside of the peer. */
  readonly archive: string;
  /** The program of `metadata-load.ts`. */
  readonly load: string;
}

export interface Workload {
  readonly name: string;
  readonly summary: string;
  readonly needs: ReadonlyArray<{ readonly program: string; readonly from: string }>;
  readonly figures: ReadonlyArray<Figure>;
  /** Values by the names of the figures. */
  readonly run: (bench: Bench) => Promise<Readonly<Record<string, number>>>;
}

const FIO = { program: "fio", from: "the Debian package fio" };
const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;
const SYNCED_WRITES_MAX = 4000;
/** A peer that needs longer for its synced writes is measured by those that it made. */
const SYNCED_SECONDS_MAX = 5;
const SQLITE_COMMITS_MAX = 1500;
const RANDOM_BYTES_MAX = 128 * MIB;

/** Bytes that do not compress: one buffer of them for calls of 1 MiB, other ones for each call of 4 KiB. */
const LONG_CALLS = ["--bs=1M", "--scramble_buffers=0"];
const SHORT_CALLS = ["--bs=4k", "--refill_buffers=1"];

/** Why a workload cannot be run here; undefined if it can. */
export function whatWorkloadMisses({ needs }: Workload): string | undefined {
  const missing = needs.find(({ program }) => pathOf(program) === undefined);
  return missing === undefined ? undefined : `there is no ${missing.program}; it comes with ${missing.from}`;
}

interface FioSide {
  readonly bw_bytes: number;
  readonly iops: number;
  readonly total_ios: number;
}

async function fio(programs: Programs, side: "read" | "write", words: ReadonlyArray<string>): Promise<FioSide> {
  const { output } = await programs.expect([
    "fio",
    "--name=bench",
    "--output-format=json",
    "--ioengine=psync",
    "--thread",
    "--randseed=1",
    "--fallocate=none",
    ...words,
  ]);
  // Warnings may stand before the object.
  const result = JSON.parse(output.slice(output.indexOf("{"))) as { jobs: ReadonlyArray<Record<string, FioSide>> };
  const found = result.jobs[0]?.[side];
  if (found === undefined || found.total_ios === 0) throw new StepFailed("fio measured nothing");
  return found;
}

const sequential: Workload = {
  name: "sequential",
  summary: "a file written in calls of 1 MiB and synced, and read after the caches were emptied",
  needs: [FIO],
  figures: [
    { name: "write", unit: "MB/s", more: true },
    { name: "read", unit: "MB/s", more: true },
  ],
  run: async ({ programs, directory, chill, sizeBytes }) => {
    const file = [`--filename=${join(directory, "sequential")}`, `--size=${sizeBytes}`, ...LONG_CALLS];
    const write = await fio(programs, "write", [...file, "--rw=write", "--end_fsync=1"]);
    await chill();
    const read = await fio(programs, "read", [...file, "--rw=read"]);
    return { write: write.bw_bytes / 1e6, read: read.bw_bytes / 1e6 };
  },
};

const synced: Workload = {
  name: "fsync",
  summary: "4 KiB appended and fsynced, again and again",
  needs: [FIO],
  figures: [{ name: "fsync", unit: "writes/s", more: true }],
  run: async ({ programs, directory, files }) => {
    const writes = Math.min(SYNCED_WRITES_MAX, files);
    const { iops } = await fio(programs, "write", [
      `--filename=${join(directory, "synced")}`,
      `--size=${writes * BLOCK_BYTES}`,
      ...SHORT_CALLS,
      "--rw=write",
      "--fsync=1",
      `--runtime=${SYNCED_SECONDS_MAX}`,
    ]);
    return { fsync: iops };
  },
};

const sqlite: Workload = {
  name: "sqlite",
  summary: "commits of one row by sqlite3 in WAL mode with full synchronisation",
  needs: [{ program: "sqlite3", from: "the Debian package sqlite3" }],
  figures: [{ name: "sqlite", unit: "commits/s", more: true }],
  run: async ({ programs, directory, files }) => {
    const commits = Math.min(SQLITE_COMMITS_MAX, files);
    const database = join(directory, "database");
    const made = "PRAGMA journal_mode=WAL; CREATE TABLE rows(id INTEGER PRIMARY KEY, value TEXT);";
    await programs.expect(["sqlite3", database, made]);
    const insert = `INSERT INTO rows(value) VALUES('${"value ".repeat(20)}');\n`;
    const input = `.bail on\nPRAGMA synchronous=FULL;\n${insert.repeat(commits)}SELECT count(*) FROM rows;\n`;
    const { output, seconds } = await programs.expect(["sqlite3", database], { input });
    if (Number(output.trim()) !== commits) throw new StepFailed(`sqlite3 has not made ${commits} rows`);
    return { sqlite: commits / seconds };
  },
};

const random: Workload = {
  name: "random-write",
  summary: "every 4 KiB of a file overwritten once in random order, without and with a sync at the end",
  needs: [FIO],
  figures: [
    { name: "random-write", unit: "writes/s", more: true },
    { name: "random-write-synced", unit: "writes/s", more: true },
  ],
  run: async ({ programs, directory, chill, sizeBytes }) => {
    const bytes = Math.min(RANDOM_BYTES_MAX, sizeBytes);
    const file = [`--filename=${join(directory, "random")}`, `--size=${bytes}`];
    await fio(programs, "write", [...file, ...LONG_CALLS, "--rw=write", "--end_fsync=1"]);
    await chill();
    const overwrite = [...file, ...SHORT_CALLS, "--rw=randwrite"];
    const buffered = await fio(programs, "write", overwrite);
    await chill();
    const synced = await fio(programs, "write", [...overwrite, "--end_fsync=1"]);
    return { "random-write": buffered.iops, "random-write-synced": synced.iops };
  },
};

async function loaded(name: string, { programs, directory, files, load }: Bench): Promise<Record<string, number>> {
  const { output } = await programs.expect([process.execPath, load, name, join(directory, name), String(files)]);
  return JSON.parse(output) as Record<string, number>;
}

const operations = (name: string): Figure => ({ name, unit: "operations/s", more: true });

const names: Workload = {
  name: "names",
  summary: "empty files over many directories are created, looked at, renamed and removed",
  needs: [],
  figures: ["create", "stat", "rename", "unlink"].map(operations),
  run: (bench) => loaded("names", bench),
};

const smallFiles: Workload = {
  name: "small-files",
  summary: "files of 4 KiB are created and written",
  needs: [],
  figures: [{ name: "small-files", unit: "files/s", more: true }],
  run: (bench) => loaded("small-files", bench),
};

const tree: Workload = {
  name: "tree",
  summary: "a tree of source-like text is unpacked, and searched after the caches were emptied",
  needs: [
    { program: "tar", from: "the Debian package tar" },
    { program: "grep", from: "the Debian package grep" },
  ],
  figures: [
    { name: "untar", unit: "s", more: false },
    { name: "grep", unit: "s", more: false },
  ],
  run: async ({ programs, directory, chill, archive }) => {
    // Archive and programs come from memory.
    readFileSync(archive);
    await programs.expect(["tar", "--version"]);
    const untar = await programs.expect(["tar", "-xf", archive, "-C", directory]);
    await chill();
    await programs.expect(["grep", "--version"]);
    const grep = await programs.run(["grep", "-r", ABSENT_WORD, directory]);
    if (grep.status !== 1) throw new StepFailed(`grep ends with ${grep.status}: ${grep.errors.slice(0, 200)}`);
    return { untar: untar.seconds, grep: grep.seconds };
  },
};

export const workloads: ReadonlyArray<Workload> = [sequential, synced, sqlite, random, names, smallFiles, tree];

/** Empties the kernel's caches of what was written to devices already. */
export function emptyCaches(): void {
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}
