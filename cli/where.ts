/**
 * `varve replay --where`: along a failing run, how many of its suffixes fail when they are drawn by other seeds.
 */
import type { AnyScenario } from "../harness/store/device-scenario.ts";
import { whereItWentWrong } from "../harness/suffixes.ts";
import { CannotError, Status } from "./exit.ts";
import { type Output, Progress } from "./output.ts";

export const SUFFIXES_DEFAULT = 10;
const POINTS = 16;
const BAR_WIDTH = 20;
const EVENT_WIDTH = 70;

export function showWhere(scenario: AnyScenario, seed: number, suffixes: number, output: Output): number {
  const progress = new Progress();
  const total = suffixes * (POINTS + 1);
  const found = whereItWentWrong(scenario, seed, {
    points: POINTS,
    suffixes,
    progress: (done) => progress.update(done, Math.max(done, total), "suffixes run"),
  });
  progress.clear();
  if (found === undefined) throw new CannotError(`${scenario.name}:${seed} passes: there is nothing that went wrong`);
  const { failure, points, steps } = found;
  output.object({ scenario: scenario.name, seed, failure, steps, suffixes, points });
  output.print(`FAILED (${failure.where}): ${failure.message}`);
  output.print();
  output.print(`Of ${suffixes} runs that go on from here by other seeds, so many fail in the same way:`);
  output.table(
    points.map(({ step, failed, event }) => {
      const bar = "█".repeat(Math.round((failed / suffixes) * BAR_WIDTH)).padEnd(BAR_WIDTH, "·");
      return [`  step ${step}`, `${bar} ${failed}`, `behind: ${event.slice(0, EVENT_WIDTH)}`];
    }),
  );
  return Status.found;
}
