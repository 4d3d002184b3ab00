/**
 * `varve bench`: measures the engine on memory devices and simulated disks, and prints named figures. `varve bench mount`
 * measures mounted filesystems side by side.
 */
import { workloads } from "../../bench/index.ts";
import { MOUNT_BENCH_NOTES, MOUNT_BENCH_OPTIONS, mountBench } from "../mount-bench.ts";
import type { CommandSpec } from "../command.ts";
import { Status, UsageError } from "../exit.ts";
import { Output } from "../output.ts";

const PERCENT = 100;
/** The one that is about mounts and has options of its own. */
const MOUNT = "mount";

export const command: CommandSpec = {
  name: "bench",
  summary: "measure the engine, or mounted filesystems side by side",
  arguments: [
    {
      name: "[workload...]",
      summary: `what to measure: ${workloads.map(({ name }) => name).join(", ")}; or ${MOUNT} alone`,
    },
  ],
  options: [
    { flags: "--scale <percent>", kind: "count", summary: "size of the run in percent of the documented one (100)" },
    ...MOUNT_BENCH_OPTIONS,
  ],
  notes: `What the figures mean, and what they do not, is in docs/benchmarks.md.\n\n${MOUNT_BENCH_NOTES}`,
  run: async (args, options) => {
    const output = new Output(options);
    if (args[0] === MOUNT) {
      if (args.length > 1) throw new UsageError(`${MOUNT} is measured alone; --workloads says what of it`);
      return mountBench(options, output);
    }
    const scale = (options.number("scale") ?? PERCENT) / PERCENT;
    if (scale <= 0) throw new UsageError("--scale must be at least 1");
    const unknown = args.find((name) => workloads.every((workload) => workload.name !== name));
    if (unknown !== undefined) {
      throw new UsageError(
        `no workload ${unknown}; there are ${workloads.map(({ name }) => name).join(", ")} and ${MOUNT}`,
      );
    }
    const chosen = args.length === 0 ? workloads : workloads.filter(({ name }) => args.includes(name));
    const results: Record<string, Record<string, { value: number; unit: string }>> = {};
    for (const workload of chosen) {
      output.print(`${workload.name}: ${workload.summary}`);
      const figures = await workload.run({ scale, progress: (line) => process.stderr.write(`  ${line}\n`) });
      results[workload.name] = Object.fromEntries(figures.map(({ name, value, unit }) => [name, { value, unit }]));
      output.table(figures.map(({ name, value, unit }) => [`  ${name}`, `${value.toLocaleString("en")} ${unit}`]));
      output.print();
    }
    output.object({ node: process.version, scale, workloads: results });
    return Status.fine;
  },
};
