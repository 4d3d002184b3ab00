/**
 * `varve corrupt`: images of known pools are corrupted, mounted and read; none may hang, crash or show wrong data.
 */
import { directObstacle } from "../../fuse/direct-session.ts";
import { FINDINGS, OUTCOMES } from "../../harness/corruption/judge.ts";
import type { CommandSpec } from "../command.ts";
import { corrupt, type CorruptResult, type Finding } from "../corrupt/run.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { invocation } from "../invocation.ts";
import { defaultJobs } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";
import { formatCount } from "../quantity.ts";

const IMAGES_DEFAULT = 200;
const POOLS_DEFAULT = 3;
const LIMIT_DEFAULT_MS = 30_000;
const DETAIL_LINES = 12;

export const command: CommandSpec = {
  name: "corrupt",
  summary: "mount corrupted images and see what comes",
  arguments: [],
  options: [
    { flags: "--images <count>", kind: "count", summary: `how many (${IMAGES_DEFAULT})` },
    { flags: "--from <number>", kind: "count", summary: "number of the first (0)" },
    { flags: "--seed <number>", kind: "count", summary: "of pools and corruption (1)" },
    { flags: "--pools <count>", kind: "count", summary: `pools whose images are used (${POOLS_DEFAULT})` },
    { flags: "--jobs <count>", kind: "count", summary: "mounts at a time (as many as the machine has processors)" },
    { flags: "--limit <duration>", kind: "milliseconds", summary: "what takes longer hangs (30s)" },
  ],
  notes: [
    "Takes root. The images are made by the command itself; no pool of yours is touched.",
    "Exit status: 0 no finding, 1 an image hung, crashed the server or showed wrong data, 2 used wrongly, 3 could not run.",
    "docs/testing.md says what the outcomes mean.",
  ].join("\n"),
  run: async (_args, options) => {
    const obstacle = directObstacle();
    if (obstacle !== undefined) throw new CannotError(`images cannot be mounted here: ${obstacle}`);
    const output = new Output(options);
    const progress = new Progress();
    const from = options.number("from") ?? 0;
    const images = options.number("images") ?? IMAGES_DEFAULT;
    const seed = options.number("seed") ?? 1;
    const pools = options.number("pools") ?? POOLS_DEFAULT;
    const jobs = options.number("jobs") ?? defaultJobs();
    if (images < 1 || pools < 1 || jobs < 1) throw new UsageError("--images, --pools and --jobs are at least 1");
    const findings: Array<Finding> = [];
    const { result, interrupted } = await interruptible(async (signal) => {
      const outcome = await corrupt({
        seed,
        from,
        to: from + images,
        pools,
        jobs,
        limitMs: options.number("limit") ?? LIMIT_DEFAULT_MS,
        progress: (done, found) => progress.update(done, images, found === 0 ? "no finding" : `${found} findings`),
        found: (finding) => {
          progress.clear();
          findings.push(finding);
          printFinding(output, finding, `${invocation()} corrupt --seed ${seed} --pools ${pools}`);
        },
        interrupted: () => signal.aborted,
      });
      return { result: outcome, interrupted: signal.aborted };
    });
    progress.clear();
    output.object({ seed, from, pools, ...result, details: findings });
    summary(output, result);
    if (interrupted) throw new CannotError(`interrupted after ${result.images} images`);
    return result.findings === 0 ? Status.fine : Status.found;
  },
};

function printFinding(
  output: Output,
  { image, specimen, damage, what, outcome, details }: Finding,
  again: string,
): void {
  output.print(`${outcome} image ${image}: ${specimen}; ${damage}: ${what}`);
  for (const line of details.flatMap((detail) => detail.split("\n")).slice(0, DETAIL_LINES))
    output.print(`    ${line}`);
  if (FINDINGS.has(outcome)) output.print(`    see it again: ${again} --from ${image} --images 1`);
}

function summary(output: Output, { images, findings, seconds, table, withoutAttributes }: CorruptResult): void {
  const rows = Object.entries(table).map(([name, counts]) => [
    name,
    ...OUTCOMES.map((outcome) => formatCount(counts[outcome])),
  ]);
  const sums = OUTCOMES.map((outcome) =>
    formatCount(Object.values(table).reduce((sum, counts) => sum + counts[outcome], 0)),
  );
  output.print();
  output.table([...rows, ["all", ...sums]], ["corruption", ...OUTCOMES]);
  output.print();
  const rate = (images / seconds).toFixed(1);
  output.print(findings === 0 ? "No finding." : `${findings} of ${images} images are findings.`);
  output.print(`  ${formatCount(images)} images in ${Math.round(seconds)} s, ${rate} a second`);
  if (withoutAttributes) output.print("  attributes were not read: the program getfattr (Debian: attr) is missing");
}
