/**
 * Shrinking: from a seed that fails to the shortest script found that fails in the same way.
 *
 * The run is recorded, then made smaller step by step: operations are taken out, clients put together, faults and
 * settings dropped, sizes and names made simple. A candidate counts when it fails in the same way (`failure-kind.ts`)
 * on one of some schedules, the one that worked last tried first. At last the crashes that show it are pinned. It
 * depends on scenario, seed and budget alone: the same script comes out each time.
 */
import { changedAt, type CrashPath, crashesOf, type SurvivalChoice } from "../crash-point.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { CrashPlan, Scenario } from "../scenario.ts";
import { type Attempt, attemptsFor, type Schedules } from "./attempts.ts";
import { type Draft, record, scenarioOf, scriptOf, type Setting, type Step } from "./draft.ts";
import { kindOf } from "./failure-kind.ts";
import { reduce, reducePairs } from "./reduce.ts";
import { RECORDED_SEED, type Script } from "./script.ts";
import { fewerClients, simplerLives, simplerOperations, simplerSettings, simplerSteps } from "./simpler.ts";

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

/**
 * Schedules on which a candidate is tried: few at first, more once nothing else helps, since clients may race. At first
 * a crash is only looked for where it was.
 */
const SCHEDULES: ReadonlyArray<number> = [1, 3, 10, 30];
/** For the few candidates at the start and at the end. */
const SCHEDULES_MANY = 10;
const SCHEDULES_OF_LIVES = 3;
/** Of clients that may race, near where the crash was. */
const SCHEDULES_NEAR = 4;
/** Crash states of a candidate: of a short script nearly all that there are. */
const CRASH_STATES = 60;
/** If recovered pools live on, by how many lives: fewer states, and those of each later life. */
const STATES_OF_LIVES: ReadonlyArray<Pick<CrashPlan, "statesMax" | "lifeStatesMax">> = [
  { statesMax: CRASH_STATES },
  { statesMax: 24, lifeStatesMax: 4 },
  { statesMax: 12, lifeStatesMax: 3 },
];
/** Of a script, on seeds that do not repeat its run: it is run in every campaign. */
const STATES_KEPT = 12;

const isInRecovery = (crash: CrashPath): boolean => "during" in crash && crash.during === "recovery";

