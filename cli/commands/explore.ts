/**
 * `varve explore`: every short sequence of operations, crashed everywhere; or one sequence, in detail.
 */
import {
  type Alphabet,
  alphabetOf,
  type AlphabetName,
  parseSteps,
  type Step,
  textOfSteps,
} from "../../harness/explore/alphabet.ts";
import { endingsOf } from "../../harness/explore/endings.ts";
import { Enumeration, sketchOf } from "../../harness/explore/enumeration.ts";
import { explore, type ExploreResult } from "../../harness/explore/explore.ts";
import { type ExploreState, unfit } from "../../harness/explore/progress.ts";
import { type Medium, runSequence } from "../../harness/explore/sequence-run.ts";
import { readState, writeState } from "../../harness/explore/state-file.ts";
import type { Operation } from "../../harness/workload/operation.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { invocation } from "../invocation.ts";
import { defaultJobs } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";
import { formatCount } from "../quantity.ts";

const OPERATIONS_DEFAULT = 2;
const OPERATIONS_MAX = 3;
const SAVE_EVERY_MS = 5000;
const FAILURES_SHOWN = 10;

export const command: CommandSpec = {
  name: "explore",
  summary: "crash every short sequence of operations everywhere",
  arguments: [],
  options: [
    { flags: "--operations <count>", kind: "count", summary: `longest sequence (${OPERATIONS_DEFAULT})` },
    { flags: "--alphabet <name>", kind: "text", summary: "which operations on which names: small or full (small)" },
    { flags: "--zoned", kind: "flag", summary: "on a zoned disk" },
    { flags: "--jobs <count>", kind: "count", summary: "worker threads (as many as the machine has processors)" },
    { flags: "--time <duration>", kind: "milliseconds", summary: "hand out no more sequences after this long" },
    { flags: "--resume <file>", kind: "text", summary: "go on from this file if it is there, and keep it up to date" },
    { flags: "--stop", kind: "flag", summary: "end at the first failure" },
    { flags: "--only <sequence>", kind: "text", summary: "one sequence, by its number or its operations" },
  ],
  notes: [
    "Exit status: 0 no failure, 1 a sequence failed, 2 used wrongly, 3 could not run.",
    "The same sequences give the same hash, however many jobs there are and however often it was interrupted.",
    'Operations are separated by semicolons: --only "create /foo; rename /foo /A/foo; fsync /A".',
  ].join("\n"),
  run: async (_args, options) => {
    const output = new Output(options);
    const alphabet = alphabetNamed(options.text("alphabet") ?? "small");
    const medium: Medium = options.flag("zoned") ? "zoned" : "conventional";
    const only = options.text("only");
    if (only !== undefined) return one(output, alphabet, medium, only);
    const operations = options.number("operations") ?? OPERATIONS_DEFAULT;
    if (operations < 1 || operations > OPERATIONS_MAX) {
      throw new UsageError(`--operations takes a number from 1 to ${OPERATIONS_MAX}, not ${operations}`);
    }
    const { result, interrupted } = await all(options, alphabet, medium, operations);
    const { state, total, complete } = result;
    output.object(resultObject(operations, result));
    summary(output, result);
    if (!complete)
      output.print(`  ${interrupted ? "interrupted" : "stopped"} after ${state.next} of ${total} sequences`);
    return state.failed === 0 ? Status.fine : Status.found;
  },
};

function alphabetNamed(name: string): Alphabet {
  const known: ReadonlyArray<AlphabetName> = ["small", "full"];
  const found = known.find((each) => each === name);
  if (found === undefined) throw new UsageError(`--alphabet takes ${known.join(" or ")}, not "${name}"`);
  return alphabetOf(found);
}

const resultObject = (operations: number, { state, complete, total }: ExploreResult): object => ({
  operations,
  alphabet: state.alphabet,
  medium: state.medium,
  total,
  sequences: state.next,
  ...state.totals,
  failed: state.failed,
  failures: state.failures,
  hash: state.hash,
  wallSeconds: state.wallSeconds,
  complete,
});

/** Where to go on, if the file is there. */
function resumed(file: string | undefined, alphabet: Alphabet, medium: Medium): ExploreState | undefined {
  if (file === undefined) return undefined;
  let state: ExploreState | undefined;
  try {
    state = readState(file);
  } catch (error) {
    throw new CannotError(`${file} cannot be gone on from: ${error instanceof Error ? error.message : String(error)}`);
  }
  const why = state === undefined ? undefined : unfit(state, alphabet, medium);
  if (why !== undefined) throw new UsageError(`${file} cannot be gone on from: ${why}`);
  return state;
}

