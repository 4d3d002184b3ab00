/**
 * Where a run went wrong: after each of some steps everything that follows is drawn by other seeds, and it is counted
 * how many of these suffixes fail in the same way.
 *
 * As long as the share stays low, the failure takes more bad luck; where it rises, something has happened after which it
 * is likely; where it is whole, the damage is done. Steps are those of the part in which the clients run; where the
 * share rises most, the steps in between are looked at more closely.
 */
import { runSeed, type SeedFailure } from "./run.ts";
import type { AnyScenario } from "./store/device-scenario.ts";
import { kindOf } from "./shrink/failure-kind.ts";
import { Trace } from "./trace.ts";

export interface SuffixOptions {
  /** Steps looked at in the first round. */
  readonly points: number;
  /** Suffixes tried after each. */
  readonly suffixes: number;
  readonly progress?: (done: number) => void;
}

export interface SuffixPoint {
  readonly step: number;
  readonly failed: number;
  /** What the trace says last before this step. */
  readonly event: string;
}

export interface WentWrong {
  readonly failure: SeedFailure;
  readonly steps: number;
  readonly suffixes: number;
  /** By step. */
  readonly points: ReadonlyArray<SuffixPoint>;
}

/** Rounds in which the steepest rise is cut into smaller pieces. */
const ROUNDS = 3;
const PIECES = 6;

/** Scheduling choices and timers tell nobody anything. */
const isTelling = (event: string): boolean => !/^[st] /u.test(event);

/** The last telling event before each step. */
function eventsBefore(scenario: AnyScenario, seed: number): { readonly events: Array<string>; failure?: SeedFailure } {
  const trace = new Trace(true);
  const events: Array<string> = [];
  let looked = 0;
  let last = "the beginning";
  const onStep = (step: number): void => {
    for (; looked < trace.recorded!.length; looked++) {
      if (isTelling(trace.recorded![looked]!)) last = trace.recorded![looked]!;
    }
    events[step] = last;
  };
  const { failure } = runSeed(scenario, seed, { trace, onStep });
  return failure === undefined ? { events } : { events, failure };
}

/** Undefined if the seed passes. */
export function whereItWentWrong(scenario: AnyScenario, seed: number, options: SuffixOptions): WentWrong | undefined {
  const { points, suffixes, progress } = options;
  const { events, failure } = eventsBefore(scenario, seed);
  if (failure === undefined) return undefined;
  const kind = kindOf(failure);
  const steps = events.length - 1;
  const counts = new Map<number, number>();
  let done = 0;
  const look = (step: number): void => {
    if (counts.has(step)) return;
    let failed = 0;
    for (let suffix = 1; suffix <= suffixes; suffix++) {
      const onStep = (at: number, reseed: (seed: number) => void): void => {
        if (at === step) reseed(suffix);
      };
      const result = runSeed(scenario, seed, { onStep });
      if (result.failure !== undefined && kindOf(result.failure) === kind) failed++;
      progress?.(++done);
    }
    counts.set(step, failed);
  };
  const cut = (from: number, to: number, pieces: number): void => {
    for (let piece = 0; piece <= pieces; piece++) look(Math.round(from + ((to - from) * piece) / pieces));
  };
  cut(1, steps, points);
  for (let round = 0; round < ROUNDS; round++) {
    const [from, to] = steepest(counts);
    if (to - from > 1) cut(from, to, Math.min(PIECES, to - from));
  }
  const found = [...counts].sort((a, b) => a[0] - b[0]);
  return {
    failure,
    steps,
    suffixes,
    points: found.map(([step, failed]) => ({ step, failed, event: events[step]! })),
  };
}

/** The two neighbours between which the count rises most. */
function steepest(counts: ReadonlyMap<number, number>): readonly [from: number, to: number] {
  const steps = [...counts.keys()].sort((a, b) => a - b);
  let best: readonly [number, number] = [steps[0]!, steps[0]!];
  let rise = 0;
  for (let index = 1; index < steps.length; index++) {
    const [from, to] = [steps[index - 1]!, steps[index]!];
    const here = counts.get(to)! - counts.get(from)!;
    if (here > rise) [best, rise] = [[from, to], here];
  }
  return best;
}
