/**
 * `varve campaign --target NAME`: reads the options that belong to it, runs the campaign and shows its counts.
 */
import type { Options } from "../command.ts";
import { Status, UsageError } from "../exit.ts";
import { parseSeeds } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";
import { formatCount } from "../quantity.ts";
import { runTargetCampaign } from "./target-campaign.ts";
import { targets } from "./target.ts";

const SEEDS_DEFAULT = "5";
const STATES_DEFAULT = 40;
const OPERATIONS = 60;
const ATOMIC_DEFAULT_BYTES = 512;

export async function targetCampaign(name: string, args: ReadonlyArray<string>, options: Options): Promise<number> {
  const target = targets.find((known) => known.name === name);
  if (target === undefined) {
    throw new UsageError(`no target "${name}": there are ${targets.map(({ name }) => name).join(", ")}`);
  }
  if (args.length > 0) throw new UsageError("--target has a workload of its own and takes no scenario");
  const seeds = parseSeeds(options.text("seeds") ?? SEEDS_DEFAULT);
  const atomicWriteBytes = options.number("atomic") ?? ATOMIC_DEFAULT_BYTES;
  if (atomicWriteBytes < 512 || atomicWriteBytes > 4096 || 4096 % atomicWriteBytes !== 0) {
    throw new UsageError("--atomic takes 512, 1K, 2K or 4K");
  }
  const timeMs = options.number("time");
  const output = new Output(options);
  const progress = new Progress();
  const tally = await runTargetCampaign({
    target,
    seeds,
    statesPerSeed: options.number("states") ?? STATES_DEFAULT,
    operations: OPERATIONS,
    atomicWriteBytes,
    ...(timeMs === undefined ? {} : { timeMs }),
    progress: (seed, { crashStates, faults }) =>
      progress.update(
        seed - seeds.from + 1,
        seeds.to - seeds.from + 1,
        `${formatCount(crashStates)} crash states, ${formatCount(faults)} promises broken`,
      ),
  });
  progress.clear();
  tally.show(output);
  return tally.faults === 0 ? Status.fine : Status.found;
}
