/**
 * `varve scenarios`: what the campaign can run.
 */
import type { CommandSpec } from "../command.ts";
import { Status } from "../exit.ts";
import { registry } from "../laboratory.ts";
import { Output } from "../output.ts";

export const command: CommandSpec = {
  name: "scenarios",
  summary: "list the scenarios of the campaign",
  arguments: [],
  options: [],
  run: (_args, options) => {
    const output = new Output(options);
    output.object(registry.scenarios.map(({ name, summary }) => ({ name, summary })));
    const width = Math.max(...registry.scenarios.map(({ name }) => name.length));
    for (const { name, summary } of registry.scenarios) output.print(`${name.padEnd(width)}  ${summary}`);
    return Promise.resolve(Status.fine);
  },
};
