/**
 * What a continuous campaign keeps between its runs, as plain data: seeds worth running again, failures, and how much
 * was run of what.
 */

/** A seed that reached something which no seed before it had reached. */
export interface CorpusEntry {
  readonly scenario: string;
  readonly seed: number;
  /** That it reached when it was last run, in order. */
  readonly marks: ReadonlyArray<string>;
  /** How long that took. */
  readonly durationMs: number;
  /** The build that last ran it. */
  readonly build: string;
}

/** A seed that failed once. */
export interface FailingSeed {
  readonly scenario: string;
  readonly seed: number;
  /** Of its last failure. */
  readonly message: string;
  readonly replay: string;
  /** The build that last ran it. */
  readonly build: string;
  /** Whether it passed then. */
  readonly passes: boolean;
}

export interface SeedCounts {
  readonly seeds: number;
  readonly crashStates: number;
  readonly failures: number;
}

export interface CorpusState {
  /** By scenario: the first seed that has not been run. */
  readonly next: Readonly<Record<string, number>>;
  readonly corpus: ReadonlyArray<CorpusEntry>;
  readonly failing: ReadonlyArray<FailingSeed>;
  /** By build and scenario. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, SeedCounts>>>>;
}

export const FIRST_SEED = 1;
export const SEED_MAX = 2 ** 31 - 1;

export const startState: CorpusState = { next: {}, corpus: [], failing: [], counts: {} };

/** A scenario and seed, as a key. */
export const keyOf = ({ scenario, seed }: { readonly scenario: string; readonly seed: number }): string =>
  `${scenario}:${seed}`;
