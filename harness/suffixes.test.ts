import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Program, Scenario } from "./scenario.ts";
import { whereItWentWrong } from "./suffixes.ts";

/** Draws a lot, says so by an operation, and fails much later if it was a bad one. */
const unlucky: Program = ({ random, filesystem }) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 20; turn++) yield* Effect.sleep(1);
    const bad = random.chance(0.5);
    yield* filesystem.statfs;
    for (let turn = 0; turn < 20; turn++) yield* Effect.sleep(1);
    if (bad) return yield* Effect.die(new Error("a bad lot"));
    return undefined;
  });

const scenario: Scenario = {
  name: "unlucky",
  summary: "fails by a draw",
  plan: () => ({
    geometry: {
      capacityBytes: 8 * 1024 * 1024,
      blockBytes: 4096,
      atomicWriteBytes: 4096,
      rotational: false,
      zones: undefined,
    },
    tolerance: { noSpace: false, reasons: [] },
    clients: [unlucky],
    crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 },
  }),
};

describe("where a run went wrong", () => {
  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
  const options = { points: 8, suffixes: 12 };
  const results = seeds.map((seed) => whereItWentWrong(scenario, seed, options));
  const failing = results.find((result) => result !== undefined)!;

  it("is nowhere in a run that passes", () => {
    expect(results.filter((result) => result === undefined).length).toBeGreaterThan(0);
  });

  it("is where the share of failing suffixes rises: at the draw, not where it shows", () => {
    const { points, suffixes, steps } = failing;
    expect(suffixes).toBe(12);
    expect(points[0]!.failed).toBeLessThan(12);
    expect(points[0]!.failed).toBeGreaterThan(0);
    expect(points.at(-1)).toMatchObject({ step: steps, failed: 12 });
    const decided = points.findIndex(({ failed }) => failed === 12);
    expect(points.slice(0, decided).every(({ failed }) => failed < 12)).toBe(true);
    expect(points.slice(decided).every(({ failed }) => failed === 12)).toBe(true);
    expect(points[decided]!.step - points[decided - 1]!.step).toBe(1);
    expect(points[decided]!.step).toBeLessThan(steps * 0.8);
  });

  it("comes out the same each time", () => {
    const seed = seeds[results.indexOf(failing)]!;
    expect(whereItWentWrong(scenario, seed, options)).toEqual(failing);
  });
});
