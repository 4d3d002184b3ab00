/**
 * A campaign against another filesystem: for each seed a workload on a recorded disk, crashed at points of the record,
 * every crash state mounted, read, checked by fsck and judged.
 *
 * What is drawn follows from the seed; what the kernel writes, and when, does not, so that a seed says what was tried
 * and cannot be repeated exactly. Interrupting ends the campaign behind the state at hand, and cleans up.
 */
import { RecordedDisk } from "../../devices/record/recorded-disk.ts";
import { ScratchDisk } from "../../devices/record/scratch-disk.ts";
import type { ServedDisk } from "../../devices/record/served-disk.ts";
import { Entropy, type Prng } from "../../harness/entropy.ts";
import { drawSurvival } from "../../harness/harvest.ts";
import type { Mark } from "../../harness/oracle/history.ts";
import { TargetJudge } from "../../harness/targets/judge.ts";
import type { Breach } from "../../harness/targets/promises.ts";
import { describeOperation, type Rehearsal, rehearse } from "../../harness/targets/rehearsal.ts";
import { CannotError } from "../exit.ts";
import { ClientLink } from "./client-link.ts";
import type { Run } from "./system-calls.ts";
import type { Target } from "./target.ts";
import { TargetTally } from "./tally.ts";
import { Workbench } from "./workbench.ts";

export interface TargetCampaign {
  readonly target: Target;
  readonly seeds: { readonly from: number; readonly to: number };
  readonly statesPerSeed: number;
  readonly operations: number;
  /** A write of the recorded disk is torn at multiples of it. */
  readonly atomicWriteBytes: number;
  readonly timeMs?: number;
  readonly progress?: (seed: number, tally: TargetTally) => void;
}

/** Share of crash points that lie right before a flush, when the most is volatile. */
const BEFORE_FLUSH_SHARE = 0.4;
/** Draws for each state that is wanted, since the same state is not tried twice. */
const DRAWS_A_STATE_MAX = 4;

export async function runTargetCampaign(campaign: TargetCampaign): Promise<TargetTally> {
  const { target, seeds, progress, timeMs } = campaign;
  const tally = new TargetTally(target.name);
  const interrupted = new Interruption();
  const umask = process.umask(0);
  const recordLength = new Int32Array(new SharedArrayBuffer(4));
  const client = new ClientLink(recordLength);
  let bench: Workbench | undefined;
  try {
    bench = await Workbench.open(target);
    for (let seed = seeds.from; seed <= seeds.to; seed++) {
      if (timeMs !== undefined && tally.elapsedMs > timeMs) break;
      await new SeedRun(campaign, seed, bench, client, recordLength, tally, interrupted).run();
      tally.seeds++;
      progress?.(seed, tally);
    }
    return tally;
  } finally {
    process.umask(umask);
    await client.end();
    await bench?.close();
    interrupted.end();
  }
}

/** Holds the signals that would end the process, so that the campaign ends first. */
class Interruption {
  private isThere = false;
  private readonly signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

  constructor() {
    for (const signal of this.signals) process.on(signal, this.note);
  }

  /** Throws once a signal has come. */
  check(): void {
    if (this.isThere) throw new CannotError("interrupted");
  }

  end(): void {
    for (const signal of this.signals) process.off(signal, this.note);
  }

  private readonly note = (): void => {
    this.isThere = true;
  };
}

/** One crash state, before it is tried. */
interface CrashState {
  readonly position: number;
  readonly disk: ServedDisk;
  readonly label: string;
}

class SeedRun {
  private readonly campaign: TargetCampaign;
  private readonly seed: number;
  private readonly bench: Workbench;
  private readonly client: ClientLink;
  private readonly recordLength: Int32Array;
  private readonly tally: TargetTally;
  private readonly interrupted: Interruption;
  private readonly random: Prng;

  constructor(
    campaign: TargetCampaign,
    seed: number,
    bench: Workbench,
    client: ClientLink,
    recordLength: Int32Array,
    tally: TargetTally,
    interrupted: Interruption,
  ) {
    this.campaign = campaign;
    this.seed = seed;
    this.bench = bench;
    this.client = client;
    this.recordLength = recordLength;
    this.tally = tally;
    this.interrupted = interrupted;
    this.random = new Entropy(`target/${seed}`).stream("crashes");
  }

