/**
 * What a continuous campaign runs, in order: seeds that fail, seeds that failed once and the corpus if another build ran
 * them last, then fresh seeds without end.
 *
 * The corpus is run fastest first, so that most of what can be reached is reached soon. Fresh seeds go in turn over the
 * scenarios, each ascending from where it stopped, beginning with the scenario that has had the fewest.
 */
import { type CorpusState, FIRST_SEED, keyOf, SEED_MAX } from "./state.ts";

export type Reason = "failing" | "corpus" | "fresh";

export interface Task {
  readonly reason: Reason;
  readonly scenario: string;
  readonly seed: number;
}

export function* agenda(
  state: CorpusState,
  build: string,
  scenarios: ReadonlyArray<string>,
): Generator<Task, undefined, undefined> {
  const given = new Set<string>();
  for (const task of again(state, build)) {
    if (!scenarios.includes(task.scenario) || given.has(keyOf(task))) continue;
    given.add(keyOf(task));
    yield task;
  }
  yield* fresh(state, scenarios);
}

/** Seeds that were run before and are to be run again. */
function again({ failing, corpus }: CorpusState, build: string): Array<Task> {
  const stillFailing = failing.filter(({ passes }) => !passes);
  const once = failing.filter((each) => each.passes && each.build !== build);
  const stale = corpus.filter((entry) => entry.build !== build).sort((a, b) => a.durationMs - b.durationMs);
  return [
    ...[...stillFailing, ...once].map(({ scenario, seed }): Task => ({ reason: "failing", scenario, seed })),
    ...stale.map(({ scenario, seed }): Task => ({ reason: "corpus", scenario, seed })),
  ];
}

function* fresh({ next }: CorpusState, scenarios: ReadonlyArray<string>): Generator<Task, undefined, undefined> {
  const seeds = scenarios.map((scenario) => next[scenario] ?? FIRST_SEED);
  if (seeds.length === 0) return;
  let turn = seeds.indexOf(Math.min(...seeds));
  while (seeds.some((seed) => seed <= SEED_MAX)) {
    const seed = seeds[turn]!;
    if (seed <= SEED_MAX) yield { reason: "fresh", scenario: scenarios[turn]!, seed };
    seeds[turn] = seed + 1;
    turn = (turn + 1) % scenarios.length;
  }
}
