/**
 * `varve mutants`: plants each bug of the catalogue in a copy of the build and counts the seeds that it survives.
 */
import { catalogue } from "../../harness/mutants/catalogue.ts";
import { type MutantResult, runMutant } from "../../harness/mutants/run.ts";
import type { CommandSpec } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { defaultJobs } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";

const BUDGET_DEFAULT = 2000;

export const command: CommandSpec = {
  name: "mutants",
  summary: "show that the campaign catches planted bugs",
  arguments: [{ name: "[mutant...]", summary: "which planted bugs; all that make a difference unless told" }],
  options: [
    { flags: "--budget <seeds>", kind: "count", summary: `seeds of each bug at most (${BUDGET_DEFAULT})` },
    { flags: "--jobs <count>", kind: "count", summary: "worker threads of each campaign" },
    { flags: "--list", kind: "flag", summary: "only list the planted bugs" },
  ],
  notes: "Exit status: 0 all were caught, 1 one survived, 2 used wrongly, 3 could not run or was interrupted.",
  run: async (args, options) => {
    const output = new Output(options);
    const unknown = args.find((id) => catalogue.every((mutant) => mutant.id !== id));
    if (unknown !== undefined) throw new UsageError(`no mutant "${unknown}": \`varve mutants --list\` shows them`);
    const named = (id: string): boolean => args.includes(id);
    const chosen = catalogue.filter(({ id, equivalent }) => (args.length === 0 ? equivalent === undefined : named(id)));
    const left = args.length === 0 ? catalogue.filter(({ equivalent }) => equivalent !== undefined) : [];
    const width = Math.max(...chosen.map(({ id }) => id.length)) + 2;
    if (options.flag("list")) {
      output.object([...chosen, ...left].map(({ id, breaks, file, equivalent }) => ({ id, breaks, file, equivalent })));
      for (const { id, breaks } of chosen) output.print(`${id.padEnd(width)}${breaks}`);
      for (const { id, equivalent } of left) output.print(`${id.padEnd(width)}not run: ${equivalent}`);
      return Status.fine;
    }
    const progress = new Progress();
    const budget = options.number("budget") ?? BUDGET_DEFAULT;
    if (budget < 1) throw new UsageError("--budget takes a number of seeds, at least 1");
    const jobs = options.number("jobs") ?? defaultJobs();
    const results: Array<MutantResult> = [];
    await interruptible(async (signal) => {
      for (const [index, mutant] of chosen.entries()) {
        progress.update(index, chosen.length, mutant.id);
        const result = await runMutant(mutant, { budget, jobs, signal });
        progress.clear();
        if (result === undefined) return;
        results.push(result);
        const verdict = result.caught ? `caught after ${result.seeds} seeds by ${result.scenario}` : "SURVIVED";
        output.print(`${mutant.id.padEnd(width)}${verdict}`);
        const line = result.message?.split("\n").find((each) => !each.startsWith("crash state")) ?? "";
        if (line !== "") output.print(`${" ".repeat(width)}${line.slice(0, 150)}`);
      }
    });
    const survivors = results.filter(({ caught }) => !caught);
    const caught = results.filter((result) => result.caught);
    const medianSeeds = caught.map(({ seeds }) => seeds).sort((a, b) => a - b)[Math.floor(caught.length / 2)];
    const equivalent = left.map(({ id, equivalent: reason }) => ({ id, reason }));
    output.object({ budget, caught: caught.length, survived: survivors.length, medianSeeds, results, equivalent });
    const median = medianSeeds === undefined ? "" : `, after ${medianSeeds} seeds at the median`;
    for (const { id, reason } of equivalent) output.print(`${id.padEnd(width)}not run: ${reason}`);
    output.print(`${caught.length} of ${results.length} caught${median}`);
    if (results.length < chosen.length) {
      throw new CannotError(`interrupted after ${results.length} of ${chosen.length} planted bugs`);
    }
    return survivors.length === 0 ? Status.fine : Status.found;
  },
};
