import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { FaultPlan } from "../../devices/sim/faults.ts";
import { runSeed } from "../run.ts";
import { RECORDED_SEED } from "../shrink/script.ts";
import { type Cell, cell, type Operation, perform, SETS } from "./cell.ts";
import type { DeviceScenario } from "./device-scenario.ts";
import { printRun } from "./print-run.ts";
import { shortened } from "./shortened.ts";
import { type ShortStore, shrinkStore } from "./shrink-store.ts";

const forgets: Partial<DeviceScenario<Cell, Operation>> = {
  perform: (store, operation) => (operation === "sync" ? Effect.void : perform(store, operation)),
};

const shrunk = (scenario: DeviceScenario, seed = 1): ShortStore => shrinkStore(scenario, seed, { budget: 1000 })!;

describe("a failing store, shrunk", () => {
  it("keeps the operations without which it does not fail, and one crash, the same each time", () => {
    const scenario = cell({ clients: [SETS, SETS] }, forgets);
    const { run, operationsBefore, operations, failure } = shrunk(scenario);
    expect({ operationsBefore, operations }).toEqual({ operationsBefore: 14, operations: 3 });
    // The last one makes the I/O at which the loss shows.
    const set = { set: expect.any(Number) as number };
    expect(run.clients).toEqual([[set, "sync", set]]);
    expect(run.crash.only).toBeDefined();
    expect(shrunk(scenario).run).toEqual(run);
    const repeated = runSeed(shortened({ scenario }, run), RECORDED_SEED);
    expect(repeated.failure).toEqual(failure);
    expect(repeated.crashStates).toBe(1);
    const others = [2, 3, 4, 5, 6].map((seed) => runSeed(shortened({ scenario }, run), seed));
    expect(others.some((other) => other.failure !== undefined)).toBe(true);
    expect(Math.min(...others.map(({ crashStates }) => crashStates))).toBeGreaterThan(2);
    expect(
      runSeed(shortened({ scenario: cell({ clients: [SETS, SETS] }) }, run), RECORDED_SEED).failure,
    ).toBeUndefined();
  });

  it("keeps two clients if it takes two", () => {
    let inside = 0;
    const alone = (operation: Operation): Effect.Effect<void, unknown> =>
      Effect.gen(function* () {
        if (++inside > 1) {
          inside = 0;
          return yield* Effect.fail("two at once");
        }
        yield* Effect.sleep(operation === "sync" ? 1 : 5);
        inside--;
      });
    const open = (): Effect.Effect<Cell> => Effect.sync(() => ((inside = 0), undefined as unknown as Cell));
    const check = (): Effect.Effect<ReadonlyArray<string>> => Effect.succeed([]);
    const racing = cell({ clients: [SETS, SETS] }, { open, check, perform: (_store, operation) => alone(operation) });
    const { run, operations } = shrunk(racing);
    expect(operations).toBe(2);
    expect(run.clients).toHaveLength(2);
    expect(run.crash.statesMax).toBe(0);
  });

  it("loses faults that it does not need, and keeps those that it does", () => {
    const faults = (probability: number): FaultPlan => new FaultPlan(1, [{ kind: "write-error", probability }]);
    const disk = (probability: number): object => ({ mayFail: true, disk: { faults: faults(probability) } });
    expect(shrunk(cell(disk(0.1), forgets)).run.faultless).toBe(true);
    const { run, operations } = shrunk(cell({ disk: { faults: faults(1) } }));
    expect(run.faultless).toBeUndefined();
    expect(operations).toBe(1);
  });

  it("is none if it passes, and spends no more runs than it may", () => {
    expect(shrinkStore(cell(), 1, { budget: 100 })).toBeUndefined();
    expect(shrinkStore(cell({}, forgets), 1, { budget: 5 })!.runs).toBe(5);
  });

  it("is written down if its operations are data, and refused otherwise", () => {
    const { run, failure } = shrunk(cell({}, forgets));
    const text = printRun(run, failure.message, "./cell.ts");
    expect(text).toMatch(/^ {6}\{ set: \d \},\n {6}"sync",$/mu);
    expect(text).toContain('import * as module from "./cell.ts";');
    const later = { ...run, clients: [[() => 1]] };
    expect(() => printRun(later, "", "./cell.ts")).toThrow("an operation is not plain data");
    expect(() => shortened({}, run)).toThrow('no scenario "cell"');
  });
});
