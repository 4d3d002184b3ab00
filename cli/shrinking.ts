/**
 * `varve replay --shrink`: the shortest script that fails as a seed does, written to a file that runs by itself.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { Scenario } from "../harness/scenario.ts";
import { printScript, type PrintOptions, Unprintable } from "../harness/shrink/print.ts";
import { RECORDED_SEED } from "../harness/shrink/script.ts";
import { shrink, type Shrunk } from "../harness/shrink/shrink.ts";
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
    output.object({ scenario: scenario.name, seed, ...shrunk });
    if (shrunk.reason === "passes") {
      output.print(`${origin} passes: there is nothing to shrink`);
      return Status.fine;
    }
    throw new CannotError(`${origin} fails, but not when only the operations of its clients are carried out`);
  }
  const file = out ?? join(REGRESSIONS_FOLDER, `${shrunk.script.name.slice("regressions/".length)}.ts`);
  const source = written(shrunk, origin, file);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, source);
  const { failure, operations, operationsBefore, candidates } = shrunk;
  output.object({ scenario: scenario.name, seed, file, failure, operations, operationsBefore, candidates });
  output.print(`${operationsBefore} operations became ${operations}, after ${formatCount(candidates)} candidates`);
  output.print(`FAILED (${failure.where}): ${failure.message}`);
  output.print();
  output.print(`See it again:  ${invocation()} replay ${asPath(file)}:${RECORDED_SEED}`);
  if (out === undefined) output.print(`Keep it:       list it in ${REGRESSIONS_FOLDER}/index.ts`);
  return Status.found;
}

function written(shrunk: Shrunk, origin: string, file: string): string {
  try {
    return printScript(shrunk.script, { origin, message: shrunk.failure.message, modules: modulesFor(file) });
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
