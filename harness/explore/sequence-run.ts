/**
 * One sequence from setup to verdict: run on a small simulated disk once for each of its endings, crashed at every
 * device operation behind the setup, after its issue and after its completion, and judged in every distinct state.
 *
 * A crash state is known by the digest of its medium and the instant of the history: states that are equal in both are
 * judged once, over all endings as long as these have not completed. Nothing here draws on chance: the schedule, the
 * recovery of a state and the hash depend on the steps and the medium alone, not on the sequence's number or on what
 * ran before. Judging ends at the first state that is wrong; counts and hash are complete nevertheless.
 */
import * as Effect from "effect/Effect";
import type { Geometry } from "../../devices/device.ts";
import type { CrashImage } from "../../devices/sim/crash.ts";
import { SimDisk } from "../../devices/sim/disk.ts";
import { fixedTiming } from "../../devices/sim/timing.ts";
import type { FsReason } from "../../engine/fs/types.ts";
import { type OpenOptions, formatPool, openPool, type Pool } from "../../engine/pool/pool.ts";
import { Entropy } from "../entropy.ts";
import { digestOfImage } from "../media-digest.ts";
import type { Mark } from "../oracle/history.ts";
import { Oracle, STRICT } from "../oracle/oracle.ts";
import { PoolRecovery } from "../pool-recovery.ts";
import { judgeCrashState, runIn } from "../recovery-check.ts";
import { Trace } from "../trace.ts";
import { setTraps } from "../traps.ts";
import { type Operation, perform, performer } from "../workload/operation.ts";
import { EPOCH_MS, World } from "../world.ts";
import { type Step, textOfSteps } from "./alphabet.ts";
import { type Ending, endingsOf } from "./endings.ts";
import { sketchOf } from "./enumeration.ts";
import { survivalsAt } from "./survivals.ts";

export type Medium = "conventional" | "zoned";

export interface SequenceCounts {
  /** Endings that it was run with. */
  readonly runs: number;
  /** Device operations behind the setup, at issue and at completion. */
  readonly crashPoints: number;
  readonly crashStates: number;
  /** States that differ, and were judged. */
  readonly distinctStates: number;
}

export interface SequenceResult extends SequenceCounts {
  /** Over the steps, every crash point and the digest of every state. */
  readonly hash: string;
  /** What is wrong with the first state that is wrong, or with the run itself. */
  readonly failure: string | undefined;
}

const ZONE_BYTES = 128 * 1024;
const ZONES = 24;

/** The least that a pool fits on, and a few buckets more. */
const GEOMETRIES: Readonly<Record<Medium, Geometry>> = {
  conventional: {
    capacityBytes: ZONES * ZONE_BYTES,
    blockBytes: 512,
    atomicWriteBytes: 512,
    rotational: false,
    zones: undefined,
  },
  zoned: {
    capacityBytes: ZONES * ZONE_BYTES,
    blockBytes: 4096,
    atomicWriteBytes: 4096,
    rotational: false,
    zones: {
      zoneBytes: ZONE_BYTES,
      zoneCapacityBytes: ZONE_BYTES,
      zoneCount: ZONES,
      conventionalCount: 0,
      openZonesMax: 8,
      activeZonesMax: 8,
    },
  },
};

const OPEN: OpenOptions = {
  commitIntervalMs: 1000,
  writebackIntervalMs: 5000,
  nodeCacheBytes: 2 * 1024 * 1024,
  readCacheBytes: 256 * 1024,
  dirtyBytesMax: 1024 * 1024,
};

/** A flush takes longer than a write, so that what is written meanwhile is not covered by it. */
const TIMING = fixedTiming({ read: 0.05, write: 0.1, append: 0.1, flush: 1 }, 0.05);
const WORLD = { seed: 1, preemptShare: 0, virtualMsMax: 24 * 3600 * 1000 } as const;
const UUID = new Uint8Array(16).fill(0x5a);

/** An empty pool on each medium, made once. */
const formatted = new Map<Medium, CrashImage>();

function emptyPool(medium: Medium): CrashImage {
  const known = formatted.get(medium);
  if (known !== undefined) return known;
  const disk = SimDisk.make({ name: "disk0", geometry: GEOMETRIES[medium], seed: 1, statistics: false });
  const { problem } = runIn(new World(WORLD), formatPool([disk], { uuid: UUID }));
  if (problem !== undefined) throw new Error(`the disk of the exploration cannot be formatted: ${problem}`);
  const image = disk.crash({ fate: () => "kept", keepsUnit: () => true });
  formatted.set(medium, image);
  return image;
}

/** An operation failed that must succeed. */
class Refused {
  readonly _tag = "Refused";
  readonly reason: FsReason;
  constructor(reason: FsReason) {
    this.reason = reason;
  }
}

/** A crash state that nobody has seen before. */
interface State {
  readonly image: CrashImage;
  readonly mark: Mark;
  readonly digest: string;
  readonly label: string;
}

/** Every crash state of a sequence is offered here; those that are new are kept for their run to be judged. */
class Seen {
  points = 0;
  states = 0;
  readonly trace = new Trace();
  private readonly keys = new Set<string>();

  get distinct(): number {
    return this.keys.size;
  }

