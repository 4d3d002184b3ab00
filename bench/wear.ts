/**
 * What 30,000 mixed operations write to a 64 MiB disk: 4 KiB device writes in all, and those of the hottest block.
 *
 * The mix is small files created, written, appended to, renamed, read and removed over a few hundred names, with a sync
 * of the filesystem every hundred operations, as a machine with little memory would do on a small flash device. Counted
 * below the engine, from the formatting to the clean close.
 */
import * as Effect from "effect/Effect";
import type { Device } from "../devices/device.ts";
import { makeMemoryDevice } from "../devices/memory.ts";
import { DiskStatistics } from "../devices/sim/statistics.ts";
import { withPool } from "./memory-pool.ts";
import { Mix } from "./mix.ts";
import type { Workload } from "./workload.ts";

const CAPACITY_BYTES = 64 * 1024 * 1024;
const OPERATIONS = 30_000;
const SYNC_EVERY = 100;

/** Counts what reaches a device. */
export function counted(device: Device, statistics: DiskStatistics): Device {
  return {
    ...device,
    write: (offsetBytes, bytes) => {
      statistics.wrote(offsetBytes, bytes.length);
      return device.write(offsetBytes, bytes);
    },
    discard: (offsetBytes, lengthBytes) => {
      statistics.emptied(offsetBytes, lengthBytes);
      return device.discard(offsetBytes, lengthBytes);
    },
  };
}

export const wear: Workload = {
  name: "wear",
  summary: "device writes of 30,000 mixed operations on 64 MiB, and the hottest block",
  run: async ({ scale, progress }) => {
    const operations = Math.max(1000, Math.floor(OPERATIONS * scale));
    const statistics = new DiskStatistics(CAPACITY_BYTES, 4096);
    const device = counted(makeMemoryDevice({ name: "memory", capacityBytes: CAPACITY_BYTES }), statistics);
    await withPool(device, (pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const mix = yield* Mix.begin(filesystem);
        for (let done = 1; done <= operations; done++) {
          yield* mix.step();
          if (done % SYNC_EVERY === 0) yield* filesystem.syncfs;
        }
        yield* pool.close;
      }),
    );
    progress(`wear: ${statistics.heatTotal} writes of 4 KiB, hottest block ${statistics.heatMax}`);
    return [
      { name: "operations", value: operations, unit: "" },
      { name: "4 KiB device writes", value: statistics.heatTotal, unit: "writes" },
      { name: "hottest block", value: statistics.heatMax, unit: "writes" },
      { name: "blocks overwritten in place", value: statistics.overwrites, unit: "writes" },
    ];
  },
};
