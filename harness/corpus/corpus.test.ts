import { describe, expect, it } from "vitest";
import type { SeedResult } from "../run.ts";
import { agenda, type Task } from "./agenda.ts";
import { Corpus, FAILING_MAX, type Fate } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { type CorpusState, SEED_MAX, startState } from "./state.ts";

const NAMES = ["a", "b"];

const result = (scenario: string, seed: number, marks: ReadonlyArray<string>, message?: string): SeedResult => ({
  ...{ scenario, seed, hash: "", events: 1, crashStates: 10, equalStates: 0, simulatedMs: 1 },
  marks: Object.fromEntries(marks.map((mark) => [mark, 2])),
  failure: message === undefined ? undefined : { where: "run", message },
});

const take = (corpus: Corpus, ...of: Parameters<typeof result>): Fate => corpus.take(result(...of), 5, `see ${of[0]}`);

const first = (count: number, tasks: Iterable<Task>): Array<string> => {
  const taken: Array<string> = [];
  for (const { reason, scenario, seed } of tasks) {
    if (taken.length === count) break;
    taken.push(`${reason} ${scenario}:${seed}`);
  }
  return taken;
};

/** A state after some results with a build. */
function stateAfter(build: string, from: CorpusState, results: ReadonlyArray<SeedResult>): CorpusState {
  const corpus = new Corpus(from, build, NAMES);
  for (const each of results) corpus.take(each, each.seed * 10, `varve replay ${each.scenario}:${each.seed}`);
  return corpus.state;
}

describe("coverage", () => {
  it("knows marks and pairs of marks of one run, whatever their order", () => {
    const coverage = new Coverage();
    coverage.add(["x", "y"]);
    coverage.add(["z"]);
    expect(coverage).toMatchObject({ marks: 3, pairs: 1 });
    expect(coverage.isNew(["y", "x"])).toBe(false);
    expect(coverage.isNew(["x", "z"])).toBe(true);
    expect(coverage.isNew([])).toBe(false);
  });

  it("forgets what only a removed run reached", () => {
    const coverage = new Coverage();
    coverage.add(["x", "y"]);
    coverage.add(["x"]);
    coverage.remove(["y", "x"]);
    expect(coverage).toMatchObject({ marks: 1, pairs: 0 });
    expect([coverage.isNew(["x"]), coverage.isNew(["y"])]).toEqual([false, true]);
  });
});

