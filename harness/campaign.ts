/**
 * A campaign: many seeds of many scenarios, over the cores of the machine, with one result that does not depend on how
 * the work was divided.
 *
 * Each seed runs whole in one worker. A share of the seeds is run twice and must give the same hash; if one does not,
 * the first event in which the runs differ is told. Failures are kept as files that say how to see them again. The
 * hash of the campaign is that of all seeds in order.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mix32 } from "../devices/sim/keyed-hash.ts";
import type { CampaignLog } from "./campaign-log.ts";
import { keyOf } from "./corpus/state.ts";
import { runSeed, type SeedResult } from "./run.ts";
import type { AnyScenario } from "./store/device-scenario.ts";
import { EVENTS_RECORDED_MAX, firstDivergence, hashOf, Trace } from "./trace.ts";
import { WorkerPool } from "./worker-pool.ts";

/** A seed to run, as it is sent to a worker. */
export interface Job {
  readonly scenario: string;
  readonly seed: number;
  /** Run it a second time and compare. */
  readonly twice: boolean;
}

export interface WorkerSetup {
  readonly registryUrl: string;
}

export interface CampaignOptions {
  /** Module that exports `scenarios`, and the scenarios themselves when they run in this process. */
  readonly registry: {
    readonly url: string;
    readonly scenarios: ReadonlyArray<AnyScenario>;
    /** How the command line calls a scenario, if not by its name: those of a file of the user. */
    readonly address?: (name: string) => string;
  };
  readonly names: ReadonlyArray<string>;
  readonly seeds: { readonly from: number; readonly to: number };
  /** Stops handing out seeds after this much wall time. */
  readonly timeMs?: number;
  /** Worker threads; 0 runs everything in this one. */
  readonly jobs: number;
  /** Share of seeds that are run twice. */
  readonly verifyShare: number;
  /** What a seed may take of the clock on a worker thread, both runs together; see `worker-pool.ts`. */
  readonly seedLimitMs?: number;
  /** Folder for records of failures; none are kept without. */
  readonly failuresFolder?: string;
  /** Ends the campaign at the first failure. */
  readonly stopAtFailure?: boolean;
  /** Where results are kept, and were: what it tells is not run again. */
  readonly log?: Pick<CampaignLog, "earlier" | "append">;
  /** Asked before each seed: true hands out no more. */
  readonly stopped?: () => boolean;
  readonly progress?: (done: number, total: number, soFar: Totals) => void;
  /** Hears each result, in the order in which they come; those that the log tells first. */
  readonly seen?: (result: SeedResult) => void;
}

export interface Totals {
  failures: number;
  crashStates: number;
  /** Those of them whose recovery was known from another one of their seed. */
  equalStates: number;
  events: number;
  simulatedMs: number;
}

export interface CampaignFailure {
  readonly scenario: string;
  readonly seed: number;
  readonly message: string;
  readonly replay: string;
}

export interface CampaignResult {
  readonly seeds: number;
  /** Were these all? Not if it was stopped, or its time was up. */
  readonly complete: boolean;
  readonly scenarios: ReadonlyArray<string>;
  readonly failures: ReadonlyArray<CampaignFailure>;
  readonly crashStates: number;
  /** Those of them whose recovery was known from another one of their seed. */
  readonly equalStates: number;
  readonly events: number;
  readonly marks: Readonly<Record<string, number>>;
  readonly hash: string;
  /** By scenario and seed, as `replay` must find it. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly simulatedSeconds: number;
  readonly wallSeconds: number;
  /** Seeds that were run twice. */
  readonly verified: number;
}

/** What a worker does with one job; also used without workers. */
export function runJob(scenarios: ReadonlyArray<AnyScenario>, job: Job): SeedResult {
  const scenario = scenarios.find(({ name }) => name === job.scenario);
  if (scenario === undefined) throw new Error(`no scenario ${job.scenario}`);
  const result = runSeed(scenario, job.seed);
  if (!job.twice) return result;
  if (runSeed(scenario, job.seed).hash === result.hash) return result;
  const [first, second] = [new Trace(true), new Trace(true)];
  runSeed(scenario, job.seed, { trace: first });
  runSeed(scenario, job.seed, { trace: second });
  const where = firstDivergence(first.recorded!, second.recorded!) ?? unlocated(first);
  const message = `two runs of the seed differ: ${where}`;
  return { ...result, failure: { where: "run", message } };
}

/** Why two runs differ and their recorded events do not. */
const unlocated = ({ events }: Trace): string =>
  events > EVENTS_RECORDED_MAX
    ? `only after the first ${EVENTS_RECORDED_MAX} of ${events} events`
    : "but two further runs agree, so it happens only now and then";

/** Whether a seed of the scenario in this place is among the share that is run twice. */
export const runsTwice = (seed: number, index: number, share: number): boolean =>
  mix32(seed, index, 0x7477) / 2 ** 32 < share;

/** Seed by seed over all scenarios, so that a campaign cut short has seen a little of everything. */
function jobsOf({ names, seeds, verifyShare }: CampaignOptions): Array<Job> {
  const jobs: Array<Job> = [];
  for (let seed = seeds.from; seed <= seeds.to; seed++) {
    names.forEach((scenario, index) => {
      jobs.push({ scenario, seed, twice: runsTwice(seed, index, verifyShare) });
    });
  }
  return jobs;
}

