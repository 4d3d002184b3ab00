/**
 * Counts of a campaign against another filesystem, and how they are shown.
 *
 * Of each promise: in how many crash states it was kept and broken, and the first one that broke it. A state that does
 * not mount, or cannot be read, says nothing of the promises about content: it counts only for its own.
 */
import type { RecordCounts } from "../../devices/record/recorded-disk.ts";
import {
  type Breach,
  type PromiseName,
  promiseNames,
  type Promiser,
  PROMISES,
} from "../../harness/targets/promises.ts";
import type { Output } from "../output.ts";
import { formatBytes, formatCount } from "../quantity.ts";

interface Broken {
  count: number;
  readonly example: string;
}

/** Of one promise, for `--json`. */
export interface PromiseResult {
  readonly name: PromiseName;
  readonly by: Promiser;
  readonly summary: string;
  readonly kept: number;
  readonly broken: number;
  readonly example: string | undefined;
}

/** Promises that do not depend on what was found in the tree. */
const OF_THE_MOUNT: ReadonlySet<PromiseName> = new Set(["mounts", "readable", "fsck"]);

export class TargetTally {
  readonly target: string;
  seeds = 0;
  crashStates = 0;
  private readonly startedMs = performance.now();
  private readonly broken = new Map<PromiseName, Broken>();
  private operations = 0;
  private writes = 0;
  private writtenBytes = 0;
  private flushes = 0;
  private discards = 0;

  constructor(target: string) {
    this.target = target;
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  get statesPerMinute(): number {
    return Math.round((this.crashStates * 60_000) / Math.max(1, this.elapsedMs));
  }

  recorded({ writes, writtenBytes, flushes, discards }: RecordCounts, operations: number): void {
    this.writes += writes;
    this.writtenBytes += writtenBytes;
    this.flushes += flushes;
    this.discards += discards;
    this.operations += operations;
  }

  /** One crash state, with the promises that it breaks. */
  judged(breaches: ReadonlyArray<Breach>, label: string): void {
    this.crashStates++;
    for (const { promise, detail } of breaches) {
      const broken = this.broken.get(promise);
      if (broken === undefined) this.broken.set(promise, { count: 1, example: `${label}: ${detail}` });
      else broken.count++;
    }
  }

  brokenCount(promise: PromiseName): number {
    return this.broken.get(promise)?.count ?? 0;
  }

  /** How often a promise of the filesystem itself was broken. */
  get faults(): number {
    return this.results.reduce((sum, { by, broken }) => (by === "target" ? sum + broken : sum), 0);
  }

  get results(): ReadonlyArray<PromiseResult> {
    const mounted = this.crashStates - this.brokenCount("mounts");
    const read = mounted - this.brokenCount("readable");
    return promiseNames.map((name) => {
      const broken = this.brokenCount(name);
      const judged = name === "mounts" ? this.crashStates : OF_THE_MOUNT.has(name) ? mounted : read;
      const { by, summary } = PROMISES[name];
      return { name, by, summary, kept: judged - broken, broken, example: this.broken.get(name)?.example };
    });
  }

  show(output: Output): void {
    const { results, target, seeds, crashStates, statesPerMinute } = this;
    const { operations, writes, writtenBytes, flushes, discards } = this;
    const seconds = Math.round(this.elapsedMs / 100) / 10;
    const mountsFailed = this.brokenCount("mounts");
    const fsckProblems = this.brokenCount("fsck");
    const recorded = { operations, writes, writtenBytes, flushes, discards };
    const counts = { target, seeds, crashStates, statesPerMinute, mountsFailed, fsckProblems, seconds };
    output.object({ ...counts, recorded, promises: results });
    output.print(
      `${target}: ${formatCount(crashStates)} crash states of ${formatCount(seeds)} seeds in ${seconds} s, ` +
        `${formatCount(statesPerMinute)} a minute`,
    );
    output.print(
      `recorded: ${formatCount(operations)} operations, ${formatCount(writes)} writes (${formatBytes(writtenBytes)}), ` +
        `${formatCount(flushes)} flushes, ${formatCount(discards)} discards`,
    );
    output.print();
    const rows = results.map(({ by, summary, kept, broken }) => [
      by === "target" ? target : "varve",
      summary,
      formatCount(kept),
      formatCount(broken),
    ]);
    output.table(rows, ["promised by", "what", "kept", "broken"]);
    for (const { summary, example } of results) {
      if (example === undefined) continue;
      output.print();
      output.print(`${summary}, broken for the first time:`);
      output.print(`    ${example}`);
    }
  }
}
