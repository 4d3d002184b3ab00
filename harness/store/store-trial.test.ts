import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Device } from "../../devices/device.ts";
import { FaultPlan } from "../../devices/sim/faults.ts";
import type { Prng } from "../entropy.ts";
import { recordSeed } from "../report/record-seed.ts";
import { runSeed } from "../run.ts";
import { whereItWentWrong } from "../suffixes.ts";
import { Trace } from "../trace.ts";
import { Cell, cell, type Operation, perform, SETS } from "./cell.ts";
import type { DevicePlan, DeviceScenario } from "./device-scenario.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const failures = (scenario: DeviceScenario): ReadonlyArray<string> =>
  SEEDS.flatMap((seed) => runSeed(scenario, seed).failure?.message ?? []);

describe("a store that keeps its promises", () => {
  it("passes, with crash states taken and the same hash each time, recorded or not", () => {
    for (const seed of SEEDS) {
      const result = runSeed(cell(), seed);
      expect(result).toMatchObject({ failure: undefined });
      expect(result.crashStates).toBeGreaterThan(10);
      expect(result.simulatedMs).toBe(9);
      const trace = new Trace(true);
      expect(runSeed(cell(), seed, { trace })).toEqual(result);
      expect(trace.recorded).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^issue write 0 512 \d+$/u),
          'client 0 {"set":1}',
          "client 0 done",
          expect.stringMatching(/^recovery of /u),
          expect.stringMatching(/^media /u),
        ]),
      );
    }
  });

  it("is judged by what it was asked up to the crash, no more and no less", () => {
    const counts = new Set<number>();
    let cut = 0;
    const check: DeviceScenario<Cell, Operation>["check"] = (_cell, { performed }) =>
      Effect.sync(() => {
        counts.add(performed.length);
        if (performed.at(-1)?.outcome === "cut off") cut++;
        return performed.slice(0, -1).some(({ outcome }) => outcome === "cut off") ? ["two at once"] : [];
      });
    expect(failures(cell({}, { check }))).toEqual([]);
    expect([...counts].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(cut).toBeGreaterThan(10);
  });

  it("is used again after a crash, and crashed again, when its plan says how", () => {
    const lives: Array<number> = [];
    const check: DeviceScenario<Cell, Operation>["check"] = (store, history) => {
      lives.push(history.life);
      return cell().check(store, history);
    };
    expect(failures(cell({}, { check }))).toEqual([]);
    expect(Math.max(...lives)).toBe(0);
    const again = (random: Prng): ReadonlyArray<Operation> => [{ set: random.u32() }, "sync", { set: random.u32() }];
    expect(failures(cell({ again }, { check }))).toEqual([]);
    expect(Math.max(...lives)).toBe(3);
  });

  it("is crashed while it opens a blank device, but not while it is formatted", () => {
    const CREATED = 7;
    const create = (device: Device): Effect.Effect<unknown, unknown> =>
      Effect.andThen(new Cell(device, 0).write(CREATED), device.flush);
    const check: DeviceScenario<Cell, Operation>["check"] = ({ number }, { performed }) =>
      Effect.succeed(performed.length === 0 && number !== CREATED ? ["it was never made"] : []);
    expect(failures(cell({}, { check, format: create }))).toEqual([]);
    const open = (device: Device): Effect.Effect<Cell, unknown> =>
      Effect.flatMap(Cell.open(device), (found) =>
        found.number === 0 ? Effect.as(create(device), new Cell(device, 0)) : Effect.succeed(found),
      );
    const found: Array<number> = [];
    const look: typeof check = ({ number }) => Effect.sync(() => (found.push(number), []));
    expect(failures(cell({ clients: [] }, { check: look, open }))).toEqual([]);
    expect(new Set(found)).toEqual(new Set([0, CREATED]));
  });

  it("may fail while faults last, if its plan says so, and is then judged all the same", () => {
    const plan = (mayFail: boolean): Partial<DevicePlan<Operation>> => ({
      mayFail,
      disk: { faults: new FaultPlan(1, [{ kind: "write-error", probability: 0.5 }]) },
    });
    expect(failures(cell(plan(true)))).toEqual([]);
    expect(failures(cell(plan(false)))).toContainEqual(
      expect.stringMatching(/^OperationFailed: MediumError, for client 0 in \{"set":\d\}$/u),
    );
  });
});

describe("a store that does not", () => {
  const forgets = cell(
    {},
    { perform: (store, operation) => (operation === "sync" ? Effect.void : perform(store, operation)) },
  );

  it("fails every seed, at the crash that shows it", () => {
    for (const seed of SEEDS) {
      const { failure } = runSeed(forgets, seed);
      expect(failure).toMatchObject({ where: "crash" });
      expect(failure!.crash).toBeDefined();
      expect(failure!.message).toMatch(/it holds \d, allowed: \d/u);
    }
  });

  it("fails in the end if what it closed is not there", () => {
    const late = cell(
      { crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 } },
      { close: () => Effect.void, perform: (store) => Effect.sync(() => void (store.number = 0)) },
    );
    expect(runSeed(late, 1).failure).toEqual({ where: "end", message: "at the end:\nit holds 0, allowed: 5" });
  });

  it("is named by its client when it waits for ever, and by the device when it breaks a rule", () => {
    expect(runSeed(cell({ clients: [SETS, ["hang"]] }), 1).failure!.message).toMatch(/waiting: .*client 1, hang/u);
    const reads = cell({}, { perform: ({ device }) => Effect.ignore(device.read(7, 1)) });
    expect(runSeed(reads, 1).failure).toMatchObject({
      where: "run",
      message: expect.stringMatching(/^device: .*OutOfRange/u) as string,
    });
  });

  it("is shown where it went wrong", () => {
    const { points, suffixes } = whereItWentWrong(forgets, 1, { points: 4, suffixes: 4 })!;
    expect(points.length).toBeGreaterThan(3);
    expect(points.at(-1)!.failed).toBe(suffixes);
  });

  it("has a report with its clients, its disk, and the crash, on the same course", () => {
    const { result, record } = recordSeed(forgets, 1);
    expect(result).toEqual(runSeed(forgets, 1));
    expect(record.lanes.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["client 0", "disk0", "crash states", "recoveries"]),
    );
    const crash = record.events.filter(({ kind }) => kind === "crash");
    expect(crash.length).toBeGreaterThan(5);
    expect(record.events.some(({ kind, from }) => kind === "issue" && from !== undefined)).toBe(true);
    expect(record.failure).toMatchObject({ where: "crash", position: expect.any(Number) as number });
    expect(record.buckets).toMatchObject({ zoned: false, bucketBytes: 512, count: 128 });
  });
});
