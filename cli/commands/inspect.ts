/**
 * `varve inspect`: superblock, journal, btrees and buckets of a pool that is not mounted, as they are.
 */
import * as Effect from "effect/Effect";
import type { Device } from "../../devices/device.ts";
import { type Pool, openPool, readSuperblock } from "../../engine/index.ts";
import { TABLES } from "../../engine/format/tables.ts";
import { inspectBucket, inspectBuckets, inspectJournal, inspectRows, inspectTrees } from "../../engine/pool/inspect.ts";
import type { CommandSpec, Options } from "../command.ts";
import { openDevices } from "../devices.ts";
import { Status, UsageError } from "../exit.ts";
import { hex, Output, uuidText } from "../output.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { run } from "../runtime.ts";

const STRUCTURES = ["superblock", "journal", "btree", "bucket"] as const;
const ROWS_SHOWN = 50;
const OPEN = { readOnly: true, commitIntervalMs: 0, writebackIntervalMs: 0 };

const withDevices = <A, E>(
  paths: ReadonlyArray<string>,
  use: (devices: ReadonlyArray<Device>) => Effect.Effect<A, E>,
) => run(Effect.scoped(Effect.flatMap(openDevices(paths, true), use)));

const withPool = <A, E>(paths: ReadonlyArray<string>, use: (pool: Pool) => Effect.Effect<A, E>) =>
  withDevices(paths, (devices) => Effect.scoped(Effect.flatMap(openPool(devices, OPEN), use)));

async function superblock(paths: ReadonlyArray<string>, output: Output): Promise<void> {
  const found = await withDevices(paths, readSuperblock);
  const { uuid, members, journalBuckets, createdAtSeconds } = found;
  output.object({ ...found, uuid: uuidText(uuid) });
  output.table([
    ["uuid", uuidText(uuid)],
    ["label", found.label],
    ["version", String(found.version)],
    ["sequence", String(found.sequence)],
    ["made", new Date(createdAtSeconds * 1000).toISOString()],
    ["bucket", formatBytes(found.bucketBytes)],
    ["block", formatBytes(found.blockBytes)],
    ["compression", found.compression === 0 ? "none" : "zstd"],
    ["hash of names", `${found.directoryHashBits} bits, seed ${found.hashSeed.join(" ")}`],
    ...members.map((member, index) => [
      `member ${index}`,
      `${hex(member.uuid)}, ${formatBytes(member.capacityBytes)}, ${formatCount(member.buckets)} buckets`,
    ]),
    ["journal end", `entry ${found.journalEnd.sequence} of epoch ${found.journalEnd.epoch} when last closed`],
    ["journal buckets", journalBuckets.map(({ device, bucket }) => `${device}:${bucket}`).join(" ")],
  ]);
}

async function journal(paths: ReadonlyArray<string>, output: Output): Promise<void> {
  const entries = await withPool(paths, ({ runtime }) => inspectJournal(runtime));
  output.object({ entries });
  const rows = entries.map((entry) => [
    String(entry.sequence),
    String(entry.epoch),
    `${entry.device}:${entry.bucket}`,
    formatBytes(entry.lengthBytes),
    String(entry.flushedSequence),
    String(entry.oldestNeeded),
    entry.clean ? "clean" : "",
    Object.entries(entry.updates)
      .map(([table, count]) => `${table} ${count}`)
      .join(", "),
  ]);
  output.table(rows, ["entry", "epoch", "bucket", "length", "flushed", "needs", "", "updates"]);
}

function tableNamed(name: string): number {
  const table = TABLES.find((candidate) => candidate.name === name);
  if (table !== undefined) return table.id;
  throw new UsageError(`table ${name} is not known: ${TABLES.map((known) => known.name).join(", ")}`);
}

async function btree(paths: ReadonlyArray<string>, options: Options, output: Output): Promise<void> {
  const name = options.text("table");
  if (name === undefined) {
    const trees = await withPool(paths, ({ runtime }) => Effect.sync(() => inspectTrees(runtime)));
    output.object({ trees });
    const rows = trees.map(({ table, level, nodes, records, recordBytes, dirtyNodes }) =>
      [table, level, nodes, records, formatBytes(recordBytes), dirtyNodes].map(String),
    );
    output.table(rows, ["table", "level", "nodes", "records", "bytes", "in journal"]);
    return;
  }
  const table = tableNamed(name);
  const limit = options.number("limit") ?? ROWS_SHOWN;
  const rows = await withPool(paths, ({ runtime }) => inspectRows(runtime, table, options.number("from") ?? 0, limit));
  const jsonOf = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? part.toString(16) : bytesAsHex(part)));
  for (const row of rows) {
    output.object(row);
    output.print(`(${row.key.join(", ")})  ${jsonOf(row.value)}`);
  }
}

const bytesAsHex = (value: unknown): unknown => (value instanceof Uint8Array ? hex(value) : value);

async function bucket(paths: ReadonlyArray<string>, options: Options, output: Output): Promise<void> {
  const index = options.number("bucket");
  const device = options.number("device") ?? 0;
  if (index === undefined) {
    const buckets = await withPool(paths, ({ runtime }) => Effect.sync(() => inspectBuckets(runtime)));
    const used = buckets.filter(({ state, generation }) => state !== "free" || generation > 0);
    output.object({ buckets });
    const rows = used.map((one) =>
      [`${one.device}:${one.bucket}`, one.state, one.bucketClass, one.generation, one.liveBytes].map(String),
    );
    output.table(rows, ["bucket", "state", "class", "generation", "live bytes"]);
    output.print(`${formatCount(buckets.length - used.length)} more were never used.`);
    return;
  }
  const content = await withPool(paths, ({ runtime }) => {
    const { members } = runtime.superblock;
    if (device >= members.length || index >= members[device]!.buckets) {
      throw new UsageError(`there is no bucket ${index} of device ${device}`);
    }
    return inspectBucket(runtime, device, index);
  });
  output.object({ device, bucket: index, content });
  output.table(content.map(({ addressBytes, what }) => [String(addressBytes), what]));
}

export const command: CommandSpec = {
  name: "inspect",
  summary: "show a structure of a pool as it is on the device",
  arguments: [
    { name: "<structure>", summary: STRUCTURES.join(", ") },
    { name: "<device...>", summary: "all devices of the pool, not mounted" },
  ],
  options: [
    { flags: "--table <name>", kind: "text", summary: "btree: the rows of this table" },
    { flags: "--from <inode>", kind: "count", summary: "btree: rows from this first part of the key on" },
    { flags: "--limit <count>", kind: "count", summary: `btree: rows to show (${ROWS_SHOWN} unless told)` },
    { flags: "--bucket <index>", kind: "count", summary: "bucket: what is in this one" },
    { flags: "--device <index>", kind: "count", summary: "bucket: of this member (0 unless told)" },
  ],
  notes: "Example:\n  varve inspect btree disk.img --table dirents",
  run: async (args, options) => {
    const output = new Output(options);
    const [structure, ...paths] = args;
    switch (structure) {
      case "superblock":
        await superblock(paths, output);
        break;
      case "journal":
        await journal(paths, output);
        break;
      case "btree":
        await btree(paths, options, output);
        break;
      case "bucket":
        await bucket(paths, options, output);
        break;
      default:
        throw new UsageError(`there is no structure ${structure}: ${STRUCTURES.join(", ")}`);
    }
    return Status.fine;
  },
};
