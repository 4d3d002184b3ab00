/**
 * One peer on its own loop device, over a file that was written once in full, mounted on a directory of its own.
 *
 * The file is written before anything is measured, and discards do not reach it, so that nobody pays for space that the
 * filesystem below has to find. `close` takes everything away in whatever state it is, and never fails.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { readlinkSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import type { Peer, Place } from "./peers.ts";
import { type Command, Daemon, pathOf, Programs, StepFailed } from "./programs.ts";

const TRIES = 100;
const RETRY_MS = 100;
const FILL_BYTES = 4 * 1024 * 1024;

const pause = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));

/** Why a peer cannot be measured here; undefined if it can. */
export function whatIsMissing({ needs, kernel }: Peer): string | undefined {
  const missing = needs.find(({ program }) => pathOf(program) === undefined);
  if (missing !== undefined) return `there is no ${missing.program}; it comes with ${missing.from}`;
  const known = readFileSync("/proc/filesystems", "latin1").split(/\s+/);
  if (kernel === undefined || known.includes(kernel) || moduleOf(kernel)) return undefined;
  return `this kernel has no ${kernel}`;
}

function moduleOf(name: string): boolean {
  const list = `/lib/modules/${readFileSync("/proc/sys/kernel/osrelease", "latin1").trim()}/modules.dep`;
  return existsSync(list) && readFileSync(list, "latin1").includes(`/${name}.ko`);
}

export class Stage {
  readonly peer: Peer;
  /** Nobody stops these half way: a mount that is killed may come to stand when nobody waits for it any more. */
  private readonly programs = new Programs();
  private readonly folder: string;
  private readonly place: Place;
  private daemon: Daemon | undefined;
  private mounted = false;

  private constructor(peer: Peer, folder: string, device: string) {
    this.peer = peer;
    this.folder = folder;
    const [mount, base, links] = [join(folder, "mnt"), join(folder, "base"), join(folder, "links")];
    for (const directory of [mount, base, links]) mkdirSync(directory);
    symlinkSync(device, join(links, basename(device)));
    this.place = { device, mount, base, links, label: `bench${process.pid}` };
  }

  /** Where the peer is mounted. */
  get root(): string {
    return this.place.mount;
  }

  /** Makes the peer on a new device and mounts it. `folder` does not exist yet. */
  static async open(peer: Peer, folder: string, deviceBytes: number): Promise<Stage> {
    mkdirSync(folder);
    const disk = join(folder, "disk");
    let stage: Stage | undefined;
    try {
      fill(disk, deviceBytes);
      stage = new Stage(peer, folder, await attach(disk));
      await stage.make();
      return stage;
    } catch (error) {
      if (stage === undefined) rmSync(folder, { recursive: true, force: true });
      else await stage.close();
      throw error;
    }
  }

  private async make(): Promise<void> {
    const { peer, place } = this;
    if (peer.daemon !== undefined) {
      this.daemon = new Daemon(peer.daemon);
      // It says nowhere that it is ready.
      await pause(1000);
    }
    // A step that fails half way may have mounted something.
    this.mounted = true;
    for (const command of peer.make(place)) await this.programs.expect(command);
    if (peer.madeMounted !== true) await this.mount();
  }

  private async mount(): Promise<void> {
    this.mounted = true;
    for (const command of this.peer.mount(this.place)) await this.programs.expect(command);
  }

  /** Unmounts and mounts again, so that a server that keeps things in memory has nothing of before. */
  async remount(): Promise<void> {
    for (const command of this.peer.unmount(this.place)) await this.insist(command);
    await this.letGo();
    await this.mount();
  }

  /** Everything written is on the device. */
  async sync(): Promise<number> {
    return (await this.programs.expect(["sync", "--file-system", this.root])).seconds;
  }

  private async insist(command: Command): Promise<void> {
    for (let left = TRIES; ; left--) {
      const outcome = await this.programs.run(command);
      if (outcome.status === 0) return;
      if (left === 0) throw new StepFailed(`${command.join(" ")} keeps failing: ${outcome.errors.trim()}`);
      await pause(RETRY_MS);
    }
  }

  /** Waits until no process has the device open: an unmount may return before its server has written everything. */
  private async letGo(): Promise<void> {
    if (this.daemon !== undefined) return;
    for (let left = TRIES; isOpen(this.place.device) && left > 0; left--) await pause(RETRY_MS);
  }

  async close(): Promise<void> {
    const { peer, place, programs } = this;
    if (this.mounted) {
      for (const command of peer.unmount(place))
        if (isMounted(place) || peer.daemon) await quietly(this.insist(command));
      for (const directory of [place.mount, place.base]) {
        if (mountsOf().has(directory)) await quietly(programs.run(["umount", "--lazy", directory]));
      }
      await this.letGo();
    }
    if (this.daemon !== undefined) await this.daemon.end();
    await quietly(programs.run(["losetup", "--detach", place.device]));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function quietly(step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch (error) {
    process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Zeros, each written. */
function fill(path: string, bytes: number): void {
  const file = openSync(path, "wx", 0o600);
  try {
    const zeros = new Uint8Array(FILL_BYTES);
    for (let at = 0; at < bytes;) at += writeSync(file, zeros, 0, Math.min(FILL_BYTES, bytes - at), at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A loop device that goes past the page cache of the file below, where it can, and discards nothing. */
async function attach(path: string): Promise<string> {
  const programs = new Programs();
  const direct = await programs.run(["losetup", "--find", "--show", "--direct-io=on", path]);
  const found = direct.status === 0 ? direct : await programs.expect(["losetup", "--find", "--show", path]);
  const device = found.output.trim();
  writeFileSync(`/sys/block/${basename(device)}/queue/discard_max_bytes`, "0");
  return device;
}

const mountsOf = (): ReadonlySet<string> =>
  new Set(
    readFileSync("/proc/self/mounts", "latin1")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? ""),
  );

function isMounted({ mount, base }: Place): boolean {
  const mounts = mountsOf();
  return mounts.has(mount) || mounts.has(base);
}

/** Whether some process has the device open. */
function isOpen(device: string): boolean {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.some((id) => {
    try {
      return readdirSync(`/proc/${id}/fd`).some((fd) => linkOf(`/proc/${id}/fd/${fd}`) === device);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
