/**
 * A store of the user as a trial: clients use it while it is crashed, it is closed, opened once more, and must hold
 * what its history promises.
 */
import * as Effect from "effect/Effect";
import { noFaults } from "../../devices/sim/faults.ts";
import { inRole } from "../role.ts";
import type { Session } from "../session.ts";
import type { Trial } from "../trial.ts";
import type { DevicePlan, DeviceScenario } from "./device-scenario.ts";
import { Ledger } from "./ledger.ts";
import { StoreRecovery } from "./store-recovery.ts";

export class StoreTrial implements Trial<number> {
  readonly recoverable: StoreRecovery;
  private readonly session: Session<number>;
  private readonly scenario: DeviceScenario;
  private readonly plan: DevicePlan;
  private readonly ledger = new Ledger();

  constructor(session: Session<number>, scenario: DeviceScenario, plan: DevicePlan) {
    this.session = session;
    this.scenario = scenario;
    this.plan = plan;
    this.recoverable = new StoreRecovery(scenario, plan, this.ledger);
  }

  readonly mark = (): number => this.ledger.mark();

  run(): string | undefined {
    const { session, scenario, plan, recoverable } = this;
    const { disk } = session;
    const problem = session.run(
      Effect.gen(
        function* (this: StoreTrial) {
          if (scenario.format !== undefined) yield* scenario.format(disk);
          session.arm(this.mark);
          const used = Effect.gen(
            function* (this: StoreTrial) {
              const store = yield* scenario.open(disk);
              if (plan.disk?.faults !== undefined) disk.setFaults(plan.disk.faults);
              yield* Effect.forEach(plan.clients, (_operations, index) => this.client(store, index), {
                concurrency: "unbounded",
                discard: true,
              });
              disk.setFaults(noFaults);
              const closed = recoverable.close(store);
              yield* plan.mayFail === true ? Effect.ignore(closed) : closed;
            }.bind(this),
          );
          yield* Effect.scoped(used);
          session.disarm();
        }.bind(this),
      ),
    );
    return problem ?? session.violation;
  }

  private client(store: unknown, index: number): Effect.Effect<void, unknown> {
    const { plan, recoverable, session } = this;
    const name = `client ${index}`;
    const { role, ...heard } = session.speaker(name);
    return inRole(recoverable.perform(store, name, plan.clients[index]!, plan.mayFail === true, heard), role);
  }

  end(): string | undefined {
    const { session, scenario, ledger } = this;
    const { problem, problems } = session.finish(
      Effect.scoped(
        Effect.gen(function* () {
          const store = yield* scenario.open(session.disk);
          return yield* scenario.check(store, ledger.at(ledger.mark()));
        }),
      ),
    );
    if (problem !== undefined) return problem;
    return problems.length > 0 ? ["at the end:", ...problems].join("\n") : session.violation;
  }
}
