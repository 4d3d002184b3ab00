/**
 * What can only be seen on a build: worker threads, the command line, planted bugs. It is built once, into a folder of
 * its own.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { catalogue } from "../mutants/catalogue.ts";
import { buildMutant } from "../mutants/run.ts";
import { alphabetOf } from "./alphabet.ts";
import { startState } from "./progress.ts";
import { writeState } from "./state-file.ts";
import { buildApart, type Ended, runBuilt } from "../test-build.ts";

let folder = "";
let dist = "";

beforeAll(() => {
  ({ folder, dist } = buildApart("explore-built"));
}, 240_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const varve = (root: string, ...args: ReadonlyArray<string>): Ended => runBuilt(root, folder, ["explore", ...args]);

interface Told {
  readonly sequences: number;
  readonly complete: boolean;
  readonly hash: string;
  readonly failures: ReadonlyArray<{ readonly index: number; readonly sequence: string; readonly replay: string }>;
}

function told(out: string): Told {
  return JSON.parse(out.trimEnd().split("\n").at(-1)!) as Told;
}

describe("varve explore", () => {
  it("gives the same counts and hash however many workers there are, and says how long it took", () => {
    const results = ["1", "3"].map((jobs) => varve(dist, "--operations", "1", "--jobs", jobs, "--json"));
    expect(results.map(({ status, errors }) => (status === 0 ? "" : errors))).toEqual(["", ""]);
    const [first, second] = results.map(({ out }) => ({ ...told(out), wallSeconds: 0 }));
    expect(second).toEqual(first);
    expect(first).toMatchObject({ operations: 1, sequences: 28, complete: true, failures: [] });
  }, 240_000);

  it("stops cleanly when interrupted, and goes on from its file to the same end", async () => {
    const whole = told(varve(dist, "--operations", "1", "--zoned", "--json").out);
    const file = join(folder, "state.json");
    const args = ["--operations", "1", "--zoned", "--jobs", "1", "--json", "--resume", file];
    const command = [join(dist, "cli", "varve.js"), "explore", ...args];
    const child = spawn(process.execPath, command, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    // The first line of progress comes when a second has gone by and a sequence is through.
    child.stderr.once("data", () => child.kill("SIGINT"));
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).toBe(0);
    const part = told(out);
    const kept = JSON.parse(readFileSync(file, "utf8")) as { next: number; hash: string };
    expect(kept).toMatchObject({ next: part.sequences, hash: part.hash });
    expect(existsSync(`${file}.new`)).toBe(false);
    const rest = told(varve(dist, ...args).out);
    expect({ ...rest, wallSeconds: 0 }).toEqual({ ...whole, wallSeconds: 0 });
  }, 240_000);

  it("shows one sequence by its number and by its operations", () => {
    const byNumber = varve(dist, "--only", "20", "--json");
    const byText = varve(dist, "--only", "rename /foo /A/foo", "--json");
    const { index, ...rest } = JSON.parse(byNumber.out) as Record<string, unknown>;
    expect(index).toBe(20);
    expect(rest).toMatchObject({
      sequence: "rename /foo /A/foo",
      setup: expect.arrayContaining(["mkdir /A"]) as unknown,
    });
    expect(JSON.parse(byText.out)).toEqual(rest);
    const full = varve(dist, "--only", "rename /A /B; fsync /B", "--alphabet", "full");
    expect(full.status).toBe(0);
    expect(full.out).toContain("No failure.");
  }, 240_000);

  it.each([
    ["--operations", "0"],
    ["--operations", "4"],
    ["--alphabet", "huge"],
    ["--only", "fly /foo"],
    ["--only", "unlink /foo; unlink /foo"],
    ["--only", "99999999999"],
  ])("refuses what it does not know in one line: %s %s", (...args) => {
    const { status, out, errors } = varve(dist, ...args);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(errors).toMatch(/^varve: [^\n]+\n$/u);
  });
});

describe("a planted bug", () => {
  it.each([
    ["flush-skipped", "1", 0],
    ["fsync-without-writeback", "1", 0],
    ["truncate-keeps-bytes", "1", 0],
    // By "link /foo /bar; unlink /foo"; all sequences before it take half a minute and find nothing.
    ["link-count-kept", "2", 700],
  ])(
    "is found: %s, by sequences of %s",
    (id, operations, next) => {
      const root = buildMutant(
        catalogue.find((mutant) => mutant.id === id)!,
        dist,
      );
      try {
        const mutated = join(root, "dist");
        const file = join(root, "state.json");
        writeState(file, { ...startState(alphabetOf("small"), "conventional"), next });
        const args = ["--operations", operations, "--resume", file, "--stop", "--jobs", "1", "--json"];
        const { status, out, errors } = varve(mutated, ...args);
        expect(status, errors).toBe(1);
        const { failures } = told(out);
        const [first] = failures;
        expect(first!.replay).toBe(`varve explore --only ${first!.index}`);
        // The replay fails on the same build, and passes on the one without the bug.
        const again = varve(mutated, "--only", String(first!.index));
        expect(again.status).toBe(1);
        expect(again.out).toContain("crash at");
        expect(varve(dist, "--only", String(first!.index)).status).toBe(0);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
    240_000,
  );
});
