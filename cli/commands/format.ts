/**
 * `varve format`: makes a pool on a device or in a new file, and never on top of something without `--force`.
 */
import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import * as Effect from "effect/Effect";
import { probeContents } from "../../devices/contents.ts";
import type { Device } from "../../devices/device.ts";
import { createFile } from "../../devices/file.ts";
import { type FormatOptions, formatPool, POOL_BYTES_MIN, readSuperblock } from "../../engine/index.ts";
import type { CommandSpec, Options } from "../command.ts";
import { openDevices } from "../devices.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { invocation } from "../invocation.ts";
import { Output, uuidText } from "../output.ts";
import { formatBytes } from "../quantity.ts";
import { run } from "../runtime.ts";

/** A random UUID, marked as one. */
function randomUuid(): Uint8Array {
  const uuid = new Uint8Array(randomBytes(16));
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

function formatOptions(options: Options): FormatOptions {
  const compression = options.text("compression");
  if (compression !== undefined && compression !== "none" && compression !== "zstd") {
    throw new UsageError(`compression ${compression} is not known: none or zstd`);
  }
  const label = options.text("label");
  if (label !== undefined && new TextEncoder().encode(label).length > 64) {
    throw new UsageError("a label has at most 64 bytes");
  }
  const bucketBytes = options.number("bucketSize");
  if (bucketBytes !== undefined && !Number.isInteger(Math.log2(bucketBytes))) {
    throw new UsageError("the bucket size must be a power of two");
  }
  const journalBuckets = options.number("journalBuckets");
  return {
    uuid: randomUuid(),
    ...(label === undefined ? {} : { label }),
    ...(compression === undefined ? {} : { compression }),
    ...(bucketBytes === undefined ? {} : { bucketBytes }),
    ...(journalBuckets === undefined ? {} : { journalBuckets }),
  };
}

/** Makes the files that do not exist; returns their paths. */
async function createFiles(paths: ReadonlyArray<string>, sizeBytes: number | undefined): Promise<Array<string>> {
  const missing = paths.filter((path) => !existsSync(path));
  if (sizeBytes === undefined) {
    if (missing[0] === undefined) return [];
    throw new CannotError(`${missing[0]}: no such file or device; --size makes a file of that size`);
  }
  const existing = paths.find((path) => !missing.includes(path));
  if (existing !== undefined) throw new UsageError(`--size is for new files, and ${existing} exists already`);
  if (sizeBytes < POOL_BYTES_MIN) {
    throw new UsageError(
      `a pool of ${formatBytes(sizeBytes)} is too small: the least is ${POOL_BYTES_MIN} bytes (${Math.ceil(POOL_BYTES_MIN / 1024)}K)`,
    );
  }
  for (const path of missing) await run(createFile(path, sizeBytes));
  return missing;
}

/** Fails if the device holds anything. */
const refuseContents = (device: Device) =>
  Effect.gen(function* () {
    const superblock = yield* Effect.result(readSuperblock([device]));
    const isPool = superblock._tag === "Success" || superblock.failure._tag !== "NotAPool";
    const contents = isPool ? "a Varve pool" : yield* probeContents(device);
    if (contents === undefined) return;
    return yield* Effect.fail(
      new CannotError(`${device.name} holds ${contents}; --force formats it all the same, and its content is lost`),
    );
  });

const formatDevices = (paths: ReadonlyArray<string>, options: FormatOptions, force: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const devices = yield* openDevices(paths, false);
      if (!force) for (const device of devices) yield* refuseContents(device);
      yield* formatPool(devices, options);
      return yield* readSuperblock(devices);
    }),
  );

export const command: CommandSpec = {
  name: "format",
  summary: "make a pool on a device or in a file",
  arguments: [{ name: "<device...>", summary: "block device or file" }],
  options: [
    { flags: "--size <bytes>", kind: "bytes", summary: "make a new, sparse file of this size (64M, 2G, ...)" },
    { flags: "-f, --force", kind: "flag", summary: "format even what holds something; it is lost" },
    { flags: "-L, --label <text>", kind: "text", summary: "name of the pool" },
    { flags: "--compression <kind>", kind: "text", summary: "of data: zstd (unless told otherwise) or none" },
    { flags: "--bucket-size <bytes>", kind: "bytes", summary: "size of a bucket on a conventional device" },
    { flags: "--journal-buckets <count>", kind: "count", summary: "buckets of the journal" },
  ],
  notes: "Example:\n  varve format --size 2G disk.img",
  run: async (paths, options) => {
    const output = new Output(options);
    const format = formatOptions(options);
    const created = await createFiles(paths, options.number("size"));
    try {
      const superblock = await run(formatDevices(paths, format, options.flag("force")));
      const { uuid, label, bucketBytes, members, journalBuckets } = superblock;
      const capacityBytes = members.reduce((sum, member) => sum + member.capacityBytes, 0);
      output.object({ uuid: uuidText(uuid), label, capacityBytes, bucketBytes, journalBuckets: journalBuckets.length });
      output.print(
        `Pool ${uuidText(uuid)} of ${formatBytes(capacityBytes)} in buckets of ${formatBytes(bucketBytes)}.`,
      );
      output.print(`Mount it with: ${invocation()} mount ${paths.join(" ")} DIRECTORY`);
      return Status.fine;
    } catch (error) {
      // What was made only for this is not left behind.
      for (const path of created) rmSync(path, { force: true });
      throw error;
    }
  },
};
