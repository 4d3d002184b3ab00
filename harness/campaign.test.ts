import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CampaignLog } from "./campaign-log.ts";
import { type CampaignOptions, type CampaignResult, runCampaign } from "./campaign.ts";
import { runSeed } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { losesWrites, quick, tiny } from "./canaries.ts";
import { scriptedProgram } from "./workload/program.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-campaign-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const other: Scenario = { ...quick, name: "other" };

/** In this thread: workers need a build, and are tested on one in built.test.ts. */
const campaign = (
  scenarios: ReadonlyArray<Scenario>,
  to: number,
  changes: Partial<CampaignOptions> = {},
): Promise<CampaignResult> =>
  runCampaign({
    registry: { url: "", scenarios },
    names: scenarios.map(({ name }) => name),
    seeds: { from: 1, to },
    jobs: 0,
    verifyShare: 0,
    ...changes,
  });

describe("a campaign", () => {
  it("runs every seed of every scenario, each with the hash that a replay gives", async () => {
    const result = await campaign([quick, other], 3);
    expect(result).toMatchObject({ seeds: 6, failures: [], scenarios: ["quick", "other"], verified: 0 });
    for (const seed of [1, 2, 3]) {
      expect(result.hashes.get(`quick:${seed}`)).toBe(runSeed(quick, seed).hash);
      expect(result.hashes.get(`other:${seed}`)).toBe(runSeed(other, seed).hash);
    }
    expect(result.crashStates).toBeGreaterThan(20);
    expect(result.events).toBeGreaterThan(100);
    expect(Object.keys(result.marks).length).toBeGreaterThan(0);
  });

  it("has the same hash each time, and another for other seeds or scenarios", async () => {
    const [first, again, more, fewer] = await Promise.all([
      campaign([quick, other], 3),
      campaign([quick, other], 3, { verifyShare: 1 }),
      campaign([quick, other], 4),
      campaign([quick], 3),
    ]);
    expect(again.hash).toBe(first.hash);
    expect(again.verified).toBe(6);
    expect(new Set([first.hash, more.hash, fewer.hash]).size).toBe(3);
  });

  it("keeps a record of each failure that says how to see it again", async () => {
    const failing: Scenario = { ...losesWrites, name: "zoned/loses-writes" };
    const { failures } = await campaign([quick, failing], 2, { failuresFolder: join(folder, "kept") });
    expect(failures.map(({ seed }) => seed)).toEqual([1, 2]);
    expect(failures[0]!.replay).toBe("varve replay zoned/loses-writes:1");
    expect(readdirSync(join(folder, "kept")).sort()).toEqual([
      "zoned-loses-writes-1.json",
      "zoned-loses-writes-2.json",
    ]);
    const record = JSON.parse(readFileSync(join(folder, "kept", "zoned-loses-writes-2.json"), "utf8")) as object;
    const { hash, failure } = runSeed(failing, 2);
    expect(record).toMatchObject({ scenario: failing.name, seed: 2, hash, failure, replay: failures[1]!.replay });
  });

  it("ends at the first failure if that is wanted, or when its time is up", async () => {
    const stopped = await campaign([quick, losesWrites], 50, { stopAtFailure: true });
    expect(stopped).toMatchObject({ seeds: 2, failures: [{ scenario: "loses-writes", seed: 1 }] });
    expect((await campaign([quick], 100_000, { timeMs: 50 })).seeds).toBeLessThan(10_000);
  });

  it("goes on where it stood, and ends as if it had run at once", async () => {
    const terms = { build: "b", from: 1, to: 4, verifyShare: 0.5, scenarios: ["quick", "loses-writes"] };
    const path = join(folder, "log");
    let left = 0;
    const some = async (count: number): Promise<CampaignResult & { readonly seen: number }> => {
      const log = CampaignLog.open(path, terms);
      left = count;
      let seen = 0;
      const result = await campaign([quick, losesWrites], 4, {
        verifyShare: 0.5,
        log,
        seen: () => void seen++,
        stopped: () => left-- === 0,
      });
      log.close();
      return { ...result, seen };
    };
    const whole = await campaign([quick, losesWrites], 4, { verifyShare: 0.5 });
    expect(whole.complete).toBe(true);
    expect(await some(0)).toMatchObject({ seeds: 0, complete: false, seen: 0 });
    expect(await some(3)).toMatchObject({ seeds: 3, complete: false, seen: 3 });
    const runs = [await some(2), await some(100), await some(100)];
    expect(runs.map(({ seeds, seen, complete }) => [seeds, seen, complete])).toEqual([
      [5, 5, false],
      [8, 8, true],
      [8, 8, true],
    ]);
    for (const { seen: _, wallSeconds, ...rest } of runs.slice(1)) {
      expect({ ...rest, wallSeconds: 0 }).toEqual({ ...whole, wallSeconds: 0 });
      expect(wallSeconds).toBeGreaterThan(0);
    }
  });

  it("tells after every seed how far it is", async () => {
    const seen: Array<string> = [];
    await campaign([quick, losesWrites], 2, {
      progress: (done, total, { failures }) => seen.push(`${done}/${total} ${failures}`),
    });
    expect(seen).toEqual(["1/4 0", "2/4 1", "3/4 1", "4/4 2"]);
  });

  it("names the first event that differs when a seed is not the same the second time", async () => {
    let runs = 0;
    const plan: Scenario["plan"] = (entropy) => {
      runs++;
      // What a scenario must not do: draw on something from outside of the seed.
      const pattern = { tag: 1, lengthBytes: 1000 + runs, texture: "text" } as const;
      const program = scriptedProgram([
        { kind: "create", path: "/a" },
        { kind: "write", target: "/a", offsetBytes: 0, pattern },
      ]);
      return tiny("leaky", [program]).plan(entropy);
    };
    const leaky: Scenario = { name: "leaky", summary: "", plan };
    const { failures } = await campaign([leaky], 1, { verifyShare: 1 });
    expect(failures[0]!.message).toMatch(/^two runs of the seed differ: event \d+: "client 0 write\(.*1003 bytes/u);
    expect((await campaign([leaky], 1)).failures).toEqual([]);
  });
});
