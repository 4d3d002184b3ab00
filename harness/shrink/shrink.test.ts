/**
 * Shrinking, on canaries: disks that lose what they acknowledge. Planted bugs of the engine need a build and are tried
 * in built.test.ts.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FaultPlan } from "../../devices/sim/faults.ts";
import * as timings from "../../devices/sim/timing.ts";
import { hangs, quick, tiny } from "../canaries.ts";
import { describeCrash, type IoPoint } from "../crash-point.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { Scenario } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import { GENERAL, swarm } from "../workload/profile.ts";
import { randomProgram } from "../workload/program.ts";
import { record, scriptOf } from "./draft.ts";
import { kindOf } from "./failure-kind.ts";
import { printScript, Unprintable } from "./print.ts";
import { RECORDED_SEED, type Script, scripted } from "./script.ts";
import { shrink, type Shrunk } from "./shrink.ts";
import { simplerOperations, simplerSteps } from "./simpler.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Two clients who do everything there is, on a disk that often loses what it acknowledged. */
const forgetful: Scenario = {
  name: "forgetful",
  summary: "a canary: the disk loses writes",
  plan: (entropy) => {
    const random = entropy.stream("clients");
    const clients = [1, 2].map(() => randomProgram(swarm(GENERAL, random), 25));
    const faults = new FaultPlan(entropy.number("faults"), [
      { kind: "delay", probability: 0.1, delayMs: 5 },
      { kind: "lost-write", probability: 0.6 },
    ]);
    const plan = tiny("", clients).plan(entropy);
    // So few states that some seeds pass them and fail in their end.
    const crash = { ...plan.crash, statesMax: 1 };
    return { ...plan, open: { commitIntervalMs: 50 }, disk: { faults, timing: timings.instantTiming }, crash };
  },
};

/** The first seed that fails in this part of its run. */
function failingSeed(where: SeedFailure["where"]): number {
  for (let seed = 1; seed <= 40; seed++) if (runSeed(forgetful, seed).failure?.where === where) return seed;
  throw new Error(`no seed fails in its ${where}`);
}

const shrunk = (scenario: Scenario, seed: number, budget: number): Shrunk => {
  const result = shrink(scenario, seed, { budget });
  if ("reason" in result) throw new Error(result.reason);
  return result;
};

const modules = { script: "./script.ts", faults: "./faults.ts", timing: "./timing.ts" };
const printed = (script: Script, message = "what is wrong"): string =>
  printScript(script, { origin: "forgetful:1", message, modules });

/** Carries out the text of a script. */
function evaluated(text: string): Scenario {
  const { code } = transformSync(text, { loader: "ts", format: "cjs" });
  const module: { exports: { scenario?: Scenario } } = { exports: {} };
  const known: Readonly<Record<string, unknown>> = {
    "./script.ts": { scripted },
    "./faults.ts": { FaultPlan },
    "./timing.ts": timings,
  };
  // eslint-disable-next-line typescript/no-implied-eval -- the text is our own, and this is what is tested
  new Function("module", "require", code)(module, (name: string) => known[name]);
  return module.exports.scenario!;
}

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-shrink-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("a recorded run", () => {
  it.each(["crash", "end"] as const)("is, as a script, the same run event by event (%s)", (where) => {
    const seed = failingSeed(where);
    const { draft, failure } = record(forgetful, seed)!;
    const script = scriptOf(draft, "again", "");
    const again = runSeed(scripted(script), RECORDED_SEED);
    expect(again.failure).toEqual(failure);
    expect(again.hash).toBe(runSeed(forgetful, seed).hash);
    expect(script.clients.flat()).toHaveLength(draft.steps.length);
  });

  it("is nothing if the seed passes", () => {
    expect(record(quick, 1)).toBeUndefined();
  });
});

