/**
 * What happens to a crash state: it is recovered in a world of its own, held against the oracle, checked, and used.
 *
 * Recovery may be crashed at an I/O of its own and run again on what that left; the law is the same. Some of the pools
 * that come through are used and crashed again, up to four times, since a recovered pool must also work and last.
 */
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { CrashImage } from "../devices/sim/crash.ts";
import { SimDisk } from "../devices/sim/disk.ts";
import type { FaultPlan } from "../devices/sim/faults.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { type OpenOptions, openPool, type Pool } from "../engine/pool/pool.ts";
import { timeAt } from "./clock-jumps.ts";
import type { Entropy } from "./entropy.ts";
import { drawSurvival } from "./harvest.ts";
import { NextLife } from "./next-life.ts";
import type { Tolerance } from "./oracle/checked-filesystem.ts";
import type { Mark } from "./oracle/history.ts";
import { collectTree, type FoundTree } from "./oracle/found-tree.ts";
import type { Oracle } from "./oracle/oracle.ts";
import type { Trace } from "./trace.ts";
import { Deadlock, World } from "./world.ts";

/** Of a pool that was crashed before: its recovery is not, and it is likely to be used again. */
const LATER = { recoveryShare: 0, livesShare: 0.5 };
/** Crashes that a pool goes through one after another at most, the first one included. */
const LIVES_MAX = 4;

export interface Judged {
  readonly problems: ReadonlyArray<string>;
  /** States that were recovered and judged: one, or two if the recovery was crashed. */
  readonly states: number;
  readonly simulatedMs: number;
  readonly events: number;
}

export interface RecoveryOptions {
  readonly open: OpenOptions;
  readonly entropy: Entropy;
  /** Tells this state from the others of the seed. */
  readonly name: string;
  readonly recoveryShare: number;
  readonly tolerance: Tolerance;
  /** The disk may be so bad that the pool cannot be written any more: then what can be read of it must be right. */
  readonly mayFail: boolean;
  /** Share of recovered pools that are used and crashed again. */
  readonly livesShare: number;
  /** Crashes before this one. */
  readonly lives: number;
  /** Virtual time at which the recovery starts: time does not go back between two lives. */
  readonly startMs: number;
  /** Faults of the disk during the recovery and after it. */
  readonly faults?: FaultPlan | undefined;
  /** The clock was set while the pool was used: times are held against what it says now. */
  readonly clockJumps?: boolean | undefined;
  readonly trace: Trace;
}

/** Says in a line or more how an effect ended that should have succeeded. */
export function problemOf(exit: Exit.Exit<unknown, unknown>): string | undefined {
  if (Exit.isSuccess(exit)) return undefined;
  const failure = Cause.squash(exit.cause) as { _tag?: string; message?: string; detail?: string; reason?: string };
  if (failure instanceof Error) return failure.stack ?? failure.message;
  const parts = [failure._tag, failure.reason, failure.message, failure.detail].filter((part) => part !== undefined);
  return parts.length > 0 ? parts.join(": ") : Cause.pretty(exit.cause);
}

/** Runs an effect in a world; a deadlock is a problem like any other. */
export function runIn<A>(world: World, effect: Effect.Effect<A, unknown>): { value: A | undefined; problem?: string } {
  try {
    const exit = world.run(effect);
    const problem = problemOf(exit);
    if (problem !== undefined) return { value: undefined, problem };
    return { value: Exit.isSuccess(exit) ? exit.value : undefined };
  } catch (error) {
    if (error instanceof Deadlock) return { value: undefined, problem: error.message };
    // Thrown by a task outside of any fiber, such as an actor's turn.
    return { value: undefined, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Everything that a recovered or reopened pool must fulfil at a mark. */
export function verifyPool(
  pool: Pool,
  oracle: Oracle,
  mark: Mark,
): Effect.Effect<{ readonly problems: Array<string>; readonly tree: FoundTree }, unknown> {
  return Effect.gen(function* () {
    const tree = yield* collectTree(pool.filesystem);
    const { problems } = oracle.judge(mark, tree);
    const { inodes } = yield* pool.filesystem.statfs;
    // Nothing is open now, so an inode that no name leads to is space lost for ever.
    const lost = inodes - tree.nodes.size;
    const orphans = lost === 0 ? [] : [`${lost} inodes are kept that no name leads to`];
    const report = yield* pool.check();
    const checked = report.problems.map(({ pass, what }) => `check, ${pass}: ${what}`);
    return { problems: [...problems, ...orphans, ...checked], tree };
  });
}

/** What somebody who opens or reads a pool is told when a part of it is lost. */
const HONEST = /^(?:PoolDamaged|PoolFailed|DeviceFailed|FsError: InputOutput)/u;

/**
 * The same of a pool of which zones are offline: what is shown is right, what is lost gives an error, and a check names
 * it. Nothing is asked of a pool that says it cannot be opened.
 */
export function verifyWhatIsLeft(pool: Pool, oracle: Oracle, mark: Mark): Effect.Effect<Array<string>, unknown> {
  return Effect.gen(function* () {
    const tree = yield* collectTree(pool.filesystem, true);
    const problems = [...oracle.judge(mark, tree).problems];
    const report = yield* pool.check({ data: true });
    const [lost] = tree.unreadable;
    const named = report.problems.some(({ pass }) => pass === "zones" || pass === "btrees");
    if (lost !== undefined && !named) problems.push(`the check names no zone that is offline, but ${lost}`);
    return problems;
  });
}

/** An outcome of opening and reading, with zones offline: an honest refusal is none. */
export const withoutHonestRefusal = (problem: string | undefined): string | undefined =>
  problem !== undefined && HONEST.test(problem) ? undefined : problem;

/** What a pool says that can no longer be written. */
const GAVE_UP = /^(?:PoolFailed|DeviceFailed|FsError: InputOutput)/u;

/** What a pool on a device without faults must not have asked of it. */
function misuseOf({ violations, futileOperations }: SimDisk): ReadonlyArray<string> {
  const problems = violations.map((violation) => `device: ${JSON.stringify(violation)}`);
  if (futileOperations === 0) return problems;
  return [...problems, `${futileOperations} operations in zones that were known to be lost when the pool was opened`];
}

/** Is there a place that can no longer be written? */
const refusesWrites = ({ bad, zones }: CrashImage): boolean => bad.refusesWrites || (zones?.failedCount ?? 0) > 0;

/** How a recovery ends, or the look through what was recovered, on a disk that is gone. */
const GONE = /is gone|DeviceGone|InputOutput/u;

function judgeReadOnly(image: CrashImage, mark: Mark, oracle: Oracle, options: RecoveryOptions): Array<string> {
  const { open, entropy, name, startMs } = options;
  const disk = SimDisk.fromImage(image, { name: "disk0", seed: 1, statistics: false });
  const world = new World({ seed: entropy.number(`${name}, read only`), startMs });
  const { value, problem } = runIn(
    world,
    Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* openPool([disk], { ...open, readOnly: true });
        const tree = yield* collectTree(pool.filesystem);
        return [...oracle.judge(mark, tree).problems];
      }),
    ),
  );
  return problem === undefined ? (value ?? []) : [`read only: ${problem}`];
}

