/**
 * Failures that take more than one crash, shrunk, on a canary: a disk too small for what two lives of its pool write,
 * though no client is told that it may be full.
 */
import { describe, expect, it } from "vitest";
import { tiny } from "../canaries.ts";
import { type CrashPath, crashesOf, type LaterCrash } from "../crash-point.ts";
import { runSeed } from "../run.ts";
import type { Life, Scenario } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import { scriptedProgram } from "../workload/program.ts";
import { record, scriptOf } from "./draft.ts";
import { printScript } from "./print.ts";
import { RECORDED_SEED, type Script, scripted } from "./script.ts";
import { shrink } from "./shrink.ts";

const written = (path: string, tag: number, lengthBytes: number): ReadonlyArray<Operation> => [
  { kind: "create", path },
  { kind: "write", target: path, offsetBytes: 0, pattern: { tag, lengthBytes, texture: "noise" } },
];
const used = (path: string, tag: number): Life => ({
  operations: [
    ...written(path, tag, 1_500_000),
    { kind: "fsync", target: path },
    { kind: "mkdir", path: `/${tag}` },
    { kind: "syncfs" },
  ],
  closes: false,
});

const SOME = { statesMax: 2, lifeStatesMax: 12, pointShare: 1, recoveryShare: 0 };

const cramped: Scenario = {
  name: "cramped",
  summary: "a canary: what the second recovered pool writes does not fit",
  plan: (entropy) => {
    const program = scriptedProgram([...written("/a", 1, 5000), { kind: "mkdir", path: "/d" }, { kind: "syncfs" }]);
    const plan = tiny("", [program]).plan(entropy);
    return {
      ...plan,
      geometry: { ...plan.geometry, capacityBytes: 4 * 1024 * 1024 },
      format: { compression: "none" },
      crash: { ...SOME, lives: [used("/b", 2), used("/c", 3)] },
    };
  },
};

const told = /^crash state \d+ .*\nused and crashed again at .*: client of the next life: write\(.*NoSpace/u;

describe("a failure of a second life", () => {
  it("names the crashes that led to it and what was done between them, and is repeated by them", () => {
    const { draft, failure } = record(cramped, 1)!;
    expect(failure.message).toMatch(told);
    expect(crashesOf(failure.crash!).map((crash) => ("during" in crash ? crash.during : "first"))).toEqual([
      "first",
      "life",
    ]);
    expect(failure.lives!.map(({ operations }) => operations)).toEqual([
      used("/b", 2).operations,
      used("/c", 3).operations.slice(0, 2),
    ]);
    expect(draft.closes).toEqual([false, false]);
    const again = runSeed(scripted(scriptOf(draft, "again", "", failure.crash)), RECORDED_SEED);
    expect(again.failure).toEqual(failure);
    expect(again.crashStates).toBeLessThanOrEqual(2);
  });

  it("becomes a script of a few operations and two lives, which reads as it went", () => {
    const small = shrink(cramped, 1, { budget: 60 });
    if ("reason" in small) throw new Error(small.reason);
    const { script, failure } = small;
    expect(small.operations).toBeLessThanOrEqual(6);
    expect(script.lives!.map(({ operations }) => operations.at(-1)!.kind)).toEqual(["fsync", "write"]);
    const repeated = runSeed(scripted(script), RECORDED_SEED);
    expect(repeated.failure).toEqual(failure);
    expect(repeated.crashStates).toBeLessThanOrEqual(2);
    const modules = { script: "./script.ts", faults: "./faults.ts", timing: "./timing.ts" };
    const text = printScript(script, { origin: "cramped:1", message: failure.message, modules });
    expect(text).toMatch(
      /\n {2}\/\/ \w+ of \w+ \d+: [^\n]*\.\n {2}\/\/ then, in the life after that, \w+ of \w+ \d+:/u,
    );
    expect(text).toMatch(/\n {2}lives: \[\n {4}\{\n {6}operations: \[\n {8}\{ kind: "create"/u);
  }, 120_000);
});

describe("a crash during a recovery", () => {
  const { draft, failure } = record(cramped, 1)!;
  const script = (only: CrashPath): Script => scriptOf(draft, "in-recovery", "", only);
  const { next, ...first } = failure.crash!;
  const inRecovery = (index: number): LaterCrash => {
    const at = { phase: "complete", operation: "flush", index, survives: { kind: "all" } } as const;
    return { during: "recovery", ...at, next: next! };
  };

  it("can stand on the way to a failure, and is repeated with what follows it", () => {
    const paths = Array.from({ length: 60 }, (_, index) => ({ ...first, next: inRecovery(index) }));
    const run = (path: CrashPath): ReturnType<typeof runSeed> => runSeed(scripted(script(path)), RECORDED_SEED);
    const failing = paths.find((path) => run(path).failure?.message.includes("recovery crashed at flush"))!;
    const again = run(failing);
    expect(again.failure!.crash).toEqual(failing);
    expect(again.failure!.lives).toHaveLength(2);
    expect(again.crashStates).toBe(3);
  });
});
