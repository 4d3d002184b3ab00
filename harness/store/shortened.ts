/**
 * A run of a store written down: the operations of its clients and the crash as data, all else by the scenario that it
 * was made from.
 *
 * Seed 1 repeats the run, with its schedule and its crash; every other seed carries the same operations out on a
 * schedule of its own and crashes them everywhere.
 */
import { Entropy } from "../entropy.ts";
import type { CrashPlan } from "../scenario.ts";
import { scenariosIn } from "../scenario-module.ts";
import { RECORDED_SEED } from "../shrink/script.ts";
import { type DevicePlan, type DeviceScenario, isOnDevice, withPlan } from "./device-scenario.ts";

export interface ShortenedRun<Operation = unknown> {
  /** The scenario's name, and the seed by which it draws its disk. */
  readonly scenario: string;
  readonly seed: number;
  /** What the recorded run drew from. */
  readonly draws: string;
  readonly clients: ReadonlyArray<ReadonlyArray<Operation>>;
  readonly crash: CrashPlan;
  /** The faults are left out. */
  readonly faultless?: boolean;
}

/** The run as a scenario of its own. */
export function shortenedScenario(scenario: DeviceScenario, run: ShortenedRun): DeviceScenario {
  const name = `${run.scenario}-${run.seed}`;
  const { clients, draws } = run;
  const { only: _only, ...everywhere } = run.crash;
  return withPlan(scenario, name, ({ seed }) => {
    const { draws: _draws, ...whole } = scenario.plan(new Entropy(`${run.scenario}:${run.seed}`));
    const { faults: _faults, ...faultless } = whole.disk ?? {};
    const plan: DevicePlan = { ...whole, ...(run.faultless === true ? { disk: faultless } : {}), clients };
    if (seed !== `${name}:${RECORDED_SEED}`) return { ...plan, crash: everywhere };
    return { ...plan, crash: run.crash, draws };
  });
}

/** The run of a scenario that this module exports. */
export function shortened(module: Readonly<Record<string, unknown>>, run: ShortenedRun): DeviceScenario {
  const scenario = scenariosIn(module).find(({ name }) => name === run.scenario);
  if (scenario === undefined || !isOnDevice(scenario)) {
    throw new Error(`the module has no scenario "${run.scenario}" on a device`);
  }
  return shortenedScenario(scenario, run);
}
