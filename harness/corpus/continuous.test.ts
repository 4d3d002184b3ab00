import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hangs, losesWrites, quick } from "../canaries.ts";
import type { Scenario } from "../scenario.ts";
import { type ContinuousOptions, type ContinuousResult, runContinuously } from "./continuous.ts";
import { Corpus } from "./corpus.ts";
import { type CorpusState, startState } from "./state.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-continuous-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const other: Scenario = { ...quick, name: "other" };
const failing: Scenario = { ...losesWrites, name: "failing" };

/** In this thread: workers need a build, and are tested on one in built.test.ts. */
async function run(
  scenarios: ReadonlyArray<Scenario>,
  seeds: number,
  from: CorpusState = startState,
  changes: Partial<ContinuousOptions> & { readonly build?: string } = {},
): Promise<{
  readonly result: ContinuousResult;
  readonly state: CorpusState | undefined;
  readonly ran: Array<string>;
}> {
  const names = scenarios.map(({ name }) => name);
  const { build = "1", ...options } = changes;
  let state: CorpusState | undefined;
  const ran: Array<string> = [];
  const watched = scenarios.map((scenario) => ({
    ...scenario,
    plan: (entropy: Parameters<Scenario["plan"]>[0]) => {
      ran.push(scenario.name);
      return scenario.plan(entropy);
    },
  }));
  let asked = 0;
  const result = await runContinuously({
    registry: { url: "", scenarios: watched },
    names,
    corpus: new Corpus(from, build, names),
    save: (current) => (state = current),
    jobs: 0,
    verifyShare: 0,
    failuresFolder: join(folder, "failures"),
    stopped: () => asked++ === seeds,
    stopAtFailure: false,
    ...options,
  });
  return { result, state, ran };
}

describe("a continuous campaign", () => {
  it("runs fresh seeds until it is stopped, and goes on behind them", async () => {
    const { result, state } = await run([quick, other], 5);
    expect(result).toMatchObject({ seeds: 5, ran: { failing: 0, corpus: 0, fresh: 5 }, failed: 0, failures: [] });
    expect(result.canary).toMatchObject({ scenario: "loses-writes", failed: true });
    expect(state!.next).toEqual({ quick: 4, other: 3 });
    expect(result.added).toBeGreaterThan(0);
    expect(state!.corpus.length).toBe(result.added);
    const { result: second, state: later, ran } = await run([quick, other], 3, state);
    expect(second).toMatchObject({ seeds: 3, ran: { failing: 0, corpus: 0, fresh: 3 } });
    expect(ran).toEqual(["other", "quick", "other"]);
    expect(later!.next).toEqual({ quick: 5, other: 5 });
    expect(second.canary.seed).not.toBe(result.canary.seed);
  });

  it("runs the corpus again with another build, before fresh seeds", async () => {
    const { state } = await run([quick], 3);
    const { result, state: later } = await run([quick], 2 + state!.corpus.length, state, { build: "2" });
    expect(result.ran).toEqual({ failing: 0, corpus: state!.corpus.length, fresh: 2 });
    expect(later!.corpus.every(({ build }) => build === "2")).toBe(true);
    expect(Object.keys(later!.counts)).toEqual(["1", "2"]);
  });

  it("runs what fails first and twice, keeps records of it, and goes on", async () => {
    const { result, state } = await run([failing], 2);
    expect(result).toMatchObject({ seeds: 2, failed: 2, failures: [{ reason: "fresh", seed: 1 }, { seed: 2 }] });
    expect(readdirSync(join(folder, "failures")).sort()).toEqual(["failing-1.json", "failing-2.json"]);
    const { result: again, ran } = await run([failing], 3, state);
    expect(again.ran).toEqual({ failing: 2, corpus: 0, fresh: 1 });
    expect(ran.length).toBe(5);
    const { result: mended, state: last } = await run([{ ...quick, name: "failing" }], 2, state, { build: "2" });
    expect(mended).toMatchObject({ ran: { failing: 2 }, failed: 0 });
    expect(last!.failing.map(({ passes }) => passes)).toEqual([true, true]);
  });

  it("ends at the first failure if that is wanted, or when its time is up", async () => {
    expect((await run([quick, failing], 1000, startState, { stopAtFailure: true })).result.seeds).toBe(2);
    const { result } = await run([quick], 1_000_000, startState, { timeMs: 50 });
    expect(result.seeds).toBeLessThan(10_000);
    expect((await run([quick], 1_000_000, startState, { timeMs: 0 })).result.seeds).toBe(1);
  });

  it("runs nothing and saves nothing when its canary passes", async () => {
    const { result, state, ran } = await run([quick], 5, startState, { canary: other });
    expect(result).toMatchObject({ seeds: 0, canary: { scenario: "other", failed: false } });
    expect({ state, ran }).toEqual({ state: undefined, ran: [] });
  });

  it("takes other failures than a wrong crash state for failures too", async () => {
    const { result } = await run([hangs], 1);
    expect(result.failures[0]!.message).toContain("client 0");
  });
});
