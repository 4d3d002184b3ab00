/**
 * `varve status [DIR | DEVICE...]`: how a pool is. Of a mount its server is asked; of devices that are not mounted, what
 * superblock and journal say.
 */
import { existsSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import * as Effect from "effect/Effect";
import { readPoolState } from "../../engine/index.ts";
import { findServer } from "../../fuse/control.ts";
import { type MountEntry, MOUNT_TYPE, mountAt, poolMounts } from "../../fuse/mount-point.ts";
import { prometheusText } from "../../fuse/prometheus.ts";
import type { ServerStatus } from "../../fuse/status.ts";
import type { CommandSpec, Options } from "../command.ts";
import { openDevices } from "../devices.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { Output, uuidText } from "../output.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { run } from "../runtime.ts";
import { printStatus } from "../status-text.ts";

export const command: CommandSpec = {
  name: "status",
  summary: "tell how a pool is, mounted or not",
  arguments: [
    { name: "[where...]", summary: "a directory with a mount, or all devices of a pool; all mounts if left out" },
  ],
  options: [{ flags: "--metrics", kind: "flag", summary: "as text for Prometheus; of mounts only" }],
  notes: [
    "Exit status 1: a pool failed, or the server of a mount is gone or silent.",
    "",
    "Example:",
    "  varve status /mnt",
  ].join("\n"),
  run: status,
};

/** What is known of a mount: what its server says, or that it is silent. */
interface MountStatus {
  readonly entry: MountEntry;
  readonly status: ServerStatus | undefined;
  readonly why: string;
  /** A process holds the devices. */
  readonly held: boolean;
}

async function askServer(entry: MountEntry): Promise<MountStatus> {
  const server = await findServer(entry.device);
  if (server === undefined) {
    return { entry, status: undefined, why: "its server is gone; varve umount takes the mount away", held: false };
  }
  try {
    return { entry, status: (await server.ask("status")) as ServerStatus, why: "", held: true };
  } catch (error) {
    return { entry, status: undefined, why: (error as Error).message, held: true };
  } finally {
    server.close();
  }
}

const isMountOf = ({ source }: MountEntry, device: string): boolean => source.split(",").includes(device);

interface Named {
  readonly mounts: ReadonlyArray<MountEntry>;
  /** Devices were named, not a directory. */
  readonly byDevice: boolean;
}

/** The mounts that are asked for. */
function mountsNamed(names: ReadonlyArray<string>): Named {
  const mounts = poolMounts();
  if (names.length === 0) return { mounts, byDevice: false };
  const [first] = names;
  const path = resolve(first!);
  const there = mountAt(path);
  // Looking at the directory itself could wait for a server that does not answer.
  if (there?.type === MOUNT_TYPE) {
    if (names.length > 1) throw new UsageError("one directory at a time, or the devices of one pool");
    return { mounts: [there], byDevice: false };
  }
  if (!existsSync(path)) throw new CannotError(`${path}: no such file or device`);
  if (statSync(path).isDirectory()) throw new CannotError(`no pool is mounted on ${path}`);
  const device = realpathSync(path);
  return { mounts: mounts.filter((entry) => isMountOf(entry, path) || isMountOf(entry, device)), byDevice: true };
}

async function status(names: ReadonlyArray<string>, options: Options): Promise<number> {
  const output = new Output(options);
  const { mounts, byDevice } = mountsNamed(names);
  const offline = async (): Promise<number> => {
    if (options.flag("metrics")) throw new UsageError("--metrics is of mounts, and these devices are not mounted");
    const paths = names.map((name) => resolve(name));
    await ofDevices(paths, output);
    return Status.fine;
  };
  const found = await Promise.all(mounts.map(askServer));
  // A mount whose server died holds no device any more: what is on it can be told.
  if (byDevice && found.every(({ held }) => !held)) return offline();
  const statuses = found.flatMap((each) => (each.status === undefined ? [] : [each.status]));
  if (options.flag("metrics")) process.stdout.write(prometheusText(statuses));
  else found.forEach((each, index) => show(each, index, output));
  if (found.length === 0 && !options.flag("metrics")) output.print("No pool is mounted.");
  const bad = statuses.length < found.length || statuses.some(({ pool }) => pool.state === "failed");
  return bad ? Status.found : Status.fine;
}

function show({ entry, status: told, why }: MountStatus, index: number, output: Output): void {
  if (index > 0) output.print();
  const { directory, source } = entry;
  if (told === undefined) {
    output.object({ directory, devices: source.split(","), server: false, why });
    output.print(`${directory}: ${why}`);
    return;
  }
  output.object({ ...told, directory, server: true });
  printStatus(told, output);
}

async function ofDevices(paths: ReadonlyArray<string>, output: Output): Promise<void> {
  const opened = Effect.flatMap(openDevices(paths, true), readPoolState);
  const { superblock, clean, entriesToReplay } = await run(Effect.scoped(opened));
  const { label, members, version, createdAtSeconds } = superblock;
  const capacityBytes = members.reduce((sum, member) => sum + member.capacityBytes, 0);
  const uuid = uuidText(superblock.uuid);
  const made = new Date(createdAtSeconds * 1000).toISOString();
  const sizes = members.map((member, device) => ({ device: paths[device], capacityBytes: member.capacityBytes }));
  output.object({ mounted: false, uuid, label, version, made, clean, entriesToReplay, capacityBytes, members: sizes });
  const closed = clean
    ? "closed cleanly"
    : `not closed cleanly: mounting replays ${formatCount(entriesToReplay)} entries`;
  output.print(`${paths.join(",")}: not mounted, ${closed}`);
  output.table([
    ["pool", `${uuid}${label === "" ? "" : ` "${label}"`}, format ${version}, made ${made}`],
    ...members.map((member, index) => [`device ${index}`, formatBytes(member.capacityBytes)]),
  ]);
}
