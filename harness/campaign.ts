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
  readonly progress?: (done: number, total: number, soFar: Totals) => void;
  /** Hears each result, in the order in which they come. */
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
  const nameOf = ({ scenario, seed }: Job): string => `${scenario}:${seed}`;
  return new WorkerPool({ entry: new URL("./worker.js", import.meta.url), setup, count, ended, nameOf, limitMs });
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

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { registry, failuresFolder, progress } = options;
  const replay: Replay = (scenario, seed) => replayCommand(registry.address?.(scenario) ?? scenario, seed);
  const started = performance.now();
  const jobs = jobsOf(options);
  const results: Array<SeedResult> = [];
  const totals: Totals = { failures: 0, crashStates: 0, equalStates: 0, events: 0, simulatedMs: 0 };
  let twice = 0;
  let stop = false;
  const done = (result: SeedResult, job: Job): void => {
    results.push(result);
    totals.crashStates += result.crashStates;
    totals.equalStates += result.equalStates;
    totals.events += result.events;
    totals.simulatedMs += result.simulatedMs;
    if (job.twice) twice++;
    if (result.failure !== undefined) {
      totals.failures++;
      if (failuresFolder !== undefined) keepFailure(failuresFolder, result, replay(result.scenario, result.seed));
      if (options.stopAtFailure === true) stop = true;
    }
    options.seen?.(result);
    progress?.(results.length, jobs.length, totals);
  };
  const over = (): boolean => stop || (options.timeMs !== undefined && performance.now() - started > options.timeMs);
  if (options.jobs === 0) {
    for (const job of jobs) {
      if (over()) break;
      done(runJob(registry.scenarios, job), job);
    }
  } else await seedWorkers(registry.url, options.jobs, options.seedLimitMs).run(jobs, over, done);
  return summarise(options.names, replay, results, totals, twice, (performance.now() - started) / 1000);
}

function summarise(
  names: ReadonlyArray<string>,
  replay: Replay,
  results: Array<SeedResult>,
  totals: Totals,
  verified: number,
  wallSeconds: number,
): CampaignResult {
  const order = new Map(names.map((name, index) => [name, index]));
  results.sort((a, b) => a.seed - b.seed || order.get(a.scenario)! - order.get(b.scenario)!);
  const marks = new Map<string, number>();
  for (const result of results) {
    for (const [mark, count] of Object.entries(result.marks)) marks.set(mark, (marks.get(mark) ?? 0) + count);
  }
  const hashes = new Map(results.map(({ scenario, seed, hash }) => [`${scenario}:${seed}`, hash]));
  return {
    seeds: results.length,
    scenarios: names,
    failures: results.flatMap(({ scenario, seed, failure }) =>
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
    verified,
  };
}
