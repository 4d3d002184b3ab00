/**
 * What a seed tries: a pool with its oracle, or a store of the user with its ledger.
 *
 * A trial knows how its clients run, what must hold of it after a crash and at the end, and what an instant of its
 * history is (`M`). Everything else is the same for all trials and is none of their business: the world, the disk, the
 * crash states and the recoveries (`session.ts`, `recovery-check.ts`).
 */
import type * as Effect from "effect/Effect";
import type { CrashImage } from "../devices/sim/crash.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import type { Timestamp } from "../engine/fs/types.ts";
import type { LaterCrash } from "./crash-point.ts";
import type { Prng } from "./entropy.ts";
import type { Harvest } from "./harvest.ts";
import type { JudgeAgain } from "./known-recoveries.ts";
import type { Life } from "./scenario.ts";

/** What the next life is made of: drawn from `random` where it is not said. */
export interface NextLifeBegin {
  readonly random: Prng;
  /** What is done. */
  readonly script: Life | undefined;
  readonly statesMax: number | undefined;
  /** The one crash to take. */
  readonly crash: LaterCrash | undefined;
}

/** Something that was recovered is used, to be crashed again. */
export interface Living<M> {
  /** The crash states taken meanwhile. */
  readonly harvest: Harvest<M>;
  /** By which they are judged. */
  readonly recoverable: Recoverable<M>;
  /** What was done so far, as it can be done again. */
  readonly lived: () => Life;
  /** The present instant. */
  readonly mark: () => M;
  /** What was wrong with an answer so far. */
  readonly violation: () => string | undefined;
}

/** A recovery that has come through is told here whether it goes on. */
export interface Onward<M> {
  /** What need not wait is done at once, as far as that can be asked for, and nobody else gets a turn meanwhile. */
  readonly atOnce: boolean;
  /** Draws for this state alone. */
  readonly chance: (what: string, share: number) => boolean;
  /**
   * How the next life begins; undefined if there is none. To be asked once, when all has been looked at. `judge` holds what
   * was seen against another mark.
   */
  readonly through: (problems: ReadonlyArray<string>, judge?: JudgeAgain<M>) => NextLifeBegin | undefined;
  readonly lives: (life: Living<M>) => void;
  /** What the clock on the wall says. */
  readonly clock: () => Timestamp;
}

/** Which state it is, for what is drawn for it. */
export interface StateName {
  readonly seedNumber: (stream: string) => number;
  readonly startMs: number;
}

export interface Recoverable<M> {
  /** Opens what is on the disk and holds it against the history up to the mark; says what is wrong. */
  readonly recover: (disk: SimDisk, mark: M, onward: Onward<M>) => Effect.Effect<ReadonlyArray<string>, unknown>;
  /** What is left to be asked when the power goes behind a state, in which only a process had died perhaps. */
  readonly powerLost?: (mark: M) => M;
  /** What is to be said of a state that could not be recovered, unless it is the problem itself. */
  readonly unrecovered?: (
    problem: string,
    image: CrashImage,
    mark: M,
    state: StateName,
  ) => ReadonlyArray<string> | undefined;
}

export interface Trial<M> {
  /** The present instant. */
  readonly mark: () => M;
  readonly recoverable: Recoverable<M>;
  /** Lets the clients run; says what went wrong. */
  readonly run: () => string | undefined;
  /** What was closed is opened once more and must hold everything; says what is wrong. */
  readonly end: () => string | undefined;
}
