/** What is kept of a campaign is read back as it was, and nothing else is taken for it. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CampaignLog, type CampaignTerms, type KeptResult } from "./campaign-log.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-campaign-log-"));
  path = join(folder, "kept");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const terms: CampaignTerms = { build: "1+abc", from: 1, to: 100, verifyShare: 0.5, scenarios: ["a", "z/ü"] };

const kept = (scenario: string, seed: number, changes: Partial<KeptResult["result"]> = {}): KeptResult => ({
  result: {
    scenario,
    seed,
    hash: `hash ${seed}`,
    events: 10 * seed,
    crashStates: seed,
    equalStates: 1,
    simulatedMs: 0.25 + seed,
    marks: { first: seed, [`of ${scenario}`]: 1 },
    failure: undefined,
    ...changes,
  },
  twice: seed % 2 === 0,
  wallMs: seed,
});

/** Opens, appends and closes; returns what was there. */
function through(results: ReadonlyArray<KeptResult>, with_ = terms): ReadonlyArray<KeptResult> {
  const log = CampaignLog.open(path, with_);
  const earlier = [...log.earlier];
  for (const each of results) log.append(each);
  log.close();
  return earlier;
}

const failure = { where: "crash", message: "two\nlines — and ü" } as const;
const some = [kept("a", 1), kept("z/ü", 100), kept("a", 7, { failure, marks: {} })];
const more = [kept("z/ü", 2, { marks: { new: 3, first: 1 } })];

describe("results that are kept", () => {
  it("are read back as they were, whenever they were added", () => {
    expect(through(some)).toEqual([]);
    expect(through(more)).toEqual(some);
    expect(through([])).toEqual([...some, ...more]);
  });

  it("are read in pieces, however long they are", () => {
    const many = Array.from({ length: 100 }, (_, index) =>
      kept("a", index + 1, { failure: { where: "run", message: "ü".repeat(20_000 + index) } }),
    );
    through(many);
    expect(statSync(path).size).toBeGreaterThan(3 * 1024 * 1024);
    const back = through([]);
    expect(back.length).toBe(many.length);
    expect(back.every(({ result }, index) => result.failure!.message === many[index]!.result.failure!.message)).toBe(
      true,
    );
  });

  it("are whole but for the last, wherever a kill cut the file", () => {
    through(some);
    const whole = readFileSync(path);
    const ends = [...whole.keys()].filter((at) => whole[at] === 0x0a);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const back = through(more);
      expect(back).toEqual(some.slice(0, back.length));
      if (length === whole.length) expect(back.length).toBe(some.length);
      expect(through([])).toEqual([...back, ...more]);
      // What was cut off is gone from the file too.
      const start = ends.findLast((end) => end < length) ?? -1;
      if (start >= 0)
        expect(
          readFileSync(path)
            .subarray(0, start + 1)
            .equals(whole.subarray(0, start + 1)),
        ).toBe(true);
    }
  });

  it.each([
    ["build", { build: "1+other" }, "begun by build 1+abc, and this is 1+other"],
    ["first seed", { from: 2 }, "--seeds 1..100"],
    ["last seed", { to: 99 }, "--seeds 1..100"],
    ["share", { verifyShare: 1 }, "--verify 0.5"],
    ["scenarios", { scenarios: ["a"] }, "other scenarios"],
  ])("are not those of another %s, and then nothing changes", (_, changes, said) => {
    through(some);
    appendFileSync(path, "cut sho");
    const before = readFileSync(path, "utf8");
    expect(() => CampaignLog.open(path, { ...terms, ...changes })).toThrow(said);
    expect(readFileSync(path, "utf8")).toBe(before);
  });

  it("are not believed unseen", () => {
    through(some);
    const [head, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n") as [string, ...Array<string>];
    const row = lines.find((line) => line.startsWith("["))!;
    const wrong = (text: string, said: string): void => {
      writeFileSync(path, `${text}\n`);
      expect(() => CampaignLog.open(path, terms)).toThrow(said);
      expect(readFileSync(path, "utf8")).toBe(`${text}\n`);
    };
    wrong("a shopping list", "line 1 is no JSON");
    wrong("{}", "it holds no campaign");
    wrong("null", "it holds no campaign");
    wrong(`${head}\n{`, "line 2 is no JSON");
    for (const line of ["{}", "null", "[]", "7", row.replace("0,1,", '0,"1",'), row.replace(",null]", ",7]")]) {
      wrong(`${head}\n${line}`, "line 2 tells no result");
    }
    wrong(`${head}\n${row}`, "line 2 has a mark without a name");
    wrong([head, ...lines, row].join("\n"), "it tells a:1 twice");
    wrong([head, ...lines, row.replace("[0,1,", "[2,1,")].join("\n"), "is of another campaign");
    wrong([head, ...lines, row.replace("[0,1,", "[0,101,")].join("\n"), "is of another campaign");
  });

  it("begin anew in a file that is empty", () => {
    writeFileSync(path, "");
    truncateSync(path);
    expect(through(some)).toEqual([]);
    expect(through([])).toEqual(some);
  });
});
