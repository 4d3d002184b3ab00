/**
 * A draft: a failing run while it is being made smaller, and how it is recorded in the first place.
 *
 * The operations of all clients stand in one list, in the order in which they were begun, so that a part can be taken
 * out and two clients can become one; behind them those of the lives that the pool lived after its crashes.
 */
import { Entropy } from "../entropy.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { CrashPath } from "../crash-point.ts";
import type { CrashPlan, Life, Scenario, ScenarioPlan } from "../scenario.ts";
import { scriptedProgram } from "../workload/program.ts";
import type { Operation } from "../workload/operation.ts";
import type { Script } from "./script.ts";

export interface Step {
  /** 0 for the clients at the beginning, 1 for the client of the first recovered pool. */
  readonly life: number;
  readonly client: number;
  readonly operation: Operation;
}

/** Without what is a program: the clients, who become operations, and the epilogue, which cannot. */
export type Setting = Omit<ScenarioPlan, "clients" | "epilogue" | "draws" | "crash"> & {
  /** How crash states are looked for. */
  readonly crash: Omit<CrashPlan, "only" | "lives">;
};

export interface Draft {
  readonly setting: Setting;
  readonly steps: ReadonlyArray<Step>;
  /** For each life after a crash, whether it ends with a clean close. */
  readonly closes: ReadonlyArray<boolean>;
  /** What the run draws from: schedule, crashes, everything that chance decides. */
  readonly draws: string;
}

export interface Recording {
  readonly draft: Draft;
  readonly failure: SeedFailure;
}

/** Runs a seed and writes down what its clients do; undefined if the seed passes. */
export function record(scenario: Scenario, seed: number): Recording | undefined {
  const steps: Array<Step> = [];
  const note = (client: number, operation: Operation): void => void steps.push({ life: 0, client, operation });
  const { failure } = runSeed(scenario, seed, { note });
  if (failure === undefined) return undefined;
  const lives = failure.lives ?? [];
  for (const [index, { operations }] of lives.entries()) {
    steps.push(...operations.map((operation) => ({ life: index + 1, client: 0, operation })));
  }
  const name = `${scenario.name}:${seed}`;
  const { clients: _clients, epilogue: _epilogue, draws = name, ...setting } = scenario.plan(new Entropy(name));
  const { only: _only, lives: _lives, ...crash } = setting.crash;
  return {
    draft: { setting: { ...setting, crash }, steps, closes: lives.map(({ closes }) => closes), draws },
    failure,
  };
}

/** Operations of the clients, without those that do nothing, and of each life after a crash. */
function operationsOf({ steps, closes }: Draft): {
  readonly clients: ReadonlyArray<ReadonlyArray<Operation>>;
  readonly lives: ReadonlyArray<Life> | undefined;
} {
  const clients = new Map<number, Array<Operation>>();
  const first = steps.filter(({ life }) => life === 0);
  for (const { client } of [...first].sort((a, b) => a.client - b.client)) clients.set(client, []);
  for (const { client, operation } of first) clients.get(client)!.push(operation);
  const lives = closes.map((closed, index) => ({
    operations: steps.filter(({ life }) => life === index + 1).map(({ operation }) => operation),
    closes: closed,
  }));
  return { clients: [...clients.values()], lives: lives.length === 0 ? undefined : lives };
}

/** As a scenario with crashes of its own. */
export function scenarioOf(draft: Draft, crash: CrashPlan): Scenario {
  const { setting, draws } = draft;
  const { clients, lives } = operationsOf(draft);
  const plan = {
    ...{ ...setting, draws, clients: clients.map(scriptedProgram) },
    crash: { ...crash, ...(lives === undefined ? {} : { lives }) },
  };
  return { name: "draft", summary: "", plan: () => plan };
}

/** As a script, with the one crash that it is to repeat. */
export function scriptOf(draft: Draft, name: string, summary: string, only?: CrashPath): Script {
  const { setting, draws } = draft;
  const { lives, clients } = operationsOf(draft);
  const crash = { ...setting.crash, ...(only === undefined ? {} : { only }) };
  return { name, summary, draws, ...setting, crash, clients, ...(lives === undefined ? {} : { lives }) };
}

/** The first life in which two drafts differ; 0 also if their settings do. */
export function firstDifference(a: Draft, b: Draft): number {
  if (a.setting !== b.setting || a.closes.length !== b.closes.length) return 0;
  const lifeOf = ({ steps, closes }: Draft, life: number): string =>
    JSON.stringify([life === 0 ? undefined : closes[life - 1], steps.filter((step) => step.life === life)]);
  for (let life = 0; life <= a.closes.length; life++) if (lifeOf(a, life) !== lifeOf(b, life)) return life;
  return a.closes.length + 1;
}
