/**
 * What can only be seen on a build: worker threads, the laboratory's command line, mutants. It is built once, into a
 * folder of its own, so that a `dist/` that is in use stays as it is.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type * as Campaign from "./campaign.ts";
import { catalogue } from "./mutants/catalogue.ts";
import { applyEdits } from "./mutants/mutant.ts";
import { runMutant } from "./mutants/run.ts";

const sources = fileURLToPath(new URL("..", import.meta.url));
let folder = "";
let dist = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-built-"));
  dist = join(folder, "dist");
  symlinkSync(join(sources, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), readFileSync(join(sources, "package.json")));
  const compiler = join(sources, "node_modules", "typescript", "bin", "tsc");
  const built = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", dist], {
    cwd: sources,
    encoding: "utf8",
  });
  expect(built.stdout).toBe("");
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
}

function varve(...args: ReadonlyArray<string>): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(dist, "cli", "varve.js"), ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, out: stdout, errors: stderr };
}

/** A campaign on workers of the build, with scenarios of this module. */
async function onWorkers(
  module: string,
  names: ReadonlyArray<string>,
  to: number,
  jobs: number,
): Promise<Campaign.CampaignResult> {
  const { runCampaign } = (await import(pathToFileURL(join(dist, "harness", "campaign.js")).href)) as typeof Campaign;
  return runCampaign({
    registry: { url: pathToFileURL(module).href, scenarios: [] },
    names,
    seeds: { from: 1, to },
    jobs,
    verifyShare: 0.5,
  });
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
    const module = join(folder, "deadly.mjs");
    const canaries = pathToFileURL(join(dist, "harness", "canaries.js")).href;
    writeFileSync(
      module,
      `import { quick } from ${JSON.stringify(canaries)};
       const plan = (entropy) => (entropy.seed === "deadly:2" ? process.exit(7) : quick.plan(entropy));
       export const scenarios = [{ ...quick, name: "deadly", plan }];`,
    );
    const { seeds, failures } = await onWorkers(module, ["deadly"], 4, 1);
    expect(seeds).toBe(4);
    expect(failures).toMatchObject([{ seed: 2, message: "it ended its worker: it exited" }]);
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
    expect(result.seeds).toBeLessThanOrEqual(20);
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
    expect(result.message).toContain("it ended with 1");
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
    const result = await runMutant(harmless, { budget: 4, jobs: 1 }, join(other, "dist"));
    expect(result.caught).toBe(false);
    expect(result.message).toContain("fail without it too");
  }, 120_000);
});
