/**
 * A command line of the laboratory, run on a build with a planted bug: for seeing, and shrinking, how it fails.
 *
 * The copy is made for the one command and removed after it; what the command prints goes where ours would.
 */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Mutant } from "./mutant.ts";
import { buildMutant } from "./run.ts";

const ENDING = ["SIGINT", "SIGTERM"] as const;

/** Returns the exit status of the command; undefined if it was killed. */
export async function runOnMutant(
  mutant: Mutant,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const folder = buildMutant(mutant);
  try {
    return await new Promise((resolve, reject) => {
      const command = [join(folder, "dist", "cli", "varve.js"), ...args];
      const child = spawn(process.execPath, command, {
        stdio: ["ignore", "inherit", "inherit"],
        env: { ...process.env, ...environment },
      });
      // Whoever ends this process means the one that works for it, and the copy is to be removed all the same.
      const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
      for (const signal of ENDING) process.on(signal, passOn);
      const forget = (): void => {
        for (const signal of ENDING) process.off(signal, passOn);
      };
      child.on("error", (error) => {
        forget();
        reject(error);
      });
      child.on("close", (code) => {
        forget();
        resolve(code ?? undefined);
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
