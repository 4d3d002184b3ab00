/**
 * A seed of every scenario, so that none is broken without anybody noticing; campaigns do the rest.
 */
import { describe, expect, test } from "vitest";
import { runSeed } from "../harness/run.ts";
import { scenarioNamed, scenarios } from "./index.ts";

const SEED = 1;
/** Of all scenarios together: a seed that never syncs may write nothing that a crash could tear. */
let crashStates = 0;

describe("scenarios", () => {
  test("have names of their own, and each story is told on both kinds of disk", () => {
    const names = scenarios.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const onZones = names.filter((name) => name.startsWith("zoned/"));
    expect(onZones.map((name) => name.slice("zoned/".length))).toEqual(names.filter((name) => !onZones.includes(name)));
    expect(scenarioNamed("zoned/sparse")?.summary).toContain("on a zoned disk");
    expect(scenarioNamed("nothing")).toBeUndefined();
  });

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s passes a seed", (_name, scenario) => {
    const result = runSeed(scenario, SEED);
    expect(result.failure?.message).toBeUndefined();
    crashStates += result.crashStates;
  });

  test("take crash states, though not each in every seed", () => {
    expect(crashStates).toBeGreaterThan(scenarios.length * 5);
  });

  test.each(["concurrent-mixed", "zoned/crash-in-recovery"])(
    "%s gives the same hash twice, and another for another seed",
    (name) => {
      const scenario = scenarioNamed(name)!;
      const { hash } = runSeed(scenario, SEED + 1);
      expect(runSeed(scenario, SEED + 1).hash).toBe(hash);
      expect(runSeed(scenario, SEED + 2).hash).not.toBe(hash);
    },
  );
});
