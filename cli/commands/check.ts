/**
 * `varve check`: every pass over a pool that is not mounted; reports, changes nothing.
 */
import * as Effect from "effect/Effect";
import { checkPool } from "../../engine/index.ts";
import type { CommandSpec } from "../command.ts";
import { openDevices } from "../devices.ts";
import { Status } from "../exit.ts";
import { Output, Progress } from "../output.ts";
import { formatCount } from "../quantity.ts";
import { run } from "../runtime.ts";

/** Passes, for the progress line. */
const PASSES = ["superblocks", "btrees", "inodes", "directories", "extents", "allocation", "data"];

export const command: CommandSpec = {
  name: "check",
  summary: "verify everything in a pool, changing nothing",
  arguments: [{ name: "<device...>", summary: "all devices of the pool, not mounted" }],
  options: [{ flags: "--data", kind: "flag", summary: "also read all data and verify its checksums" }],
  notes: "Exit status: 0 nothing found, 1 problems found, 2 used wrongly, 3 could not check.",
  run: async (paths, options) => {
    const output = new Output(options);
    const progress = new Progress();
    const data = options.flag("data");
    const total = data ? PASSES.length : PASSES.length - 1;
    const report = await run(
      Effect.scoped(
        Effect.flatMap(openDevices(paths, true), (devices) =>
          checkPool(devices, { data, progress: (pass) => progress.update(PASSES.indexOf(pass), total, pass) }),
        ),
      ),
    );
    progress.clear();
    const { problems, unlisted, counts } = report;
    output.object({ problems, unlisted, counts });
    for (const { pass, what } of problems) output.print(`${pass}: ${what}`);
    if (unlisted > 0) output.print(`... and ${formatCount(unlisted)} more`);
    const found = problems.length + unlisted;
    const looked = ["inodes", "names", "extents", "leaves"].map((what) => `${formatCount(counts[what] ?? 0)} ${what}`);
    const verdict = found === 0 ? "nothing wrong" : found === 1 ? "1 problem" : `${formatCount(found)} problems`;
    output.print(Object.keys(counts).length === 0 ? `${verdict}.` : `${looked.join(", ")}: ${verdict}.`);
    return found === 0 ? Status.fine : Status.found;
  },
};
