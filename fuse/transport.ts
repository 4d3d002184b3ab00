/**
 * What a transport and the server around it know of each other.
 */
import type * as Effect from "effect/Effect";
import type * as Exit from "effect/Exit";
import type { AtOnce } from "../engine/fs/at-once.ts";
import type { Filesystem, FilesystemUser, Fs } from "../engine/fs/types.ts";

/** What a transport needs of its surroundings. */
export interface TransportServices {
  /** Runs an effect in the context of the pool and tells how it ended, at once if it can. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>, ended: (exit: Exit.Exit<A, E>) => void) => void;
  /** Gets a line for every failure that is not the caller's doing. */
  readonly report: (line: string) => void;
  /** What is kept for a server after this one; nothing is, if left out. */
  readonly outliving?: Outliving | undefined;
}

/** Requests and inodes whose story goes on when the server is replaced. */
export interface Outliving {
  /** A view in which nothing is done twice for one request, though it be sent to one server after another. */
  readonly filesystemFor: (request: number, user: FilesystemUser) => Filesystem;
  /** The same at once, for a request that was not sent before. */
  readonly atOnceFor: (request: number, user: FilesystemUser) => AtOnce;
  /** The kernel has the answer. */
  readonly answered: (request: number) => void;
  /** Whatever will be sent again was sent. */
  readonly allResent: () => void;
  /** There was a server before this one, that may have opened files. */
  readonly tookOver: boolean;
  readonly forgotten: (inode: number) => Fs<void>;
  /** What was agreed on with the kernel, as the server before noted it; empty if it was none of its business yet. */
  readonly note: Uint8Array;
  readonly keepNote: (note: Uint8Array) => void;
}

/** A mount that is being served. */
export interface Session {
  /** Device number of the mounted filesystem, as mountinfo has it. */
  readonly device: string;
  /** Completes when the kernel has let go of the mount. */
  readonly ended: Effect.Effect<void>;
  /** Takes no more requests and waits until those that were taken are answered; what comes is for another server. */
  readonly quiesce?: Effect.Effect<void>;
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