  /** `scope`: tells apart states whose history differs though their instants are equal. */
  point(disk: SimDisk, label: string, mark: Mark, scope: string): Array<State> {
    this.points++;
    this.trace.text("point", label);
    const fresh: Array<State> = [];
    for (const { name, survival } of survivalsAt(disk.pending, disk.geometry.atomicWriteBytes)) {
      this.states++;
      const image = disk.crash(survival);
      const digest = digestOfImage(image);
      this.trace.text("state", digest);
      const key = `${digest} ${mark.moment} ${mark.syncs} ${scope}`;
      if (this.keys.has(key)) continue;
      this.keys.add(key);
      fresh.push({ image, mark, digest, label: `${label}: ${name}` });
    }
    return fresh;
  }
}

/** One run, with one ending. */
class Run {
  private readonly steps: ReadonlyArray<Step>;
  private readonly setup: ReadonlyArray<Operation>;
  private readonly ending: Ending;
  private readonly seen: Seen;
  private readonly medium: Medium;
  private readonly oracle = new Oracle();
  private readonly fresh: Array<State> = [];
  /** The step that is under way. */
  private doing = "opening the pool";
  private stepsSynced = 0;

  constructor(steps: ReadonlyArray<Step>, setup: ReadonlyArray<Operation>, ending: Ending, seen: Seen, medium: Medium) {
    this.steps = steps;
    this.setup = setup;
    this.ending = ending;
    this.seen = seen;
    this.medium = medium;
  }

  /** Runs it and keeps the crash states; says what went wrong meanwhile. */
  run(): string | undefined {
    const self = this;
    const { oracle } = this;
    const behaviour = { name: "disk0", seed: 1, timing: TIMING, statistics: false };
    const disk = SimDisk.fromImage(emptyPool(this.medium), behaviour);
    const { problem } = runIn(
      new World(WORLD),
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* openPool([disk], OPEN);
          yield* self.operate(pool, disk);
        }),
      ),
    );
    const [violation] = disk.violations;
    const wrong = oracle.violation?.message ?? problem;
    if (wrong !== undefined) return `${this.doing}: ${wrong}`;
    return violation === undefined ? undefined : `device: ${JSON.stringify(violation)}`;
  }

  /** Judges what `run` has kept; returns what is wrong with the first state that is wrong. */
  judge(entropy: Entropy): string | undefined {
    const recovery = new PoolRecovery(this.oracle, { open: OPEN, tolerance: STRICT, mayFail: false });
    for (const { image, mark, digest, label } of this.fresh) {
      const once = { recoveryShare: 0, livesShare: 0, lives: 0, startMs: EPOCH_MS };
      const options = { entropy, name: digest, trace: new Trace(), ...once };
      const { problems } = judgeCrashState(image, mark, recovery, options);
      if (problems.length > 0) return [`crash at ${label}:`, ...problems].join("\n");
    }
    return undefined;
  }

  private operate(pool: Pool, disk: SimDisk): Effect.Effect<void, Refused> {
    const self = this;
    const by = performer(this.oracle.client("the client", pool));
    const must = (operation: Operation, doing: string): Effect.Effect<void, Refused> =>
      Effect.suspend(() => {
        self.doing = doing;
        return Effect.flatMap(perform(operation, by), (outcome) =>
          "reason" in outcome ? Effect.fail(new Refused(outcome.reason)) : Effect.void,
        );
      });
    return Effect.gen(function* () {
      for (const operation of self.setup) yield* must(operation, "the setup");
      yield* must({ kind: "syncfs" }, "the setup");
      const { syncs } = self.oracle.mark();
      self.stepsSynced = syncs + self.steps.filter(({ kind }) => kind === "fsync" || kind === "syncfs").length;
      disk.setObserver((phase, operation, _offset, _length, index) => {
        if (operation !== "read" && phase !== "fail") self.crash(disk, `${phase} of ${operation} ${index}`);
      });
      for (const [at, step] of self.steps.entries()) yield* must(step.operation(at + 1), step.text);
      const { operation, text } = self.ending;
      if (operation !== undefined) yield* must(operation, text);
      // What is there when nothing is under way: a point of its own, for sequences that end without any I/O.
      self.crash(disk, "the end");
      disk.setObserver(undefined);
    });
  }

  private crash(disk: SimDisk, io: string): void {
    const mark = this.oracle.mark();
    // Up to then all endings have the same history; behind it each has its own.
    const scope = mark.syncs > this.stepsSynced ? this.ending.text : "";
    for (const state of this.seen.point(disk, `${io} (during ${this.doing})`, mark, scope)) this.fresh.push(state);
  }
}

/** `steps` must be able to succeed one after the other. */
export function runSequence(steps: ReadonlyArray<Step>, medium: Medium): SequenceResult {
  const sketch = sketchOf(steps);
  if (sketch === undefined) throw new Error(`"${textOfSteps(steps)}" cannot succeed`);
  const setup = sketch.setup();
  const endings = endingsOf(steps, sketch);
  const seen = new Seen();
  const entropy = new Entropy("explore");
  let failure: string | undefined;
  const release = setTraps();
  try {
    seen.trace.text("sequence", `${medium}: ${textOfSteps(steps)}`);
    for (const ending of endings) {
      const run = new Run(steps, setup, ending, seen, medium);
      const wrong = run.run() ?? (failure === undefined ? run.judge(entropy) : undefined);
      if (wrong !== undefined) failure ??= ending.text === "" ? wrong : `ended by ${ending.text}, ${wrong}`;
    }
  } finally {
    release();
  }
  const { points: crashPoints, states: crashStates, distinct: distinctStates, trace } = seen;
  if (failure !== undefined) trace.text("failure", failure.replaceAll(/\n\s+at [^\n]*/gu, ""));
  return { runs: endings.length, crashPoints, crashStates, distinctStates, hash: trace.hash, failure };
}
