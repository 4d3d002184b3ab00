/**
 * The registry: every scenario has a name of its own, a plan that its seed alone decides, and a zoned twin.
 */
import { describe, expect, it } from "vitest";
import { Entropy } from "../harness/entropy.ts";
import { runSeed } from "../harness/run.ts";
import { crashCases } from "./crash-cases.ts";
import { scenarioNamed, scenarios } from "./index.ts";

describe("scenarios", () => {
  it("have names of their own, each also on a zoned disk but for the scripts", () => {
    const names = scenarios.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const drawn = names.filter((name) => !name.startsWith("zoned/") && !name.startsWith("regressions/"));
    for (const name of drawn) expect(names).toContain(`zoned/${name}`);
    expect(scenarioNamed("zoned/sparse")?.summary).toContain("zoned");
    expect(scenarioNamed("no such thing")).toBeUndefined();
  });

  it.each(scenarios)("$name plans by its seed alone", ({ name, plan }) => {
    const planned = [1, 1, 2].map((seed) => JSON.stringify(plan(new Entropy(`${name}:${seed}`))));
    expect(planned[0]).toBe(planned[1]);
    const isZoned = plan(new Entropy("any")).geometry.zones !== undefined;
    expect(isZoned).toBe(name.startsWith("zoned/"));
  });

  it("of zones have some whose capacity is below their size", () => {
    const smaller = Array.from({ length: 20 }, (_, seed) => {
      const { zones } = scenarioNamed("zoned/everything")!.plan(new Entropy(String(seed))).geometry;
      return zones!.zoneCapacityBytes < zones!.zoneBytes;
    });
    expect(new Set(smaller)).toEqual(new Set([true, false]));
  });

  it.each(["crash-cases", "zoned/rename-replace", "concurrent-names"])("%s runs through with crash states", (name) => {
    const { failure, crashStates } = runSeed(scenarioNamed(name)!, 1);
    expect(failure).toBeUndefined();
    expect(crashStates).toBeGreaterThan(0);
  });

  it("tell each crash case in words of its own", () => {
    expect(new Set(crashCases.map(({ title }) => title)).size).toBe(crashCases.length);
  });
});
