/**
 * Runs programs of the system (mkfs, mount, fio) for the benchmark of mounts, and finds them.
 *
 * Each runs in a session of its own, so that Ctrl-C reaches us first: `stop` then kills what runs. Whoever cleans up
 * uses another `Programs`, which nobody stops. Looking for programs knows the folders of root.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

const TIMEOUT_MS = 600_000;
const PATH = [process.env["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);
const environment = { ...process.env, PATH, LC_ALL: "C" };

/** A program and its arguments. */
export type Command = readonly [string, ...ReadonlyArray<string>];

export interface Outcome {
  /** 255 where it did not end by itself. */
  readonly status: number;
  readonly output: string;
  readonly errors: string;
  /** From its start to its end, on the clock of the wall. */
  readonly seconds: number;
}

/** What a step cannot do: one line for a person. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

/** Somebody asked for the end. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  constructor() {
    super("interrupted");
  }
}

export interface RunSettings {
  readonly cwd?: string;
  readonly input?: string;
}

export class Programs {
  private running: ChildProcess | undefined;
  private stopped = false;

  /** Kills what runs; it, and whatever is asked for from now on, fails with `Stopped`. */
  stop(): void {
    this.stopped = true;
    this.running?.kill("SIGKILL");
  }

  /** Fails with `Stopped` if somebody asked for the end. */
  check(): void {
    if (this.stopped) throw new Stopped();
  }

  async run([name, ...args]: Command, settings: RunSettings = {}): Promise<Outcome> {
    this.check();
    const outcome = await this.outcome(name, args, settings);
    this.check();
    return outcome;
  }

  /** Runs it and returns what it printed; fails with what it said if its status is not 0. */
  async expect(command: Command, settings: RunSettings = {}): Promise<Outcome> {
    const outcome = await this.run(command, settings);
    if (outcome.status === 0) return outcome;
    throw new StepFailed(`${command.slice(0, 3).join(" ")} fails (status ${outcome.status}): ${firstLine(outcome)}`);
  }

  private outcome(name: string, args: ReadonlyArray<string>, { cwd, input }: RunSettings): Promise<Outcome> {
    return new Promise((settle) => {
      const started = performance.now();
      const child = spawn(name, args, {
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
        env: environment,
        ...(cwd === undefined ? {} : { cwd }),
      });
      this.running = child;
      let output = "";
      let errors = "";
      let seconds = 0;
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString("latin1")));
      // A program that reads no input may be gone before it is given any.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input ?? "");
      const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
      let settled = false;
      const end = (status: number): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        settle({ status, output, errors, seconds });
      };
      child.on("error", (error) => {
        errors += error.message;
        end(255);
      });
      const exited = (status: number | null, signal: string | null): void => {
        seconds = (performance.now() - started) / 1000;
        if (signal !== null) errors += `${name} ended by ${signal}`;
        // What it left in the background may hold the pipes open; what it said has come by then.
        setTimeout(() => end(status ?? 255), 100).unref();
      };
      child.on("exit", exited);
      child.on("close", (status) => end(status ?? 255));
    });
  }
}

/** A program that serves until it is told to end. */
export class Daemon {
  private readonly child: ChildProcess;

  constructor([name, ...args]: Command) {
    this.child = spawn(name, args, { detached: true, stdio: "ignore", env: environment });
    this.child.on("error", () => undefined);
  }

  /** Ends it, by its own id alone. */
  async end(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise((settle) => child.once("exit", settle));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(timer);
  }
}

/** Where a program is; undefined if it is nowhere. */
export function pathOf(name: string): string | undefined {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined;
  const folder = PATH.split(delimiter).find((path) => path !== "" && existsSync(join(path, name)));
  return folder === undefined ? undefined : join(folder, name);
}

/** The first line that says something. */
export function firstLine({ output, errors }: Outcome): string {
  const lines = `${errors}\n${output}`.split("\n").map((line) => line.trim());
  return lines.find((line) => line !== "") ?? "it said nothing";
}
