/**
 * Images of known pools, corrupted, mounted and read, on several lanes; what came of them by kind of corruption.
 *
 * Image `n` of a seed is the same whatever was tried before it and however many lanes there are: specimen, kind and
 * place follow from seed and number alone. Works in a folder of its own in memory if there is such a place; it is taken
 * away at the end.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Damage, type Damaged, DAMAGES } from "../../harness/corruption/damage.ts";
import { FINDINGS, type Outcome, OUTCOMES, type Verdict } from "../../harness/corruption/judge.ts";
import { type Specimen, specimensOf } from "../../harness/corruption/specimen.ts";
import { Entropy } from "../../harness/entropy.ts";
import { isInstalled } from "../targets/programs.ts";
import { Lane, type Trial } from "./lane.ts";

const MEMORY_FOLDER = "/dev/shm";

export interface CorruptOptions {
  readonly seed: number;
  /** Numbers of the images, the last one excluded. */
  readonly from: number;
  readonly to: number;
  readonly pools: number;
  readonly jobs: number;
  readonly limitMs: number;
  readonly progress: (done: number, findings: number) => void;
  /** A finding; or any image, when there is just one. */
  readonly found: (finding: Finding) => void;
  readonly interrupted: () => boolean;
}

export interface Finding extends Verdict {
  readonly image: number;
  readonly specimen: string;
  readonly damage: string;
  readonly what: string;
}

export type Counts = Record<Outcome, number>;

export interface CorruptResult {
  readonly images: number;
  readonly findings: number;
  readonly seconds: number;
  /** By name of the damage. */
  readonly table: Readonly<Record<string, Counts>>;
  /** Attributes were not read: there is no `getfattr`. */
  readonly withoutAttributes: boolean;
}

interface Prepared extends Trial {
  readonly specimen: string;
  readonly damage: string;
  readonly what: string;
}

class Pools {
  private readonly specimens: ReadonlyArray<{ readonly specimen: Specimen; readonly statesFile: string }>;
  private readonly seed: number;

  constructor(folder: string, { seed, pools }: CorruptOptions) {
    this.seed = seed;
    const all = Array.from({ length: pools }, (_, pool) => specimensOf(seed * 1000 + pool)).flat();
    this.specimens = all.map((specimen, index) => {
      const statesFile = join(folder, `states-${index}`);
      writeFileSync(statesFile, JSON.stringify(specimen.states));
      return { specimen, statesFile };
    });
  }

  prepare(image: number): Prepared {
    const random = new Entropy(`corrupt/${this.seed}/${image}`).stream("damage");
    for (;;) {
      const { specimen, statesFile } = random.pick(this.specimens);
      const damage: Damage = random.pick(DAMAGES);
      const damaged = damage.inflict(random, specimen);
      if (damaged === undefined) continue;
      const readOnly = random.chance(0.4);
      return {
        bytes: damaged.bytes,
        states: specimen.states,
        statesFile,
        sealed: damage.sealed,
        earlierAllowed: mayRevert(specimen, damage, damaged),
        readOnly,
        again: !readOnly && random.chance(0.3),
        specimen: specimen.name,
        damage: damage.name,
        what: damaged.what,
      };
    }
  }
}

/** The last entry of a pool that was stopped has nothing that vouches for it; that of a closed one has the superblock. */
const mayRevert = ({ clean }: Specimen, { name, reverts }: Damage, { places }: Damaged): boolean =>
  name !== "none" && (!clean || reverts || places > 1);

const noCounts = (): Counts => Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Counts;

export async function corrupt(options: CorruptOptions): Promise<CorruptResult> {
  const { from, to, jobs, limitMs } = options;
  const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), "varve-corrupt-"));
  const xattrs = isInstalled("getfattr");
  const lanes = Array.from(
    { length: Math.min(jobs, to - from) },
    (_, index) => new Lane(folder, index, limitMs, xattrs),
  );
  const table: Record<string, Counts> = Object.fromEntries(DAMAGES.map(({ name }) => [name, noCounts()]));
  const started = performance.now();
  let next = from;
  let images = 0;
  let findings = 0;
  try {
    const pools = new Pools(folder, options);
    const work = async (lane: Lane): Promise<void> => {
      while (next < to && !options.interrupted()) {
        const image = next++;
        const prepared = pools.prepare(image);
        const verdict = await lane.run(prepared);
        // A signal to all of a group ends the programs of the lane too.
        if (options.interrupted()) return;
        table[prepared.damage]![verdict.outcome]++;
        images++;
        const { specimen, damage, what } = prepared;
        if (FINDINGS.has(verdict.outcome)) findings++;
        if (FINDINGS.has(verdict.outcome) || to - from === 1) {
          options.found({ image, specimen, damage, what, ...verdict });
        }
        options.progress(images, findings);
      }
    };
    await Promise.all(lanes.map(work));
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    rmSync(folder, { recursive: true, force: true });
  }
  const seconds = (performance.now() - started) / 1000;
  return { images, findings, seconds, table, withoutAttributes: !xattrs };
}