/** Workers load the scenarios by the address of their module. */
export function seedWorkers(registryUrl: string, count: number, limitMs?: number): WorkerPool<Job, SeedResult> {
  const setup: WorkerSetup = { registryUrl };
  return new WorkerPool({
    entry: new URL("./worker.js", import.meta.url),
    setup,
    count,
    ended,
    nameOf: keyOf,
    limitMs,
  });
}

/** What is known of a seed that took its worker with it. */
const ended = ({ scenario, seed }: Job, message: string): SeedResult => ({
  scenario,
  seed,
  hash: "",
  events: 0,
  crashStates: 0,
  equalStates: 0,
  simulatedMs: 0,
  marks: {},
  failure: { where: "run", message },
});

type Replay = (scenario: string, seed: number) => string;

export const replayCommand = (scenario: string, seed: number): string => `varve replay ${scenario}:${seed}`;

/** Writes the record of a failure into a folder. */
export function keepFailure(folder: string, { scenario, seed, hash, failure }: SeedResult, replay: string): void {
  mkdirSync(folder, { recursive: true });
  const record = { scenario, seed, hash, failure, replay };
  const name = `${scenario.replaceAll("/", "-")}-${seed}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** What is kept of a result: there may be hundreds of thousands. */
type Outcome = Pick<SeedResult, "scenario" | "seed" | "hash" | "failure">;

class Results {
  readonly totals: Totals = { failures: 0, crashStates: 0, equalStates: 0, events: 0, simulatedMs: 0 };
  readonly outcomes: Array<Outcome> = [];
  readonly marks = new Map<string, number>();
  twice = 0;

  take({ scenario, seed, hash, failure, marks, ...counts }: SeedResult, twice: boolean): void {
    const { totals } = this;
    this.outcomes.push({ scenario, seed, hash, failure });
    for (const [mark, count] of Object.entries(marks)) this.marks.set(mark, (this.marks.get(mark) ?? 0) + count);
    totals.crashStates += counts.crashStates;
    totals.equalStates += counts.equalStates;
    totals.events += counts.events;
    totals.simulatedMs += counts.simulatedMs;
    if (failure !== undefined) totals.failures++;
    if (twice) this.twice++;
  }
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { registry, failuresFolder, progress, log } = options;
  const replay: Replay = (scenario, seed) => replayCommand(registry.address?.(scenario) ?? scenario, seed);
  const all = jobsOf(options);
  const results = new Results();
  let earlierMs = 0;
  const known = new Set<string>();
  for (const { result, twice, wallMs } of log?.earlier ?? []) {
    known.add(keyOf(result));
    earlierMs += wallMs;
    results.take(result, twice);
    options.seen?.(result);
  }
  const jobs = known.size === 0 ? all : all.filter((job) => !known.has(keyOf(job)));
  const started = performance.now();
  let latest = started;
  let stop = false;
  const done = (result: SeedResult, job: Job): void => {
    const now = performance.now();
    log?.append({ result, twice: job.twice, wallMs: now - latest });
    latest = now;
    results.take(result, job.twice);
    if (result.failure !== undefined) {
      if (failuresFolder !== undefined) keepFailure(failuresFolder, result, replay(result.scenario, result.seed));
      if (options.stopAtFailure === true) stop = true;
    }
    options.seen?.(result);
    progress?.(results.outcomes.length, all.length, results.totals);
  };
  const over = (): boolean =>
    stop ||
    options.stopped?.() === true ||
    (options.timeMs !== undefined && performance.now() - started > options.timeMs);
  if (options.jobs === 0) {
    for (const job of jobs) {
      if (over()) break;
      done(runJob(registry.scenarios, job), job);
    }
  } else if (jobs.length > 0) await seedWorkers(registry.url, options.jobs, options.seedLimitMs).run(jobs, over, done);
  const complete = results.outcomes.length === all.length;
  return { ...summarise(options.names, replay, results, (earlierMs + performance.now() - started) / 1000), complete };
}

function summarise(
  names: ReadonlyArray<string>,
  replay: Replay,
  { outcomes, totals, marks, twice }: Results,
  wallSeconds: number,
): Omit<CampaignResult, "complete"> {
  const order = new Map(names.map((name, index) => [name, index]));
  outcomes.sort((a, b) => a.seed - b.seed || order.get(a.scenario)! - order.get(b.scenario)!);
  const hashes = new Map(outcomes.map((outcome) => [keyOf(outcome), outcome.hash]));
  return {
    seeds: outcomes.length,
    scenarios: names,
    failures: outcomes.flatMap(({ scenario, seed, failure }) =>
      failure === undefined ? [] : [{ scenario, seed, message: failure.message, replay: replay(scenario, seed) }],
    ),
    crashStates: totals.crashStates,
    equalStates: totals.equalStates,
    events: totals.events,
    marks: Object.fromEntries([...marks].sort(([a], [b]) => (a < b ? -1 : 1))),
    hash: hashOf([...hashes].map(([key, hash]) => `${key}=${hash}`)),
    hashes,
    simulatedSeconds: Math.round(totals.simulatedMs) / 1000,
    wallSeconds: Math.round(wallSeconds * 100) / 100,
    verified: twice,
  };
}