describe("a failing seed", () => {
  it("becomes a script of a few operations, with the fault that it needs, that fails in the same way", () => {
    const seed = failingSeed("end");
    const small = shrunk(forgetful, seed, 600);
    expect(kindOf(small.failure)).toBe(kindOf(runSeed(forgetful, seed).failure!));
    expect(small.operationsBefore).toBeGreaterThan(40);
    expect(small.operations).toBeLessThanOrEqual(8);
    expect(small.script.clients.flat()).toHaveLength(small.operations);
    expect(small.script.disk?.faults?.faults.map(({ kind }) => kind)).toEqual(["lost-write"]);
    expect(small.script.disk?.timing).toBeUndefined();
    expect(runSeed(scripted(small.script), RECORDED_SEED).failure).toEqual(small.failure);
  }, 120_000);

  it("keeps of the faults behind a crash those that it needs, and its text says where they come from", () => {
    const faults = new FaultPlan(7, [
      { kind: "delay", probability: 0.1, delayMs: 5 },
      { kind: "read-error", probability: 1 },
    ]);
    const crash = { statesMax: 4, pointShare: 1, recoveryShare: 0.5, livesShare: 0, faults };
    const small = shrunk({ ...quick, plan: (entropy) => ({ ...quick.plan(entropy), clockJumps: true, crash }) }, 1, 60);
    expect(small.failure.where).toBe("crash");
    expect(small.script.crash.faults?.faults.map(({ kind }) => kind)).toEqual(["read-error"]);
    expect(small.script.clockJumps).toBeUndefined();
    expect(runSeed(scripted(small.script), RECORDED_SEED).failure).toEqual(small.failure);
    expect(printed(small.script)).toContain('import { FaultPlan } from "./faults.ts";');
  }, 120_000);

  it("becomes the same script each time, and tells how far it is", () => {
    const seed = failingSeed("end");
    const told: Array<readonly [number, number]> = [];
    const progress = (runs: number, operations: number): void => void told.push([runs, operations]);
    const first = shrink(forgetful, seed, { budget: 75, progress });
    expect(shrunk(forgetful, seed, 75)).toEqual(first);
    expect(told[0]).toEqual([1, record(forgetful, seed)!.draft.steps.length]);
    expect(told.map(([runs]) => runs)).toEqual(told.map((_, index) => index + 1));
    expect(told.at(-1)![1]).toBeLessThan(told[0]![1]);
  }, 120_000);

  it("is run no more often than the budget says, but for a few candidates at its ends", () => {
    let runs = 0;
    shrink(forgetful, failingSeed("end"), { budget: 5, progress: () => runs++ });
    expect(runs).toBeLessThanOrEqual(30);
  });

  it("is left alone if it passes, or if its operations alone do not fail", () => {
    const epilogue = tiny("epilogue", [], { epilogue: ({ fail }) => fail("not as it should be") });
    expect(shrink(epilogue, 1, { budget: 10 })).toMatchObject({ reason: "not-reproduced", failure: { where: "end" } });
    expect(shrink(quick, 1, { budget: 10 })).toEqual({ reason: "passes", failure: undefined });
    expect(shrink(hangs, 1, { budget: 10 })).toMatchObject({ reason: "not-reproduced", failure: { where: "run" } });
  });
});

describe("a script", () => {
  it("repeats its run and its one crash on seed 1, and crashes everywhere on the others", () => {
    const script = quickScript();
    const places: Array<IoPoint> = [];
    runSeed(scripted(script), RECORDED_SEED, { onIo: (io) => places.push(io) });
    const written = places.find(({ phase, operation }) => phase === "complete" && operation === "write")!;
    const only = { ...written, survives: { kind: "all" } } as const;
    const crashed = scripted({ ...script, crash: { ...script.crash, only } });
    expect(runSeed(crashed, RECORDED_SEED).crashStates).toBe(1);
    expect(runSeed(crashed, RECORDED_SEED + 1).crashStates).toBeGreaterThan(10);
    const hashes = [1, 2, 3].map((seed) => runSeed(crashed, seed).hash);
    expect(new Set(hashes).size).toBe(3);
  });

  it("reads well, in the format of the sources", () => {
    const text = printed(quickScript(), "recovered is wrong:\n/a: is missing\n    at engine.js:1:2");
    expect(text).toMatchInlineSnapshot(`
      "/**
       * \`forgetful:1\`, made as short as it still fails. Seed 1 repeats that run, the others crash the same operations
       * elsewhere. It failed with:
       *
       *     recovered is wrong:
       *     /a: is missing
       */
      import { FaultPlan } from "./faults.ts";
      import { scripted } from "./script.ts";
      import { fixedTiming } from "./timing.ts";

      export const scenario = scripted({
        name: "regressions/quick-1",
        summary: "a script",
        draws: "quick:1",
        geometry: { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
        tolerance: { noSpace: false, reasons: [] },
        format: { compression: "none" },
        disk: {
          timing: fixedTiming({ read: 0.1, flush: 3 }, 0.05),
          faults: new FaultPlan(3, [{ kind: "delay", probability: 0.5, delayMs: 40 }]),
        },
        // issue of write 30: everything survives.
        crash: {
          statesMax: 60,
          pointShare: 1,
          recoveryShare: 0,
          only: { phase: "issue", operation: "write", index: 30, survives: { kind: "all" } },
        },
        clients: [
          [
            { kind: "create", path: "/a" },
            { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 9000, texture: "noise" } },
            { kind: "fsync", target: "/a" },
          ],
        ],
      });
      "
    `);
    const file = join(folder, "script.ts");
    writeFileSync(file, text);
    const formatted = spawnSync(join(root, "node_modules", ".bin", "oxfmt"), ["--check", file], {
      cwd: root,
      encoding: "utf8",
    });
    expect(formatted).toMatchObject({ status: 0 });
  });

  it("is, once printed and read again, the same run", () => {
    const { script, failure } = shrunk(forgetful, failingSeed("crash"), 75);
    const again = runSeed(evaluated(printed(script)), RECORDED_SEED);
    expect(again).toEqual(runSeed(scripted(script), RECORDED_SEED));
    expect(again.failure).toEqual(failure);
    expect(printed(script)).toContain(`// ${describeCrash(failure.crash!)}.`);
  }, 120_000);

  it("is not printed when a part of it is a program", () => {
    const timing = { instant: false, delayMs: () => 1 };
    expect(() => printed({ ...quickScript(), disk: { timing } })).toThrow(Unprintable);
  });
});

