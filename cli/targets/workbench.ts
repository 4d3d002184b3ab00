/**
 * Where another filesystem is tried: a folder with an exported disk, a loop device on it, and a directory to mount on.
 *
 * One disk lies on the bench at a time. `close` takes everything away whatever state it is in, and may be called at any
 * time and more than once. Everything here waits without blocking, because this thread serves the disk.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as Effect from "effect/Effect";
import type { ServedDisk } from "../../devices/record/served-disk.ts";
import { ScratchDisk } from "../../devices/record/scratch-disk.ts";
import { Media } from "../../devices/sim/media.ts";
import { type Export, startExport } from "../../fuse/export/export-session.ts";
import { CannotError } from "../exit.ts";
import { describeFailure } from "../runtime.ts";
import { firstLine, isInstalled, type Outcome, program } from "./programs.ts";
import type { Target } from "./target.ts";

const UMOUNT_TRIES = 20;
const UMOUNT_RETRY_MS = 100;
/** How much of the kernel's log is told of a failed mount. */
const KERNEL_LINES = 3;

export class Workbench {
  readonly target: Target;
  /** Where the filesystem is mounted, when it is. */
  readonly root: string;
  private readonly folder: string;
  private readonly closers: Array<() => Promise<void>> = [];
  private exported: Export | undefined;
  private loop = "";
  private isMounted = false;

  private constructor(target: Target) {
    this.target = target;
    this.folder = mkdtempSync(join(tmpdir(), "varve-target-"));
    this.root = join(this.folder, "mnt");
    this.closers.push(() => Promise.resolve(rmSync(this.folder, { recursive: true })));
  }

  static async open(target: Target): Promise<Workbench> {
    const missing = whatIsMissing(target);
    if (missing !== undefined) throw new CannotError(missing);
    const bench = new Workbench(target);
    try {
      await bench.build();
      return bench;
    } catch (error) {
      await bench.close();
      throw error;
    }
  }

  private async build(): Promise<void> {
    const directory = join(this.folder, "export");
    mkdirSync(directory);
    mkdirSync(this.root);
    const disk = new ScratchDisk(Media.empty(this.target.sizeBytes));
    const report = (line: string): void => void process.stderr.write(`${line}\n`);
    const exported = await Effect.runPromise(Effect.result(startExport({ directory, disk, report })));
    if (exported._tag === "Failure") throw new CannotError(describeFailure(exported.failure));
    this.exported = exported.success;
    const { path, unmount } = exported.success;
    this.closers.push(() => Effect.runPromise(Effect.orDie(unmount)));
    const loop = await attach(path);
    this.loop = loop.output.trim();
    this.closers.push(async () => {
      await program("losetup", ["--detach", this.loop]);
    });
  }

  /** Puts a disk on the bench; nothing is mounted. */
  async put(disk: ServedDisk): Promise<void> {
    this.exported!.serve(disk);
    // What the loop device remembers is of the disk before.
    await this.expect("blockdev", ["--flushbufs", this.loop]);
  }

  /** Makes the filesystem on the disk. */
  async make(): Promise<void> {
    const [name, ...words] = this.target.make;
    await this.expect(name, [...words, this.loop]);
  }

  /** Why it cannot be mounted; undefined if it is. */
  async mount(): Promise<string | undefined> {
    const { name, mountOptions } = this.target;
    const outcome = await program("mount", ["-t", name, "-o", mountOptions, this.loop, this.root]);
    if (outcome.status !== 0) return `${firstLine(outcome)} ${await this.kernelsWord()}`.trim();
    this.isMounted = true;
    return undefined;
  }

  async umount(): Promise<void> {
    let outcome: Outcome | undefined;
    for (let left = UMOUNT_TRIES; left > 0; left--) {
      outcome = await program("umount", [this.root]);
      if (outcome.status === 0) {
        this.isMounted = false;
        return;
      }
      await new Promise((settle) => setTimeout(settle, UMOUNT_RETRY_MS));
    }
    throw new CannotError(`${this.root} cannot be unmounted: ${firstLine(outcome!)}`);
  }

  /** What fsck finds; undefined if nothing. */
  async fsck(): Promise<string | undefined> {
    const [name, ...words] = this.target.fsck;
    const outcome = await program(name, [...words, this.loop]);
    return outcome.status === 0 ? undefined : this.target.finding(outcome);
  }

  async close(): Promise<void> {
    if (this.isMounted) await this.umount().catch(() => program("umount", ["-l", this.root]));
    for (let close = this.closers.pop(); close !== undefined; close = this.closers.pop()) {
      try {
        await close();
      } catch (error) {
        process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : describeFailure(error)}\n`);
      }
    }
  }

  private async expect(name: string, args: ReadonlyArray<string>): Promise<void> {
    const outcome = await program(name, args);
    if (outcome.status !== 0) throw new CannotError(`${name} fails: ${firstLine(outcome)}`);
  }

  /** The last lines that the kernel logged of the loop device. */
  private async kernelsWord(): Promise<string> {
    const { output } = await program("dmesg", []);
    const lines = output.split("\n").filter((text) => text.includes(basename(this.loop)));
    const words = lines.slice(-KERNEL_LINES).map((line) => line.replace(/^\[[^\]]*\]\s*/, ""));
    return words.length === 0 ? "" : `(the kernel: ${words.join("; ")})`;
  }
}

/** With direct I/O if the kernel can: what is to be recorded should not be gathered in a page cache on the way. */
async function attach(path: string): Promise<Outcome> {
  const direct = await program("losetup", ["--find", "--show", "--direct-io=on", path]);
  if (direct.status === 0) return direct;
  const plain = await program("losetup", ["--find", "--show", path]);
  if (plain.status !== 0) throw new CannotError(`no loop device: ${firstLine(plain)}`);
  return plain;
}

/** Why the target cannot be tried here, and what to do. */
export function whatIsMissing({ name, debianPackage, make, fsck }: Target): string | undefined {
  if (process.geteuid?.() !== 0) return `--target ${name} takes root: it mounts and uses loop devices`;
  const programs: ReadonlyArray<readonly [string, string]> = [
    [make[0], debianPackage],
    [fsck[0], debianPackage],
    ["losetup", "mount"],
    ["mount", "mount"],
    ["sync", "coreutils"],
  ];
  const missing = programs.find(([program]) => !isInstalled(program));
  return missing === undefined ? undefined : `there is no ${missing[0]}; install the Debian package ${missing[1]}`;
}
