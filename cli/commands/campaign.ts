/**
 * `varve campaign`: seeds of scenarios on simulated disks, crashed and judged; a line for each failing seed.
 */
import { runCampaign, type CampaignResult } from "../../harness/campaign.ts";
import type { Gate } from "../../harness/gate/gate.ts";
import { campaignFile } from "../campaign-file.ts";
import { type CommandSpec, type Options, refuse } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { gateObject, gateWanted, printVerdict } from "../gate.ts";
import { interruptible } from "../interrupt.ts";
import { invocation } from "../invocation.ts";
import { chooseScenarios, type Chosen, defaultJobs, parseSeeds } from "../laboratory.ts";
import { Output, Progress } from "../output.ts";
import { formatCount } from "../quantity.ts";
import { CampaignReport } from "../report.ts";

const SEEDS_DEFAULT = "20";
const VERIFY_DEFAULT = 0.1;
const FAILURES_FOLDER = ".varve/failures";
const MARKS_SHOWN = 8;
/** What decides which seeds run, or judges them all together, has no meaning where they have no end. */
const WITHOUT_CORPUS = ["seeds", "failures", "gate", "target", "states", "atomic", "resume", "report", "report-seed"];

export const command: CommandSpec = {
  name: "campaign",
  summary: "crash the engine on simulated disks, seed after seed",
  arguments: [
    { name: "[scenario...]", summary: "which scenarios, all of them unless told; or a file that exports some" },
  ],
  options: [
    { flags: "--seeds <range>", kind: "text", summary: `seeds of each scenario: 500 or 1..500 (${SEEDS_DEFAULT})` },
    { flags: "--time <duration>", kind: "milliseconds", summary: "hand out no more seeds after this long, as in 60s" },
    { flags: "--jobs <count>", kind: "count", summary: "worker threads (as many as the machine has processors)" },
    {
      flags: "--verify <share>",
      kind: "text",
      summary: `share of seeds that are run twice, 0 to 1 (${VERIFY_DEFAULT}; with --gate all)`,
    },
    { flags: "--failures <folder>", kind: "text", summary: `where records of failures go (${FAILURES_FOLDER})` },
    { flags: "--stop", kind: "flag", summary: "end at the first failure" },
    { flags: "--resume <file>", kind: "text", summary: "go on from this file if it is there, and keep results in it" },
    {
      flags: "--corpus <folder>",
      kind: "text",
      summary: "seeds without end, and those worth running again kept there",
    },
    { flags: "--gate", kind: "flag", summary: "fail when a mark of the engine is reached too seldom; all scenarios" },
    { flags: "--report <file>", kind: "text", summary: "write a page of HTML: outcome, marks, and one seed in detail" },
    {
      flags: "--report-seed <scenario:seed>",
      kind: "text",
      summary: "with --report: the seed in detail (the first that failed, or the first of all)",
    },
    { flags: "--target <name>", kind: "text", summary: "crash another filesystem: ext4, xfs or btrfs (takes root)" },
    { flags: "--states <count>", kind: "count", summary: "crash states of each seed, with --target (40)" },
    { flags: "--atomic <bytes>", kind: "bytes", summary: "unit that is never torn, with --target (512)" },
  ],
  notes: [
    "Exit status: 0 no failure, 1 a seed failed or the gate did, 2 used wrongly, 3 could not run.",
    "The same seeds give the same hash, however many jobs there are.",
  ].join("\n"),
  run: async (args, options) => {
    const gate = gateWanted(args, options);
    const target = options.text("target");
    if (target !== undefined) {
      refuse(options, "--target", ["report", "report-seed", "resume", "corpus"]);
      const { targetCampaign } = await import("../targets/command.ts");
      return targetCampaign(target, args, options);
    }
    const corpus = options.text("corpus");
    if (corpus !== undefined) {
      refuse(options, "--corpus", WITHOUT_CORPUS);
      const { corpusCampaign } = await import("../corpus.ts");
      return corpusCampaign(corpus, args, options, parseShare(options));
    }
    const output = new Output(options);
    const { registry, names, close } = await chooseScenarios(args);
    const report = CampaignReport.wanted(options, registry.scenarios, names, close);
    const result = await run({ registry, names }, options, gate, report).finally(close);
    const { hashes, ...rest } = result;
    const verdict = gate?.verdict(names.length);
    output.object({ ...rest, seedHashes: hashes, ...(verdict === undefined ? {} : { gate: gateObject(verdict) }) });
    summary(output, result, registry);
    if (verdict !== undefined) printVerdict(output, verdict);
    await report?.write(result, args, output);
    return result.failures.length === 0 && (verdict?.missed ?? []).length === 0 ? Status.fine : Status.found;
  },
};