export function judgeCrashState(image: CrashImage, mark: Mark, oracle: Oracle, options: RecoveryOptions): Judged {
  const { entropy, name, open, trace } = options;
  const random = entropy.stream(name);
  const crashIt = random.chance(options.recoveryShare);
  const used = options.lives + 1 < LIVES_MAX && random.chance(options.livesShare);
  let life: NextLife | undefined;
  const faults = options.faults?.reseeded(entropy.number(`${name}, faults`));
  const behaviour = { name: "disk0", seed: random.u32(), statistics: false, ...(faults && { faults }) };
  let again: { image: CrashImage; label: string } | undefined;
  const disk = SimDisk.fromImage(image, behaviour);
  if (crashIt) {
    let offered = 0;
    disk.setObserver((_phase, operation, _offset, _length, index) => {
      if (operation === "read" || random.below(++offered) !== 0) return;
      const { name: how, survival } = drawSurvival(random, disk.pending.length);
      again = { image: disk.crash(survival), label: `recovery crashed at ${operation} ${index}: ${how}` };
    });
  }
  const world = new World({ seed: random.u32(), preemptShare: 0.01, startMs: options.startMs });
  const start = world.nowMs;
  const lossy = (image.zones?.offlineCount ?? 0) > 0;
  const outcome = runIn(
    world,
    Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* openPool([disk], open);
        if (lossy) return yield* verifyWhatIsLeft(pool, oracle, mark);
        const { problems, tree } = yield* verifyPool(pool, oracle, mark);
        // A crash behind the recovery is another crash: what is done from here on may survive it or not.
        disk.setObserver(undefined);
        if (!used || problems.length > 0) return problems;
        life = new NextLife(tree, options.tolerance, random);
        if (options.clockJumps === true) life.oracle.model.clock = () => timeAt(world);
        yield* life.live(pool, disk);
        const { violation } = life.oracle;
        return violation === undefined ? [] : [violation.message];
      }),
    ),
  );
  const problem = lossy ? withoutHonestRefusal(outcome.problem) : outcome.problem;
  const found = problem === undefined ? [...(outcome.value ?? [])] : [problem];
  const wentAway = disk.departed && life?.oracle.violation === undefined && found.some((line) => GONE.test(line));
  const gaveUp = problem !== undefined && options.mayFail && refusesWrites(image) && GAVE_UP.test(problem);
  const problems = wentAway ? [] : gaveUp ? judgeReadOnly(image, mark, oracle, options) : found;
  problems.push(...misuseOf(disk));
  trace.fold("recovery", world.trace);
  const totals = { problems, states: 1, simulatedMs: world.nowMs - start, events: world.trace.events };
  const after = { ...options, startMs: world.nowMs };
  const nowOracle = life?.oracle ?? oracle;
  if (wentAway) {
    // The disk is back, with what it kept; this time it stays.
    const back = { ...after, name: `${name}, back`, faults: undefined, recoveryShare: 0, livesShare: 0 };
    const state = { image: disk.crash(survivesAll), mark: life?.oracle.mark() ?? mark };
    judgeNext(totals, { ...state, label: "the disk went during the recovery and is back" }, nowOracle, back);
  }
  if (again !== undefined) {
    judgeNext(totals, { ...again, mark }, oracle, { ...options, name: `${name}+`, recoveryShare: 0 });
  }
  for (const [index, state] of (life?.harvest.states ?? []).entries()) {
    const label = `used and crashed again at ${state.label}`;
    const next = { ...after, name: `${name}, then ${index}`, ...LATER, lives: options.lives + 1 };
    judgeNext(totals, { ...state, label }, nowOracle, next);
  }
  return totals;
}

/** Judges a state that came of the one at hand, unless something is wrong already. */
function judgeNext(
  totals: { problems: Array<string>; states: number; simulatedMs: number; events: number },
  { image, mark, label }: { readonly image: CrashImage; readonly mark: Mark; readonly label: string },
  oracle: Oracle,
  options: RecoveryOptions,
): void {
  if (totals.problems.length > 0) return;
  const { problems, states, simulatedMs, events } = judgeCrashState(image, mark, oracle, options);
  totals.states += states;
  totals.simulatedMs += simulatedMs;
  totals.events += events;
  totals.problems.push(...problems.map((problem) => `${label}: ${problem}`));
}
