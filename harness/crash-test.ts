/**
 * A scenario as a test of the user's own suite: `crashTest` runs some of its seeds, and the first that fails is the
 * test's failure.
 *
 * The test runner is the user's: its `test` is passed in, or found as a global, or else taken from vitest, which is
 * imported only then. A seed runs in one piece on virtual time and leaves nothing behind.
 */
import { runSeed } from "./run.ts";
import type { AnyScenario } from "./store/device-scenario.ts";

/** What every runner calls `test` or `it`. */
export type DefineTest = (name: string, body: () => void, timeoutMs?: number) => unknown;

export interface CrashTestOptions {
  /** Seeds 1 to this number, or a range of them; 20 unless told. */
  readonly seeds?: number | { readonly from: number; readonly to: number };
  /** For all the seeds together; five minutes unless told. */
  readonly timeoutMs?: number;
  /** Of the runner; that of vitest unless told. */
  readonly test?: DefineTest;
}

const SEEDS_DEFAULT = 20;
const TIMEOUT_MS_DEFAULT = 300_000;

async function vitestTest(): Promise<DefineTest> {
  try {
    const { test } = await import("vitest");
    return test;
  } catch (error) {
    throw new Error("crashTest needs vitest, or the `test` of another runner as its option", { cause: error });
  }
}

/**
 * Defines a test that runs the seeds of a scenario. Await it at the top of the test file, unless `test` is passed in
 * or a global.
 */
export async function crashTest(name: string, scenario: AnyScenario, options: CrashTestOptions = {}): Promise<void> {
  const { seeds = SEEDS_DEFAULT, timeoutMs = TIMEOUT_MS_DEFAULT } = options;
  const { from, to } = typeof seeds === "number" ? { from: 1, to: seeds } : seeds;
  if (!(from >= 0 && to >= from)) throw new Error(`crashTest: no seeds from ${from} to ${to}`);
  const found = options.test ?? (globalThis as { readonly test?: DefineTest }).test;
  const define = found ?? (await vitestTest());
  define(
    name,
    () => {
      for (let seed = from; seed <= to; seed++) {
        const { failure } = runSeed(scenario, seed);
        if (failure === undefined) continue;
        throw new Error(`seed ${seed} of ${scenario.name} failed (${failure.where}): ${failure.message}`);
      }
    },
    timeoutMs,
  );
}
