import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildOf, ownBuild } from "./build.ts";
import { takeLock } from "./lock.ts";
import { parseCorpus, readCorpus, writeCorpus } from "./state-file.ts";
import { type CorpusState, startState } from "./state.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-corpus-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const full: CorpusState = {
  next: { a: 7, "zoned/a": 3 },
  corpus: [{ scenario: "a", seed: 2, marks: ["x", "y"], durationMs: 12, build: "1" }],
  failing: [{ scenario: "a", seed: 1, message: "bad\nvery", replay: "varve replay a:1", build: "1", passes: false }],
  counts: { "1": { a: { seeds: 6, crashStates: 60, failures: 1 } } },
};

describe("a corpus in a file", () => {
  it("is read as it was written, and nothing is left beside it", () => {
    const path = join(folder, "corpus.json");
    expect(readCorpus(path)).toBeUndefined();
    for (const state of [startState, full]) {
      writeCorpus(path, state);
      expect(readCorpus(path)).toEqual(state);
      expect(existsSync(`${path}.new`)).toBe(false);
    }
  });

  const told = (): Record<string, unknown> => ({ version: 1, ...structuredClone(full) });

  it.each<[string, (state: Record<string, unknown>) => void, string]>([
    ["another version", (state) => (state["version"] = 2), "version is not 1"],
    ["no seeds", (state) => delete state["next"], "next is not an object"],
    ["a list for an object", (state) => (state["next"] = []), "next is not an object"],
    ["a seed below none", (state) => (state["next"] = { a: -1 }), 'next["a"] is not a count'],
    ["a seed that is too large", (state) => (state["next"] = { a: 2 ** 32 }), 'next["a"] is not a seed'],
    ["half a seed", (state) => (state["next"] = { a: 1.5 }), 'next["a"] is not a count'],
    ["no list", (state) => (state["corpus"] = {}), "corpus is not a list"],
    ["an entry without marks", (state) => (state["corpus"] = [{}]), "corpus[0].marks is not a list"],
    [
      "a mark twice",
      (state) => (state["corpus"] = [{ ...full.corpus[0], marks: ["x", "x"] }]),
      "corpus[0].marks is not a list without repetition",
    ],
    [
      "a failure that may pass",
      (state) => (state["failing"] = [{ ...full.failing[0], passes: 1 }]),
      "failing[0].passes is not true or false",
    ],
    [
      "a failure without words",
      (state) => (state["failing"] = [{ ...full.failing[0], message: null }]),
      "failing[0].message is not a text",
    ],
    [
      "counts that count nothing",
      (state) => (state["counts"] = { "1": { a: 5 } }),
      'counts["1"]["a"] is not an object',
    ],
  ])("is refused with %s", (_what, change, message) => {
    const state = told();
    change(state);
    expect(() => parseCorpus(JSON.stringify(state))).toThrow(message);
  });

  it("is refused when it was cut anywhere, or is no JSON", () => {
    const text = JSON.stringify(told());
    expect(parseCorpus(text)).toEqual(full);
    for (let length = 0; length < text.length; length++) expect(() => parseCorpus(text.slice(0, length))).toThrow();
    expect(() => parseCorpus("null")).toThrow("it is not an object");
  });
});

describe("a lock", () => {
  it("is had by one process at a time, and taken over from one that is gone", () => {
    const path = join(folder, "lock");
    writeFileSync(path, `${process.ppid}\n`);
    expect(takeLock(path)).toBe(process.ppid);
    // No process has such a number.
    for (const left of ["4194305\n", "", "what?"]) {
      writeFileSync(path, left);
      const unlock = takeLock(path);
      expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
      (unlock as () => void)();
      expect(existsSync(path)).toBe(false);
    }
  });
});

describe("a build", () => {
  it("is told by version and modules, not by what lies beside them", () => {
    for (const name of ["devices", "engine", "harness", "scenarios", "cli"]) mkdirSync(join(folder, name));
    const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
    write("engine/a.js", "1");
    const first = buildOf("0.1.0", folder, ".js");
    expect(first).toMatch(/^0\.1\.0\+[0-9a-f]{12}$/u);
    write("engine/a.js.map", "2");
    write("cli/a.js", "3");
    expect(buildOf("0.1.0", folder, ".js")).toBe(first);
    expect(buildOf("0.2.0", folder, ".js")).not.toBe(first);
    write("engine/a.js", "4");
    const changed = buildOf("0.1.0", folder, ".js");
    write("engine/b.js", "");
    const more = buildOf("0.1.0", folder, ".js");
    expect(new Set([first, changed, more, buildOf("0.1.0", folder, ".js", [join(folder, "cli/a.js")])]).size).toBe(4);
  });

  it("of these sources is the same each time", () => {
    expect(ownBuild("1")).toBe(ownBuild("1"));
  });
});
