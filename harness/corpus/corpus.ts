/**
 * The corpus: takes in the results of seeds and decides which of them are kept.
 *
 * A passing seed is kept when it reaches a mark, or a pair of marks, that no kept seed reaches. When a seed of the
 * corpus was run by another build, what it reaches now counts: it stays if it reaches something that none of those run
 * by this build before it does, so that running a corpus again, the fastest first, also makes it smaller. Seeds that
 * failed stay, up to a limit beyond which more would say nothing. Nothing here knows of files, threads or time.
 */
import type { SeedResult } from "../run.ts";
import { Coverage } from "./coverage.ts";
import {
  type CorpusEntry,
  type CorpusState,
  type FailingSeed,
  FIRST_SEED,
  keyOf,
  type SeedCounts,
  SEED_MAX,
} from "./state.ts";

/** So many failing seeds are kept; those beyond are counted. */
export const FAILING_MAX = 1000;

/** What became of a seed in the corpus. */
export type Fate = "added" | "kept" | "dropped" | "none";

const byKey = <A extends { readonly scenario: string; readonly seed: number }>(
  list: ReadonlyArray<A>,
): Map<string, A> => new Map(list.map((each) => [keyOf(each), each]));

export class Corpus {
  readonly build: string;
  private readonly known: ReadonlySet<string>;
  private readonly entries: Map<string, CorpusEntry>;
  private readonly failing: Map<string, FailingSeed>;
  private readonly next: Map<string, number>;
  /** Seeds that are done while one before them is not. */
  private readonly ahead = new Set<string>();
  private readonly counts: CorpusState["counts"];
  private readonly own: Map<string, SeedCounts>;
  /** Of all entries, and of those that this build has run. */
  private readonly reached = new Coverage();
  private readonly renewed = new Coverage();

  /** `known`: the scenarios that exist; what others reached is reached no more. */
  constructor(state: CorpusState, build: string, known: ReadonlyArray<string>) {
    this.build = build;
    this.known = new Set(known);
    this.entries = byKey(state.corpus);
    this.failing = byKey(state.failing);
    this.next = new Map(Object.entries(state.next));
    this.counts = state.counts;
    this.own = new Map(Object.entries(state.counts[build] ?? {}));
    for (const entry of this.entries.values()) this.cover(entry);
  }

  get state(): CorpusState {
    return {
      next: Object.fromEntries(this.next),
      corpus: [...this.entries.values()],
      failing: [...this.failing.values()],
      counts: { ...this.counts, [this.build]: Object.fromEntries(this.own) },
    };
  }

  get size(): number {
    return this.entries.size;
  }

  get marks(): number {
    return this.reached.marks;
  }

  get pairs(): number {
    return this.reached.pairs;
  }

  /** Takes a result in. `replay`: the command that shows the seed again. */
  take(result: SeedResult, durationMs: number, replay: string): Fate {
    const { scenario, seed, failure } = result;
    const key = keyOf(result);
    const before = this.failing.get(key);
    // The same build tells the same of a seed again.
    if (before?.build !== this.build) this.count(result);
    this.advance(scenario, seed);
    if (failure !== undefined) {
      const { message } = failure;
      if (before !== undefined || this.failing.size < FAILING_MAX) {
        this.failing.set(key, { scenario, seed, message, replay, build: this.build, passes: false });
      }
      return this.drop(key) ? "dropped" : "none";
    }
    if (before !== undefined) this.failing.set(key, { ...before, build: this.build, passes: true });
    return this.judge(key, {
      ...{ scenario, seed, marks: Object.keys(result.marks).sort() },
      ...{ durationMs: Math.round(durationMs), build: this.build },
    });
  }

  private judge(key: string, entry: CorpusEntry): Fate {
    const was = this.drop(key);
    if (!(was ? this.renewed : this.reached).isNew(entry.marks)) return was ? "dropped" : "none";
    this.entries.set(key, entry);
    this.cover(entry);
    return was ? "kept" : "added";
  }

  private cover({ scenario, marks, build }: CorpusEntry): void {
    if (!this.known.has(scenario)) return;
    this.reached.add(marks);
    if (build === this.build) this.renewed.add(marks);
  }

  private drop(key: string): boolean {
    const entry = this.entries.get(key);
    if (entry === undefined) return false;
    this.entries.delete(key);
    if (!this.known.has(entry.scenario)) return true;
    this.reached.remove(entry.marks);
    if (entry.build === this.build) this.renewed.remove(entry.marks);
    return true;
  }

  private count({ scenario, crashStates, failure }: SeedResult): void {
    const { seeds, failures, ...counts } = this.own.get(scenario) ?? { seeds: 0, crashStates: 0, failures: 0 };
    this.own.set(scenario, {
      seeds: seeds + 1,
      crashStates: counts.crashStates + crashStates,
      failures: failures + (failure === undefined ? 0 : 1),
    });
  }

  /** Seeds that are done count from the first on: one that waits for another before it is not kept as done. */
  private advance(scenario: string, seed: number): void {
    let next = this.next.get(scenario) ?? FIRST_SEED;
    if (seed < next) return;
    this.ahead.add(keyOf({ scenario, seed }));
    while (next <= SEED_MAX && this.ahead.delete(keyOf({ scenario, seed: next }))) next++;
    this.next.set(scenario, next);
  }
}
