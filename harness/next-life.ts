/**
 * What a recovered pool goes through next: clients use it, checked by an oracle that begins with what was recovered,
 * and it is crashed again.
 *
 * So a pool lives through one crash after another, and what one opening left behind on the disk (dead journal entries,
 * half-filled buckets, old superblocks) meets what the next one writes.
 */
import * as Effect from "effect/Effect";
import type { SimDisk } from "../devices/sim/disk.ts";
import type { Pool } from "../engine/pool/pool.ts";
import type { LaterCrash } from "./crash-point.ts";
import type { Prng } from "./entropy.ts";
import { Harvest } from "./harvest.ts";
import type { Tolerance } from "./oracle/checked-filesystem.ts";
import type { FoundTree } from "./oracle/found-tree.ts";
import { Oracle } from "./oracle/oracle.ts";
import type { Life } from "./scenario.ts";
import type { Operation } from "./workload/operation.ts";
import { GENERAL, type Profile, swarm } from "./workload/profile.ts";
import { randomProgram, scriptedProgram } from "./workload/program.ts";

const OPERATIONS = 14;
/** Crash states taken in such a life. */
const STATES_MAX = 3;
/** Share of lives that end with a clean close. */
const CLOSE_SHARE = 0.5;

export interface NextLifeOptions {
  /** What it does is drawn from it. */
  readonly profile?: Profile | undefined;
  /** What it does; drawn if left out. */
  readonly script?: Life | undefined;
  readonly statesMax?: number | undefined;
  /** The one crash to take; drawn if left out. */
  readonly crash?: LaterCrash | undefined;
}

export class NextLife {
  readonly oracle: Oracle;
  readonly harvest: Harvest;
  private readonly random: Prng;
  private readonly script: Life | undefined;
  private readonly profile: Profile;
  private readonly done: Array<Operation> = [];
  private closes = false;

  /** `tree` is what was recovered. */
  constructor(tree: FoundTree, tolerance: Tolerance, random: Prng, options: NextLifeOptions = {}) {
    this.oracle = new Oracle(tolerance, tree);
    this.random = random;
    this.script = options.script;
    this.profile = options.profile ?? GENERAL;
    this.harvest = new Harvest(random, options.statesMax ?? STATES_MAX, 1, options.crash && [options.crash]);
  }

  /** What was done so far, as it can be done again. */
  get lived(): Life {
    return { operations: this.done, closes: this.closes };
  }

  /** Uses the pool; fails as an operation of the pool does, a wrong answer is in `oracle.violation`. */
  live(pool: Pool, disk: SimDisk): Effect.Effect<void, unknown> {
    const { oracle, harvest, random, script, profile, done } = this;
    const name = "client of the next life";
    const filesystem = oracle.client(name, pool);
    const program =
      script === undefined
        ? randomProgram(swarm(profile, random, 0.1), OPERATIONS)
        : scriptedProgram(script.operations);
    const closes = script?.closes ?? random.chance(CLOSE_SHARE);
    this.closes = closes;
    harvest.watch(disk, () => oracle.mark());
    const note = (operation: Operation): void => void done.push(operation);
    return Effect.gen(function* () {
      yield* program({ name, filesystem, random, model: oracle.model, pool, note });
      if (closes) yield* pool.close;
      disk.setObserver(undefined);
    });
  }
}
