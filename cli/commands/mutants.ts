/**
 * `varve mutants`: plants each bug of the catalogue in a copy of the build and counts the seeds that it survives.
 */
import { catalogue } from "../../harness/mutants/catalogue.ts";
import { type MutantResult, runMutant } from "../../harness/mutants/run.ts";
import type { CommandSpec } from "../command.ts";
import { Status, UsageError } from "../exit.ts";
import { defaultJobs } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";

const BUDGET_DEFAULT = 2000;

export const command: CommandSpec = {
  name: "mutants",
  summary: "show that the campaign catches planted bugs",
  arguments: [{ name: "[mutant...]", summary: "which planted bugs; all of them unless told" }],
  options: [
    { flags: "--budget <seeds>", kind: "count", summary: `seeds of each bug at most (${BUDGET_DEFAULT})` },
    { flags: "--jobs <count>", kind: "count", summary: "worker threads of each campaign" },
    { flags: "--list", kind: "flag", summary: "only list the planted bugs" },
  ],
  notes: "Exit status: 0 all were caught, 1 one survived, 2 used wrongly.",
  run: async (args, options) => {
    const output = new Output(options);
    const unknown = args.find((id) => catalogue.every((mutant) => mutant.id !== id));
    if (unknown !== undefined) throw new UsageError(`no mutant "${unknown}": \`varve mutants --list\` shows them`);
    const chosen = args.length === 0 ? catalogue : catalogue.filter(({ id }) => args.includes(id));
    if (options.flag("list")) {
      output.object(chosen.map(({ id, breaks, file }) => ({ id, breaks, file })));
      for (const { id, breaks } of chosen) output.print(`${id.padEnd(28)}${breaks}`);
      return Status.fine;
    }
    const progress = new Progress();
    const budget = options.number("budget") ?? BUDGET_DEFAULT;
    if (budget < 1) throw new UsageError("--budget takes a number of seeds, at least 1");
    const jobs = options.number("jobs") ?? defaultJobs();
    const results: Array<MutantResult> = [];
    for (const [index, mutant] of chosen.entries()) {
      progress.update(index, chosen.length, mutant.id);
      const result = await runMutant(mutant, { budget, jobs });
      results.push(result);
      progress.clear();
      const verdict = result.caught ? `caught after ${result.seeds} seeds by ${result.scenario}` : "SURVIVED";
      output.print(`${mutant.id.padEnd(28)}${verdict}`);
      const line = result.message?.split("\n").find((each) => !each.startsWith("crash state")) ?? "";
      if (line !== "") output.print(`${" ".repeat(28)}${line.slice(0, 150)}`);
    }
    const survivors = results.filter(({ caught }) => !caught);
    output.object({ budget, caught: results.length - survivors.length, survived: survivors.length, results });
    output.print(`${results.length - survivors.length} of ${results.length} caught`);
    return survivors.length === 0 ? Status.fine : Status.found;
  },
};
