/**
 * What can only be seen on a build: worker threads, the laboratory's command line, mutants. It is built once, into a
 * folder of its own, so that a `dist/` that is in use stays as it is.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as Effect from "effect/Effect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shrink } from "../engine/data/encode.ts";
import type * as Threads from "../fuse/compression-pool.ts";
import type * as Campaign from "./campaign.ts";
import { catalogue } from "./mutants/catalogue.ts";
import { applyEdits } from "./mutants/mutant.ts";
import { runMutant } from "./mutants/run.ts";
import { buildApart, type Ended, runBuilt, sources } from "./test-build.ts";

let folder = "";
let dist = "";

beforeAll(() => {
  ({ folder, dist } = buildApart("built"));
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const varve = (...args: ReadonlyArray<string>): Ended => runBuilt(dist, folder, args);

/** A campaign on workers of the build, with scenarios of this module. */
async function onWorkers(
  module: string,
  names: ReadonlyArray<string>,
  to: number,
  jobs: number,
  more: Partial<Campaign.CampaignOptions> = {},
): Promise<Campaign.CampaignResult> {
  const { runCampaign } = (await import(pathToFileURL(join(dist, "harness", "campaign.js")).href)) as typeof Campaign;
  return runCampaign({
    registry: { url: pathToFileURL(module).href, scenarios: [] },
    names,
    seeds: { from: 1, to },
    jobs,
    verifyShare: 0.5,
    ...more,
  });
}

/** A module with one scenario, in which something else comes before the plan of `quick`. */
function scenarioModule(name: string, before: string): string {
  const module = join(folder, `${name}.mjs`);
  const canaries = pathToFileURL(join(dist, "harness", "canaries.js")).href;
  writeFileSync(
    module,
    `import { quick } from ${JSON.stringify(canaries)};
     const plan = (entropy) => { ${before}; return quick.plan(entropy); };
     export const scenarios = [{ ...quick, name: ${JSON.stringify(name)}, plan }];`,
  );
  return module;
}

describe("workers", () => {
  it("give the same result however many there are", async () => {
    const canaries = join(dist, "harness", "canaries.js");
    const names = ["quick", "lively", "loses-writes"];
    const results = [];
    for (const jobs of [1, 3]) {
      const { wallSeconds: _wall, ...result } = await onWorkers(canaries, names, 3, jobs);
      results.push(result);
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0]!.failures.map(({ scenario }) => scenario)).toEqual([
      "loses-writes",
      "loses-writes",
      "loses-writes",
    ]);
  });

  it("survive a seed that takes its worker with it, and report it as failed", async () => {
    const module = scenarioModule("deadly", 'if (entropy.seed === "deadly:2") process.exit(7)');
    const { seeds, failures } = await onWorkers(module, ["deadly"], 4, 1);
    expect(seeds).toBe(4);
    expect(failures).toMatchObject([{ seed: 2, message: "it ended its worker: it exited" }]);
  });

  it("survive a seed that never ends, and report it as failed", async () => {
    const module = scenarioModule("endless", 'while (entropy.seed === "endless:2")');
    const { seeds, failures } = await onWorkers(module, ["endless"], 3, 1, { seedLimitMs: 4000 });
    expect(seeds).toBe(3);
    expect(failures).toMatchObject([{ seed: 2, message: "it did not end within 4 s" }]);
  }, 60_000);

  it("end the campaign with the reason when somebody fails who hears of results", async () => {
    let heard = 0;
    const seen = (): void => {
      heard++;
      throw new Error("no space left");
    };
    const canaries = join(dist, "harness", "canaries.js");
    await expect(onWorkers(canaries, ["quick"], 100, 2, { seen })).rejects.toThrow("no space left");
    expect(heard).toBeLessThanOrEqual(2);
  });

  it("end the campaign with the reason when they cannot even load the scenarios", async () => {
    await expect(onWorkers(join(folder, "missing.mjs"), ["any"], 2, 2)).rejects.toThrow(/missing\.mjs/u);
  });
});

