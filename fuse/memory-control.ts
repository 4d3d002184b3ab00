/**
 * Keeps a process within its budget of memory: looks at what is resident, and says how much of their shares the parts
 * that can shrink may have; pure.
 *
 * Near the budget the limits shrink by a quarter, down to a floor at which work goes on slowly, and garbage is collected;
 * what that brings shows at later looks, so they shrink no further until then, unless the budget is overstepped. Well
 * below it they grow again, more slowly than they shrank, so that the two do not chase each other. In between they are
 * tried a little larger now and then: memory that was resident once does not all go back to the system, and what fits
 * into it costs nothing. Never asks for less than the floor: what is too much then is not theirs.
 */
import type { MemoryShares } from "./memory-budget.ts";

/** Above this share of the budget limits shrink, below the other they grow. */
const NEAR_SHARE = 0.92;
const EASY_SHARE = 0.82;
const SHRINK_FACTOR = 0.75;
const GROW_STEP = 0.05;
const EASE_MIN = 1 / 16;
/** Looks between two collections of garbage that are asked for: each stops the program for a while. */
const COLLECT_EVERY_LOOKS = 8;
/** Looks in between the two shares until the limits are tried larger. */
const TRY_EVERY_LOOKS = 40;

export interface MemoryLimit {
  readonly nodeCacheBytes: number;
  readonly dirtyBytesMax: number;
  readonly readCacheBytes: number;
}

export interface MemoryVerdict {
  /** The limits from now on; undefined: as they were. */
  readonly limits: MemoryLimit | undefined;
  /** What is garbage should be collected now. */
  readonly collect: boolean;
}

export class MemoryControl {
  /** Share of their limits that the parts have now. */
  ease = 1;
  /** Looks at which the limits shrank. */
  squeezes = 0;
  private readonly shares: MemoryShares;
  private untilCollect = 0;
  private untilTry = 0;

  constructor(shares: MemoryShares) {
    this.shares = shares;
  }

  get limits(): MemoryLimit {
    const { nodeCacheBytes, dirtyBytesMax, readCacheBytes } = this.shares;
    const part = (bytes: number): number => Math.floor(bytes * this.ease);
    return {
      nodeCacheBytes: part(nodeCacheBytes),
      dirtyBytesMax: part(dirtyBytesMax),
      readCacheBytes: part(readCacheBytes),
    };
  }

  look(residentBytes: number): MemoryVerdict {
    const share = residentBytes / this.shares.budgetBytes;
    if (this.untilCollect > 0) this.untilCollect--;
    if (this.untilTry > 0) this.untilTry--;
    if (share > NEAR_SHARE) {
      const collect = this.untilCollect === 0;
      if (!collect && share <= 1) return { limits: undefined, collect };
      this.squeezes++;
      if (collect) this.untilCollect = COLLECT_EVERY_LOOKS;
      this.untilTry = TRY_EVERY_LOOKS;
      return { limits: this.moved(Math.max(EASE_MIN, this.ease * SHRINK_FACTOR)), collect };
    }
    if (share >= EASY_SHARE && this.untilTry > 0) return { limits: undefined, collect: false };
    this.untilTry = TRY_EVERY_LOOKS;
    return { limits: this.moved(Math.min(1, this.ease + GROW_STEP)), collect: false };
  }

  private moved(ease: number): MemoryLimit | undefined {
    if (ease === this.ease) return undefined;
    this.ease = ease;
    return this.limits;
  }
}
