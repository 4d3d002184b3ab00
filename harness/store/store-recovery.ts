/**
 * The recovery of a store: it is opened, held against its history, and may be used and crashed again.
 */
import * as Effect from "effect/Effect";
import type { SimDisk } from "../../devices/sim/disk.ts";
import { Harvest } from "../harvest.ts";
import { describeError } from "../recovery-check.ts";
import type { Onward, Recoverable } from "../trial.ts";
import type { Watcher } from "../watched-filesystem.ts";
import type { DevicePlan, DeviceScenario } from "./device-scenario.ts";
import { Ledger } from "./ledger.ts";

/** Crash states taken of a store that is used again. */
const STATES_MAX = 3;
/** Share of stores used again that are closed in order. */
const CLOSE_SHARE = 0.5;

/** An operation failed that must succeed. */
class OperationFailed {
  readonly _tag = "OperationFailed";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

const UNHEARD: Watcher = { called: () => {}, returned: () => {} };
const TEXT_LENGTH_MAX = 100;

/** What an operation or its answer says in a line: bytes are only counted. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value.slice(0, TEXT_LENGTH_MAX);
  const text = JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Uint8Array ? `${part.length} bytes` : typeof part === "bigint" ? String(part) : part,
  );
  return (text ?? "done").slice(0, TEXT_LENGTH_MAX);
}

export class StoreRecovery implements Recoverable<number> {
  readonly ledger: Ledger;
  private readonly scenario: DeviceScenario;
  private readonly plan: DevicePlan;

  constructor(scenario: DeviceScenario, plan: DevicePlan, ledger: Ledger) {
    this.scenario = scenario;
    this.plan = plan;
    this.ledger = ledger;
  }

  recover(disk: SimDisk, mark: number, onward: Onward<number>): Effect.Effect<ReadonlyArray<string>, unknown> {
    const { scenario, plan, ledger } = this;
    return Effect.scoped(
      Effect.gen(function* () {
        const store = yield* scenario.open(disk);
        const history = ledger.at(mark);
        const problems = yield* scenario.check(store, history);
        const begin = onward.through(problems);
        const draw = plan.again;
        if (begin === undefined || draw === undefined) return problems;
        const { random, script, statesMax = STATES_MAX, crash } = begin;
        const next = new StoreRecovery(scenario, plan, new Ledger(history));
        const harvest = new Harvest<number>(random, statesMax, 1, crash && [crash]);
        const operations = script?.operations ?? draw(random);
        const closes = script?.closes ?? random.chance(CLOSE_SHARE);
        // Operations of the store are the user's, and whoever repeats them gives them back as they are.
        const lived = { operations: operations as ReadonlyArray<never>, closes };
        const instant = (): number => next.ledger.mark();
        onward.lives({
          ...{ harvest, recoverable: next, lived: () => lived },
          ...{ mark: instant, violation: () => undefined },
        });
        harvest.watch(disk, instant);
        yield* next.perform(store, "client of the next life", operations, false);
        if (closes) yield* next.close(store);
        disk.setObserver(undefined);
        return [];
      }),
    );
  }

  /** One client: an operation after the other. Fails with the first that fails and must not. */
  perform(
    store: unknown,
    client: string,
    operations: ReadonlyArray<unknown>,
    mayFail: boolean,
    heard: Watcher = UNHEARD,
  ): Effect.Effect<void, OperationFailed> {
    const { scenario, ledger } = this;
    const one = (operation: unknown): Effect.Effect<void, OperationFailed> =>
      Effect.suspend(() => {
        heard.called(textOf(operation));
        const ended = ledger.begin(client, operation);
        return Effect.matchEffect(scenario.perform(store, operation), {
          onSuccess: (answer) => {
            ended("acknowledged", answer);
            heard.returned(textOf(answer));
            return Effect.void;
          },
          onFailure: (error) => {
            ended("failed");
            const told = describeError(error);
            heard.returned(told);
            if (mayFail) return Effect.void;
            return Effect.fail(new OperationFailed(`${told}, for ${client} in ${textOf(operation)}`));
          },
        });
      });
    return Effect.forEach(operations, one, { discard: true });
  }

  /** Closes the store in order; from then on all that was acknowledged must be durable. */
  close(store: unknown): Effect.Effect<void, unknown> {
    const { scenario, ledger } = this;
    return Effect.suspend(() =>
      Effect.map(scenario.close?.(store) ?? Effect.void, () => {
        if (scenario.close !== undefined) ledger.closed();
      }),
    );
  }
}
