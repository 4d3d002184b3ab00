/**
 * Runs the system's own programs (mkfs, mount, losetup) to their end, without blocking this thread.
 *
 * Each runs in a session of its own, so that Ctrl-C ends us and not what is to clean up after us; none runs longer
 * than `TIMEOUT_MS`. Looking for programs knows the folders of root.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const TIMEOUT_MS = 120_000;
const PATH = [process.env["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);

export interface Outcome {
  /** 255 where it did not end by itself. */
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

/** Never rejects. */
export function program(name: string, args: ReadonlyArray<string>): Promise<Outcome> {
  return new Promise((settle) => {
    const child = spawn(name, args, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH, LC_ALL: "C" },
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString("latin1")));
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    const end = (status: number): void => {
      clearTimeout(timer);
      settle({ status, output, errors });
    };
    child.on("error", (error) => {
      errors += error.message;
      end(255);
    });
    child.on("close", (status, signal) => {
      if (signal !== null) errors += `${name} ended by ${signal}`;
      end(status ?? 255);
    });
  });
}

export function isInstalled(name: string): boolean {
  return PATH.split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, name)));
}

/** The first line that says something. */
export function firstLine({ output, errors }: Outcome): string {
  const lines = `${errors}\n${output}`.split("\n").map((line) => line.trim());
  return lines.find((line) => line !== "") ?? "it said nothing";
}