  async run(): Promise<void> {
    const { campaign, tally } = this;
    const rehearsal = rehearse(new Entropy(`target/${this.seed}`).stream("workload"), campaign.operations);
    this.interrupted.check();
    const disk = await this.newDisk();
    const refused = await this.bench.mount();
    if (refused !== undefined) throw new CannotError(`a new filesystem cannot be mounted: ${refused}`);
    const operations = rehearsal.steps.map(({ operation }) => operation);
    const ran = await this.client.run(this.bench.root, operations);
    await this.bench.umount();
    if (ran.failure !== undefined) {
      const step = rehearsal.steps[ran.done.length]!;
      throw new CannotError(`seed ${this.seed}: "${describeOperation(step.operation)}" fails: ${ran.failure}`);
    }
    tally.recorded(disk.counts, ran.done.length);
    rehearsal.steps.forEach(({ created }, index) => {
      if (created !== undefined) created.number = ran.done[index]!.inode!;
    });
    const judge = new TargetJudge(rehearsal.model);
    for (const state of this.states(disk)) {
      this.interrupted.check();
      const breaches = await this.judge(state, judge, markAt(state.position, rehearsal, ran));
      tally.judged(breaches, `seed ${this.seed}, ${state.label}`);
    }
  }

  /** A recorded disk with a new filesystem on it, on the bench. */
  private async newDisk(): Promise<RecordedDisk> {
    const blank = RecordedDisk.blank(this.campaign.target.sizeBytes);
    await this.bench.put(blank);
    await this.bench.make();
    const disk = new RecordedDisk(blank.content(), this.campaign.atomicWriteBytes);
    await this.bench.put(counted(disk, this.recordLength));
    return disk;
  }

  private *states(disk: RecordedDisk): Iterable<CrashState> {
    const { random } = this;
    const beforeFlush = disk.flushPositions.map((position) => position - 1).filter((position) => position > 0);
    const seen = new Set<number>();
    let left = this.campaign.statesPerSeed;
    for (let draws = left * DRAWS_A_STATE_MAX; draws > 0 && left > 0; draws--) {
      const chosen = beforeFlush.length > 0 && random.chance(BEFORE_FLUSH_SHARE);
      const position = chosen ? random.pick(beforeFlush) : random.between(1, disk.length);
      const volatile = disk.volatileAt(position).length;
      const { name, survival } = drawSurvival(random, volatile);
      if (volatile === 0 && seen.has(position)) continue;
      if (volatile === 0) seen.add(position);
      left--;
      const media = disk.crash(position, survival);
      const label = `record position ${position} of ${disk.length}, ${volatile} volatile: ${name}`;
      yield { position, disk: new ScratchDisk(media), label };
    }
  }

  private async judge({ disk }: CrashState, judge: TargetJudge, mark: Mark): Promise<ReadonlyArray<Breach>> {
    const { bench, client } = this;
    await bench.put(disk);
    const refused = await bench.mount();
    if (refused !== undefined) return [{ promise: "mounts", detail: refused }];
    const tree = await client.walk(bench.root);
    await bench.umount();
    const found = await bench.fsck();
    const breaches = judge.judge(mark, tree);
    return found === undefined ? breaches : [{ promise: "fsck", detail: found }, ...breaches];
  }
}

/** The disk, which also tells other threads how long its record is. */
function counted(disk: RecordedDisk, recordLength: Int32Array): ServedDisk {
  const tell = (): void => void Atomics.store(recordLength, 0, disk.length);
  tell();
  return {
    sizeBytes: disk.sizeBytes,
    read: (offsetBytes, lengthBytes) => disk.read(offsetBytes, lengthBytes),
    write: (offsetBytes, bytes) => {
      disk.write(offsetBytes, bytes);
      tell();
    },
    discard: (offsetBytes, lengthBytes) => {
      disk.discard(offsetBytes, lengthBytes);
      tell();
    },
    flush: () => {
      disk.flush();
      tell();
    },
  };
}

/** What had begun, and which syncs had completed, when the record was that long. */
function markAt(position: number, { steps }: Rehearsal, { done }: Run): Mark {
  let moment = 0;
  let syncs = 0;
  steps.forEach(({ endMoment, isSync }, index) => {
    const { beganAt, endedAt } = done[index]!;
    if (beganAt <= position) moment = endMoment;
    if (isSync && endedAt <= position) syncs++;
  });
  return { moment, syncs };
}
