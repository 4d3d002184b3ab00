/**
 * `varve replay`: one seed again, with the same hash as in the campaign, and its events if wanted.
 */
import { runSeed } from "../../harness/run.ts";
import { type AnyScenario, isOnDevice } from "../../harness/store/device-scenario.ts";
import { Trace } from "../../harness/trace.ts";
import { catalogue } from "../../harness/mutants/catalogue.ts";
import { runOnMutant } from "../../harness/mutants/replay.ts";
import { type CommandSpec, type Options, refuse } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { INVOKED_AS, invocation } from "../invocation.ts";
import { chooseSeed } from "../laboratory.ts";
import { Output } from "../output.ts";
import { formatCount } from "../quantity.ts";
import { type ReplayReport, replayWithReport, reportFile } from "../report.ts";
import { BUDGET_DEFAULT, REGRESSIONS_FOLDER, shrinkSeed, shrinkStoreSeed } from "../shrinking.ts";
import { showWhere, SUFFIXES_DEFAULT } from "../where.ts";

export const command: CommandSpec = {
  name: "replay",
  summary: "run one seed of a scenario again",
  arguments: [{ name: "<scenario:seed>", summary: "for example create-write-fsync:7, or ./my-scenario.ts:7" }],
  options: [
    { flags: "--trace", kind: "flag", summary: "print every event: scheduling choices, timers, device operations" },
    { flags: "--until <event>", kind: "count", summary: "with --trace: print only so many events" },
    { flags: "--shrink", kind: "flag", summary: "write the shortest script that fails as this seed does" },
    { flags: "--out <file>", kind: "text", summary: `with --shrink: the file to write (in ${REGRESSIONS_FOLDER})` },
    { flags: "--budget <runs>", kind: "count", summary: `with --shrink: runs to spend on it (${BUDGET_DEFAULT})` },
    {
      flags: "--report <file>",
      kind: "text",
      summary: "write a page of HTML: timeline, buckets, writes, and the failure",
    },
    {
      flags: "--where",
      kind: "flag",
      summary: "show where it went wrong, by runs that go on from there by other seeds",
    },
    {
      flags: "--suffixes <count>",
      kind: "count",
      summary: `with --where: such runs from each step (${SUFFIXES_DEFAULT})`,
    },
    { flags: "--mutant <name>", kind: "text", summary: "on a build with this planted bug (varve mutants --list)" },
  ],
  notes: "Exit status: 0 the seed passed, 1 it failed, 2 used wrongly, 3 could not run or shrink it.",
  run: async (args, options) => {
    const [out, budget, mutant] = [options.text("out"), options.number("budget"), options.text("mutant")];
    const shrinks = options.flag("shrink");
    const traced = options.flag("trace");
    if (options.number("until") !== undefined && !traced) throw new UsageError("--until goes with --trace");
    if (!shrinks && (out ?? budget) !== undefined) throw new UsageError("--out and --budget go with --shrink");
    if (shrinks) refuse(options, "--shrink", ["report"]);
    const where = options.flag("where");
    if (!where && options.number("suffixes") !== undefined) throw new UsageError("--suffixes goes with --where");
    if (where && (shrinks || traced)) throw new UsageError("--where goes without --shrink and --trace");
    if (where) refuse(options, "--where", ["report"]);
    if (shrinks && traced) throw new UsageError("--trace does not go with --shrink");
    const { scenario, seed, file: from, close } = await chooseSeed(args[0] ?? "");
    try {
      if (mutant !== undefined) return await onMutant(mutant, args, options);
      const output = new Output(options);
      if (where) return showWhere(scenario, seed, options.number("suffixes") ?? SUFFIXES_DEFAULT, output);
      if (shrinks) {
        const request = { seed, out, budget: budget ?? BUDGET_DEFAULT };
        if (isOnDevice(scenario)) return shrinkStoreSeed({ ...request, scenario, from }, output);
        return shrinkSeed({ ...request, scenario }, output);
      }
      const file = reportFile(options);
      const report = file === undefined ? undefined : { file, command: `varve replay ${args[0]}` };
      return await replay(scenario, seed, output, traced ? { until: options.number("until") } : undefined, report);
    } finally {
      close();
    }
  },
};

async function replay(
  scenario: AnyScenario,
  seed: number,
  output: Output,
  traced: { readonly until: number | undefined } | undefined,
  report: ReplayReport | undefined,
): Promise<number> {
  const trace = new Trace(traced !== undefined);
  const recorded = report === undefined ? undefined : await replayWithReport(report, scenario, seed);
  const result = recorded === undefined || traced !== undefined ? runSeed(scenario, seed, { trace }) : recorded;
  const events = trace.recorded?.slice(0, traced?.until);
  events?.forEach((event, index) => output.print(`${String(index).padStart(7)}  ${event}`));
  output.object(events === undefined ? result : { ...result, trace: events });
  output.print(`${scenario.name}:${seed}  ${scenario.summary}`);
  output.table([
    ["  hash", result.hash],
    ["  events", formatCount(result.events)],
    ["  crash states", `${formatCount(result.crashStates)}, ${formatCount(result.equalStates)} of them by equality`],
    ["  simulated", `${(result.simulatedMs / 1000).toFixed(3)} s`],
  ]);
  if (result.failure === undefined) output.print("passed");
  else output.print(`FAILED (${result.failure.where}): ${result.failure.message}`);
  if (report !== undefined) output.print(`Report: ${report.file}`);
  return result.failure === undefined ? Status.fine : Status.found;
}

/** The same command line in a copy of the build that has the planted bug. */
async function onMutant(id: string, args: ReadonlyArray<string>, options: Options): Promise<number> {
  const mutant = catalogue.find((each) => each.id === id);
  if (mutant === undefined) throw new UsageError(`no mutant "${id}": \`varve mutants --list\` shows them`);
  const flags = ["trace", "shrink", "where", "json"].filter((name) => options.flag(name)).map((name) => `--${name}`);
  const valued = ["until", "out", "budget", "report", "suffixes"].flatMap((name) => {
    const value = options.text(name) ?? options.number(name);
    return value === undefined ? [] : [`--${name}`, String(value)];
  });
  const command = ["replay", ...args, ...flags, ...valued];
  const status = await runOnMutant(mutant, command, { [INVOKED_AS]: invocation() });
  if (status === undefined) throw new CannotError(`the build with mutant ${id} was killed`);
  new Output(options).print(`That was with a planted bug: ${mutant.breaks} (--mutant ${id}).`);
  return status;
}
