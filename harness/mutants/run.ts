/**
 * Runs the campaign against planted bugs and measures how many seeds each survives.
 *
 * A mutant is a copy of the build with one edit, in a folder of its own beside the packages it needs; the campaign runs
 * there as its own process, through the real command line. The build that runs this is never touched.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { applyEdits, type Mutant } from "./mutant.ts";

export interface MutantResult {
  readonly id: string;
  readonly breaks: string;
  readonly caught: boolean;
  /** Seeds that were run until one failed, over all scenarios tried. */
  readonly seeds: number;
  readonly scenario: string | undefined;
  readonly message: string | undefined;
}

export interface MutantOptions {
  /** Seeds of each scenario to try at most. */
  readonly budget: number;
  readonly jobs: number;
}

/** The root of the build that this file is part of. */
const buildRoot = (): string => join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A copy of the build with the mutant's edit. */
export function buildMutant(mutant: Mutant, root = buildRoot()): string {
  const folder = mkdtempSync(join(tmpdir(), `varve-mutant-${mutant.id}-`));
  cpSync(root, join(folder, "dist"), { recursive: true });
  const packageRoot = join(root, "..");
  cpSync(join(packageRoot, "package.json"), join(folder, "package.json"));
  const packages = [join(packageRoot, "node_modules"), join(packageRoot, "..")].find((path) =>
    existsSync(join(path, "effect")),
  );
  if (packages === undefined) throw new Error("the packages that the build needs are not where they should be");
  symlinkSync(packages, join(folder, "node_modules"));
  const path = join(folder, "dist", mutant.file);
  writeFileSync(path, applyEdits(readFileSync(path, "utf8"), mutant));
  return folder;
}

interface Outcome {
  readonly seeds: number;
  readonly failures: ReadonlyArray<{ readonly scenario: string; readonly message: string }>;
}

/** Runs a campaign in the mutant's folder until it fails. */
function campaign(folder: string, scenarios: ReadonlyArray<string>, { budget, jobs }: MutantOptions): Promise<Outcome> {
  const args = [
    join(folder, "dist", "cli", "varve.js"),
    "campaign",
    ...scenarios,
    ...["--seeds", `1..${budget}`, "--jobs", String(jobs), "--verify", "0", "--stop", "--json"],
    ...["--failures", join(folder, "failures")],
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err = (err + chunk.toString()).slice(-4000)));
    child.on("error", reject);
    child.on("close", (code) => {
      const last = out.trimEnd().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) return resolve(JSON.parse(last) as Outcome);
      // A bug can also kill the process; that is not overlooked either.
      resolve({
        seeds: 0,
        failures: [{ scenario: "", message: `the process ended with ${code}: ${err.slice(-500)}` }],
      });
    });
  });
}

export async function runMutant(mutant: Mutant, options: MutantOptions): Promise<MutantResult> {
  const folder = buildMutant(mutant);
  try {
    const { seeds, failures } = await campaign(folder, mutant.scenarios, options);
    const [first] = failures;
    return {
      id: mutant.id,
      breaks: mutant.breaks,
      caught: first !== undefined,
      seeds,
      scenario: first?.scenario,
      message: first?.message,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
