/**
 * What Linux says about a block device in /sys and /proc: its size, its blocks, and who uses it.
 *
 * Reads only; a fact that the system does not tell is undefined or empty, never an error. Devices are named by their
 * numbers ("8:1"), so the path by which somebody reaches one does not matter.
 */
import * as fs from "node:fs";

/** "major:minor" of a device number as `stat` gives it. */
export function deviceNumbers(rdev: number): string {
  // The layout of glibc's dev_t: minor bits 0-7 and 20-43, major bits 8-19 and 44-63.
  const low = rdev % 2 ** 32;
  const high = Math.floor(rdev / 2 ** 32);
  const major = ((low >>> 8) & 0xfff) + (high >>> 12) * 0x1000;
  const minor = (low & 0xff) + (low >>> 20) * 0x100 + (high & 0xfff) * 0x100000;
  return `${major}:${minor}`;
}

export interface BlockFacts {
  readonly capacityBytes: number;
  readonly logicalBlockBytes: number;
  readonly rotational: boolean;
  /** "none", "host-aware" or "host-managed". */
  readonly zoned: string;
}

export function blockFacts(numbers: string): BlockFacts | undefined {
  const folder = `/sys/dev/block/${numbers}`;
  const sectors = readNumber(`${folder}/size`);
  if (sectors === undefined) return undefined;
  // A partition has no queue of its own; its disk's is one folder up.
  const queue = fs.existsSync(`${folder}/queue`) ? `${folder}/queue` : `${folder}/../queue`;
  return {
    capacityBytes: sectors * 512,
    logicalBlockBytes: readNumber(`${queue}/logical_block_size`) ?? 512,
    rotational: readText(`${queue}/rotational`) === "1",
    zoned: readText(`${queue}/zoned`) ?? "none",
  };
}

/** Says in a few words who uses a block device or one of its partitions, if anybody is known to. */
export function blockUser(numbers: string): string | undefined {
  const folder = `/sys/dev/block/${numbers}`;
  const partitions = list(folder).flatMap((entry) => (readText(`${folder}/${entry}/partition`) ? [entry] : []));
  const holder = [folder, ...partitions.map((entry) => `${folder}/${entry}`)].flatMap((at) => list(`${at}/holders`))[0];
  if (holder !== undefined) return `part of ${holder}`;
  const all = [numbers, ...partitions.flatMap((entry) => readText(`${folder}/${entry}/dev`) ?? [])];
  for (const device of all) {
    const directory = mountPoint(device);
    if (directory === undefined) continue;
    return device === numbers ? `mounted on ${directory}` : `a disk with a partition mounted on ${directory}`;
  }
  return undefined;
}

/** Where a device is mounted, as this process sees the tree. */
function mountPoint(numbers: string): string | undefined {
  for (const line of (readText("/proc/self/mountinfo") ?? "").split("\n")) {
    const [, , device, , directory] = line.split(" ");
    const source = line.split(" - ")[1]?.split(" ")[1] ?? "";
    // Some filesystems, btrfs for one, have a number of their own; their source names the device.
    if (device === numbers || (source.startsWith("/dev/") && numbersOf(source) === numbers)) {
      return directory?.replaceAll("\\040", " ");
    }
  }
  return undefined;
}

/** The loop device that a file is attached to. */
export function loopOf(file: string): string | undefined {
  return list("/sys/block").find((name) => readText(`/sys/block/${name}/loop/backing_file`) === file);
}

function numbersOf(path: string): string | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat?.isBlockDevice() === true ? deviceNumbers(stat.rdev) : undefined;
}

function list(folder: string): Array<string> {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

function readNumber(path: string): number | undefined {
  const number = Number(readText(path));
  return Number.isFinite(number) ? number : undefined;
}
