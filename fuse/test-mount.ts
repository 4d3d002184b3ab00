/**
 * A pool in a file, mounted by the real program in a process of its own, for tests that make real system calls.
 *
 * Builds the program once a test file, in a folder of the package so that its dependencies are found. Whatever a test
 * leaves is taken away by `remove`: the mount, the server (by its process id alone) and the files.
 */
import { execFile, type ExecFileException } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect } from "vitest";
import { findSupervisor } from "./find-supervisor.ts";
import { mountAt } from "./mount-point.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What these tests run; the rest of the program is left out. */
const COMMANDS = [
  "format",
  "mount",
  "supervise",
  "restart",
  "umount",
  "status",
  "top",
  "check",
  "campaign",
  "export",
  "corrupt",
];
const PROGRAM_TIMEOUT_MS = 120_000;

/** Why no pool can be mounted here through this transport; undefined if one can. */
export function obstacle(transport: "direct" | "fuse-native" = "direct"): string | undefined {
  if (process.platform !== "linux") return "mounting is tested on Linux alone";
  if (process.getuid?.() !== 0) return "mounting is tested as root";
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse";
  if (transport === "direct" || existsSync(join(ROOT, "node_modules/fuse-native"))) return undefined;
  return "fuse-native is not installed";
}

/** Which of these programs are not installed, as a reason to skip; undefined if all are. */
export async function missingPrograms(programs: ReadonlyArray<string>): Promise<string | undefined> {
  const missing: Array<string> = [];
  for (const program of programs) {
    if ((await run("sh", ["-c", `command -v ${program}`])).status !== 0) missing.push(program);
  }
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

export interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end; never rejects. */
export function run(program: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Outcome> {
  const { cwd, env } = options;
  const settings = {
    timeout: PROGRAM_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  };
  return new Promise((settle) => {
    execFile(program, args, settings, (error: ExecFileException | null, output, errors) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
      settle({ status, output, errors });
    });
  });
}

/** The program ended with this status, printed nothing, and said one line that matches. */
export function expectRefused({ status, output, errors }: Outcome, expected: number, line: RegExp): void {
  expect({ status, output }).toEqual({ status: expected, output: "" });
  expect(errors).toMatch(/^varve: [^\n]+\n$/);
  expect(errors).toMatch(line);
}

/** Runs a shell script that stops at the first failure; rejects with what it said. Returns what it printed. */
export async function shell(script: string, options: RunOptions = {}): Promise<string> {
  const { status, output, errors } = await run("bash", ["--norc", "-euo", "pipefail", "-c", script], options);
  if (status !== 0) throw new Error(`status ${status} of: ${script}\n${output}\n${errors}`);
  return output;
}

/** The program, ready to be run. */
export class Program {
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `more`: further programs of this repository that the test runs. */
  static async build(more: ReadonlyArray<string> = []): Promise<Program> {
    const cache = join(ROOT, "node_modules/.cache");
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, "varve-test-"));
    await build({
      absWorkingDir: ROOT,
      entryPoints: ["cli/varve.ts", "fuse/awake-thread.ts", ...more],
      entryNames: "[name]",
      outdir: folder,
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      packages: "external",
      logLevel: "silent",
      plugins: [
        {
          name: "tested commands alone",
          setup: (setup) => {
            setup.onResolve({ filter: /^\.\/commands\// }, ({ path }) =>
              COMMANDS.some((command) => path === `./commands/${command}.ts`) ? undefined : { path, external: true },
            );
          },
        },
      ],
    });
    return new Program(folder);
  }

  fileOf(name: string): string {
    return join(this.folder, name);
  }

  run(args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Outcome> {
    return run(process.execPath, [this.fileOf("varve.js"), ...args], options);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class TestMount {
  private readonly program: Program;
  private readonly folder: string;
  readonly image: string;
  readonly directory: string;
  readonly log: string;
  pid: number | undefined;

  private constructor(program: Program) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), "varve-mount-"));
    this.image = join(this.folder, "pool");
    this.directory = join(this.folder, "mnt");
    this.log = join(this.folder, "log");
    mkdirSync(this.directory);
  }

  /** Makes a pool of this size (`256M`); it is not mounted yet. */
  static async format(program: Program, size: string): Promise<TestMount> {
    const mount = new TestMount(program);
    await mount.expect(["format", "--size", size, mount.image]);
    return mount;
  }

  /** Runs a command that must succeed; returns the last object it printed. */
  private async expect(args: ReadonlyArray<string>): Promise<Readonly<Record<string, unknown>>> {
    const { status, output, errors } = await this.program.run([...args, "--json"]);
    if (status !== 0) throw new Error(`varve ${args.join(" ")}: status ${status}: ${errors || output}`);
    return JSON.parse(output.trim().split("\n").at(-1) ?? "{}") as Record<string, unknown>;
  }

  async mount(...options: ReadonlyArray<string>): Promise<void> {
    const words = options.flatMap((option) => ["-o", option]);
    const { pid } = await this.expect(["mount", this.image, this.directory, "--log", this.log, ...words]);
    this.pid = pid as number;
  }

  /** Unmounts; the pool is closed afterwards. */
  async umount(): Promise<void> {
    await this.expect(["umount", this.directory]);
    this.pid = undefined;
  }

  /** Fails unless the pool, unmounted, is sound. */
  async check(): Promise<void> {
    await this.expect(["check", this.image]);
  }

  /** Kills the server as a crash would, and who would replace it, and waits until they are gone; the dead mount stays. */
  async kill(): Promise<void> {
    if (this.pid === undefined) throw new Error("not mounted");
    const entry = mountAt(this.directory);
    const link = entry === undefined ? undefined : await findSupervisor(entry.device);
    link?.close();
    const pids =
      link === undefined ? [this.pid] : [link.supervisor, ...(link.server === undefined ? [] : [link.server])];
    for (const pid of pids) if (existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
    for (const pid of pids) {
      while (existsSync(`/proc/${pid}`)) await new Promise((settle) => setTimeout(settle, 5));
    }
    this.pid = undefined;
  }

  /** Takes everything away, whatever state it is in. */
  async remove(): Promise<void> {
    if (this.pid !== undefined) await this.kill();
    while (mountAt(this.directory) !== undefined) await run("umount", ["-l", this.directory]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
