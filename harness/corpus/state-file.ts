/**
 * The file in which a continuous campaign keeps its state: JSON, written beside and renamed, so that a crash leaves the
 * old one or the new one.
 *
 * Nothing in it is believed unseen: reading checks every field and throws, with the place, at the first that is wrong.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { type CorpusEntry, type CorpusState, type FailingSeed, SEED_MAX, type SeedCounts } from "./state.ts";

const VERSION = 1;

type Fields = Readonly<Record<string, unknown>>;
type Check<A> = (value: unknown, where: string) => A;

function fail(where: string, wanted: string): never {
  throw new Error(`${where} is not ${wanted}`);
}

const text: Check<string> = (value, where) => (typeof value === "string" ? value : fail(where, "a text"));

const flag: Check<boolean> = (value, where) => (typeof value === "boolean" ? value : fail(where, "true or false"));

const count: Check<number> = (value, where) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : fail(where, "a count");

const seedUpTo =
  (max: number): Check<number> =>
  (value, where) => {
    const seed = count(value, where);
    return seed <= max ? seed : fail(where, "a seed");
  };

const fields: Check<Fields> = (value, where) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : fail(where, "an object");

const listOf =
  <A>(check: Check<A>): Check<ReadonlyArray<A>> =>
  (value, where) =>
    Array.isArray(value)
      ? value.map((each: unknown, index) => check(each, `${where}[${index}]`))
      : fail(where, "a list");

const recordOf =
  <A>(check: Check<A>): Check<Readonly<Record<string, A>>> =>
  (value, where) =>
    Object.fromEntries(
      Object.entries(fields(value, where)).map(([key, each]) => [key, check(each, `${where}["${key}"]`)]),
    );

const entry: Check<CorpusEntry> = (value, where) => {
  const { scenario, seed, marks, durationMs, build } = fields(value, where);
  const reached = listOf(text)(marks, `${where}.marks`);
  return {
    scenario: text(scenario, `${where}.scenario`),
    seed: seedUpTo(SEED_MAX)(seed, `${where}.seed`),
    marks: new Set(reached).size === reached.length ? reached : fail(`${where}.marks`, "a list without repetition"),
    durationMs: count(durationMs, `${where}.durationMs`),
    build: text(build, `${where}.build`),
  };
};

const failingSeed: Check<FailingSeed> = (value, where) => {
  const { scenario, seed, message, replay, build, passes } = fields(value, where);
  return {
    scenario: text(scenario, `${where}.scenario`),
    seed: seedUpTo(SEED_MAX)(seed, `${where}.seed`),
    message: text(message, `${where}.message`),
    replay: text(replay, `${where}.replay`),
    build: text(build, `${where}.build`),
    passes: flag(passes, `${where}.passes`),
  };
};

const seedCounts: Check<SeedCounts> = (value, where) => {
  const { seeds, crashStates, failures } = fields(value, where);
  return {
    seeds: count(seeds, `${where}.seeds`),
    crashStates: count(crashStates, `${where}.crashStates`),
    failures: count(failures, `${where}.failures`),
  };
};

/** The state that a text tells; throws when it tells none. */
export function parseCorpus(json: string): CorpusState {
  const { version, next, corpus, failing, counts } = fields(JSON.parse(json), "it");
  if (version !== VERSION) throw new Error(`version is not ${VERSION}`);
  return {
    next: recordOf(seedUpTo(SEED_MAX + 1))(next, "next"),
    corpus: listOf(entry)(corpus, "corpus"),
    failing: listOf(failingSeed)(failing, "failing"),
    counts: recordOf(recordOf(seedCounts))(counts, "counts"),
  };
}

/** The state in the file; undefined if there is no file. */
export const readCorpus = (path: string): CorpusState | undefined =>
  existsSync(path) ? parseCorpus(readFileSync(path, "utf8")) : undefined;

export function writeCorpus(path: string, state: CorpusState): void {
  const beside = `${path}.new`;
  const file = openSync(beside, "w");
  try {
    writeSync(file, `${JSON.stringify({ version: VERSION, ...state }, undefined, 1)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
}
