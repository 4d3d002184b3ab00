/**
 * Bounded exploration: every sequence of up to so many operations, over the cores of the machine, from where an earlier
 * run of it has stopped.
 *
 * Sequences are handed out in the order of their numbers. When it is to stop, by time, at a failure or because somebody
 * says so, those that are under way are finished, so that everything up to some number is done and nothing behind it.
 */
import { type Alphabet, alphabetOf, type AlphabetName, parseSteps, textOfSteps } from "./alphabet.ts";
import { Enumeration } from "./enumeration.ts";
import { type ExploreState, Progress, startState, unfit } from "./progress.ts";
import { type Medium, runSequence, type SequenceResult } from "./sequence-run.ts";
import { WorkerPool } from "../worker-pool.ts";

export interface ExploreOptions {
  readonly operations: number;
  readonly alphabet: AlphabetName;
  readonly medium: Medium;
  /** Worker threads; 0 runs everything in this one. */
  readonly jobs: number;
  /** Where to go on. */
  readonly from?: ExploreState;
  /** Stops handing out sequences after this much wall time. */
  readonly timeMs?: number;
  readonly stopAtFailure?: boolean;
  /** Asked before each sequence is handed out. */
  readonly stopped?: () => boolean;
  /** Hears of the state after each sequence. */
  readonly progress?: (state: ExploreState, total: number) => void;
}

export interface ExploreResult {
  readonly state: ExploreState;
  /** Sequences that there are. */
  readonly total: number;
  /** All of them are done. */
  readonly complete: boolean;
}

/** What every worker is told once. */
export interface SequenceSetup {
  readonly alphabet: AlphabetName;
  readonly medium: Medium;
}

export interface SequenceJob {
  readonly index: number;
  readonly sequence: string;
}

const alphabets = new Map<AlphabetName, Alphabet>();

/** What a worker does with one job; also used without workers. */
export function runJob(setup: SequenceSetup, { sequence }: SequenceJob): SequenceResult {
  let alphabet = alphabets.get(setup.alphabet);
  if (alphabet === undefined) alphabets.set(setup.alphabet, (alphabet = alphabetOf(setup.alphabet)));
  const steps = parseSteps(alphabet, sequence);
  if (typeof steps === "string") throw new Error(`no step "${steps}" in the ${setup.alphabet} alphabet`);
  return runSequence(steps, setup.medium);
}

export const replayCommand = (index: number, { alphabet, medium }: SequenceSetup): string =>
  [
    `varve explore --only ${index}`,
    ...(alphabet === "small" ? [] : [`--alphabet ${alphabet}`]),
    ...(medium === "conventional" ? [] : ["--zoned"]),
  ].join(" ");

/** What is known of a sequence that took its worker with it. */
const ended = (_job: SequenceJob, message: string): SequenceResult => ({
  runs: 0,
  crashPoints: 0,
  crashStates: 0,
  distinctStates: 0,
  hash: "",
  failure: message,
});

export async function explore(options: ExploreOptions): Promise<ExploreResult> {
  const { medium, jobs: count, timeMs } = options;
  const started = performance.now();
  const alphabet = alphabetOf(options.alphabet);
  const enumeration = new Enumeration(alphabet, options.operations);
  const { total } = enumeration;
  const from = options.from ?? startState(alphabet, medium);
  const why = unfit(from, alphabet, medium);
  if (why !== undefined) throw new Error(`the exploration cannot go on from this state: ${why}`);
  const setup: SequenceSetup = { alphabet: alphabet.name, medium };
  const progress = new Progress(from, (index) => replayCommand(index, setup));
  const seconds = (): number => from.wallSeconds + (performance.now() - started) / 1000;
  const state = (): ExploreState => ({ ...progress.state, wallSeconds: Math.round(seconds() * 100) / 100 });
  const done = (result: SequenceResult, { index, sequence }: SequenceJob): void => {
    progress.take(index, sequence, result);
    options.progress?.(state(), total);
  };
  const over = (): boolean =>
    (timeMs !== undefined && performance.now() - started > timeMs) ||
    (options.stopAtFailure === true && progress.state.failed > 0) ||
    options.stopped?.() === true;
  const jobs = {
    length: Math.max(0, total - from.next),
    at: (position: number): SequenceJob => {
      const { index, steps } = enumeration.at(from.next + position);
      return { index, sequence: textOfSteps(steps) };
    },
  };
  if (count === 0) {
    for (let position = 0; position < jobs.length && !over(); position++) {
      const job = jobs.at(position);
      done(runJob(setup, job), job);
      // Lets whoever wants to stop it be heard.
      await new Promise(setImmediate);
    }
  } else {
    const entry = new URL("./worker.js", import.meta.url);
    const nameOf = ({ index, sequence }: SequenceJob): string => `sequence ${index} (${sequence})`;
    await new WorkerPool({ entry, setup, count, ended, nameOf }).run(jobs, over, done);
  }
  return { state: state(), total, complete: progress.state.next >= total };
}