function quickScript(): Script {
  const { clients: _clients, ...plan } = quick.plan(undefined as never);
  const disk = {
    timing: timings.fixedTiming({ read: 0.1, flush: 3 }, 0.05),
    faults: new FaultPlan(3, [{ kind: "delay", probability: 0.5, delayMs: 40 }]),
  };
  const operations: ReadonlyArray<Operation> = [
    { kind: "create", path: "/a" },
    { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 9000, texture: "noise" } },
    { kind: "fsync", target: "/a" },
  ];
  const crash: Script["crash"] = {
    statesMax: 60,
    pointShare: 1,
    recoveryShare: 0,
    only: { phase: "issue", operation: "write", index: 30, survives: { kind: "all" } },
  };
  const setting = { ...plan, disk, crash, format: { compression: "none" as const } };
  return { name: "regressions/quick-1", summary: "a script", draws: "quick:1", ...setting, clients: [operations] };
}

describe("simpler forms", () => {
  it("come to an end when every one of them is taken", () => {
    const from: ReadonlyArray<Operation> = [
      { kind: "write", target: "/a", offsetBytes: 777_777, pattern: { tag: 9, lengthBytes: 99_999, texture: "noise" } },
      {
        kind: "setxattr",
        target: "/a",
        name: "b",
        pattern: { tag: 9, lengthBytes: 0, texture: "text" },
        mode: "create",
      },
      { kind: "fallocate", target: "/a", mode: "punch", offsetBytes: 5000, lengthBytes: 70_000, keepSize: true },
      { kind: "rename", from: "/a", to: "/b", mode: "exchange" },
      { kind: "sleep", milliseconds: 2999 },
    ];
    for (const operation of from) {
      // The last form is the one that is simplified least.
      let steps = 0;
      for (let form: Operation | undefined = operation; form !== undefined; form = simplerOperations(form).at(-1)) {
        expect(steps++).toBeLessThan(100);
      }
    }
  });

  it("of a list of operations have fewer clients, directories, handles, and shorter names", () => {
    const steps = (
      [
        [0, { kind: "mkdir", path: "/dir" }],
        [0, { kind: "create", path: "/dir/file" }],
        [1, { kind: "open", path: "/dir/file", handle: "3" }],
        [1, { kind: "sleep", milliseconds: 5 }],
        [1, { kind: "sleep", milliseconds: 6 }],
        [1, { kind: "append", target: "@3", pattern: { tag: 77, lengthBytes: 1, texture: "text" } }],
      ] as ReadonlyArray<readonly [number, Operation]>
    ).map(([client, operation]) => ({ life: 0, client, operation }));
    const forms = simplerSteps(steps).map((form) => form.map(({ client, operation }) => ({ client, ...operation })));
    const some = (...wanted: ReadonlyArray<object>): void => {
      expect(forms).toContainEqual(wanted.map((each) => expect.objectContaining(each) as object));
    };
    some({ path: "/dir" }, { path: "/dir/file" });
    some({ path: "/file" }, { path: "/file" }, { milliseconds: 5 }, { milliseconds: 6 }, { target: "@3" });
    some({ path: "/dir" }, { path: "/dir/file" }, { milliseconds: 5 }, { milliseconds: 6 }, { target: "/dir/file" });
    some({ path: "/dir" }, { path: "/dir/file" }, { handle: "3" }, { milliseconds: 11 }, { target: "@3" });
    expect(forms.some((form) => form.length === 6 && form.every(({ client }) => client === 0))).toBe(true);
    expect(JSON.stringify(forms)).toContain('"path":"/a/b"');
    expect(JSON.stringify(forms)).toContain('"tag":1,');
  });
});
