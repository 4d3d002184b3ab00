/**
 * A scenario on a bare device: a store of the user's own, written against `devices/device.ts`, is used, crashed at its
 * I/Os, recovered and held against what it had promised.
 *
 * The scenario says how the store is opened, how an operation is carried out, and what must be found afterwards. The
 * operations are plain data, so that a run can be traced, made shorter and written down. When an operation began and
 * when it was acknowledged is noted by the harness: a store promises by returning, and by nothing else.
 *
 * All of it runs inside the world. The functions must draw on nothing but their arguments and Effect's services.
 */
import type * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import type { Device } from "../../devices/device.ts";
import type { Entropy, Prng } from "../entropy.ts";
import type { DiskPlan, Scenario } from "../scenario.ts";
import type { History } from "./ledger.ts";

export interface DevicePlan<Operation = unknown> extends DiskPlan {
  /** What each client does, one operation after another; the clients run at the same time. */
  readonly clients: ReadonlyArray<ReadonlyArray<Operation>>;
  /** Operations may fail while the faults last. Otherwise one that fails fails the seed. */
  readonly mayFail?: boolean;
  /** What a client does with a store that was recovered, before it is crashed again; none is used again without. */
  readonly again?: (random: Prng) => ReadonlyArray<Operation>;
}

// Methods rather than functions, so that scenarios of all sorts of stores fit in one list.
export interface DeviceScenario<Store = unknown, Operation = unknown> {
  readonly name: string;
  readonly summary: string;
  /** Draws from the seed's entropy, and from nothing else, whatever should differ from seed to seed. */
  plan(entropy: Entropy): DevicePlan<Operation>;
  /** Makes an empty store; is not crashed. Without it `open` is given the blank device, and is crashed there too. */
  format?(device: Device): Effect.Effect<unknown, unknown>;
  /** Opens the store, and recovers what a crash left of it. Its scope ends when the store is no longer used. */
  open(device: Device): Effect.Effect<Store, unknown, Scope.Scope>;
  /** Carries an operation out; its answer is kept in the history. */
  perform(store: Store, operation: Operation): Effect.Effect<unknown, unknown>;
  /** Closes a store in order, before its scope ends. */
  close?(store: Store): Effect.Effect<unknown, unknown>;
  /** Says, a line each, in what a store that was opened again is not what its history promises. */
  check(store: Store, history: History<Operation>): Effect.Effect<ReadonlyArray<string>, unknown>;
}

/** What can be run, of either kind. */
export type AnyScenario = Scenario | DeviceScenario;

export const isOnDevice = (scenario: AnyScenario): scenario is DeviceScenario => "perform" in scenario;

/** The same store with another plan. A copy would lose the methods of a scenario that is of a class. */
export function withPlan(
  scenario: DeviceScenario,
  name: string,
  plan: DeviceScenario["plan"],
  perform?: DeviceScenario["perform"],
): DeviceScenario {
  const changes = { name, plan, ...(perform === undefined ? {} : { perform }) };
  return Object.assign(Object.create(scenario) as DeviceScenario, changes);
}
