/**
 * `--report out.html` of campaign and replay: which seed is recorded for it, and where it is written.
 *
 * What gathers and writes is loaded only when a report is wanted.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import type { CampaignResult } from "../harness/campaign.ts";
import { CampaignTally } from "../harness/report/campaign-tally.ts";
import type { ReportData } from "../harness/report/report-data.ts";
import type { SeedResult } from "../harness/run.ts";
import type { AnyScenario } from "../harness/store/device-scenario.ts";
import type { Options } from "./command.ts";
import { CannotError, UsageError } from "./exit.ts";
import type { Output } from "./output.ts";

interface Named {
  readonly scenario: string;
  readonly seed: number;
}

function parseNamed(text: string): Named {
  const at = text.lastIndexOf(":");
  const seed = text.slice(at + 1);
  if (at <= 0 || !/^\d+$/u.test(seed)) throw new UsageError(`--report-seed takes SCENARIO:SEED, not "${text}"`);
  return { scenario: text.slice(0, at), seed: Number(seed) };
}

/** The file that `--report` names; one that cannot be written is told before the work, not behind it. */
export function reportFile(options: Options): string | undefined {
  const file = options.text("report");
  if (file === undefined) return undefined;
  const folder = dirname(file);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new CannotError(`${file} cannot be written: ${(error as Error).message}`);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UsageError(`--report takes a file to write, and ${file} is a folder`);
  }
  return file;
}

export class CampaignReport {
  private readonly file: string;
  private readonly scenarios: ReadonlyArray<AnyScenario>;
  private readonly names: ReadonlyArray<string>;
  private readonly wanted: Named | undefined;
  private readonly tally = new CampaignTally();

  private constructor(
    file: string,
    scenarios: ReadonlyArray<AnyScenario>,
    names: ReadonlyArray<string>,
    wanted: Named | undefined,
  ) {
    this.file = file;
    this.scenarios = scenarios;
    this.names = names;
    this.wanted = wanted;
  }

  /** The report that the options ask for, on a campaign of these scenarios; closes them if it is refused. */
  static wanted(
    options: Options,
    scenarios: ReadonlyArray<AnyScenario>,
    names: ReadonlyArray<string>,
    close: () => void,
  ): CampaignReport | undefined {
    try {
      const file = reportFile(options);
      const text = options.text("reportSeed");
      if (text === undefined) return file === undefined ? undefined : new CampaignReport(file, scenarios, names, text);
      if (file === undefined) throw new UsageError("--report-seed goes with --report");
      const wanted = parseNamed(text);
      if (!names.includes(wanted.scenario)) {
        throw new UsageError(`--report-seed: no scenario "${wanted.scenario}" in this campaign`);
      }
      return new CampaignReport(file, scenarios, names, wanted);
    } catch (error) {
      close();
      throw error;
    }
  }

  take(result: SeedResult): void {
    this.tally.take(result);
  }

  /** `args` are those of the command. */
  async write(result: CampaignResult, args: ReadonlyArray<string>, output: Output): Promise<void> {
    const { file, names } = this;
    const chosen = this.chosen(result);
    const scenario = this.scenarios.find(({ name }) => name === chosen?.scenario);
    const { recordSeed } = await import("../harness/report/record-seed.ts");
    const recorded = scenario === undefined || chosen === undefined ? undefined : recordSeed(scenario, chosen.seed);
    await write(file, {
      title: "Varve campaign",
      command: ["varve campaign", ...args].join(" "),
      hash: result.hash,
      seeds: result.seeds,
      rows: this.tally.rows(names),
      failures: result.failures,
      marks: Object.entries(result.marks),
      ...(recorded === undefined ? {} : { seed: recorded.record }),
    });
    const before = result.hashes.get(`${chosen?.scenario}:${chosen?.seed}`);
    const again = recorded?.result.hash;
    if (before !== undefined && again !== undefined && before !== again) {
      output.print(`the seed in detail took another course than in the campaign: hash ${again} instead of ${before}`);
    }
    output.print(`Report: ${file}`);
  }

  /** The seed that was asked for, else the first that failed and can be run again here, else the first of all. */
  private chosen({ failures, hashes }: CampaignResult): Named | undefined {
    if (this.wanted !== undefined) return this.wanted;
    // One that ended its worker would end this process too, before anything is written.
    const failed = failures.find(({ scenario, seed }) => hashes.get(`${scenario}:${seed}`) !== "");
    if (failed !== undefined) return failed;
    const first = [...hashes].find(([, hash]) => hash !== "");
    return first === undefined ? undefined : parseNamed(first[0]);
  }
}

export interface ReplayReport {
  readonly file: string;
  /** That shows the seed again. */
  readonly command: string;
}

/** Runs a seed as `replay` does, and writes its report. */
export async function replayWithReport(
  { file, command }: ReplayReport,
  scenario: AnyScenario,
  seed: number,
): Promise<SeedResult> {
  const { recordSeed } = await import("../harness/report/record-seed.ts");
  const { result, record } = recordSeed(scenario, seed);
  const tally = new CampaignTally();
  tally.take(result);
  const { failure, hash, marks } = result;
  await write(file, {
    title: `Replay of ${scenario.name}:${seed}`,
    command,
    hash,
    seeds: 1,
    rows: tally.rows([scenario.name]),
    failures:
      failure === undefined ? [] : [{ scenario: scenario.name, seed, message: failure.message, replay: command }],
    marks: Object.entries(marks),
    seed: record,
  });
  return result;
}

async function write(file: string, data: ReportData): Promise<void> {
  const { writeReport } = await import("../harness/report/write-report.ts");
  try {
    await writeReport(file, data);
  } catch (error) {
    throw new CannotError(`${file} cannot be written: ${(error as Error).message}`);
  }
}