describe("varve campaign and replay", () => {
  it("agree on the hash of every seed, and keep to their exit statuses", () => {
    const { status, out } = varve("campaign", "create-write-fsync", "--seeds", "1..2", "--jobs", "2", "--json");
    const result = JSON.parse(out.trimEnd().split("\n").at(-1)!) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining([
        ...["seeds", "failures", "crashStates", "events", "marks", "hash", "simulatedSeconds", "wallSeconds"],
      ]),
    );
    expect(status).toBe((result["failures"] as Array<unknown>).length === 0 ? 0 : 1);
    const replayed = varve("replay", "create-write-fsync:2", "--json");
    const { hash } = JSON.parse(replayed.out) as { hash: string };
    expect((result["seedHashes"] as Record<string, string>)["create-write-fsync:2"]).toBe(hash);
  });

  it.each([
    ["campaign", "no-such-scenario"],
    ["campaign", "--seeds", "5..1"],
    ["replay", "no-such-scenario:1"],
    ["replay", "create-write-fsync"],
    ["replay", "create-write-fsync:-1"],
    ["mutants", "no-such-mutant"],
  ])("refuse what they do not know in one line: %s %s", (...args) => {
    const { status, out, errors } = varve(...args);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(errors).toMatch(/^varve: [^\n]+\n$/u);
  });
});

describe("threads that compress", () => {
  it("give what compressing here gives, each of them", async () => {
    const url = pathToFileURL(join(dist, "fuse", "compression-pool.js")).href;
    const { CompressionPool } = (await import(url)) as typeof Threads;
    const reports: Array<string> = [];
    const pool = new CompressionPool(2, (line) => reports.push(line));
    const pieces = Array.from({ length: 6 }, (_, salt) =>
      new Uint8Array(128 * 1024 - salt).map((__, at) => 97 + ((at * at + salt) % 23)),
    );
    const begun = pieces.map((piece) => pool.begin(piece, 3)!);
    const shrunk = await Promise.all(begun.map(({ result }) => Effect.runPromise(result)));
    expect(shrunk).toEqual(pieces.map((piece) => shrink(piece, 3)));
    for (const { end } of begun) end();
    expect(pool.outstanding).toBe(0);
    expect(reports).toEqual([]);
    pool.close();
  }, 60_000);

  it("compress for a pool, which reads what it wrote", () => {
    const { out } = varve("bench", "workers", "--scale", "4", "--json");
    const { workers } = (JSON.parse(out) as { workloads: Record<string, Record<string, { value: number }>> }).workloads;
    const stored = Object.entries(workers!).flatMap(([name, { value }]) => (name.startsWith("stored") ? [value] : []));
    expect(stored.length).toBeGreaterThan(1);
    expect(Math.min(...stored)).toBeGreaterThan(0);
  }, 60_000);
});

