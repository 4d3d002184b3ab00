/**
 * A continuous campaign: runs the agenda of a corpus until it is told to stop, and keeps the corpus as it goes.
 *
 * First comes a canary, a seed that must fail, on the way that all seeds take: if it passes, the harness no longer sees
 * what it is there to see, and nothing else is run. What is handed out when the end comes is finished and counts. The
 * state is saved every few seconds and at the end; what a kill loses is run again.
 */
import { type Job, keepFailure, replayCommand, runJob, runsTwice, seedWorkers } from "../campaign.ts";
import { losesWrites } from "../canaries.ts";
import type { SeedResult } from "../run.ts";
import type { AnyScenario } from "../store/device-scenario.ts";
import { agenda, type Reason, type Task } from "./agenda.ts";
import type { Corpus } from "./corpus.ts";
import type { CorpusState } from "./state.ts";

const SAVE_EVERY_MS = 10_000;
const FAILURES_TOLD = 100;

interface Registry {
  readonly url: string;
  readonly scenarios: ReadonlyArray<AnyScenario>;
  readonly address?: (name: string) => string;
}

export interface ContinuousOptions {
  /** As of a campaign: the module that exports the scenarios, and themselves. */
  readonly registry: Registry;
  readonly names: ReadonlyArray<string>;
  readonly corpus: Corpus;
  readonly save: (state: CorpusState) => void;
  /** Worker threads; 0 runs everything in this one. */
  readonly jobs: number;
  /** Share of fresh seeds that are run twice. */
  readonly verifyShare: number;
  /** Where records of failures go. */
  readonly failuresFolder: string;
  /** Hands out nothing more after this much wall time, but one seed at least. */
  readonly timeMs?: number;
  /** Asked before each seed. */
  readonly stopped: () => boolean;
  readonly stopAtFailure: boolean;
  /** What must fail; another than `losesWrites` in tests of this module only. */
  readonly canary?: AnyScenario;
  readonly progress?: (tally: Tally, seconds: number) => void;
}

export interface SeedProblem {
  readonly reason: Reason;
  readonly scenario: string;
  readonly seed: number;
  readonly message: string;
  readonly replay: string;
}

export interface Tally {
  seeds: number;
  crashStates: number;
  /** Those of them whose recovery was known from another one of their seed. */
  equalStates: number;
  /** By reason. */
  readonly ran: Record<Reason, number>;
  /** Into the corpus and out of it. */
  added: number;
  dropped: number;
  failed: number;
  /** The first of them. */
  readonly failures: Array<SeedProblem>;
}

export interface ContinuousResult extends Readonly<Tally> {
  /** The canary, and whether it failed as it must. */
  readonly canary: { readonly scenario: string; readonly seed: number; readonly failed: boolean };
  readonly wallSeconds: number;
}

/** Runs jobs as long as there are any, on workers or in this thread. */
async function runAll(
  registry: Registry,
  workers: number,
  take: () => Job | undefined,
  done: (result: SeedResult, job: Job) => void,
): Promise<void> {
  if (workers > 0) {
    await seedWorkers(registry.url, workers).run({ length: Infinity, at: take }, () => false, done);
    return;
  }
  for (let job = take(); job !== undefined; job = take()) {
    done(runJob(registry.scenarios, job), job);
    // A signal is heard in between only.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A seed of the canary, another for each number; whether it failed. */
async function runCanary({ jobs, canary }: ContinuousOptions, seed: number): Promise<ContinuousResult["canary"]> {
  const scenario = canary ?? losesWrites;
  const registry = { url: new URL("../canaries.js", import.meta.url).href, scenarios: [scenario] };
  const due: Array<Job> = [{ scenario: scenario.name, seed, twice: false }];
  let failed = false;
  await runAll(
    registry,
    Math.min(jobs, 1),
    () => due.pop(),
    ({ failure }) => (failed = failure !== undefined),
  );
  return { scenario: scenario.name, seed, failed };
}

/** Seeds that were ever run with this corpus. */
const seedsIn = ({ counts }: CorpusState): number =>
  Object.values(counts)
    .flatMap((scenarios) => Object.values(scenarios))
    .reduce((sum, { seeds }) => sum + seeds, 0);

class Continuous {
  readonly tally: Tally = {
    seeds: 0,
    crashStates: 0,
    equalStates: 0,
    ran: { failing: 0, corpus: 0, fresh: 0 },
    added: 0,
    dropped: 0,
    failed: 0,
    failures: [],
  };
  private readonly options: ContinuousOptions;
  private readonly startedMs = performance.now();
  private readonly tasks: Generator<Task, undefined>;
  private readonly running = new Map<Job, { readonly reason: Reason; readonly startedMs: number }>();
  private savedMs = performance.now();
  private handedOut = 0;

  constructor(options: ContinuousOptions) {
    const { corpus, names } = options;
    this.options = options;
    this.tasks = agenda(corpus.state, corpus.build, names);
  }

  get seconds(): number {
    return (performance.now() - this.startedMs) / 1000;
  }

  private get over(): boolean {
    const { timeMs, stopped, stopAtFailure } = this.options;
    if (stopped() || (stopAtFailure && this.tally.failed > 0)) return true;
    return timeMs !== undefined && this.handedOut > 0 && this.seconds * 1000 > timeMs;
  }

  private readonly take = (): Job | undefined => {
    if (this.over) return undefined;
    const { value: task } = this.tasks.next();
    if (task === undefined) return undefined;
    const { reason, scenario, seed } = task;
    const { names, verifyShare } = this.options;
    // What failed may have done so by being different each time.
    const twice = reason === "failing" || (reason === "fresh" && runsTwice(seed, names.indexOf(scenario), verifyShare));
    const job = { scenario, seed, twice };
    this.handedOut++;
    this.running.set(job, { reason, startedMs: performance.now() });
    return job;
  };

  private readonly done = (result: SeedResult, job: Job): void => {
    const { registry, corpus, progress, failuresFolder } = this.options;
    const { tally } = this;
    const { reason, startedMs } = this.running.get(job)!;
    this.running.delete(job);
    const { scenario, seed, failure } = result;
    const replay = replayCommand(registry.address?.(scenario) ?? scenario, seed);
    const durationMs = (performance.now() - startedMs) / (job.twice ? 2 : 1);
    const fate = corpus.take(result, durationMs, replay);
    tally.seeds++;
    tally.crashStates += result.crashStates;
    tally.equalStates += result.equalStates;
    tally.ran[reason]++;
    if (fate === "added") tally.added++;
    if (fate === "dropped") tally.dropped++;
    if (failure !== undefined) {
      tally.failed++;
      if (tally.failures.length < FAILURES_TOLD) {
        tally.failures.push({ reason, scenario, seed, message: failure.message, replay });
      }
      keepFailure(failuresFolder, result, replay);
    }
    progress?.(tally, this.seconds);
    if (performance.now() - this.savedMs > SAVE_EVERY_MS) this.save();
  };

  private save(): void {
    const { save, corpus } = this.options;
    save(corpus.state);
    this.savedMs = performance.now();
  }

  async run(): Promise<void> {
    const { registry, jobs } = this.options;
    try {
      await runAll(registry, jobs, this.take, this.done);
    } finally {
      this.save();
    }
  }
}

export async function runContinuously(options: ContinuousOptions): Promise<ContinuousResult> {
  const canary = await runCanary(options, 1 + (seedsIn(options.corpus.state) % 1_000_000));
  const campaign = new Continuous(options);
  if (canary.failed) await campaign.run();
  return { ...campaign.tally, canary, wallSeconds: Math.round(campaign.seconds * 100) / 100 };
}
