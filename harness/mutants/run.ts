/**
 * Runs the campaign against planted bugs and measures how many seeds each survives.
 *
 * A mutant is a copy of the build with one edit, in a folder of its own beside the packages it needs; the campaign runs
 * there as its own process, through the real command line. The build that runs this is never touched. A mutant counts
 * as caught only if the build without it passes the seed that failed, so that no other bug is mistaken for the planted
 * one; a mutant that cannot even run counts as not caught.
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
  /** Seeds to run at most, over all scenarios of the mutant. */
  readonly budget: number;
  readonly jobs: number;
  /** A process that has said nothing for so long hangs; the campaign reports every second while seeds end. */
  readonly silentMsMax?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

const SILENT_MS_MAX = 300_000;
const ERRORS_KEPT = 4000;

/** The root of the build that this file is part of. */
const buildRoot = (): string => join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What is beside code: for compilers and debuggers. */
const DESCRIPTIONS = /\.(?:d\.ts|map)$/u;

/** A copy of the build, as far as it runs, with the mutant's edit. */
export function buildMutant(mutant: Mutant, root = buildRoot()): string {
  const path = join(root, mutant.file);
  const mutated = applyEdits(readFileSync(path, "utf8"), mutant);
  const packageRoot = join(root, "..");
  const packages = [join(packageRoot, "node_modules"), join(packageRoot, "..")].find((each) =>
    existsSync(join(each, "effect")),
  );
  if (packages === undefined) throw new Error("the packages that the build needs are not where they should be");
  const folder = mkdtempSync(join(tmpdir(), `varve-mutant-${mutant.id}-`));
  cpSync(root, join(folder, "dist"), { recursive: true, filter: (file) => !DESCRIPTIONS.test(file) });
  cpSync(join(packageRoot, "package.json"), join(folder, "package.json"));
  symlinkSync(packages, join(folder, "node_modules"));
  writeFileSync(join(folder, "dist", mutant.file), mutated);
  return folder;
}

interface Ended {
  /** The last line of standard output, as JSON, if it is that. */
  readonly result: unknown;
  /** How the process ended if it gave no result. */
  readonly problem: string;
}

/** Runs the command line of a build with `--json`; never rejects because of what the build does. */
function varve(
  root: string,
  args: ReadonlyArray<string>,
  { silentMsMax = SILENT_MS_MAX, signal }: Pick<MutantOptions, "silentMsMax" | "signal">,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const command = [join(root, "cli", "varve.js"), ...args, "--json"];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let errors = "";
    let silent = false;
    const hang = (): void => {
      silent = true;
      child.kill("SIGKILL");
    };
    const end = (): boolean => child.kill("SIGINT");
    signal?.addEventListener("abort", end);
    let watch = setTimeout(hang, silentMsMax);
    const heard = (): void => {
      clearTimeout(watch);
      watch = setTimeout(hang, silentMsMax);
    };
    child.stdout.on("data", (chunk: Buffer) => {
      heard();
      out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      heard();
      errors = (errors + chunk.toString()).slice(-ERRORS_KEPT);
    });
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      clearTimeout(watch);
      signal?.removeEventListener("abort", end);
      const last = out.trimEnd().split("\n").at(-1) ?? "";
      const how = silent ? `it hung, silent for ${silentMsMax / 1000} s` : `it ended with ${killedBy ?? code}`;
      const problem = `${how}: ${errors.trimEnd().split("\n").slice(-3).join(" ")}`;
      resolve({ result: last.startsWith("{") ? JSON.parse(last) : undefined, problem });
    });
  });
}

interface Outcome {
  readonly seeds: number;
  readonly failures: ReadonlyArray<{ readonly scenario: string; readonly seed: number; readonly message: string }>;
}

/** Runs a mutant until a seed fails that the build itself passes. Undefined: it was ended before one did. */
export async function runMutant(
  mutant: Mutant,
  options: MutantOptions,
  root = buildRoot(),
): Promise<MutantResult | undefined> {
  const { budget, jobs, signal } = options;
  const ended = (): boolean => signal?.aborted === true;
  if (ended()) return undefined;
  const { id, breaks, scenarios } = mutant;
  const seedsEach = Math.max(1, Math.ceil(budget / scenarios.length));
  const folder = buildMutant(mutant, root);
  let from = 1;
  let seeds = 0;
  let message: string | undefined;
  try {
    while (from <= seedsEach) {
      const { result, problem } = await varve(
        join(folder, "dist"),
        [
          ...["campaign", ...scenarios, "--seeds", `${from}..${seedsEach}`, "--jobs", String(jobs)],
          ...["--verify", "0", "--stop", "--failures", join(folder, "failures")],
        ],
        options,
      );
      if (ended()) return undefined;
      if (result === undefined) {
        message = problem;
        break;
      }
      const outcome = result as Outcome;
      seeds += outcome.seeds;
      for (const { scenario, seed, message } of outcome.failures) {
        const control = await varve(root, ["replay", `${scenario}:${seed}`], options);
        if (ended()) return undefined;
        const passes = control.result !== undefined && (control.result as { failure?: unknown }).failure === undefined;
        if (passes) return { id, breaks, caught: true, seeds, scenario, message };
      }
      if (outcome.failures.length === 0) break;
      // The build fails these as well: whoever planted nothing has caught nothing. Go on behind them.
      message = `${outcome.failures.length} seeds failed that fail without it too`;
      from = Math.max(...outcome.failures.map(({ seed }) => seed)) + 1;
    }
    return { id, breaks, caught: false, seeds, scenario: undefined, message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
