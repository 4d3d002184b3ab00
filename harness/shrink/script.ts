/**
 * A script: a whole run as plain data, and the scenario that carries it out.
 *
 * What a random scenario draws is written down here: the disk, its faults, the settings, the operations of each client,
 * the crash, and what the recovered pool was used for until it crashed again. Seed 1 repeats the run for which the
 * script was made, with its schedule and its crash; every other seed runs the same operations on a schedule of its own
 * and is crashed at every I/O, since the bug may well come back at another one. An operation whose file is not there
 * fails, which is no fault of anybody.
 */
import type { CrashPath } from "../crash-point.ts";
import type { CrashPlan, Life, Scenario, ScenarioPlan } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import { scriptedProgram } from "../workload/program.ts";

/** The seed that repeats the recorded run. */
export const RECORDED_SEED = 1;

export interface Script extends Omit<ScenarioPlan, "clients" | "epilogue" | "crash"> {
  readonly name: string;
  readonly summary: string;
  /** What the recorded run drew from. */
  readonly draws: string;
  /** Operations of each client, in order. */
  readonly clients: ReadonlyArray<ReadonlyArray<Operation>>;
  readonly crash: Omit<CrashPlan, "lives" | "only"> & {
    /** The crash of the recorded run, and those after it. */
    readonly only?: CrashPath;
  };
  /** What the recovered pool is used for, one life after another. */
  readonly lives?: ReadonlyArray<Life>;
}

export function scripted(script: Script): Scenario {
  const { name, summary, draws, clients, crash, lives, ...setting } = script;
  const { only, ...drawn } = crash;
  const everywhere: CrashPlan = { ...drawn, ...(lives === undefined ? {} : { lives }) };
  const recorded: CrashPlan = { ...everywhere, ...(only === undefined ? {} : { only: [only] }) };
  return {
    name,
    summary,
    plan: ({ seed }) => {
      const plan = { ...setting, crash: everywhere, clients: clients.map(scriptedProgram) };
      return seed === `${name}:${RECORDED_SEED}` ? { ...plan, crash: recorded, draws } : plan;
    },
  };
}
