/**
 * The directory that a pool is mounted on, as the kernel sees it: what is mounted where, and taking it away again.
 *
 * Reads `/proc/self/mountinfo`, never the directory itself where a server that hangs could block it. Unmounting is
 * left to the system's own programs, which know about privileges.
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { resolve } from "node:path";

/** Type of our mounts in `/proc/mounts`. */
export const MOUNT_TYPE = "fuse.varve";

export interface MountEntry {
  /** Major and minor number of the mounted filesystem, for example `0:45`: unique among what is mounted. */
  readonly device: string;
  readonly directory: string;
  readonly type: string;
  readonly source: string;
}

const unescapeOctal = (text: string): string =>
  Buffer.from(
    text.replaceAll(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
    "latin1",
  ).toString("utf8");

/** Lines of mountinfo: `id parent major:minor root directory options [optional...] - type source options`. */
export function parseMountInfo(text: string): ReadonlyArray<MountEntry> {
  const entries: Array<MountEntry> = [];
  for (const line of text.split("\n")) {
    const [before, after] = line.split(" - ");
    const [, , device, , directory] = before?.split(" ") ?? [];
    const [type, source] = after?.split(" ") ?? [];
    if (device === undefined || directory === undefined || type === undefined || source === undefined) continue;
    entries.push({ device, directory: unescapeOctal(directory), type, source: unescapeOctal(source) });
  }
  return entries;
}

/** What lies on top at a directory; undefined if nothing is mounted exactly there. */
export function mountAt(directory: string): MountEntry | undefined {
  // The file is in bytes; latin1 keeps them apart until each path is decoded.
  const entries = parseMountInfo(readFileSync("/proc/self/mountinfo", "latin1"));
  const wanted = resolve(directory);
  return entries.findLast((entry) => entry.directory === wanted);
}

/** All our mounts, in the order in which they were made. */
export const poolMounts = (): ReadonlyArray<MountEntry> =>
  parseMountInfo(readFileSync("/proc/self/mountinfo", "latin1")).filter(({ type }) => type === MOUNT_TYPE);

/** Why a pool cannot be mounted on a directory, or cannot be unmounted from it. */
export class MountPointError {
  readonly _tag = "MountPointError";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Looks at a directory before mounting on it. `stale`: a mount whose server died is still there. */
export function inspectMountPoint(directory: string): "ready" | "stale" | MountPointError {
  const there = mountAt(directory);
  try {
    // Of a directory's attributes the kernel may know enough to answer by itself, of the filesystem's numbers it never does.
    if (there?.type === MOUNT_TYPE) statfsSync(directory);
    if (!statSync(directory).isDirectory()) return new MountPointError(`${directory} is not a directory`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTCONN" && there?.type === MOUNT_TYPE) return "stale";
    if (code === "ENOENT") return new MountPointError(`${directory} does not exist; make the directory first`);
    return new MountPointError(`${directory} cannot be used: ${code ?? String(error)}`);
  }
  if (there?.type === MOUNT_TYPE) return new MountPointError(`${directory} already has a pool mounted on it`);
  if (readdirSync(directory).length > 0) {
    return new MountPointError(`${directory} is not empty; mount on an empty directory`);
  }
  return "ready";
}

/** `detach`: out of sight at once, though files are open. `force`: that, and open files are cut off. */
export type UnmountManner = "now" | "detach" | "force";

/** Unmounts. Rejects with a MountPointError. */
export async function unmount(directory: string, manner: UnmountManner): Promise<void> {
  const target = resolve(directory);
  const lazy = manner !== "now";
  const flags = { now: [], detach: ["-l"], force: ["-f", "-l"] }[manner];
  const attempts: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["umount", [...flags, target]],
    ["fusermount", lazy ? ["-u", "-z", target] : ["-u", target]],
    ["fusermount3", lazy ? ["-u", "-z", target] : ["-u", target]],
  ];
  const asRoot = process.geteuid?.() === 0;
  let why = "";
  for (const [program, args] of asRoot ? attempts.slice(0, 1) : attempts) {
    const failure = await complaintOf(program, args);
    if (failure === undefined) return;
    if (why === "" || !failure.includes("ENOENT")) why = failure;
  }
  throw new MountPointError(`${target} cannot be unmounted: ${why}`);
}

/** Has the kernel hand over what was written on the mount and it still keeps back. Rejects with a MountPointError. */
export async function handOver(directory: string): Promise<void> {
  const failure = await complaintOf("sync", ["-f", resolve(directory)]);
  if (failure !== undefined) throw new MountPointError(`${directory} cannot be synced: ${failure}`);
}

/** Runs a program; undefined if it succeeded, else one line of what it said. */
function complaintOf(program: string, args: ReadonlyArray<string>): Promise<string | undefined> {
  return new Promise((settle) => {
    execFile(program, args, (error, _output, errors) => {
      if (error === null) return settle(undefined);
      const [line] = (errors.trim() === "" ? error.message : errors.trim()).split("\n");
      settle((line ?? "no reason given").replace(/^umount: /, ""));
    });
  });
}

/** Descriptors of this process that are connections to the kernel's FUSE. */
export function fuseDescriptors(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const descriptor of readdirSync("/proc/self/fd")) {
    if (isFuseDescriptor(descriptor)) found.add(descriptor);
  }
  return found;
}

export function isFuseDescriptor(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === "/dev/fuse";
  } catch {
    return false;
  }
}
