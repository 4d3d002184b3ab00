/**
 * Measures mounted filesystems side by side: all stand mounted at once, and take turns workload by workload.
 *
 * In each round every workload runs on one peer after another, beginning with another one each time, so that what
 * else the machine does falls on all alike. Before each turn everything is synced and the kernel's caches are emptied.
 * A peer or workload that is missing is named and left out; one that fails is named and has no value in that round.
 * Everything is taken away at the end, also when the run is stopped.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ratio, median, ratiosOf, type Rounds } from "./aims.ts";
import type { Group, Peer } from "./peers.ts";
import { type Programs, StepFailed, Stopped } from "./programs.ts";
import { Stage, whatIsMissing } from "./stage.ts";
import { textTree } from "./text-tree.ts";
import { emptyCaches, type Figure, whatWorkloadMisses, type Workload } from "./workloads.ts";

export interface MountBenchPlan {
  readonly peers: ReadonlyArray<Peer>;
  readonly workloads: ReadonlyArray<Workload>;
  readonly rounds: number;
  readonly sizeBytes: number;
  readonly deviceBytes: number;
  readonly files: number;
  /** Files of the tree that is unpacked. */
  readonly treeFiles: number;
  /** Where devices and mount points are made; of a filesystem with room for all devices. */
  readonly folder: string;
  /** The program of `metadata-load.ts`. */
  readonly load: string;
  readonly programs: Programs;
  readonly progress: (line: string) => void;
}

export interface MeasuredFigure extends Figure {
  readonly workload: string;
  readonly rounds: Rounds;
  readonly medians: Readonly<Record<string, number>>;
  readonly ratios: ReadonlyArray<Ratio>;
}

export interface MountBenchResult {
  readonly peers: Readonly<Record<string, Group>>;
  readonly figures: ReadonlyArray<MeasuredFigure>;
  /** What was left out, and why. */
  readonly missing: ReadonlyArray<{ readonly name: string; readonly why: string }>;
  readonly failures: ReadonlyArray<{ readonly name: string; readonly round: number; readonly why: string }>;
}

export async function runMountBench(plan: MountBenchPlan): Promise<MountBenchResult> {
  const run = new MountBench(plan);
  try {
    return await run.measure();
  } finally {
    await run.close();
  }
}

class MountBench {
  private readonly plan: MountBenchPlan;
  private readonly folder: string;
  private readonly stages: Array<Stage> = [];
  private readonly missing: Array<{ readonly name: string; readonly why: string }> = [];
  private readonly failures: Array<{ readonly name: string; readonly round: number; readonly why: string }> = [];
  /** Values of the rounds by figure and peer. */
  private readonly values = new Map<string, Map<string, Array<number | undefined>>>();

  constructor(plan: MountBenchPlan) {
    this.plan = plan;
    this.folder = mkdtempSync(join(plan.folder, "varve-bench-"));
  }

  async measure(): Promise<MountBenchResult> {
    const { plan } = this;
    const archive = join(this.folder, "tree.tar");
    writeFileSync(archive, textTree(plan.treeFiles).bytes);
    const workloads = plan.workloads.filter((workload) => this.has(workload.name, whatWorkloadMisses(workload)));
    const peers = plan.peers.filter((peer) => this.has(peer.name, whatIsMissing(peer)));
    this.checkRoom(peers.length);
    for (const peer of peers) await this.setUp(peer);
    for (let round = 0; round < plan.rounds; round++) {
      for (const workload of workloads) {
        for (let turn = 0; turn < this.stages.length; turn++) {
          const stage = this.stages[(turn + round) % this.stages.length]!;
          await this.turn(workload, stage, round, archive);
        }
      }
    }
    return this.result(workloads);
  }

  private has(name: string, why: string | undefined): boolean {
    if (why === undefined) return true;
    this.missing.push({ name, why });
    this.plan.progress(`${name} is left out: ${why}`);
    return false;
  }

  private checkRoom(peers: number): void {
    const { bavail, bsize } = statfsSync(this.folder);
    const needed = peers * this.plan.deviceBytes;
    if (bavail * bsize > needed) return;
    throw new StepFailed(
      `${peers} devices take ${needed} bytes, and ${this.folder} has ${bavail * bsize}: use --device-size or --folder`,
    );
  }

  private async setUp(peer: Peer): Promise<void> {
    const { plan } = this;
    plan.programs.check();
    plan.progress(`${peer.name}: a device of ${Math.round(plan.deviceBytes / 2 ** 20)} MiB`);
    try {
      this.stages.push(await Stage.open(peer, join(this.folder, peer.name), plan.deviceBytes));
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      this.has(peer.name, error.message);
    }
  }

  private async turn(workload: Workload, stage: Stage, round: number, archive: string): Promise<void> {
    const { programs, progress, sizeBytes, files, load } = this.plan;
    const directory = join(stage.root, `${workload.name}-${round}`);
    const chill = async (): Promise<void> => {
      await stage.sync();
      await stage.remount();
      emptyCaches();
    };
    let found: Readonly<Record<string, number>> = {};
    try {
      programs.check();
      mkdirSync(directory);
      await stage.sync();
      emptyCaches();
      found = await workload.run({ programs, directory, chill, sizeBytes, files, archive, load });
      rmSync(directory, { recursive: true, force: true });
      await stage.sync();
    } catch (error) {
      if (error instanceof Stopped) throw error;
      const why = error instanceof Error ? error.message : String(error);
      this.failures.push({ name: `${stage.peer.name} ${workload.name}`, round: round + 1, why });
      progress(`${stage.peer.name} fails at ${workload.name}: ${why}`);
    }
    for (const { name } of workload.figures) this.keep(name, stage.peer.name, round, found[name]);
    const shown = workload.figures.map(({ name, unit }) => `${name} ${shownValue(found[name])} ${unit}`);
    progress(`round ${round + 1}/${this.plan.rounds} ${stage.peer.name}: ${shown.join(", ")}`);
  }

  private keep(figure: string, peer: string, round: number, value: number | undefined): void {
    const peers = this.values.get(figure) ?? new Map<string, Array<number | undefined>>();
    this.values.set(figure, peers);
    const rounds = peers.get(peer) ?? [];
    peers.set(peer, rounds);
    rounds[round] = value;
  }

  private result(workloads: ReadonlyArray<Workload>): MountBenchResult {
    const groups = Object.fromEntries(this.stages.map(({ peer }) => [peer.name, peer.group]));
    const figures = workloads.flatMap((workload) =>
      workload.figures.map((figure): MeasuredFigure => {
        const rounds = Object.fromEntries(this.values.get(figure.name) ?? []);
        const medians: Record<string, number> = {};
        for (const [peer, values] of Object.entries(rounds)) {
          const middle = median(values.filter((value) => value !== undefined));
          if (middle !== undefined) medians[peer] = middle;
        }
        return { ...figure, workload: workload.name, rounds, medians, ratios: ratiosOf(figure, rounds, groups) };
      }),
    );
    return { peers: groups, figures, missing: this.missing, failures: this.failures };
  }

  async close(): Promise<void> {
    for (let stage = this.stages.pop(); stage !== undefined; stage = this.stages.pop()) await stage.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Three digits that say something. */
export function shownValue(value: number | undefined): string {
  if (value === undefined) return "-";
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}
