/**
 * What a scenario is: a pool on a simulated disk, clients that use it, crashes to take, and what must hold besides the
 * oracle's law.
 *
 * A scenario is plain data and functions. `plan` draws from the seed's entropy whatever should differ from seed to
 * seed, and must not draw from anything else; everything that runs later runs inside the world, on virtual time.
 */
import type * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import type { Geometry } from "../devices/device.ts";
import type { SimDisk, SimDiskBehaviour } from "../devices/sim/disk.ts";
import type { FaultPlan } from "../devices/sim/faults.ts";
import type { Filesystem } from "../engine/fs/types.ts";
import type { OpenOptions, Pool } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import type { CrashPath, SurvivalChoice } from "./crash-point.ts";
import type { Entropy, Prng } from "./entropy.ts";
import type { Mortality } from "./mortal-pool.ts";
import type { Tolerance } from "./oracle/checked-filesystem.ts";
import type { Model } from "./oracle/model.ts";
import type { Operation } from "./workload/operation.ts";
import type { Profile } from "./workload/profile.ts";

export interface Client {
  readonly name: string;
  /** The filesystem, every answer of which is checked against the model. One call at a time. */
  readonly filesystem: Filesystem;
  /** This client's own stream of random numbers. */
  readonly random: Prng;
  /** The shared model, for choosing operations that make sense. */
  readonly model: Model;
  readonly pool: Pick<Pool, "usage" | "limitMemory" | "check">;
  /** Hears each operation before it is carried out, so that a run can be printed, shrunk and run again. */
  readonly note?: (operation: Operation) => void;
}

/** A client's program. Failures of the filesystem that the oracle accepts are its own business to ignore. */
export type Program = (client: Client) => Effect.Effect<void, unknown>;

/** What a client does with a recovered pool. */
export interface Life {
  readonly operations: ReadonlyArray<Operation>;
  /** It ends with a clean close. */
  readonly closes: boolean;
}

export interface CrashPlan {
  /** Crash states to verify in one seed. */
  readonly statesMax: number;
  /** Share of device operations at which crash states are taken; the budget above ends it. */
  readonly pointShare: number;
  /** Crash states to verify besides, at instants at which a sync has just returned; none unless told. */
  readonly syncStatesMax?: number;
  /** Share of crash states whose recovery is crashed too, and recovered again. */
  readonly recoveryShare: number;
  /** Share of recovered pools that are used by another client and crashed again; one in sixteen unless told. */
  readonly livesShare?: number;
  /** Share of crash states in which a zone that held something comes back read-only or offline. */
  readonly zoneLossShare?: number;
  /** Faults of the disk while pools are recovered, used again, and reopened after a clean close. */
  readonly faults?: FaultPlan;
  /** What survives in every state while the clients run, instead of what the seed draws for each. */
  readonly survives?: SurvivalChoice;
  /** What the recovered pools are used for, one life after another, instead of what the seed draws. */
  readonly lives?: ReadonlyArray<Life>;
  /** Crash states to verify in each later life; three unless told. */
  readonly lifeStatesMax?: number;
  /** The crash states to take, each with the crashes after it, instead of what the seed draws. */
  readonly only?: ReadonlyArray<CrashPath>;
}

export interface Epilogue {
  readonly disk: SimDisk;
  readonly model: Model;
  /** The pool was closed cleanly; otherwise it failed. */
  readonly closed: boolean;
  readonly random: Prng;
  /** Opens the pool anew; it stops with the scope. */
  readonly open: (options?: OpenOptions) => Effect.Effect<Pool, unknown, Scope.Scope>;
  /** Ends the seed as failed. */
  readonly fail: (message: string) => Effect.Effect<never>;
}

/** What the disk is and when it is crashed: of every kind of scenario. */
export interface DiskPlan {
  readonly geometry: Geometry;
  /** Faults and timing of the disk while the clients run. */
  readonly disk?: Pick<SimDiskBehaviour, "faults" | "timing" | "yields" | "reusesMemory">;
  readonly crash: CrashPlan;
  /** Share of the steps of a fiber before which others may run; one of a few that the seed picks, unless told. */
  readonly preemptShare?: number;
  /** What the run's draws are derived from, instead of scenario and seed: for repeating one run exactly. */
  readonly draws?: string;
}

/** What a program of an earlier version of the format did with the pool that it made. */
export interface EarlierLife {
  /** Nothing that came with a later version. */
  readonly profile: Profile;
  readonly operations: number;
  /** It closed the pool; otherwise it was killed. */
  readonly closes: boolean;
}

export interface ScenarioPlan extends DiskPlan {
  /** Who made the pool, if not this program: opening it is then part of what is crashed and has faults. */
  readonly earlier?: EarlierLife;
  readonly format?: Partial<FormatOptions>;
  readonly open?: OpenOptions;
  readonly tolerance: Tolerance;
  /** The clock on the wall jumps forward and back while the clients run, and files' times must be what it says. */
  readonly clockJumps?: boolean;
  /**
   * Nobody syncs here: a syncfs does nothing but wait so long, and then everything must be durable all the same, since
   * the pool makes it so on its own.
   */
  readonly durableWithinMs?: number;
  /** Clients hold what they open, as a kernel does, and the engine is not told. */
  readonly holds?: boolean;
  /** The pool may fail for good while the clients run; what it leaves on the disk is then judged as after a crash. */
  readonly mayFail?: boolean;
  /** Faults may destroy what had been durable: the epilogue alone judges what is left, of a pool closed or stopped. */
  readonly destructive?: boolean;
  /** Processes die while the clients run, and others take over. */
  readonly mortality?: Mortality;
  readonly clients: ReadonlyArray<Program>;
  /** Runs once the pool has been closed and verified, or has failed, faults off. */
  readonly epilogue?: (context: Epilogue) => Effect.Effect<void, unknown>;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly plan: (entropy: Entropy) => ScenarioPlan;
}
