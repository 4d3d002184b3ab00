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
import { ROOT_INODE } from "../engine/fs/types.ts";
import type { Filesystem } from "../engine/fs/types.ts";
import { text, withPool } from "./memory-pool.ts";
import type { Workload } from "./workload.ts";

const CAPACITY_BYTES = 64 * 1024 * 1024;
const OPERATIONS = 30_000;
const SYNC_EVERY = 100;
const NAMES = 300;
const DIRECTORIES = 10;
const OWNER = { uid: 0, gid: 0 };

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

class Mix {
  private state = 0x2545f491;
  private readonly filesystem: Filesystem;
  private readonly directories: ReadonlyArray<number>;
  private readonly files: Map<string, number> = new Map();

  constructor(filesystem: Filesystem, directories: ReadonlyArray<number>) {
    this.filesystem = filesystem;
    this.directories = directories;
  }

  private below(count: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % count;
  }

  private bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.below(256);
    return bytes;
  }

  /** One operation on a name drawn at random: what is not there is created first. */
  step(): Effect.Effect<unknown, unknown> {
    const number = this.below(NAMES);
    const key = `f${number}`;
    const directory = this.directories[number % DIRECTORIES]!;
    const inode = this.files.get(key);
    const { filesystem } = this;
    if (inode === undefined) {
      return Effect.flatMap(filesystem.mknod(directory, text(key), 0o100644, 0, OWNER), (made) => {
        this.files.set(key, made.inode);
        return filesystem.write(made.inode, 0, this.bytes(1 + this.below(12_000)));
      });
    }
    switch (this.below(6)) {
      case 0:
        return filesystem.write(inode, this.below(8000), this.bytes(1 + this.below(6000)));
      case 1:
        return filesystem.append(inode, this.bytes(1 + this.below(500)));
      case 2:
        return filesystem.setattr(inode, { sizeBytes: this.below(10_000) });
      case 3:
        return Effect.andThen(
          filesystem.rename(directory, text(key), directory, text(`${key}.new`), "replace"),
          filesystem.rename(directory, text(`${key}.new`), directory, text(key), "replace"),
        );
      case 4:
        return filesystem.read(inode, 0, 12_000);
      default:
        this.files.delete(key);
        return filesystem.unlink(directory, text(key));
    }
  }
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
        const directories: Array<number> = [];
        for (let index = 0; index < DIRECTORIES; index++) {
          directories.push((yield* filesystem.mkdir(ROOT_INODE, text(`d${index}`), 0o755, OWNER)).inode);
        }
        const mix = new Mix(filesystem, directories);
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
