/**
 * `varve replay --shrink`: the shortest script that fails as a seed does, written to a file that runs by itself.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { SeedFailure } from "../harness/run.ts";
import type { Scenario } from "../harness/scenario.ts";
import { printScript, type PrintOptions, Unprintable } from "../harness/shrink/print.ts";
import { RECORDED_SEED } from "../harness/shrink/script.ts";
import { shrink } from "../harness/shrink/shrink.ts";
import type { DeviceScenario } from "../harness/store/device-scenario.ts";
import { printRun } from "../harness/store/print-run.ts";
import { shrinkStore } from "../harness/store/shrink-store.ts";
import { CannotError, Status } from "./exit.ts";
import { invocation } from "./invocation.ts";
import { type Output, Progress } from "./output.ts";
import { formatCount } from "./quantity.ts";

export const BUDGET_DEFAULT = 3000;
export const REGRESSIONS_FOLDER = "scenarios/regressions";

export interface ShrinkRequest {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly budget: number;
  /** The file to write; in the folder of regressions unless told. */
  readonly out: string | undefined;
}

export function shrinkSeed({ scenario, seed, budget, out }: ShrinkRequest, output: Output): number {
  const progress = new Progress();
  const origin = `${scenario.name}:${seed}`;
  const shrunk = shrink(scenario, seed, {
    budget,
    progress: (runs, operations) => progress.update(runs, budget, `runs, ${operations} operations left`),
  });
  progress.clear();
  if ("reason" in shrunk) {
    if (shrunk.reason === "passes") return passes(scenario.name, seed, output);
    output.object({ scenario: scenario.name, seed, ...shrunk });
    throw new CannotError(`${origin} fails, but not when only the operations of its clients are carried out`);
  }
  const { script, failure, operations, operationsBefore, candidates } = shrunk;
  const file = out ?? join(REGRESSIONS_FOLDER, `${script.name.slice("regressions/".length)}.ts`);
  const source = printed(origin, () =>
    printScript(script, { origin, message: failure.message, modules: modulesFor(file) }),
  );
  const kept = { file, source, name: scenario.name, seed, failure, operations, operationsBefore, tried: candidates };
  const status = keep(kept, output);
  if (out === undefined) output.print(`Keep it:       list it in ${REGRESSIONS_FOLDER}/index.ts`);
  return status;
}

export interface StoreShrinkRequest {
  readonly scenario: DeviceScenario;
  readonly seed: number;
  readonly budget: number;
  /** The file to write; beside that of the scenario unless told. */
  readonly out: string | undefined;
  /** The file that the scenario is from. */
  readonly from: string | undefined;
}

export function shrinkStoreSeed({ scenario, seed, budget, out, from }: StoreShrinkRequest, output: Output): number {
  const origin = `${scenario.name}:${seed}`;
  if (from === undefined) throw new CannotError(`${origin} is of no file that what is left of it could import`);
  const progress = new Progress();
  const shrunk = shrinkStore(scenario, seed, {
    budget,
    progress: (runs, operations) => progress.update(runs, budget, `runs, ${operations} operations left`),
  });
  progress.clear();
  if (shrunk === undefined) return passes(scenario.name, seed, output);
  const { run, failure, operations, operationsBefore, runs } = shrunk;
  const file = out ?? join(dirname(from), `${scenario.name.replaceAll(/[^\w-]+/gu, "-")}-${seed}.ts`);
  const module = asPath(relative(dirname(resolve(file)), resolve(from)));
  const source = printed(origin, () => printRun(run, failure.message, module));
  return keep({ file, source, name: scenario.name, seed, failure, operations, operationsBefore, tried: runs }, output);
}

function passes(scenario: string, seed: number, output: Output): number {
  output.object({ scenario, seed, reason: "passes" });
  output.print(`${scenario}:${seed} passes: there is nothing to shrink`);
  return Status.fine;
}

interface Kept {
  readonly file: string;
  readonly source: string;
  readonly name: string;
  readonly seed: number;
  readonly failure: SeedFailure;
  readonly operations: number;
  readonly operationsBefore: number;
  readonly tried: number;
}

/** Writes the script, and says what became of the seed. */
function keep(
  { file, source, name, seed, failure, operations, operationsBefore, tried }: Kept,
  output: Output,
): number {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, source);
  output.object({ scenario: name, seed, file, failure, operations, operationsBefore, candidates: tried });
  output.print(`${operationsBefore} operations became ${operations}, after ${formatCount(tried)} candidates`);
  output.print(`FAILED (${failure.where}): ${failure.message}`);
  output.print();
  output.print(`See it again:  ${invocation()} replay ${asPath(file)}:${RECORDED_SEED}`);
  return Status.found;
}

function printed(origin: string, print: () => string): string {
  try {
    return print();
  } catch (error) {
    if (error instanceof Unprintable) throw new CannotError(`${origin} cannot be written down: ${error.message}`);
    throw error;
  }
}

/** Beside the scenarios of this repository a script imports the sources, elsewhere the package. */
function modulesFor(file: string): PrintOptions["modules"] {
  const folder = dirname(resolve(file));
  if (!folder.endsWith(resolve("/", REGRESSIONS_FOLDER))) {
    return { script: "varve/harness", faults: "varve/devices", timing: "varve/devices" };
  }
  const root = relative(folder, resolve(folder, "..", ".."));
  return {
    script: `${root}/harness/shrink/script.ts`,
    faults: `${root}/devices/sim/faults.ts`,
    timing: `${root}/devices/sim/timing.ts`,
  };
}

/** With `./` in front, as a path that stands for a module. */
const asPath = (file: string): string => (/^\.{0,2}\//u.test(file) ? file : `./${file}`);
