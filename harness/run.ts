/**
 * One seed of one scenario, from the empty disk to the verdict: a function of scenario and seed, and of nothing else.
 *
 * Something is made on a simulated disk, a pool or a store of the user; clients use it while crash states are taken; it
 * is closed. Every crash state is then judged, and what was closed is opened once more and must hold everything.
 * Whatever goes wrong first is the seed's failure. The hash covers every scheduling choice, timer, device operation and
 * judgement.
 */
import { marks, resetMarks } from "../engine/marks.ts";
import { ofThisVersionAgain } from "./earlier-program.ts";
import { Entropy } from "./entropy.ts";
import type { Mark } from "./oracle/history.ts";
import { PoolTrial } from "./pool-trial.ts";
import { type RunOptions, type SeedFailure, Session } from "./session.ts";
import { type AnyScenario, isOnDevice } from "./store/device-scenario.ts";
import { StoreTrial } from "./store/store-trial.ts";
import { Trace } from "./trace.ts";
import { setTraps } from "./traps.ts";
import type { Trial } from "./trial.ts";

export type { RunOptions, SeedFailure } from "./session.ts";

export interface SeedResult {
  readonly scenario: string;
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly crashStates: number;
  /** Those of them whose recovery was known from another one of the seed. */
  readonly equalStates: number;
  readonly simulatedMs: number;
  readonly marks: Readonly<Record<string, number>>;
  readonly failure: SeedFailure | undefined;
}

/** Without the lines of a stack, which differ between versions of Node and between places of the build. */
const withoutStack = (message: string): string => message.replaceAll(/\n\s+at [^\n]*/gu, "");

/** All three parts, up to the first that fails. An error from a task, outside of any fiber, is a failure too. */
function verdict<M>(session: Session<M>, trial: Trial<M>): SeedFailure | undefined {
  let where: SeedFailure["where"] = "run";
  try {
    let message = trial.run();
    if (message !== undefined) return { where, message };
    where = "crash";
    const failure = session.judge(trial);
    if (failure !== undefined) return failure;
    where = "end";
    message = trial.end();
    return message === undefined ? undefined : { where, message };
  } catch (error) {
    return { where, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

interface Tried {
  readonly failure: SeedFailure | undefined;
  readonly session: Pick<Session<unknown>, "events" | "crashStates" | "equalStates" | "simulatedMs">;
}

function tryScenario(scenario: AnyScenario, seed: number, trace: Trace, options: RunOptions): Tried {
  const entropy = new Entropy(`${scenario.name}:${seed}`, options.onStep !== undefined);
  if (isOnDevice(scenario)) {
    const plan = scenario.plan(entropy);
    const session = new Session<number>("store", plan, entropy, trace, options);
    return { session, failure: verdict(session, new StoreTrial(session, scenario, plan)) };
  }
  const plan = scenario.plan(entropy);
  const session = new Session<Mark>("pool", plan, entropy, trace, options);
  return { session, failure: verdict(session, new PoolTrial(session, plan)) };
}

export function runSeed(scenario: AnyScenario, seed: number, options: RunOptions = {}): SeedResult {
  const trace = options.trace ?? new Trace();
  resetMarks();
  ofThisVersionAgain();
  const release = setTraps();
  try {
    const { session, failure } = tryScenario(scenario, seed, trace, options);
    if (failure !== undefined) trace.text("failure", withoutStack(failure.message));
    return {
      scenario: scenario.name,
      seed,
      hash: trace.hash,
      events: trace.events + session.events,
      crashStates: session.crashStates,
      equalStates: session.equalStates,
      simulatedMs: session.simulatedMs,
      marks: Object.fromEntries([...marks].sort(([a], [b]) => (a < b ? -1 : 1))),
      failure,
    };
  } finally {
    release();
  }
}