/** The campaign itself, with how far it is. */
async function run(
  { registry, names }: Pick<Chosen, "registry" | "names">,
  options: Options,
  gate: Gate | undefined,
  report: CampaignReport | undefined,
): Promise<CampaignResult> {
  const seeds = parseSeeds(options.text("seeds") ?? SEEDS_DEFAULT);
  const verifyShare = parseShare(options);
  const timeMs = options.number("time");
  const file = options.text("resume");
  const kept = file === undefined ? undefined : campaignFile(file, { registry, names }, seeds, verifyShare);
  const progress = new Progress();
  let before: number | undefined;
  try {
    return await interruptible((interrupted) =>
      runCampaign({
        registry,
        names,
        seeds,
        verifyShare,
        jobs: options.number("jobs") ?? defaultJobs(),
        failuresFolder: options.text("failures") ?? FAILURES_FOLDER,
        stopAtFailure: options.flag("stop"),
        stopped: () => interrupted.aborted,
        ...(timeMs === undefined ? {} : { timeMs }),
        ...(kept === undefined ? {} : { log: kept.log }),
        progress: (done, total, { failures, crashStates }) => {
          before ??= done - 1;
          const trouble = failures === 0 ? "" : `, ${failures} failed`;
          progress.update(done, total, `${formatCount(crashStates)} crash states${trouble}`, before);
        },
        ...(gate === undefined && report === undefined
          ? {}
          : {
              seen: (seed) => {
                gate?.take(seed);
                report?.take(seed);
              },
            }),
      }),
    );
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw new CannotError(`results cannot be kept: ${error.message}`);
    throw error;
  } finally {
    progress.clear();
    kept?.close();
  }
}

function parseShare(options: Options): number {
  const share = Number(options.text("verify") ?? (options.flag("gate") ? 1 : VERIFY_DEFAULT));
  if (!(share >= 0 && share <= 1)) throw new UsageError("--verify takes a share from 0 to 1");
  return share;
}

function summary(output: Output, result: CampaignResult, { address }: Chosen["registry"]): void {
  const varve = invocation();
  for (const { scenario, seed, message, replay } of result.failures) {
    output.print(`FAILED ${scenario}:${seed}`);
    for (const line of message.split("\n").slice(0, 6)) output.print(`    ${line}`);
    output.print(`    see it again: ${replay.replace(/^varve/, varve)}`);
  }
  const { seeds, crashStates, equalStates, wallSeconds, failures, verified, marks } = result;
  output.print();
  output.print(failures.length === 0 ? "No failure." : `${failures.length} of ${seeds} seeds failed.`);
  if (!result.complete) output.print("Not all seeds were run.");
  output.table([
    ["  scenarios", String(result.scenarios.length)],
    ["  seeds", `${formatCount(seeds)}, ${formatCount(verified)} of them run twice with the same hash`],
    [
      "  crash states",
      `${formatCount(crashStates)} judged, ${formatCount(Math.round(crashStates / wallSeconds))} a second`,
    ],
    ["    recovered", formatCount(crashStates - equalStates)],
    ["    by equality", `${formatCount(equalStates)} that differ from one recovered in nothing it read`],
    ["  simulated", `${formatCount(Math.round(result.simulatedSeconds))} s in ${wallSeconds} s`],
    ["  hash", result.hash],
  ]);
  const rare = Object.entries(marks).sort((a, b) => a[1] - b[1]);
  const shown = rare.slice(0, MARKS_SHOWN).map(([mark, count]) => `${mark} (${count})`);
  if (shown.length > 0) output.print(`  rarest marks: ${shown.join(", ")}`);
  output.print();
  const [one] = [...result.hashes.keys()].map((key) => {
    const at = key.lastIndexOf(":");
    return `${address?.(key.slice(0, at)) ?? key.slice(0, at)}${key.slice(at)}`;
  });
  if (one !== undefined) output.print(`See one seed in detail:  ${varve} replay ${one} --trace`);
  output.print(`Use it for real:         ${varve} format --size 1G pool.varve`);
  output.print(`                         mkdir -p m && ${varve} mount pool.varve m`);
}
