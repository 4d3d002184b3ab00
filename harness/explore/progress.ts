/**
 * How far an exploration is, as data that can be kept in a file and gone on from.
 *
 * Results come in any order and are taken in by the numbers of their sequences, so that totals and hash depend neither
 * on the number of workers nor on where the exploration was interrupted. Only what is taken in counts as done: a result
 * that waits for one before it is not kept.
 */
import { hashOf } from "../trace.ts";
import type { Alphabet } from "./alphabet.ts";
import type { Medium, SequenceCounts, SequenceResult } from "./sequence-run.ts";

export interface ExploreFailure {
  readonly index: number;
  readonly sequence: string;
  readonly message: string;
  readonly replay: string;
}

export interface ExploreState {
  readonly alphabet: string;
  /** Of the steps of the alphabet: the numbers of sequences mean nothing to another one. */
  readonly steps: string;
  readonly medium: Medium;
  /** Sequences that are done; the number of the next one. */
  readonly next: number;
  readonly totals: SequenceCounts;
  /** Sequences that failed. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: ReadonlyArray<ExploreFailure>;
  readonly hash: string;
  /** Over all runs of it. */
  readonly wallSeconds: number;
}

export const FAILURES_KEPT = 100;

export const stepsDigest = ({ steps }: Alphabet): string => hashOf(steps.map(({ text }) => text));

export function startState(alphabet: Alphabet, medium: Medium): ExploreState {
  return {
    alphabet: alphabet.name,
    steps: stepsDigest(alphabet),
    medium,
    next: 0,
    totals: { runs: 0, crashPoints: 0, crashStates: 0, distinctStates: 0 },
    failed: 0,
    failures: [],
    hash: hashOf([]),
    wallSeconds: 0,
  };
}

/** Why this exploration cannot go on from a state; undefined if it can. */
export function unfit(state: ExploreState, alphabet: Alphabet, medium: Medium): string | undefined {
  if (state.alphabet !== alphabet.name) return `it is of the ${state.alphabet} alphabet`;
  if (state.medium !== medium) return `it is of a ${state.medium} disk`;
  return state.steps === stepsDigest(alphabet) ? undefined : "it is of another version of the alphabet";
}

/** Takes results in, each when all before it have been. */
export class Progress {
  private current: ExploreState;
  private readonly waiting = new Map<number, { readonly sequence: string; readonly result: SequenceResult }>();
  private readonly replayOf: (index: number) => string;

  constructor(start: ExploreState, replayOf: (index: number) => string) {
    this.current = start;
    this.replayOf = replayOf;
  }

  get state(): ExploreState {
    return this.current;
  }

  take(index: number, sequence: string, result: SequenceResult): void {
    this.waiting.set(index, { sequence, result });
    for (;;) {
      const { next } = this.current;
      const due = this.waiting.get(next);
      if (due === undefined) return;
      this.waiting.delete(next);
      this.current = this.with(due.sequence, due.result);
    }
  }

  private with(sequence: string, result: SequenceResult): ExploreState {
    const { next: index, totals, failures, failed, hash } = this.current;
    const { failure: message } = result;
    const kept = message !== undefined && failures.length < FAILURES_KEPT;
    return {
      ...this.current,
      next: index + 1,
      totals: {
        runs: totals.runs + result.runs,
        crashPoints: totals.crashPoints + result.crashPoints,
        crashStates: totals.crashStates + result.crashStates,
        distinctStates: totals.distinctStates + result.distinctStates,
      },
      failed: failed + (message === undefined ? 0 : 1),
      failures: kept ? [...failures, { index, sequence, message, replay: this.replayOf(index) }] : failures,
      hash: hashOf([hash, String(index), sequence, result.hash]),
    };
  }
}
