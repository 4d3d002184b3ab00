/**
 * `varve usage`: how the space of a pool that is not mounted is used.
 */
import * as Effect from "effect/Effect";
import { openPool } from "../../engine/index.ts";
import type { CommandSpec } from "../command.ts";
import { openDevices } from "../devices.ts";
import { Status } from "../exit.ts";
import { Output, uuidText } from "../output.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { run } from "../runtime.ts";

const OPEN = { readOnly: true, commitIntervalMs: 0, writebackIntervalMs: 0 };

const usageOf = (paths: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const devices = yield* openDevices(paths, true);
      const pool = yield* openPool(devices, OPEN);
      const usage = yield* pool.usage;
      const { inodes } = yield* pool.filesystem.statfs;
      return { uuid: uuidText(pool.superblock.uuid), label: pool.superblock.label, usage, inodes };
    }),
  );

export const command: CommandSpec = {
  name: "usage",
  summary: "show how the space of a pool is used",
  arguments: [{ name: "<device...>", summary: "all devices of the pool, not mounted" }],
  options: [],
  run: async (paths, options) => {
    const output = new Output(options);
    const { uuid, label, usage, inodes } = await run(usageOf(paths));
    const { capacityBytes, availableBytes, liveBytes, bucketBytes, buckets, freeBuckets } = usage;
    const { journalBuckets, journalFreeBuckets } = usage;
    output.object({
      ...{ uuid, label, inodes, capacityBytes, availableBytes, liveBytes },
      ...{ bucketBytes, buckets, freeBuckets, journalBuckets, journalFreeBuckets },
    });
    output.print(`Pool ${uuid}${label === "" ? "" : ` "${label}"`}`);
    output.table([
      ["capacity", formatBytes(capacityBytes)],
      ["available", formatBytes(availableBytes)],
      ["live data and nodes", formatBytes(liveBytes)],
      ["files and directories", formatCount(inodes)],
      ["buckets", `${formatCount(buckets)} of ${formatBytes(bucketBytes)}, ${formatCount(freeBuckets)} free`],
      ["journal", `${journalBuckets} buckets, ${journalFreeBuckets} free`],
    ]);
    return Status.fine;
  },
};
