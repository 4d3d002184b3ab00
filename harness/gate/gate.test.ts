import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Gate, MARGIN, WANTED_MIN, whyUndeclared } from "./gate.ts";
import { RATES, UNREACHED } from "./marks.ts";

const engine = fileURLToPath(new URL("../../engine", import.meta.url));

/** The texts in each call of `reached`, also in those that choose between several. */
function marksIn(source: string): Array<string> {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gmu, "");
  return [...code.matchAll(/(?<!function )\breached\(([^;]*?)\);/gu)].flatMap(([, call]) => {
    const names = [...call!.matchAll(/"([^"]+)"/gu)].map(([, name]) => name!);
    if (names.length === 0) throw new Error(`a mark whose name is not in its call: reached(${call})`);
    return names;
  });
}

const inSources = (): Array<string> =>
  readdirSync(engine, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .flatMap((file) => marksIn(readFileSync(join(engine, file), "utf8")));

describe("the table of marks", () => {
  it("names the marks of the engine's sources, each once and no others", () => {
    const declared = [...Object.keys(RATES), ...Object.keys(UNREACHED)];
    expect(new Set(declared).size).toBe(declared.length);
    expect(declared.sort()).toEqual([...new Set(inSources())].sort());
  });

  it("asks for something of each mark, and says why where it asks for nothing", () => {
    for (const [name, rate] of Object.entries(RATES)) {
      expect(rate, name).toBeGreaterThan(0);
      expect(rate, name).toBeLessThanOrEqual(1000 / MARGIN);
    }
    for (const [name, reason] of Object.entries(UNREACHED)) expect(reason.length, name).toBeGreaterThan(10);
  });

  it("is compared with calls, not with comments or the function itself", () => {
    const text = `
      /** As in reached("comment"). */
      // reached("line");
      export function reached(name: string): void {}
      reached(
        full ? "one" : "other",
      );
      if (a) reached("third");`;
    expect(marksIn(text)).toEqual(["one", "other", "third"]);
    expect(() => marksIn("reached(name);")).toThrow(/not in its call/u);
  });
});

/** A gate that was told of `seeds` seeds, the first of which reach what `reach` says. */
function gateOf(rates: Record<string, number>, seeds: number, reach: Record<string, number>): Gate {
  const gate = new Gate(rates);
  for (let seed = 0; seed < seeds; seed++) {
    const reached = Object.entries(reach).filter(([, count]) => seed < count);
    gate.take({ marks: Object.fromEntries(reached.map(([name]) => [name, 3])) });
  }
  return gate;
}

describe("the gate", () => {
  it("misses a mark that fewer seeds reach than its rate says, and counts seeds, not hits", () => {
    const verdict = gateOf({ often: 100, seldom: 100 }, 200, { often: 20, seldom: 19 }).verdict(1);
    expect(verdict).toMatchObject({ judged: 2, missed: [{ name: "seldom", found: 19, wanted: 20 }] });
  });

  it("misses a mark that no seed reached", () => {
    expect(gateOf({ never: 50 }, 200, {}).verdict(1).missed).toEqual([{ name: "never", found: 0, wanted: 10 }]);
  });

  it("judges a mark only when enough seeds are wanted of it", () => {
    expect(gateOf({ rare: 10 }, 699, {}).verdict(1)).toMatchObject({ judged: 0, declared: 1, missed: [] });
    expect(gateOf({ rare: 10 }, 700, {}).verdict(1)).toMatchObject({ judged: 1, missed: [{ wanted: 7 }] });
  });

  it("counts whole rounds over the scenarios, so that those at the end of a round are not missed", () => {
    // 150 seeds of 100 scenarios: only the first 100 are of all scenarios alike.
    expect(gateOf({ late: 100 }, 150, { late: 10 }).verdict(100).missed).toEqual([]);
    expect(gateOf({ late: 100 }, 99, {}).verdict(100)).toMatchObject({ judged: 0, missed: [] });
  });

  it("names marks that are reached without a rate, and says why they have none", () => {
    expect(gateOf({ known: 1 }, 3, { known: 3, other: 1 }).verdict(1).undeclared).toEqual(["other"]);
    expect(whyUndeclared("other")).toBe("it is not in the table");
    for (const [name, reason] of Object.entries(UNREACHED)) expect(whyUndeclared(name)).toContain(reason);
  });

  it("errs less than once in a million: a mark as frequent as measured is hardly ever below its rate", () => {
    /** Chance that a Poisson distribution of this mean gives fewer than `wanted`. */
    const chanceBelow = (wanted: number, mean: number): number => {
      let [term, sum] = [Math.exp(-mean), 0];
      for (let count = 0; count < wanted; count++) {
        sum += term;
        term *= mean / (count + 1);
      }
      return sum;
    };
    for (let wanted = WANTED_MIN; wanted < 150; wanted++) {
      expect(chanceBelow(wanted, MARGIN * wanted)).toBeLessThan(1e-6);
    }
    expect(chanceBelow(WANTED_MIN - 1, MARGIN * (WANTED_MIN - 1))).toBeGreaterThan(1e-6);
  });
});
