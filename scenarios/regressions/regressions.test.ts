/**
 * Each script passes, and fails on a build in which its bug is planted again.
 */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pastMutants } from "../../harness/mutants/past.ts";
import { runMutant } from "../../harness/mutants/run.ts";
import { runSeed } from "../../harness/run.ts";
import { RECORDED_SEED } from "../../harness/shrink/script.ts";
import { buildApart } from "../../harness/test-build.ts";
import { regressions } from "./index.ts";

let folder = "";
let dist = "";

beforeAll(() => {
  ({ folder, dist } = buildApart("regressions"));
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

describe("a script of a bug that was found once", () => {
  it.each(regressions)("$name passes, in few crash states", (scenario) => {
    for (const seed of [RECORDED_SEED, RECORDED_SEED + 1]) {
      const { failure, crashStates } = runSeed(scenario, seed);
      expect(failure).toBeUndefined();
      expect(crashStates).toBeLessThan(100);
    }
  });

  it("is there for each bug that is planted again, and the other way round", () => {
    const named = pastMutants.flatMap((mutant) => mutant.scenarios);
    expect([...named].sort()).toEqual(regressions.map(({ name }) => name).sort());
  });

  it.each(pastMutants)(
    "fails on one of its first seeds when $id is planted",
    async (mutant) => {
      // The engine may do its I/O in another order by now; then it takes some of the other seeds.
      const result = await runMutant(mutant, { budget: 60, jobs: 1 }, dist);
      expect(result?.caught).toBe(true);
    },
    120_000,
  );
});
