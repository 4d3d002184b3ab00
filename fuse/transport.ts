/**
 * What a transport and the server around it know of each other.
 */
import type * as Effect from "effect/Effect";
import type * as Exit from "effect/Exit";

/** What a transport needs of its surroundings. */
export interface TransportServices {
  /** Runs an effect in the context of the pool and tells how it ended, at once if it can. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>, ended: (exit: Exit.Exit<A, E>) => void) => void;
  /** Gets a line for every failure that is not the caller's doing. */
  readonly report: (line: string) => void;
}

/** A mount that is being served. */
export interface Session {
  /** Device number of the mounted filesystem, as mountinfo has it. */
  readonly device: string;
  /** Completes when the kernel has let go of the mount. */
  readonly ended: Effect.Effect<void>;
  /** From now on every request fails, and what was held in the engine is released. */
  readonly close: Effect.Effect<void>;
}

const NEEDS = {
  direct: "mounting directly cannot be done here",
  "fuse-native": "mounting needs the optional package fuse-native, which cannot be loaded here",
} as const;

/** Why no mount can be had through a transport. */
export class TransportMissing {
  readonly _tag = "TransportMissing";
  readonly message: string;
  constructor(transport: keyof typeof NEEDS, why: string) {
    this.message = `${NEEDS[transport]}: ${why}`;
  }
}