describe("a corpus", () => {
  it("keeps a seed that reaches a new mark or a new pair of marks, and no other", () => {
    const corpus = new Corpus(startState, "1", NAMES);
    const fates = [
      take(corpus, "a", 1, ["x"]),
      take(corpus, "b", 1, ["x"]),
      take(corpus, "a", 2, ["y"]),
      take(corpus, "a", 3, ["y", "x"]),
      take(corpus, "b", 2, ["x", "y"]),
      take(corpus, "b", 3, []),
    ];
    expect(fates).toEqual(["added", "none", "added", "added", "none", "none"]);
    expect(corpus).toMatchObject({ size: 3, marks: 2, pairs: 1 });
    expect(corpus.state.corpus[2]).toEqual({ scenario: "a", seed: 3, marks: ["x", "y"], durationMs: 5, build: "1" });
  });

  it("counts seeds, crash states and failures by build and scenario", () => {
    const one = stateAfter("1", startState, [result("a", 1, []), result("a", 2, [], "bad"), result("b", 1, [])]);
    const two = stateAfter("2", one, [result("a", 3, [])]);
    expect(two.counts).toEqual({
      "1": { a: { seeds: 2, crashStates: 20, failures: 1 }, b: { seeds: 1, crashStates: 10, failures: 0 } },
      "2": { a: { seeds: 1, crashStates: 10, failures: 0 } },
    });
  });

  it("keeps failing seeds and notes when they pass; the same build does not count one twice", () => {
    const corpus = new Corpus(startState, "1", NAMES);
    expect(take(corpus, "a", 1, ["x"], "bad")).toBe("none");
    take(corpus, "a", 1, ["x"], "bad again");
    expect(corpus.size).toBe(0);
    expect(corpus.state.failing).toEqual([
      { scenario: "a", seed: 1, message: "bad again", replay: "see a", build: "1", passes: false },
    ]);
    expect(corpus.state.counts).toEqual({ "1": { a: { seeds: 1, crashStates: 10, failures: 1 } } });
    const later = new Corpus(corpus.state, "2", NAMES);
    expect(take(later, "a", 1, ["x"])).toBe("added");
    expect(later.state.failing).toMatchObject([{ message: "bad again", build: "2", passes: true }]);
  });

  it("keeps no more failing seeds than its limit, and counts them all", () => {
    const corpus = new Corpus(startState, "1", NAMES);
    for (let seed = 1; seed <= FAILING_MAX + 5; seed++) take(corpus, "a", seed, [], "bad");
    expect(corpus.state.failing.length).toBe(FAILING_MAX);
    expect(corpus.state.counts["1"]!["a"]!.failures).toBe(FAILING_MAX + 5);
  });

  it("takes a seed out when it fails", () => {
    const state = stateAfter("1", startState, [result("a", 1, ["x"])]);
    const corpus = new Corpus(state, "2", NAMES);
    expect(take(corpus, "a", 1, ["x"], "bad")).toBe("dropped");
    expect(corpus).toMatchObject({ size: 0, marks: 0 });
  });

  it("is made smaller when another build runs it: what others before reach already goes", () => {
    const state = stateAfter("1", startState, [
      result("a", 1, ["x"]),
      result("a", 2, ["x", "y"]),
      result("b", 1, ["z"]),
    ]);
    const corpus = new Corpus(state, "2", NAMES);
    const fates = [
      take(corpus, "a", 2, ["x", "y"]),
      take(corpus, "a", 1, ["x"]),
      // Something else than with the build before.
      take(corpus, "b", 1, ["w"]),
    ];
    expect(fates).toEqual(["kept", "dropped", "kept"]);
    expect(corpus).toMatchObject({ size: 2, marks: 3, pairs: 1 });
    expect(take(corpus, "b", 2, ["z"])).toBe("added");
  });

  it("counts seeds as done from the first on, in whatever order they come", () => {
    const corpus = new Corpus(startState, "1", NAMES);
    take(corpus, "a", 2, []);
    take(corpus, "a", 3, []);
    expect(corpus.state.next).toEqual({ a: 1 });
    take(corpus, "a", 1, []);
    take(corpus, "b", 1, [], "bad");
    expect(corpus.state.next).toEqual({ a: 4, b: 2 });
  });

  it("keeps what is of scenarios that are gone, but what they reached is reached no more", () => {
    const state = stateAfter("1", startState, [result("a", 1, ["x"])]);
    const corpus = new Corpus(state, "1", ["b"]);
    expect(corpus).toMatchObject({ size: 1, marks: 0 });
    expect(take(corpus, "b", 1, ["x"])).toBe("added");
    expect(corpus.state.corpus.map(({ scenario }) => scenario)).toEqual(["a", "b"]);
  });
});

describe("an agenda", () => {
  const state = stateAfter("1", startState, [
    result("b", 3, ["x"]),
    result("a", 1, [], "bad"),
    result("a", 2, ["y"]),
    result("b", 1, ["z"]),
  ]);

  it("of a new corpus goes through the scenarios in turn, seed by seed", () => {
    expect(first(5, agenda(startState, "1", NAMES))).toEqual([
      "fresh a:1",
      "fresh b:1",
      "fresh a:2",
      "fresh b:2",
      "fresh a:3",
    ]);
    expect(first(5, agenda(startState, "1", []))).toEqual([]);
  });

  it("begins with what fails, then the corpus, the fastest first, then goes on with fresh seeds", () => {
    expect(first(7, agenda(state, "2", NAMES))).toEqual([
      "failing a:1",
      "corpus b:1",
      "corpus a:2",
      "corpus b:3",
      "fresh b:2",
      "fresh a:3",
      "fresh b:3",
    ]);
  });

  it("leaves out the corpus that this build has run, but not what fails", () => {
    expect(first(2, agenda(state, "1", NAMES))).toEqual(["failing a:1", "fresh b:2"]);
  });

  it("runs what failed once again with every new build, once", () => {
    const passed = stateAfter("2", state, [result("a", 1, ["w"])]);
    expect(first(1, agenda(passed, "2", ["a"]))).toEqual(["corpus a:2"]);
    expect(first(3, agenda(passed, "3", ["a"]))).toEqual(["failing a:1", "corpus a:2", "fresh a:3"]);
  });

  it("is of the scenarios that are asked for", () => {
    expect(first(2, agenda(state, "2", ["b"]))).toEqual(["corpus b:1", "corpus b:3"]);
  });

  it("ends at the last seed there is", () => {
    const near = { ...startState, next: { a: SEED_MAX, b: SEED_MAX + 1 } };
    expect(first(5, agenda(near, "1", NAMES))).toEqual([`fresh a:${SEED_MAX}`]);
  });
});