describe("mutants", () => {
  it.each(catalogue.map((mutant) => [mutant.id, mutant] as const))("%s fits the build exactly", (_id, mutant) => {
    const text = readFileSync(join(dist, mutant.file), "utf8");
    expect(applyEdits(text, mutant)).not.toBe(text);
  });

  it("name scenarios that exist", async () => {
    const { scenarios } = await import("../scenarios/index.ts");
    const known = new Set(scenarios.map(({ name }) => name));
    expect(catalogue.flatMap((mutant) => mutant.scenarios).filter((name) => !known.has(name))).toEqual([]);
  });

  it("are caught when the bug shows, and leave no trace of the copy", async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("varve-mutant-test-"));
    const mutant = {
      id: "test-fsync-without-writeback",
      breaks: "fsync does not write the file's data",
      file: "engine/fs/file.js",
      edits: catalogue.find(({ id }) => id === "fsync-without-writeback")!.edits,
      scenarios: ["create-write-fsync"],
    };
    const result = await runMutant(mutant, { budget: 20, jobs: 1 }, dist);
    expect(result).toMatchObject({ caught: true, scenario: "create-write-fsync" });
    expect(result!.seeds).toBeLessThanOrEqual(20);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("varve-mutant-test-"))).toEqual(before);
  }, 120_000);

  it("are not caught by a change that breaks nothing, nor by a build that does not run", async () => {
    const harmless = {
      id: "test-harmless",
      breaks: "nothing",
      file: "harness/noasync.js",
      edits: [{ find: "const saved", replace: "let saved" }],
      scenarios: ["create-write-fsync"],
    };
    expect(await runMutant(harmless, { budget: 2, jobs: 1 }, dist)).toMatchObject({ caught: false, seeds: 2 });
    const broken = { ...harmless, id: "test-broken", edits: [{ find: "const saved", replace: "const const saved" }] };
    const result = await runMutant(broken, { budget: 2, jobs: 1 }, dist);
    expect(result).toMatchObject({ caught: false, seeds: 0 });
    expect(result!.message).toContain("it ended with 1");
  }, 120_000);

  it("are given up when they are told to end, and leave no trace of the copy", async () => {
    const harmless = {
      id: "test-without-end",
      breaks: "nothing",
      file: "harness/noasync.js",
      edits: [{ find: "const saved", replace: "let saved" }],
      scenarios: ["create-write-fsync"],
    };
    const ending = new AbortController();
    const copies = (): Array<string> => readdirSync(tmpdir()).filter((name) => name.startsWith("varve-mutant-test-w"));
    const running = runMutant(harmless, { budget: 1_000_000, jobs: 1, signal: ending.signal }, dist);
    expect(copies()).toHaveLength(1);
    setTimeout(() => ending.abort(), 1500);
    expect(await running).toBeUndefined();
    expect(copies()).toEqual([]);
  }, 120_000);

  it("are not caught by a seed that the build without them fails too", async () => {
    // A build in which something is broken already.
    const other = join(folder, "broken");
    mkdirSync(other);
    const rotten = spawnSync("cp", ["-r", dist, join(other, "dist")]);
    expect(rotten.status).toBe(0);
    symlinkSync(join(sources, "node_modules"), join(other, "node_modules"));
    writeFileSync(join(other, "package.json"), readFileSync(join(sources, "package.json")));
    const { edits, file } = catalogue.find(({ id }) => id === "fsync-without-writeback")!;
    const path = join(other, "dist", file);
    const text = readFileSync(path, "utf8");
    writeFileSync(
      path,
      edits.reduce((before, { find, replace }) => before.replace(find, replace), text),
    );
    const harmless = {
      id: "test-on-broken",
      breaks: "nothing",
      file: "harness/noasync.js",
      edits: [{ find: "const saved", replace: "let saved" }],
      scenarios: ["create-write-fsync"],
    };
    const result = await runMutant(harmless, { budget: 2, jobs: 1 }, join(other, "dist"));
    expect(result!.caught).toBe(false);
    expect(result!.message).toContain("fail without it too");
  }, 120_000);
});