async function all(
  options: Options,
  alphabet: Alphabet,
  medium: Medium,
  operations: number,
): Promise<{ readonly result: ExploreResult; readonly interrupted: boolean }> {
  const progress = new Progress();
  const file = options.text("resume");
  const from = resumed(file, alphabet, medium);
  const timeMs = options.number("time");
  let savedMs = performance.now();
  return interruptible(async (interrupted) => {
    const result = await explore({
      operations,
      alphabet: alphabet.name,
      medium,
      jobs: options.number("jobs") ?? defaultJobs(),
      stopAtFailure: options.flag("stop"),
      stopped: () => interrupted.aborted,
      ...(from === undefined ? {} : { from }),
      ...(timeMs === undefined ? {} : { timeMs }),
      progress: (state, total) => {
        const { crashPoints, crashStates, distinctStates } = state.totals;
        const states = `${formatCount(crashStates)} crash states (${formatCount(distinctStates)} distinct)`;
        const trouble = state.failed === 0 ? "" : `, ${formatCount(state.failed)} failed`;
        const what = `${formatCount(crashPoints)} crash points, ${states}${trouble}`;
        progress.update(state.next, total, what, from?.next);
        if (file === undefined || performance.now() - savedMs < SAVE_EVERY_MS) return;
        savedMs = performance.now();
        writeState(file, state);
      },
    });
    progress.clear();
    if (file !== undefined) writeState(file, result.state);
    return { result, interrupted: interrupted.aborted };
  });
}

function summary(output: Output, { state }: ExploreResult): void {
  const { failures, failed, totals, next, hash, wallSeconds } = state;
  const varve = invocation();
  for (const { index, sequence, message, replay } of failures.slice(0, FAILURES_SHOWN)) {
    output.print(`FAILED ${index}: ${sequence}`);
    for (const line of message.split("\n").slice(0, 6)) output.print(`    ${line}`);
    output.print(`    see it again: ${replay.replace(/^varve/, varve)}`);
  }
  output.print();
  output.print(failed === 0 ? "No failure." : `${failed} of ${formatCount(next)} sequences failed.`);
  output.table([
    ["  sequences", `${formatCount(next)}, run ${formatCount(totals.runs)} times with different endings`],
    ["  crash points", formatCount(totals.crashPoints)],
    [
      "  crash states",
      `${formatCount(totals.crashStates)}, of which ${formatCount(totals.distinctStates)} differ and were recovered and judged`,
    ],
    ["  time", `${wallSeconds} s, ${formatCount(Math.round(next / Math.max(wallSeconds, 0.01)))} sequences a second`],
    ["  hash", hash],
  ]);
}

/** The steps that `--only` names, by number or as text. */
function stepsNamed(
  alphabet: Alphabet,
  text: string,
): { readonly index: number | undefined; readonly steps: ReadonlyArray<Step> } {
  if (/^\d+$/u.test(text)) {
    const index = Number(text);
    for (let operations = 1; operations <= OPERATIONS_MAX; operations++) {
      const enumeration = new Enumeration(alphabet, operations);
      if (index < enumeration.total) return { index, steps: enumeration.at(index).steps };
    }
    throw new UsageError(`no sequence ${text}: there are not so many of up to ${OPERATIONS_MAX} operations`);
  }
  const steps = parseSteps(alphabet, text);
  if (typeof steps === "string") throw new UsageError(`no operation "${steps}" in the ${alphabet.name} alphabet`);
  if (sketchOf(steps) === undefined) throw new UsageError(`"${textOfSteps(steps)}" cannot succeed`);
  return { index: undefined, steps };
}

function told(operation: Operation): string {
  const path = "path" in operation ? operation.path : "target" in operation ? operation.target : "";
  const range = operation.kind === "write" ? ` ${operation.offsetBytes}+${operation.pattern.lengthBytes}` : "";
  return `${operation.kind} ${path}${range}`;
}

function one(output: Output, alphabet: Alphabet, medium: Medium, text: string): number {
  const { index, steps } = stepsNamed(alphabet, text);
  const sketch = sketchOf(steps)!;
  const setup = sketch.setup().map(told);
  const endings = endingsOf(steps, sketch).flatMap(({ text }) => (text === "" ? [] : [text]));
  const { failure, ...counts } = runSequence(steps, medium);
  output.object({ index, sequence: textOfSteps(steps), setup, endings, medium, ...counts, failure });
  output.table([
    ["  setup", setup.length === 0 ? "nothing" : setup.join("; ")],
    ["  sequence", textOfSteps(steps)],
    ["  ended by", endings.length === 0 ? "itself" : endings.join(", or ")],
    ["  crash points", formatCount(counts.crashPoints)],
    ["  crash states", `${formatCount(counts.crashStates)}, of which ${formatCount(counts.distinctStates)} differ`],
    ["  hash", counts.hash],
  ]);
  output.print(failure === undefined ? "No failure." : `FAILED: ${failure}`);
  return failure === undefined ? Status.fine : Status.found;
}
