/**
 * Harvest: crash states taken from a run while it goes on, each forked from the disk as it stands at one I/O.
 *
 * At every point the seed decides whether to take states there and which of the volatile operations survive in each. A
 * bounded sample is kept, spread evenly over the run however long it gets. Taking a state costs microseconds and
 * disturbs nothing; judging them is left for afterwards.
 */
import type { CrashImage } from "../devices/sim/crash.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import {
  type Survival,
  survivesAll,
  survivesAllBut,
  survivesAllButTorn,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesPrefix,
  survivesReordered,
} from "../devices/sim/survival.ts";
import type { Prng } from "./entropy.ts";
import type { Mark } from "./oracle/history.ts";

export interface CrashState {
  readonly image: CrashImage;
  readonly mark: Mark;
  /** At which I/O, and what survived. */
  readonly label: string;
}

/** States taken at one point. */
const STATES_PER_POINT = 2;

/** A way in which volatile operations survive, drawn by the seed. */
export function drawSurvival(random: Prng, volatile: number): { readonly name: string; readonly survival: Survival } {
  const position = random.below(Math.max(1, volatile));
  const seed = random.u32();
  switch (random.below(10)) {
    case 0:
      return { name: "nothing volatile survives", survival: survivesNone };
    case 1:
      return { name: "everything survives", survival: survivesAll };
    case 2:
      return { name: `the first ${position} volatile operations survive`, survival: survivesPrefix(position) };
    case 3:
      return { name: `all but volatile operation ${position} survive`, survival: survivesAllBut(position) };
    case 4:
      return { name: `only volatile operation ${position} survives`, survival: survivesOnly(position) };
    case 5:
      return { name: `volatile operation ${position} is torn`, survival: survivesAllButTorn(position, seed) };
    case 6:
    case 7:
      return { name: `operations survive by key ${seed}`, survival: survivesKeyed(seed) };
    default:
      return { name: `operations survive by key ${seed}, reordered`, survival: survivesReordered(seed) };
  }
}

export class Harvest {
  readonly states: Array<CrashState> = [];
  private readonly random: Prng;
  private readonly statesMax: number;
  private readonly pointShare: number;
  private offered = 0;

  constructor(random: Prng, statesMax: number, pointShare: number) {
    this.random = random;
    this.statesMax = statesMax;
    this.pointShare = pointShare;
  }

  /** Called at an I/O of the disk; `label` and `mark` are asked only for states that are kept. */
  point(disk: SimDisk, label: () => string, mark: () => Mark): void {
    if (!this.random.chance(this.pointShare)) return;
    for (let count = 0; count < STATES_PER_POINT; count++) {
      const { name, survival } = drawSurvival(this.random, disk.pending.length);
      const slot = this.slot();
      if (slot < 0) continue;
      this.states[slot] = { image: disk.crash(survival), mark: mark(), label: `${label()}: ${name}` };
    }
  }

  /** Where the next state goes, so that each one offered has the same chance to stay; -1: nowhere. */
  private slot(): number {
    const index = this.offered++;
    if (index < this.statesMax) return index;
    const drawn = this.random.below(index + 1);
    return drawn < this.statesMax ? drawn : -1;
  }
}
