/**
 * `varve replay`: one seed again, with the same hash as in the campaign, and its events if wanted.
 */
import { runSeed } from "../../harness/run.ts";
import { Trace } from "../../harness/trace.ts";
import type { CommandSpec } from "../command.ts";
import { Status, UsageError } from "../exit.ts";
import { parseScenarioSeed, registry } from "../laboratory.ts";
import { Output } from "../output.ts";
import { formatCount } from "../quantity.ts";

export const command: CommandSpec = {
  name: "replay",
  summary: "run one seed of a scenario again",
  arguments: [{ name: "<scenario:seed>", summary: "for example create-write-fsync:7" }],
  options: [
    { flags: "--trace", kind: "flag", summary: "print every event: scheduling choices, timers, device operations" },
    { flags: "--until <event>", kind: "count", summary: "with --trace: print only so many events" },
  ],
  notes: "Exit status: 0 the seed passed, 1 it failed, 2 used wrongly.",
  run: (args, options) => {
    const output = new Output(options);
    const until = options.number("until");
    const traced = options.flag("trace");
    if (until !== undefined && !traced) throw new UsageError("--until goes with --trace");
    const { scenario: name, seed } = parseScenarioSeed(args[0] ?? "");
    const scenario = registry.scenarios.find((candidate) => candidate.name === name)!;
    const trace = new Trace(traced);
    const result = runSeed(scenario, seed, { trace });
    if (traced) {
      trace.recorded!.slice(0, until).forEach((event, index) => {
        output.print(`${String(index).padStart(7)}  ${event}`);
      });
    }
    output.object(traced ? { ...result, trace: trace.recorded!.slice(0, until) } : result);
    output.print(`${name}:${seed}  ${scenario.summary}`);
    output.table([
      ["  hash", result.hash],
      ["  events", formatCount(result.events)],
      ["  crash states", formatCount(result.crashStates)],
      ["  simulated", `${(result.simulatedMs / 1000).toFixed(3)} s`],
    ]);
    if (result.failure === undefined) output.print("passed");
    else output.print(`FAILED (${result.failure.where}): ${result.failure.message}`);
    return Promise.resolve(result.failure === undefined ? Status.fine : Status.found);
  },
};
