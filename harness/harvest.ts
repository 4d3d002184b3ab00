/**
 * Harvest: crash states taken from a run while it goes on, each forked from the disk as it stands at one I/O.
 *
 * At every point the seed decides whether to take states there and which of the volatile operations survive in each. A
 * bounded sample is kept, spread evenly over the run however long it gets. No state is kept twice: what is the same on
 * the disk at the same instant of the history would be judged the same (of those drawn at random about half are).
 * Taking a state costs microseconds and disturbs nothing; judging them is left for afterwards.
 */
import type { CrashImage } from "../devices/sim/crash.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import type { Survival } from "../devices/sim/survival.ts";
import {
  type CrashPoint,
  describeCrash,
  describeSurvival,
  type IoPoint,
  isAt,
  type SurvivalChoice,
  survivalOf,
} from "./crash-point.ts";
import type { Prng } from "./entropy.ts";
import { digestOfImage } from "./media-digest.ts";
import type { Mark } from "./oracle/history.ts";

export interface CrashState<M = Mark> {
  readonly image: CrashImage;
  /** The instant of the history. */
  readonly mark: M;
  /** At which I/O, and what survived. */
  readonly label: string;
  readonly point: CrashPoint;
}

/** States taken at one point. */
const STATES_PER_POINT = 2;

/** A way in which volatile operations survive, drawn by the seed, ready to be used. */
export function drawSurvival(random: Prng, volatile: number): { readonly name: string; readonly survival: Survival } {
  const choice = drawChoice(random, volatile);
  return { name: describeSurvival(choice), survival: survivalOf(choice) };
}

export function drawChoice(random: Prng, volatile: number): SurvivalChoice {
  const position = random.below(Math.max(1, volatile));
  const seed = random.u32();
  switch (random.below(10)) {
    case 0:
      return { kind: "none" };
    case 1:
      return { kind: "all" };
    case 2:
      return { kind: "prefix", count: position };
    case 3:
      return { kind: "all-but", position };
    case 4:
      return { kind: "only", position };
    case 5:
      return { kind: "torn", position, seed };
    case 6:
    case 7:
      return { kind: "keyed", seed };
    default:
      return { kind: "reordered", seed };
  }
}

export class Harvest<M = Mark> {
  readonly states: Array<CrashState<M>> = [];
  private readonly random: Prng;
  private readonly statesMax: number;
  private readonly pointShare: number;
  private readonly only: ReadonlyArray<CrashPoint> | undefined;
  private readonly survives: SurvivalChoice | undefined;
  /** Of each state what it is, and all of them. */
  private readonly keys: Array<string> = [];
  private readonly known = new Set<string>();
  private offered = 0;
  private latest: (() => IoPoint) | undefined;

  /** `only`: the states to take, instead of what the seed draws; `survives`: the same in all of them. */
  constructor(
    random: Prng,
    statesMax: number,
    pointShare: number,
    only?: ReadonlyArray<CrashPoint>,
    survives?: SurvivalChoice,
  ) {
    this.random = random;
    this.statesMax = statesMax;
    this.pointShare = pointShare;
    this.only = only;
    this.survives = survives;
  }

  /** Takes states of a disk from now on, until it is observed by somebody else. */
  watch(disk: SimDisk, mark: () => M): void {
    disk.setObserver((phase, operation, _offset, _length, index) => {
      if (operation === "read" || phase === "fail") return;
      this.point(disk, () => ({ phase, operation, index }), mark);
    });
  }

  /** Called at an I/O of the disk; `io` and `mark` are asked only for states that are kept. */
  point(disk: SimDisk, io: () => IoPoint, mark: () => M): void {
    this.latest = io;
    if (this.only !== undefined) {
      const at = io();
      for (const point of this.only) if (isAt(at, point)) this.take(this.states.length, disk, point, mark);
      return;
    }
    if (!this.random.chance(this.pointShare)) return;
    for (let count = 0; count < (this.survives === undefined ? STATES_PER_POINT : 1); count++) {
      const survives = this.survives ?? drawChoice(this.random, disk.pending.length);
      const slot = this.slot();
      if (slot >= 0) this.takeIfNew(slot, disk, { ...io(), survives }, mark);
    }
  }

  /** What may be on the disk once the pool has failed, whatever was taken before: all of it, and less. */
  behindTheLast(disk: SimDisk, mark: () => M): void {
    const io = this.latest?.();
    if (io === undefined || this.only !== undefined) return;
    const ways: ReadonlyArray<SurvivalChoice> = [{ kind: "all" }, drawChoice(this.random, disk.pending.length)];
    for (const survives of ways) this.take(this.states.length, disk, { ...io, survives }, mark);
  }

  private take(slot: number, disk: SimDisk, point: CrashPoint, mark: () => M): void {
    this.states[slot] = this.stateAt(disk, point, mark);
  }

  private stateAt(disk: SimDisk, point: CrashPoint, mark: () => M): CrashState<M> {
    const image = disk.crash(survivalOf(point.survives));
    return { image, mark: mark(), label: describeCrash(point), point };
  }

  /** A state that is there already counts as not offered. */
  private takeIfNew(slot: number, disk: SimDisk, point: CrashPoint, mark: () => M): void {
    const state = this.stateAt(disk, point, mark);
    const key = `${digestOfImage(state.image)} ${JSON.stringify(state.mark)}`;
    if (this.known.has(key)) {
      this.offered--;
      return;
    }
    const before = this.keys[slot];
    if (before !== undefined) this.known.delete(before);
    this.known.add(key);
    this.keys[slot] = key;
    this.states[slot] = state;
  }

  /** Where the next state goes, so that each one offered has the same chance to stay; -1: nowhere. */
  private slot(): number {
    const index = this.offered++;
    if (index < this.statesMax) return index;
    const drawn = this.random.below(index + 1);
    return drawn < this.statesMax ? drawn : -1;
  }
}
