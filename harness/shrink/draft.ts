/**
 * A draft: a failing run while it is being made smaller, and how it is recorded in the first place.
 *
 * The operations of all clients stand in one list, in the order in which they were begun, so that a part can be taken
 * out and two clients can become one.
 */
import { Entropy } from "../entropy.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { Scenario, ScenarioPlan } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import type { Script } from "./script.ts";

export interface Step {
  readonly client: number;
  readonly operation: Operation;
}

/** Without what is a program: the clients, who become operations, and the epilogue, which cannot. */
export type Setting = Omit<ScenarioPlan, "clients" | "epilogue" | "draws">;

export interface Draft {
  readonly setting: Setting;
  readonly steps: ReadonlyArray<Step>;
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
  const { failure } = runSeed(scenario, seed, { note: (client, operation) => steps.push({ client, operation }) });
  if (failure === undefined) return undefined;
  const name = `${scenario.name}:${seed}`;
  const { clients: _clients, epilogue: _epilogue, draws = name, ...setting } = scenario.plan(new Entropy(name));
  return { draft: { setting, steps, draws }, failure };
}

/** Clients that do nothing are left out; the others keep their order. */
export function scriptOf({ setting, steps, draws }: Draft, name: string, summary: string): Script {
  const clients = new Map<number, Array<Operation>>();
  for (const { client } of [...steps].sort((a, b) => a.client - b.client)) clients.set(client, []);
  for (const { client, operation } of steps) clients.get(client)!.push(operation);
  return { name, summary, draws, ...setting, clients: [...clients.values()] };
}
