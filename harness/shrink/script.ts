/**
 * A script: a whole run as plain data, and the scenario that carries it out.
 *
 * What a random scenario draws is written down here: the disk, its faults, the settings, the operations of each client,
 * and the crash. Seed 1 repeats the run for which the script was made, with its schedule and its crash; every other
 * seed runs the same operations on a schedule of its own and is crashed at every I/O, since the bug may well come back
 * at another one. An operation whose file is not there fails, which is no fault of anybody.
 */
import type { Scenario, ScenarioPlan } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import { scriptedProgram } from "../workload/program.ts";

/** The seed that repeats the recorded run. */
export const RECORDED_SEED = 1;

export interface Script extends Omit<ScenarioPlan, "clients" | "epilogue"> {
  readonly name: string;
  readonly summary: string;
  /** What the recorded run drew from. */
  readonly draws: string;
  /** Operations of each client, in order. */
  readonly clients: ReadonlyArray<ReadonlyArray<Operation>>;
}

export function scripted(script: Script): Scenario {
  const { name, summary, draws, clients, crash, ...setting } = script;
  const { only: _only, ...everywhere } = crash;
  return {
    name,
    summary,
    plan: ({ seed }) => {
      const plan = { ...setting, crash: everywhere, clients: clients.map(scriptedProgram) };
      return seed === `${name}:${RECORDED_SEED}` ? { ...plan, crash, draws } : plan;
    },
  };
}
