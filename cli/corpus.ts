/**
 * `varve campaign --corpus`: the continuous campaign, from the command line to its summary.
 */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ownBuild } from "../harness/corpus/build.ts";
import { type ContinuousResult, runContinuously, type Tally } from "../harness/corpus/continuous.ts";
import { Corpus } from "../harness/corpus/corpus.ts";
import { readCorpus, writeCorpus } from "../harness/corpus/state-file.ts";
import { type CorpusState, startState } from "../harness/corpus/state.ts";
import type { Options } from "./command.ts";
import { CannotError, Status, UsageError } from "./exit.ts";
import { keepOthersOut } from "./in-use.ts";
import { interruptible } from "./interrupt.ts";
import { invocation } from "./invocation.ts";
import { chooseScenarios, type Chosen, defaultJobs, registry as ours } from "./laboratory.ts";
import { Output, Progress } from "./output.ts";
import { formatCount } from "./quantity.ts";
import { version } from "./version.ts";

const FAILURES_SHOWN = 10;
/** Into a log; a terminal is redrawn as ever. */
const LINE_EVERY_SECONDS = 5;

export async function corpusCampaign(
  folder: string,
  args: ReadonlyArray<string>,
  options: Options,
  verifyShare: number,
): Promise<number> {
  const chosen = await chooseScenarios(args);
  try {
    // A folder that holds something else is refused before anything is made in it.
    stateIn(folder);
    const unlock = locked(folder);
    try {
      return await keptIn(folder, chosen, options, verifyShare);
    } finally {
      unlock();
    }
  } finally {
    chosen.close();
  }
}

const fileIn = (folder: string): string => join(folder, "corpus.json");

/** Makes the folder if it is not there, and keeps others out of it. */
function locked(folder: string): () => void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new CannotError(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return keepOthersOut(folder, join(folder, "lock"));
}

async function keptIn(folder: string, chosen: Chosen, options: Options, verifyShare: number): Promise<number> {
  const output = new Output(options);
  const { registry } = chosen;
  const corpus = new Corpus(
    stateIn(folder) ?? startState,
    ownBuild(version(), registry === ours ? [] : [fileURLToPath(registry.url)]),
    registry.scenarios.map(({ name }) => name),
  );
  const { result, interrupted } = await run(folder, corpus, chosen, options, verifyShare);
  output.object({ ...objectOf(corpus, result), interrupted });
  summary(output, corpus, result);
  return result.canary.failed && result.failed === 0 ? Status.fine : Status.found;
}

/** Where to go on, if the folder holds something. Makes nothing. */
function stateIn(folder: string): CorpusState | undefined {
  const file = fileIn(folder);
  if (existsSync(folder) && !statSync(folder).isDirectory()) throw new UsageError(`${folder} is no folder`);
  try {
    return readCorpus(file);
  } catch (error) {
    const [said] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new UsageError(`${file} holds no corpus: ${said}`);
  }
}

async function run(
  folder: string,
  corpus: Corpus,
  { registry, names }: Chosen,
  options: Options,
  verifyShare: number,
): Promise<{ readonly result: ContinuousResult; readonly interrupted: boolean }> {
  const timeMs = options.number("time");
  const progress = new Progress();
  let toldSeconds = 0;
  try {
    return await interruptible(async (interrupted) => {
      const result = await runContinuously({
        registry,
        names,
        corpus,
        verifyShare,
        jobs: options.number("jobs") ?? defaultJobs(),
        failuresFolder: join(folder, "failures"),
        stopAtFailure: options.flag("stop"),
        stopped: () => interrupted.aborted,
        save: (state) => writeCorpus(fileIn(folder), state),
        ...(timeMs === undefined ? {} : { timeMs }),
        progress: (tally, seconds) => {
          if (process.stderr.isTTY || seconds - toldSeconds >= LINE_EVERY_SECONDS) {
            toldSeconds = seconds;
            progress.update(tally.seeds, undefined, progressText(corpus, tally, seconds));
          }
        },
      });
      return { result, interrupted: interrupted.aborted };
    });
  } catch (error) {
    if (error instanceof Error && "code" in error) throw new CannotError(`${folder}: ${error.message}`);
    throw error;
  } finally {
    progress.clear();
  }
}

const perSecond = (seeds: number, seconds: number): string => (seeds / Math.max(seconds, 0.01)).toFixed(1);

function progressText(corpus: Corpus, { seeds, added, failed }: Tally, seconds: number): string {
  const kept = `${formatCount(added)} new in a corpus of ${formatCount(corpus.size)}`;
  return `${perSecond(seeds, seconds)} seeds/s, ${kept}, ${formatCount(failed)} failed`;
}

const objectOf = (corpus: Corpus, { ran, added, dropped, ...result }: ContinuousResult): object => ({
  build: corpus.build,
  ...result,
  ran,
  corpus: { size: corpus.size, added, dropped, marks: corpus.marks, pairs: corpus.pairs },
});

/** Over all runs with this corpus. */
function soFar({ counts, failing }: CorpusState): string {
  const builds = Object.values(counts);
  const seeds = builds.flatMap((build) => Object.values(build)).reduce((sum, each) => sum + each.seeds, 0);
  const still = failing.filter(({ passes }) => !passes).length;
  const failed = `${formatCount(failing.length)} failed once, ${formatCount(still)} fail still`;
  return `${formatCount(seeds)} seeds with ${formatCount(builds.length)} ${builds.length === 1 ? "build" : "builds"}; ${failed}`;
}

function summary(output: Output, corpus: Corpus, result: ContinuousResult): void {
  const varve = invocation();
  const { canary, seeds, crashStates, equalStates, failed, failures, ran, added, dropped, wallSeconds } = result;
  if (!canary.failed) {
    output.print(
      `The canary ${canary.scenario}:${canary.seed} passed and must fail: the harness no longer sees failures.`,
    );
    return;
  }
  for (const { scenario, seed, message, replay } of failures.slice(0, FAILURES_SHOWN)) {
    output.print(`FAILED ${scenario}:${seed}`);
    for (const line of message.split("\n").slice(0, 6)) output.print(`    ${line}`);
    output.print(`    see it again: ${replay.replace(/^varve/, varve)}`);
  }
  output.print();
  output.print(failed === 0 ? "No failure." : `${formatCount(failed)} of ${formatCount(seeds)} seeds failed.`);
  output.table([
    ["  build", corpus.build],
    ["  canary", `${canary.scenario}:${canary.seed} failed, as it must`],
    [
      "  seeds",
      `${formatCount(seeds)}, ${perSecond(seeds, wallSeconds)} a second: ${formatCount(ran.failing)} that failed before, ${formatCount(ran.corpus)} of the corpus, ${formatCount(ran.fresh)} fresh`,
    ],
    ["  crash states", `${formatCount(crashStates)} judged, ${formatCount(equalStates)} of them by equality`],
    [
      "  corpus",
      `${formatCount(corpus.size)} seeds (${formatCount(added)} new, ${formatCount(dropped)} dropped) reach ${formatCount(corpus.marks)} marks and ${formatCount(corpus.pairs)} pairs of them`,
    ],
    ["  so far", soFar(corpus.state)],
  ]);
}
