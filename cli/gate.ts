/**
 * `varve campaign --gate`: when it can be used, and what it says of the marks.
 */
import { Gate, type GateVerdict, whyUndeclared } from "../harness/gate/gate.ts";
import type { Options } from "./command.ts";
import { UsageError } from "./exit.ts";
import { registry, scenarioNames } from "./laboratory.ts";
import type { Output } from "./output.ts";
import { fileNamed } from "./scenario-file.ts";

/** The gate that the options ask for; what the rates of the marks are declared for is all scenarios together. */
export function gateWanted(args: ReadonlyArray<string>, options: Options): Gate | undefined {
  if (!options.flag("gate")) return undefined;
  if (options.text("target") !== undefined) throw new UsageError("--gate judges our own engine: leave out --target");
  const file = args.find((word) => fileNamed(word) !== undefined);
  if (file !== undefined || scenarioNames(args).length < registry.scenarios.length) {
    throw new UsageError("--gate needs all scenarios: name none");
  }
  return new Gate();
}

/** What `--json` tells of it. */
export const gateObject = ({ judged, missed }: GateVerdict): Pick<GateVerdict, "judged" | "missed"> => ({
  judged,
  missed,
});

/** A line for each mark that was missed, and how many were judged. */
export function printVerdict(output: Output, { judged, declared, missed, undeclared }: GateVerdict): void {
  output.print();
  for (const { name, found, wanted } of missed) {
    output.print(`MISSED "${name}": reached by ${found} ${found === 1 ? "seed" : "seeds"}, wanted ${wanted}`);
  }
  for (const name of undeclared) output.print(`"${name}" was reached and has no rate: ${whyUndeclared(name)}`);
  const rest = judged === declared ? "" : "; more seeds would judge the others";
  output.print(`Gate: ${judged} of ${declared} marks judged, ${missed.length} missed${rest}.`);
}
