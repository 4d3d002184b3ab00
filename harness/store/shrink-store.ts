/**
 * A failing seed of a store made short: as few operations as still fail in the same way, by as few clients, without
 * faults and with one crash, where that is enough.
 *
 * What an operation means is the user's, so operations are taken out and never changed. It depends on scenario, seed and
 * budget alone.
 */
import { Entropy } from "../entropy.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { CrashPlan } from "../scenario.ts";
import { kindOf } from "../shrink/failure-kind.ts";
import { reduce, reducePairs } from "../shrink/reduce.ts";
import { RECORDED_SEED } from "../shrink/script.ts";
import type { DeviceScenario } from "./device-scenario.ts";
import { type ShortenedRun, shortenedScenario } from "./shortened.ts";

export interface ShortStore {
  readonly run: ShortenedRun;
  readonly failure: SeedFailure;
  readonly operationsBefore: number;
  readonly operations: number;
  readonly runs: number;
}

export interface ShortStoreOptions {
  /** Runs at most; what is tried last is finished. */
  readonly budget: number;
  readonly progress?: (runs: number, operations: number) => void;
}

/** Schedules on which each attempt is tried, the one that failed last first. */
const SCHEDULES = 8;
/** Crash states of an attempt: of a short run nearly all that there are. */
const CRASH_STATES = 100;

interface Step {
  readonly client: number;
  readonly operation: unknown;
}

/** Clients that do nothing are left out; the others keep their order. */
function clientsOf(steps: ReadonlyArray<Step>): ReadonlyArray<ReadonlyArray<unknown>> {
  const numbers = [...new Set(steps.map(({ client }) => client))].sort((a, b) => a - b);
  return numbers.map((number) => steps.filter(({ client }) => client === number).map(({ operation }) => operation));
}

class StoreShrinker {
  run: ShortenedRun;
  failure: SeedFailure;
  steps: ReadonlyArray<Step>;
  runs = 0;
  private readonly scenario: DeviceScenario;
  private readonly kind: string;
  private readonly base: string;
  private readonly options: ShortStoreOptions;

  constructor(scenario: DeviceScenario, run: ShortenedRun, failure: SeedFailure, options: ShortStoreOptions) {
    this.scenario = scenario;
    this.run = run;
    this.failure = failure;
    this.steps = run.clients.flatMap((operations, client) => operations.map((operation) => ({ client, operation })));
    this.kind = kindOf(failure);
    this.base = run.draws;
    this.options = options;
  }

  get spent(): boolean {
    return this.runs >= this.options.budget;
  }

  /** Takes a change for good if it fails in the same way on some schedule. */
  private accept(change: Partial<ShortenedRun>): boolean {
    const numbered = Array.from({ length: SCHEDULES }, (_, index) => `${this.base}/${index + 1}`);
    for (const draws of new Set([this.run.draws, this.base, ...numbered])) {
      if (this.spent) return false;
      this.runs++;
      this.options.progress?.(this.runs, this.steps.length);
      const run = { ...this.run, ...change, draws };
      const { failure } = runSeed(shortenedScenario(this.scenario, run), RECORDED_SEED);
      if (failure === undefined || kindOf(failure) !== this.kind) continue;
      this.run = run;
      this.failure = failure;
      return true;
    }
    return false;
  }

  private readonly acceptSteps = (steps: ReadonlyArray<Step>): boolean => {
    if (!this.accept({ clients: clientsOf(steps) })) return false;
    this.steps = steps;
    return true;
  };

  /** Crashes are taken everywhere, of a store's first life alone if that is enough, or not at all. */
  prepareCrashes(): void {
    const { crash } = this.run;
    const none: CrashPlan = { statesMax: 0, pointShare: 0, recoveryShare: 0, livesShare: 0 };
    const all: CrashPlan = { ...crash, statesMax: Math.max(CRASH_STATES, crash.statesMax), pointShare: 1 };
    const once: CrashPlan = { ...all, recoveryShare: 0, livesShare: 0 };
    const plans = this.failure.where === "crash" ? [once, { ...once, recoveryShare: 1 }, all] : [none];
    plans.some((plan) => this.accept({ crash: plan }));
  }

  simplify(faulty: boolean): void {
    if (faulty) this.accept({ faultless: true });
    const { faults, ...faultless } = this.run.crash;
    if (faults !== undefined) this.accept({ crash: faultless });
    let before: ReadonlyArray<Step>;
    do {
      before = this.steps;
      reduce(this.steps, this.acceptSteps);
      if (this.run.clients.length > 1) this.acceptSteps(this.steps.map(({ operation }) => ({ client: 0, operation })));
      reducePairs(this.steps, this.acceptSteps);
    } while (this.steps !== before && !this.spent);
  }

  /** Leaves the one crash that shows it, with the plainest way of surviving. */
  pinCrash(): void {
    const found = this.failure.crash;
    if (found === undefined) return;
    const ways = [{ kind: "none" }, { kind: "all" }, found.survives] as const;
    ways.some((survives) => this.accept({ crash: { ...this.run.crash, only: [{ ...found, survives }] } }));
  }
}

/** Undefined if the seed passes. */
export function shrinkStore(
  scenario: DeviceScenario,
  seed: number,
  options: ShortStoreOptions,
): ShortStore | undefined {
  const { failure } = runSeed(scenario, seed);
  if (failure === undefined) return undefined;
  const origin = `${scenario.name}:${seed}`;
  const { clients, crash, disk, draws = origin } = scenario.plan(new Entropy(origin));
  const shrinker = new StoreShrinker(
    scenario,
    { scenario: scenario.name, seed, draws, clients, crash },
    failure,
    options,
  );
  const operationsBefore = shrinker.steps.length;
  shrinker.prepareCrashes();
  shrinker.simplify(disk?.faults !== undefined);
  shrinker.pinCrash();
  const { run, steps, runs } = shrinker;
  return { run, failure: shrinker.failure, operationsBefore, operations: steps.length, runs };
}