/** What happens to the disk at a crash and after it, however crash states are taken. */
const disasterOf = ({ faults, zoneLossShare }: Setting["crash"]): Pick<CrashPlan, "faults" | "zoneLossShare"> => ({
  ...(faults === undefined ? {} : { faults }),
  ...(zoneLossShare === undefined ? {} : { zoneLossShare }),
});

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
    const key = JSON.stringify([draft.setting, draft.steps, draft.closes]);
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    this.tried++;
    const known = { draft: this.best, failure: this.failure };
    for (const attempt of attemptsFor(known, draft, this.schedulesFor(draft))) {
      if (this.fails(draft, attempt)) return true;
    }
    return false;
  }

  private schedulesFor({ steps }: Draft): Schedules {
    if (this.failure.crash === undefined) return { near: [], everywhere: this.draws() };
    const clients = new Set(steps.map(({ life, client }) => (life === 0 ? client : 0))).size;
    return {
      near: this.draws(clients > 1 ? SCHEDULES_NEAR : 1),
      everywhere: this.schedules > 1 ? this.draws() : [],
    };
  }

  /** The same for a way of taking crash states: whether the failure shows in one of those. */
  private acceptCrashes(states: Setting["crash"], lives: Partial<Draft> = {}): boolean {
    this.tried++;
    const crash = { ...disasterOf(this.best.setting.crash), ...states };
    const draft = { ...this.best, ...lives, setting: this.crashedBy(crash) };
    // Each later life multiplies the states; if few of them fail, they are repeated rather than looked for.
    const schedules = this.draws(draft.closes.length > 0 ? SCHEDULES_OF_LIVES : this.schedules);
    return schedules.some((draws) => this.fails(draft, { draws, crash }));
  }

  private draws(count = this.schedules): ReadonlyArray<string> {
    const numbered = Array.from({ length: count }, (_, index) => `${this.base}/${index + 1}`);
    return [...new Set([this.best.draws, this.base, ...numbered])].slice(0, count);
  }

  /** Keeps the candidate if it fails in the same way. */
  private fails(draft: Draft, { draws, crash }: Attempt): boolean {
    const candidate = { ...draft, draws };
    this.runs++;
    this.options.progress?.(this.runs, this.best.steps.length);
    const { failure } = runSeed(scenarioOf(candidate, crash), RECORDED_SEED);
    if (failure === undefined || kindOf(failure) !== this.kind) return false;
    this.best = this.lived(candidate, failure);
    this.failure = failure;
    return true;
  }

  /** Without the lives that the failure did not take. */
  private lived(draft: Draft, failure: SeedFailure): Draft {
    const taken = failure.lives?.length ?? 0;
    if (taken >= draft.closes.length) return draft;
    return { ...draft, steps: draft.steps.filter(({ life }) => life <= taken), closes: draft.closes.slice(0, taken) };
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
      this.repeat(() => simplerLives(this.best));
      this.repeat(() => fewerClients(this.best.steps).map((steps) => ({ steps })));
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
    if (this.failure.crash === undefined) {
      this.acceptCrashes({ statesMax: 0, pointShare: 0, recoveryShare: 0 });
      return;
    }
    const { steps, closes, setting } = this.best;
    const firstLife = { steps: steps.filter(({ life }) => life === 0), closes: [] };
    for (const lives of closes.length > 0 ? [firstLife, { steps, closes }] : [firstLife]) {
      const states = STATES_OF_LIVES[Math.min(lives.closes.length, STATES_OF_LIVES.length - 1)]!;
      for (const recoveryShare of new Set([0, setting.crash.recoveryShare])) {
        if (this.acceptCrashes({ ...states, pointShare: 1, recoveryShare, livesShare: 0 }, lives)) return;
      }
    }
    // Chance does not find it in another state; it is repeated where it was.
    this.acceptUnbounded({ setting: this.crashedBy({ ...setting.crash, livesShare: 0 }) });
  }

  private crashedBy(crash: Setting["crash"]): Setting {
    return { ...this.best.setting, crash };
  }

  /** Leaves one crash of the many, and those after it, each with the plainest way of surviving that shows the failure. */
  pinCrash(): void {
    if (this.failure.crash === undefined) return;
    const depths = crashesOf(this.failure.crash).length;
    for (let depth = depths - 1; depth >= 0; depth--) {
      const path = this.failure.crash;
      const { survives } = crashesOf(path)[depth]!;
      const ways: ReadonlyArray<SurvivalChoice> = [{ kind: "none" }, { kind: "all" }, survives];
      ways.some((way) => this.pins(changedAt(path, depth, ({ state: _state, ...at }) => ({ ...at, survives: way }))!));
    }
  }

  private pins(path: CrashPath): boolean {
    const { best } = this;
    this.tried++;
    return this.fails(best, { draws: best.draws, crash: { ...best.setting.crash, only: [path] } });
  }

  /** What the script says, with few states on seeds that do not repeat its run. */
  script(name: string, summary: string): Script {
    const { best, failure } = this;
    const { livesShare: _livesShare, ...crash } = best.setting.crash;
    const statesMax = Math.min(crash.statesMax, STATES_KEPT);
    const recovered = failure.crash !== undefined && crashesOf(failure.crash).some(isInRecovery);
    const recoveryShare = recovered ? crash.recoveryShare : 0;
    const setting = this.crashedBy({ ...crash, statesMax, recoveryShare });
    return scriptOf({ ...best, setting }, name, summary, failure.crash);
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
  shrinker.pinCrash();
  shrinker.simplify();
  shrinker.pinCrash();
  const script = shrinker.script(scriptName(scenario.name, seed), `what was left of ${scenario.name}:${seed}`);
  return {
    script,
    failure: shrinker.failure,
    operationsBefore: draft.steps.length,
    operations: shrinker.best.steps.length,
    candidates: shrinker.tried,
  };
}