describe("a failing seed on a build with a planted bug", () => {
  it("is shrunk to a few operations that fail with the bug, pass without it, and come out the same again", () => {
    const shrink = (out: string): Record<string, unknown> => {
      const bug = ["--mutant", "flush-skipped"];
      const ended = varve(
        "replay",
        "create-write-fsync:1",
        "--shrink",
        "--out",
        out,
        "--budget",
        "120",
        "--json",
        ...bug,
      );
      expect(ended.status).toBe(1);
      return JSON.parse(ended.out) as Record<string, unknown>;
    };
    const first = shrink("short.ts");
    expect(first["operationsBefore"]).toBeGreaterThan(40);
    expect(first["operations"]).toBeLessThanOrEqual(8);
    const text = readFileSync(join(folder, "short.ts"), "utf8");
    expect(text.match(/^ +\{\s+kind: /gmu)).toHaveLength(first["operations"] as number);
    shrink("again.ts");
    expect(readFileSync(join(folder, "again.ts"), "utf8")).toBe(text);
    const broken = varve("replay", "./short.ts:1", "--mutant", "flush-skipped", "--json");
    expect(broken.status).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({ failure: first["failure"] });
    expect(varve("campaign", "./short.ts", "--seeds", "1..4", "--jobs", "1", "--json").status).toBe(0);
  }, 300_000);
});

describe("scenarios in a file of the user", () => {
  const example = readFileSync(join(sources, "docs", "simulation.md"), "utf8");
  const exampleFile = (name: string): string =>
    new RegExp(`\`\`\`ts\n// ${name}\n([\\s\\S]*?)\`\`\``, "u").exec(example)![1]!;
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  it("run as the page on simulation shows it, with the same hash on workers, in a replay and in a test", () => {
    put("my-scenario.ts", exampleFile("my-scenario.ts"));
    const campaign = varve("campaign", "./my-scenario.ts", "--seeds", "1..3", "--jobs", "2", "--json");
    expect(campaign.status).toBe(0);
    const { seedHashes } = JSON.parse(campaign.out.trimEnd().split("\n").at(-1)!) as {
      readonly seedHashes: Readonly<Record<string, string>>;
    };
    const replayed = varve("replay", "./my-scenario.ts:2", "--json");
    expect(JSON.parse(replayed.out)).toMatchObject({ scenario: "mailbox", hash: seedHashes["mailbox:2"] });
    expect(varve("replay", "./my-scenario.ts:mailbox:2", "--json").out).toBe(replayed.out);
    put("my-scenario.test.ts", exampleFile("my-scenario.test.ts").replace("seeds: 20", "seeds: 2"));
    const vitest = join(sources, "node_modules", "vitest", "vitest.mjs");
    const suite = spawnSync(process.execPath, [vitest, "run", "my-scenario.test.ts"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect({ status: suite.status, said: suite.stdout }).toMatchObject({
      status: 0,
      said: expect.stringContaining("1 passed") as string,
    });
  }, 120_000);

  it("meet the engine that runs, and say by their file how to see a failure again", () => {
    put(
      "engine.ts",
      `import * as Effect from "effect/Effect";
       import { FsError } from "varve/engine";
       import { tiny } from "./tiny.ts";
       const name: Uint8Array = new TextEncoder().encode("none");
       export const meets = tiny("meets", ({ filesystem }) =>
         Effect.flatMap(Effect.flip(filesystem.rmdir(1, name)), (error) =>
           error instanceof FsError ? Effect.void : Effect.die("another engine")));
       export const fails = tiny("fails", () => Effect.die("as it should"));`,
    );
    put(
      "tiny.ts",
      `import type { Program, Scenario } from "varve/harness";
       const zones = undefined;
       const geometry = { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones };
       const crash = { statesMax: 1, pointShare: 1, recoveryShare: 0 };
       const tolerance = { noSpace: false, reasons: [] };
       export const tiny = (name: string, client: Program): Scenario =>
         ({ name, summary: "", plan: () => ({ geometry, tolerance, crash, clients: [client] }) });`,
    );
    expect(varve("replay", "engine.ts:meets:1").status).toBe(0);
    const { status, out } = varve("campaign", "engine.ts", "--seeds", "1", "--jobs", "1");
    expect(status).toBe(1);
    expect(out).toContain("replay engine.ts:fails:1\n");
    expect(varve("replay", "engine.ts:fails:1")).toMatchObject({
      status: 1,
      out: expect.stringContaining("as it should") as string,
    });
    expect(varve("campaign", "engine.ts:meets", "--seeds", "1", "--jobs", "1").status).toBe(0);
  });

  it("may be JavaScript, and leave nothing behind", () => {
    const left = (): ReadonlyArray<string> =>
      readdirSync(tmpdir()).filter((name) => name.startsWith("varve-scenario-"));
    const before = left();
    put("plain.mjs", `export { quick as default } from ${JSON.stringify(join(dist, "harness", "canaries.js"))};`);
    expect(varve("replay", "./plain.mjs:1").status).toBe(0);
    expect(left()).toEqual(before);
  });

  it.each([
    ["./missing.ts", undefined, 2, /^varve: \.\/missing\.ts: no such file\n$/u],
    ["./none.ts", "export const notes = { name: 'none' };", 2, /^varve: \.\/none\.ts exports no scenario: [^\n]+\n$/u],
    ["./wrong.ts", "export const = 1;", 3, /^varve: wrong\.ts:1:14: [^\n]+\n$/u],
    ["./throws.ts", "throw new Error('not today');", 3, /^varve: \.\/throws\.ts cannot be loaded: not today\n$/u],
    ["./lost.ts", "import './nowhere.ts';", 3, /^varve: lost\.ts:1:8: [^\n]*nowhere[^\n]*\n$/u],
    [
      "./twice.ts",
      "const s = { name: 'a', summary: '', plan: () => {} }; export const all = [s, { ...s }];",
      2,
      /^varve: \.\/twice\.ts has two scenarios of the name "a"\n$/u,
    ],
  ])("are refused in one line when there is something wrong: %s", (file, text, status, said) => {
    if (text !== undefined) put(file, text);
    for (const args of [
      ["replay", `${file}:1`],
      ["campaign", file],
    ]) {
      const ended = varve(...args);
      expect({ status: ended.status, out: ended.out }).toEqual({ status, out: "" });
      expect(ended.errors).toMatch(said);
    }
  });
});
