import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { alphabetOf, parseSteps, type Step } from "./alphabet.ts";
import { explore, type ExploreOptions } from "./explore.ts";
import { Progress, startState, unfit } from "./progress.ts";
import { runSequence, type SequenceResult } from "./sequence-run.ts";
import { readState, writeState } from "./state-file.ts";

const small = alphabetOf("small");
const full = alphabetOf("full");

function steps(text: string): ReadonlyArray<Step> {
  const found = parseSteps(full, text);
  if (typeof found === "string") throw new Error(`no step "${found}"`);
  return found;
}

/** In this thread: workers need a build, and are tested on one in built.test.ts. */
const one: ExploreOptions = { operations: 1, alphabet: "small", medium: "conventional", jobs: 0 };

describe("one sequence", () => {
  it("is crashed at each device operation of each ending, and judged in each state once", () => {
    const result = runSequence(steps("create /foo"), "conventional");
    expect(result).toMatchObject({ runs: 4, failure: undefined });
    // In each ending one write and one flush at least, at issue and at completion, and the end.
    expect(result.crashPoints).toBeGreaterThanOrEqual(4 * 5);
    expect(result.crashStates).toBeGreaterThan(result.crashPoints);
    expect(result.distinctStates).toBeGreaterThan(2);
    expect(result.distinctStates).toBeLessThan(result.crashStates);
  });

  it("gives the same result whatever ran before it", () => {
    const text = "append /foo 5000; replace /foo /A/foo";
    const first = runSequence(steps(text), "conventional");
    runSequence(steps("mkdir /A; fsync /A"), "conventional");
    runSequence(steps("write /foo 500+1000"), "zoned");
    expect(runSequence(steps(text), "conventional")).toEqual(first);
    expect(runSequence(steps("append /foo 5000; replace /bar /foo"), "conventional").hash).not.toBe(first.hash);
  });

  it("can be run on a zoned disk", () => {
    const result = runSequence(steps("create /foo; append /foo 5000"), "zoned");
    expect(result).toMatchObject({ runs: 4, failure: undefined });
    expect(result.distinctStates).toBeGreaterThan(5);
  });

  it.each([
    "rename /A /B; create /B/foo; fsync /B/foo",
    "exchange /A /B; unlink /A/foo",
    "rmdir /A; mkdir /A; rename /foo /A/foo",
    "link /foo /bar; replace /foo /bar; fsync /bar",
    "zero /foo 20000+12000 keep; fsync /foo; truncate /foo 30000",
    "removexattr /foo; exchange /foo /A/bar; setxattr /A/bar",
    "replace /A /B; symlink /B/foo",
  ])("of the full alphabet is carried out by the engine: %s", (text) => {
    expect(runSequence(steps(text), "conventional").failure).toBeUndefined();
  });

  it("is refused when it cannot succeed", () => {
    expect(() => runSequence(steps("create /foo; create /foo"), "conventional")).toThrow(/cannot succeed/u);
  });
});

describe("an exploration", () => {
  it("of one operation finds nothing, in so many runs, points and states", async () => {
    const { state, total, complete } = await explore(one);
    expect({ total, complete, ...state, wallSeconds: 0 }).toMatchObject({
      total: 28,
      complete: true,
      next: 28,
      totals: { runs: 108 },
      failed: 0,
      failures: [],
    });
    expect(state.totals.crashPoints).toBeGreaterThan(500);
    expect(state.totals.crashStates).toBeGreaterThan(1000);
    expect(state.totals.distinctStates).toBeGreaterThan(100);
  }, 120_000);

  it("that was interrupted and gone on with comes to the same totals and hash", async () => {
    const whole = await explore(one);
    let asked = 0;
    const part = await explore({ ...one, stopped: () => ++asked > 9 });
    expect(part).toMatchObject({ complete: false, state: { next: 9 } });
    // As it comes from a file.
    const kept = JSON.parse(JSON.stringify(part.state)) as typeof part.state;
    const rest = await explore({ ...one, from: kept });
    expect(rest.complete).toBe(true);
    expect({ ...rest.state, wallSeconds: 0 }).toEqual({ ...whole.state, wallSeconds: 0 });
    expect(part.state.hash).not.toBe(whole.state.hash);
    // Nothing is left to do, and the shorter sequences are a part of the longer ones.
    expect((await explore({ ...one, from: rest.state })).state.next).toBe(28);
    const longer = await explore({ ...one, operations: 2, from: rest.state, stopped: () => true });
    expect(longer).toMatchObject({ total: 1311, complete: false, state: { next: 28, hash: whole.state.hash } });
  }, 120_000);

  it("ends when its time is up, and goes on from no state of another alphabet or disk", async () => {
    expect((await explore({ ...one, timeMs: 0 })).complete).toBe(false);
    const from = startState(full, "conventional");
    await expect(explore({ ...one, from })).rejects.toThrow(/full alphabet/u);
    expect(unfit(startState(small, "zoned"), small, "conventional")).toMatch(/zoned/u);
    expect(unfit({ ...startState(small, "zoned"), steps: "other" }, small, "zoned")).toMatch(/another version/u);
    expect(unfit(startState(small, "zoned"), small, "zoned")).toBeUndefined();
  });
});

describe("the totals", () => {
  const result = (number: number): SequenceResult => ({
    runs: 1,
    crashPoints: number,
    crashStates: 2 * number,
    distinctStates: number,
    hash: `hash ${number}`,
    failure: number === 2 ? "it broke" : undefined,
  });
  const takenIn = (order: ReadonlyArray<number>): Progress => {
    const progress = new Progress(startState(small, "conventional"), (index) => `replay ${index}`);
    for (const index of order) progress.take(index, `sequence ${index}`, result(index));
    return progress;
  };

  it("do not depend on the order in which results come", () => {
    const { state } = takenIn([0, 1, 2, 3]);
    expect(takenIn([3, 1, 0, 2]).state).toEqual(state);
    expect(state).toMatchObject({ next: 4, failed: 1, totals: { runs: 4, crashPoints: 6, crashStates: 12 } });
    expect(state.failures).toEqual([{ index: 2, sequence: "sequence 2", message: "it broke", replay: "replay 2" }]);
  });

  it("leave out what waits for a result before it", () => {
    expect(takenIn([0, 2, 3]).state).toEqual(takenIn([0]).state);
  });
});

describe("the state file", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-explore-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is replaced whole, and gives back what was written", () => {
    const path = join(folder, "state.json");
    expect(readState(path)).toBeUndefined();
    const state = startState(small, "conventional");
    writeState(path, state);
    writeState(path, { ...state, next: 7 });
    expect(readState(path)).toEqual({ ...state, next: 7 });
    expect(readdirSync(folder)).toEqual(["state.json"]);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  it("is refused when it holds something else", () => {
    const path = join(folder, "state.json");
    writeFileSync(path, '{"version":1,"next":"soon"}');
    expect(() => readState(path)).toThrow(/no state/u);
    writeFileSync(path, "{");
    expect(() => readState(path)).toThrow();
  });
});
