/**
 * The example of a store of one's own (`docs/examples`), as a user runs it: from files of his own, on a build; and the
 * same with a mistake in it, which must be found.
 */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildApart, type Ended, runBuilt, sources } from "../test-build.ts";

const EXAMPLES = join(sources, "docs", "examples");
const LOG = "kv-log.ts";
const SCENARIO = "./kv-log-scenario.ts";

let folder = "";
let dist = "";

beforeAll(() => {
  ({ folder, dist } = buildApart("store"));
  cpSync(EXAMPLES, folder, { recursive: true });
}, 300_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const varve = (...args: ReadonlyArray<string>): Ended => runBuilt(dist, folder, args);

interface CampaignObject {
  readonly failures: ReadonlyArray<{ readonly message: string; readonly replay: string }>;
  readonly crashStates: number;
  readonly verified: number;
  readonly seedHashes: Readonly<Record<string, string>>;
}

const campaignOf = (seeds: string): { readonly status: number | null; readonly result: CampaignObject } => {
  const { status, out } = varve("campaign", SCENARIO, "--seeds", seeds, "--jobs", "2", "--verify", "1", "--json");
  return { status, result: JSON.parse(out.trimEnd().split("\n").at(-1)!) as CampaignObject };
};

const put = (text: string): void => writeFileSync(join(folder, LOG), text);
const whole = (): string => readFileSync(join(EXAMPLES, LOG), "utf8");

/** The store without this. */
function putMistake(line: RegExp): void {
  const text = whole();
  const changed = text.replace(line, "");
  expect(changed).not.toBe(text);
  put(changed);
}

describe("the example of a store", () => {
  it("keeps what it promised, with the same hash on workers, in a replay and twice, and as a test", () => {
    const { status, result } = campaignOf("1..6");
    expect({ status, failures: result.failures }).toEqual({ status: 0, failures: [] });
    expect(result.crashStates).toBeGreaterThan(200);
    expect(result.verified).toBe(6);
    const replayed = JSON.parse(varve("replay", `${SCENARIO}:5`, "--json").out) as { readonly hash: string };
    expect(replayed.hash).toBe(result.seedHashes["kv-log:5"]);
    writeFileSync(
      join(folder, "kv-log.test.ts"),
      `import { crashTest } from "varve/harness";
       import scenario from "${SCENARIO}";
       await crashTest("the log survives crashes", scenario, { seeds: 2 });`,
    );
    const vitest = join(sources, "node_modules", "vitest", "vitest.mjs");
    const suite = spawnSync(process.execPath, [vitest, "run", "kv-log.test.ts"], { cwd: folder, encoding: "utf8" });
    expect({ status: suite.status, said: suite.stdout }).toMatchObject({
      status: 0,
      said: expect.stringContaining("1 passed") as string,
    });
  }, 300_000);

  it.each([
    ["acknowledges before the flush", /^.*yield\* device\.flush;\n/mu, /is (undefined|\d+), allowed: \d/u],
    ["takes a torn record for a whole one", /^.*checksumOf\(record\) !== .*\n/mu, /is a value never put, allowed: /u],
    ["writes the next record before it knows where this one ends", /writing\.withPermits\(1\)/u, /, allowed: /u],
  ])(
    "is caught when it %s",
    (_what, line, said) => {
      putMistake(line);
      const { status, result } = campaignOf("1..6");
      expect(status).toBe(1);
      expect(result.failures.length).toBeGreaterThan(3);
      for (const { message } of result.failures) expect(message).toMatch(said);
      expect(result.failures[0]!.replay).toMatch(/^varve replay \.\/kv-log-scenario\.ts:\d$/u);
    },
    300_000,
  );

  it("shows a failing seed in every way that a replay has", () => {
    putMistake(/^.*checksumOf\(record\) !== .*\n/mu);
    const traced = varve("replay", `${SCENARIO}:1`, "--trace");
    expect(traced.status).toBe(1);
    expect(traced.out).toMatch(/client 0 \{"put":"\w","number":\d+,"lengthBytes":\d+\}\n/u);
    expect(varve("replay", `${SCENARIO}:1`, "--where", "--suffixes", "2").out).toContain("fail in the same way");
    expect(varve("replay", `${SCENARIO}:1`, "--report", "out.html").status).toBe(1);
    expect(readFileSync(join(folder, "out.html"), "utf8")).toContain("is a value never put");
  }, 300_000);

  it("is shrunk to a module that fails in the same way, passes without the mistake, and comes out the same again", () => {
    putMistake(/^.*checksumOf\(record\) !== .*\n/mu);
    const shrink = (out: string): Record<string, unknown> => {
      const ended = varve("replay", `${SCENARIO}:2`, "--shrink", "--out", out, "--json");
      expect(ended.status).toBe(1);
      return JSON.parse(ended.out) as Record<string, unknown>;
    };
    const short = shrink("short.ts");
    expect(short).toMatchObject({ operationsBefore: 24, operations: 1 });
    const text = readFileSync(join(folder, "short.ts"), "utf8");
    expect(text.match(/^ +\{ put: /gmu)).toHaveLength(1);
    shrink("again/short.ts");
    const module = 'from "./kv-log-scenario.ts"';
    const again = readFileSync(join(folder, "again", "short.ts"), "utf8");
    expect(again.replace('from "../kv-log-scenario.ts"', module)).toBe(text);
    const broken = varve("replay", "./short.ts:1", "--json");
    expect(JSON.parse(broken.out)).toMatchObject({ failure: short["failure"] });
    put(whole());
    expect(varve("campaign", "./short.ts", "--seeds", "1..4", "--jobs", "1").status).toBe(0);
    expect(varve("replay", `${SCENARIO}:2`, "--shrink")).toMatchObject({
      status: 0,
      out: "kv-log:2 passes: there is nothing to shrink\n",
    });
  }, 300_000);
});
