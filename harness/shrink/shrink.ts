/**
 * Shrinking: from a seed that fails to the shortest script found that fails in the same way.
 *
 * The run is recorded, then made smaller step by step: operations are taken out, clients put together, faults and
 * settings dropped, sizes and names made simple. A candidate counts when it fails in the same way (`failure-kind.ts`)
 * on one of some schedules, the one that worked last tried first. At last the one crash that shows it is pinned. It
 * depends on scenario, seed and budget alone: the same script comes out each time.
 */
import type { CrashPoint, SurvivalChoice } from "../crash-point.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { Scenario } from "../scenario.ts";
import { type Draft, record, scriptOf, type Step } from "./draft.ts";
import { kindOf } from "./failure-kind.ts";
import { reduce, reducePairs } from "./reduce.ts";
import { RECORDED_SEED, type Script, scripted } from "./script.ts";
import { simplerOperations, simplerSettings, simplerSteps } from "./simpler.ts";

export interface ShrinkOptions {
  /** Runs of candidates at most; a candidate may take several. The last one is finished. */
  readonly budget: number;
  readonly progress?: (runs: number, operations: number) => void;
}

export interface Shrunk {
  readonly script: Script;
  /** How the script fails on its recorded seed. */
  readonly failure: SeedFailure;
  readonly operationsBefore: number;
  readonly operations: number;
  readonly candidates: number;
}

/** The seed passes, or what its clients did does not fail by itself. */
export interface NotShrunk {
  readonly reason: "passes" | "not-reproduced";
  readonly failure: SeedFailure | undefined;
}

/** Schedules on which a candidate is tried: few at first, more once nothing else helps, since clients may race. */
const SCHEDULES: ReadonlyArray<number> = [3, 10, 30];
/** For the few candidates at the start and at the end. */
const SCHEDULES_MANY = 10;
/** Crash states of a candidate: of a short script nearly all that there are. */
const CRASH_STATES = 100;
const NAME = "draft";

class Shrinker {
  best: Draft;
  failure: SeedFailure;
  tried = 0;
  private runs = 0;
  private schedules = SCHEDULES_MANY;
  private readonly kind: string;
  private readonly base: string;
  private readonly options: ShrinkOptions;
  private readonly seen = new Set<string>();

  constructor(draft: Draft, failure: SeedFailure, options: ShrinkOptions) {
    this.best = draft;
    this.failure = failure;
    this.kind = kindOf(failure);
    this.base = draft.draws;
    this.options = options;
  }

  get spent(): boolean {
    return this.runs >= this.options.budget;
  }

  /** Takes the candidate for the best one if it fails in the same way on some schedule. */
  accept(change: Partial<Draft>): boolean {
    return !this.spent && this.acceptUnbounded(change);
  }

  /** Where the budget does not matter: the few candidates at the start and at the end. */
  acceptUnbounded(change: Partial<Draft>): boolean {
    const draft = { ...this.best, ...change };
    const key = JSON.stringify([draft.setting, draft.steps]);
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    this.tried++;
    const numbered = Array.from({ length: this.schedules }, (_, index) => `${this.base}/${index + 1}`);
    const roots = [...new Set([draft.draws, this.base, ...numbered])].slice(0, this.schedules);
    for (const draws of roots) {
      const candidate = { ...draft, draws };
      this.runs++;
      this.options.progress?.(this.runs, this.best.steps.length);
      const { failure } = runSeed(scripted(scriptOf(candidate, NAME, "")), RECORDED_SEED);
      if (failure === undefined || kindOf(failure) !== this.kind) continue;
      this.best = candidate;
      this.failure = failure;
      return true;
    }
    return false;
  }

  /** Everything that can be made smaller or simpler, until nothing can on any number of schedules. */
  simplify(): void {
    for (const schedules of SCHEDULES) {
      this.schedules = schedules;
      this.seen.clear();
      this.simplifyOnThese();
    }
    this.schedules = SCHEDULES_MANY;
    this.seen.clear();
  }

  private simplifyOnThese(): void {
    let before: Draft;
    do {
      before = this.best;
      const steps = (shorter: ReadonlyArray<Step>): boolean => this.accept({ steps: shorter });
      reduce(this.best.steps, steps);
      this.repeat(() => simplerSteps(this.best.steps).map((steps) => ({ steps })));
      this.repeat(() => simplerSettings(this.best.setting).map((setting) => ({ setting })));
      for (let index = 0; index < this.best.steps.length; index++) {
        this.repeat(() =>
          simplerOperations(this.best.steps[index]!.operation).map((form) => this.replaced(index, form)),
        );
      }
      reducePairs(this.best.steps, steps);
    } while (this.best !== before && !this.spent);
  }

  private replaced(index: number, operation: Step["operation"]): Partial<Draft> {
    return { steps: this.best.steps.map((step, at) => (at === index ? { ...step, operation } : step)) };
  }

  /** Takes the first of the forms that still fails, and looks for forms of that one. */
  private repeat(forms: () => ReadonlyArray<Partial<Draft>>): void {
    while (forms().some((form) => this.accept(form)));
  }

  /** Crash states that are of no use are not taken; what is of use is taken everywhere. */
  prepareCrashes(): void {
    const { setting } = this.best;
    const { crash } = setting;
    const none = { statesMax: 0, pointShare: 0, recoveryShare: 0 };
    const everywhere = { ...crash, pointShare: 1, statesMax: Math.max(CRASH_STATES, crash.statesMax) };
    const plans = this.failure.crash === undefined ? [none] : [{ ...everywhere, recoveryShare: 0 }, everywhere];
    plans.some((plan) => this.acceptUnbounded({ setting: { ...setting, crash: plan } }));
  }

  /** Leaves one crash of the many, with the plainest way of surviving that shows the failure. */
  pinCrash(): void {
    const found = this.failure.crash;
    if (found === undefined) return;
    const { setting } = this.best;
    const ways: ReadonlyArray<SurvivalChoice> = [{ kind: "none" }, { kind: "all" }, found.survives];
    ways.some((survives) => {
      const only: CrashPoint = { ...found, survives };
      return this.acceptUnbounded({ setting: { ...setting, crash: { ...setting.crash, only } } });
    });
  }
}

export const scriptName = (scenario: string, seed: number): string =>
  `regressions/${scenario.replaceAll(/[^\w-]+/gu, "-")}-${seed}`;

export function shrink(scenario: Scenario, seed: number, options: ShrinkOptions): Shrunk | NotShrunk {
  const recording = record(scenario, seed);
  if (recording === undefined) return { reason: "passes", failure: undefined };
  const { draft, failure } = recording;
  const shrinker = new Shrinker(draft, failure, options);
  if (!shrinker.acceptUnbounded({})) return { reason: "not-reproduced", failure };
  shrinker.prepareCrashes();
  shrinker.simplify();
  shrinker.pinCrash();
  const { best } = shrinker;
  return {
    script: scriptOf(best, scriptName(scenario.name, seed), `what was left of ${scenario.name}:${seed}`),
    failure: shrinker.failure,
    operationsBefore: draft.steps.length,
    operations: best.steps.length,
    candidates: shrinker.tried,
  };
}
