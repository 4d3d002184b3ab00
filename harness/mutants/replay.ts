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
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? undefined));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
