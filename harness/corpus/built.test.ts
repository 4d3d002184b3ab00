/**
 * The continuous campaign and the gate on a build, where there are workers and a command line. It is built once, into a
 * folder of its own, with quick scenarios in the place of the real ones.
 */
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCorpus } from "./state-file.ts";
import type { CorpusState } from "./state.ts";
import { buildApart, type Ended, runBuilt } from "../test-build.ts";

let folder = "";
let dist = "";

/** In the place of all scenarios: two that pass; a third that fails when a file is there. */
const SCENARIOS = `
import { existsSync } from "node:fs";
import { lively, losesWrites, quick } from "../harness/canaries.js";
const broken = existsSync(new URL("../../broken", import.meta.url));
export const scenarios = [quick, lively, { ...(broken ? losesWrites : quick), name: "third" }];
`;

beforeAll(() => {
  ({ folder, dist } = buildApart("corpus-built"));
  writeFileSync(join(dist, "scenarios", "index.js"), SCENARIOS);
}, 240_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const varve = (...args: ReadonlyArray<string>): Ended => runBuilt(dist, folder, ["campaign", ...args]);

/** The same, interrupted when its first line of progress is there. */
async function interrupted(...args: ReadonlyArray<string>): Promise<Ended> {
  const command = [join(dist, "cli", "varve.js"), "campaign", ...args];
  const child = spawn(process.execPath, command, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stderr.once("data", () => child.kill("SIGINT"));
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, out, errors };
}

interface Told {
  readonly build: string;
  readonly seeds: number;
  readonly failed: number;
  readonly ran: { readonly failing: number; readonly corpus: number; readonly fresh: number };
  readonly corpus: { readonly size: number; readonly added: number };
  readonly failures: ReadonlyArray<{ readonly scenario: string; readonly reason: string; readonly replay: string }>;
  readonly canary: { readonly failed: boolean };
  readonly interrupted: boolean;
}

const told = (out: string): Told => JSON.parse(out) as Told;

const kept = (name: string): CorpusState => parseCorpus(readFileSync(join(folder, name, "corpus.json"), "utf8"));

const seedsOf = ({ counts }: CorpusState, build: string): number =>
  Object.values(counts[build] ?? {}).reduce((sum, { seeds }) => sum + seeds, 0);

describe("varve campaign --corpus", () => {
  it("stops cleanly when interrupted and goes on; runs its corpus again on another build, and what fails first", async () => {
    const args = ["--corpus", "kept", "--jobs", "2", "--json"];
    const first = await interrupted(...args);
    expect(first.status, first.errors).toBe(0);
    expect(first.errors).toMatch(/^\d+ {2}\d+\.\d seeds\/s, \d+ new in a corpus of \d+, 0 failed/u);
    const one = told(first.out);
    expect(one).toMatchObject({ failed: 0, interrupted: true, canary: { failed: true } });
    expect(one.ran).toEqual({ failing: 0, corpus: 0, fresh: one.seeds });
    expect(readdirSync(join(folder, "kept"))).toEqual(["corpus.json"]);
    const state = kept("kept");
    expect(state.corpus.length).toBe(one.corpus.size);
    expect(seedsOf(state, one.build)).toBe(one.seeds);
    const done = Object.values(state.next).map((next) => next - 1);
    expect(done.reduce((sum, seeds) => sum + seeds, 0)).toBe(one.seeds);
    expect(Math.max(...done) - Math.min(...done)).toBeLessThanOrEqual(1);

    // The same build: only fresh seeds, behind those that were run.
    const two = told(varve(...args, "--time", "1s").out);
    expect(two.seeds).toBeGreaterThan(0);
    expect(two).toMatchObject({ build: one.build, interrupted: false, ran: { failing: 0, corpus: 0 } });
    expect(seedsOf(kept("kept"), one.build)).toBe(one.seeds + two.seeds);

    // Another build, on which a scenario fails.
    appendFileSync(join(dist, "engine", "marks.js"), "\n// changed\n");
    writeFileSync(join(folder, "broken"), "");
    const oneAtATime = ["--corpus", "kept", "--jobs", "1"];
    const third = varve(...oneAtATime, "--json", "--stop");
    expect(third.status, third.errors).toBe(1);
    const three = told(third.out);
    expect(three.build).not.toBe(one.build);
    expect(three.ran.corpus).toBeGreaterThan(0);
    const [problem] = three.failures;
    expect(problem!.replay).toMatch(/^varve replay third:\d+$/u);
    expect(readdirSync(join(folder, "kept")).sort()).toEqual(["corpus.json", "failures"]);
    expect(readdirSync(join(folder, "kept", "failures")).length).toBe(1);

    // It fails still, and comes first; then it is mended.
    const fourth = varve(...oneAtATime, "--json", "--stop");
    expect(fourth.status).toBe(1);
    expect(told(fourth.out).ran).toEqual({ failing: 1, corpus: 0, fresh: 0 });
    rmSync(join(folder, "broken"));
    const fifth = varve(...oneAtATime, "--time", "1ms");
    expect(fifth.status, fifth.errors).toBe(0);
    expect(fifth.out).toContain("No failure.");
    expect(fifth.out).toMatch(/canary +loses-writes:\d+ failed, as it must/u);
    expect(fifth.out).toMatch(/so far +\d+ seeds with 2 builds; 1 failed once, 0 fail still/u);
    expect(kept("kept").failing.every(({ passes }) => passes)).toBe(true);
  }, 240_000);

  it("fails when its canary passes, and keeps nothing", () => {
    const path = join(dist, "harness", "canaries.js");
    const text = readFileSync(path, "utf8");
    const blind = text.replace("probability: 1 }", "probability: 0 }");
    expect(blind).not.toBe(text);
    writeFileSync(path, blind);
    try {
      const { status, out } = varve("--corpus", "blind", "--time", "1ms");
      expect(status).toBe(1);
      expect(out).toBe("The canary loses-writes:1 passed and must fail: the harness no longer sees failures.\n");
      expect(readdirSync(join(folder, "blind"))).toEqual([]);
    } finally {
      writeFileSync(path, text);
    }
  }, 240_000);

  it("refuses a file that holds no corpus, and leaves it as it is", () => {
    const { status } = varve("--corpus", "bad", "--time", "1ms", "--jobs", "1");
    expect(status).toBe(0);
    const path = join(folder, "bad", "corpus.json");
    const whole = readFileSync(path, "utf8");
    for (const bad of [whole.slice(0, -20), "", "[]", whole.replace('"version": 1', '"version": 9')]) {
      writeFileSync(path, bad);
      const ended = varve("--corpus", "bad");
      expect(ended).toMatchObject({ status: 2, out: "" });
      expect(ended.errors).toMatch(/^varve: bad\/corpus\.json holds no corpus: [^\n]+\n$/u);
      expect(readFileSync(path, "utf8")).toBe(bad);
      expect(readdirSync(join(folder, "bad"))).toEqual(["corpus.json"]);
    }
  }, 240_000);

  it("refuses a folder that another process keeps", () => {
    rmSync(join(folder, "bad"), { recursive: true, force: true });
    varve("--corpus", "bad", "--time", "1ms", "--jobs", "1");
    writeFileSync(join(folder, "bad", "lock"), `${process.pid}\n`);
    const { status, errors } = varve("--corpus", "bad");
    expect(status).toBe(3);
    expect(errors).toMatch(/^varve: bad is in use by process \d+; [^\n]+\n$/u);
  }, 240_000);

  it.each([["--seeds", "5"], ["--failures", "elsewhere"], ["--gate"], ["--verify", "2"], ["nothing-of-this-name"]])(
    "refuses what has no meaning with it in one line: %s %s",
    (...args) => {
      const { status, out, errors } = varve("--corpus", "none", ...args);
      expect({ status, out }).toEqual({ status: 2, out: "" });
      expect(errors).toMatch(/^varve: [^\n]+\n$/u);
      expect(existsSync(join(folder, "none"))).toBe(false);
    },
  );

  it("refuses a file in the place of its folder", () => {
    const { status, errors } = varve("--corpus", "package.json");
    expect({ status, errors }).toEqual({ status: 2, errors: "varve: package.json is no folder\n" });
  });
});

describe("varve campaign --resume", () => {
  const range = ["--seeds", "1..40", "--jobs", "2", "--json", "--resume", "results"];

  it("goes on where it was interrupted, and tells at the end what a whole campaign tells", async () => {
    const first = await interrupted(...range);
    expect(first.status).toBe(0);
    const part = JSON.parse(first.out) as { seeds: number; complete: boolean };
    expect(part.complete).toBe(false);
    expect(part.seeds).toBeGreaterThan(0);
    const told = ({ status, out }: Ended): object => {
      expect(status).toBe(0);
      return { ...(JSON.parse(out) as object), wallSeconds: 0 };
    };
    const whole = told(varve(...range.slice(0, -2)));
    expect(whole).toMatchObject({ seeds: 120, complete: true });
    expect(told(varve(...range))).toEqual(whole);
    expect(told(varve(...range))).toEqual(whole);
  }, 120_000);

  it("refuses another campaign, what is none, a file in use, and options that mean nothing beside", () => {
    const refused = (status: number, said: RegExp, ...args: ReadonlyArray<string>): void => {
      const ended = varve(...args);
      expect(ended.status).toBe(status);
      expect(ended.errors.trim().split("\n")).toEqual([expect.stringMatching(said)]);
    };
    const before = readFileSync(join(folder, "results"));
    refused(
      2,
      /results cannot be gone on from: it was begun with --seeds 1\.\.40/,
      "--seeds",
      "5",
      "--resume",
      "results",
    );
    writeFileSync(join(folder, "list"), "milk\n");
    refused(2, /list cannot be gone on from: line 1 is no JSON/, "--resume", "list");
    writeFileSync(join(folder, "results.lock"), `${process.pid}\n`);
    refused(3, /results is in use by process \d+/, ...range);
    rmSync(join(folder, "results.lock"));
    refused(3, /no-folder\/results: /, "--resume", "no-folder/results");
    refused(2, /--resume does not go with --corpus/, "--corpus", "c", "--resume", "results");
    refused(2, /--resume does not go with --target/, "--target", "ext4", "--resume", "results");
    expect(readFileSync(join(folder, "results")).equals(before)).toBe(true);
    expect(existsSync(join(folder, "results.lock"))).toBe(false);
  }, 60_000);
});

describe("varve campaign --gate", () => {
  const verdict = (out: string): unknown => (JSON.parse(out) as { readonly gate: unknown }).gate;

  it("fails with a line for each mark that too few seeds reach", () => {
    const { status, out } = varve("--gate", "--seeds", "1..24", "--verify", "0");
    expect(status).toBe(1);
    expect(out).toContain("No failure.");
    // These small scenarios replace no name often enough to stand for all others.
    expect(out).toMatch(/^MISSED "[^"]+": reached by \d+ seeds?, wanted \d+$/mu);
    expect(out).toMatch(/^Gate: \d+ of \d+ marks judged, \d+ missed; more seeds would judge the others\.$/mu);
  }, 240_000);

  it("judges nothing of a campaign that is too small, and changes but how many seeds run twice: all", () => {
    const args = ["--seeds", "1..2", "--json", "--jobs", "1"];
    const [plain, gated] = [varve(...args, "--verify", "1"), varve(...args, "--gate")];
    expect([plain.status, gated.status]).toEqual([0, 0]);
    expect(verdict(gated.out)).toEqual({ judged: 0, missed: [] });
    const times = { wallSeconds: 0 };
    const { gate: _gate, ...rest } = JSON.parse(gated.out) as Record<string, unknown>;
    expect({ ...rest, ...times }).toEqual({ ...(JSON.parse(plain.out) as object), ...times });
  }, 240_000);

  it.each([["quick"], ["quick", "lively"], ["./mine.mjs"], ["--target", "ext4"]])(
    "refuses less than all scenarios: %s %s",
    (...args) => {
      const { status, out, errors } = varve("--gate", ...args);
      expect({ status, out }).toEqual({ status: 2, out: "" });
      expect(errors).toMatch(/^varve: --gate [^\n]+\n$/u);
    },
  );
});
