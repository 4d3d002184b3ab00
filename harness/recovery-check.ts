/**
 * What happens to a crash state: it is recovered in a world of its own, held against its history, and used.
 *
 * Recovery may be crashed at an I/O of its own and run again on what that left; the law is the same. Some of what comes
 * through is used and crashed again, up to four times, since what was recovered must also work and last. What is
 * recovered, and what must hold of it, is the trial's to say.
 */
import * as Cause from "effect/Cause";
import type * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { CrashImage } from "../devices/sim/crash.ts";
import { SimDisk } from "../devices/sim/disk.ts";
import type { FaultPlan } from "../devices/sim/faults.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { timeAt } from "./clock-jumps.ts";
import { type CrashPath, type CrashPoint, describeSurvival, isAt, type LaterCrash, survivalOf } from "./crash-point.ts";
import type { Entropy, Prng } from "./entropy.ts";
import { drawChoice } from "./harvest.ts";
import { type JudgeAgain, KnownRecoveries } from "./known-recoveries.ts";
import type { Life } from "./scenario.ts";
import { EQUAL_RECOVERY, type Trace } from "./trace.ts";
import type { Living, Onward, Recoverable } from "./trial.ts";
import { Deadlock, World } from "./world.ts";

/** Of a pool that was crashed before: its recovery is not, and it is likely to be used again. */
const LATER = { recoveryShare: 0, livesShare: 0.5 };
/** Unless all of these bits of its seed are 0, what need not wait in a recovery is done at once: that is cheaper. */
const WAITS_BITS = 7;
/** Crashes that a pool goes through one after another at most, the first one included. */
const LIVES_MAX = 4;

export interface Judged {
  readonly problems: ReadonlyArray<string>;
  /** Of what is wrong: the crash that followed this one, if it took another, and what the pool was used for. */
  readonly next?: LaterCrash;
  readonly lives: ReadonlyArray<Life>;
  /** States that were judged: one, or two if the recovery was crashed, and those of later lives. */
  readonly states: number;
  /** Those of them whose recovery was known from another state. */
  readonly equalStates: number;
  readonly simulatedMs: number;
  readonly events: number;
}

export interface RecoveryOptions {
  readonly entropy: Entropy;
  /** Tells this state from the others of the seed. */
  readonly name: string;
  readonly recoveryShare: number;
  /** Share of what was recovered that is used and crashed again. */
  readonly livesShare: number;
  /** Crashes before this one. */
  readonly lives: number;
  /** Virtual time at which the recovery starts: time does not go back between two lives. */
  readonly startMs: number;
  /** Faults of the disk during the recovery and after it. */
  readonly faults?: FaultPlan | undefined;
  readonly trace: Trace;
  /** What recovered pools are used for, life after life, instead of what is drawn. */
  readonly scripts?: ReadonlyArray<Life> | undefined;
  readonly lifeStatesMax?: number | undefined;
  /** What is known of states recovered before; none without. */
  readonly known?: KnownRecoveries<unknown> | undefined;
  /** This crash: those that it names as following it are taken, and no others. */
  readonly path?: CrashPath | undefined;
}

/** What an error says of itself; nothing if it is an object without any of the usual words. */
export function describeError(error: unknown): string {
  if (error instanceof Error) return error.stack ?? error.message;
  if (typeof error !== "object" || error === null) return String(error);
  const { _tag, reason, message, detail } = error as Readonly<Record<string, string | undefined>>;
  return [_tag, reason, message, detail].filter((part) => part !== undefined).join(": ");
}

/** Says in a line or more how an effect ended that should have succeeded. */
export function problemOf(exit: Exit.Exit<unknown, unknown>): string | undefined {
  if (Exit.isSuccess(exit)) return undefined;
  const said = describeError(Cause.squash(exit.cause));
  return said === "" ? Cause.pretty(exit.cause) : said;
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

/** The number of a state, where it is not the first. */
export const stateOf = (state: number): Pick<CrashPath, "state"> => (state === 0 ? {} : { state });

interface RecoveryCrash {
  readonly image: CrashImage;
  readonly point: CrashPoint;
}

/** Takes one crash state while a pool is recovered: the one that is wanted, or one that is drawn. */
function crashRecovery(disk: SimDisk, random: Prng, wanted: LaterCrash | undefined): () => RecoveryCrash | undefined {
  let taken: RecoveryCrash | undefined;
  let offered = 0;
  const take = (point: CrashPoint): void => {
    taken = { image: disk.crash(survivalOf(point.survives)), point };
  };
  disk.setObserver((phase, operation, _offset, _length, index) => {
    if (operation === "read") return;
    const io = { phase, operation, index };
    if (wanted !== undefined) {
      if (isAt(io, wanted)) take({ ...io, survives: wanted.survives });
    } else if (random.below(++offered) === 0) {
      take({ ...io, survives: drawChoice(random, disk.pending.length) });
    }
  });
  return () => taken;
}

/** What is read of the disk from now on. */
function readsOf(disk: SimDisk): ReadonlyArray<readonly [from: number, to: number]> {
  const reads: Array<readonly [number, number]> = [];
  disk.setObserver((phase, operation, offsetBytes, lengthBytes) => {
    if (phase === "issue" && operation === "read") reads.push([offsetBytes, offsetBytes + lengthBytes]);
  });
  return reads;
}

const describeRecoveryCrash = ({ operation, index, survives }: CrashPoint): string =>
  `recovery crashed at ${operation} ${index}: ${describeSurvival(survives)}`;

/** What a state goes through behind its recovery, by what its options ask for and what chance says. */
function courseOf(options: RecoveryOptions, random: Prng): { readonly crashIt: boolean; readonly used: boolean } {
  const { lives, scripts, path } = options;
  const drawnCrash = random.chance(options.recoveryShare);
  const drawnUse = lives + 1 < LIVES_MAX && random.chance(options.livesShare);
  const crashIt = path?.next === undefined ? drawnCrash : path.next.during === "recovery";
  if (path?.next?.during === "recovery") return { crashIt, used: false };
  return { crashIt, used: scripts === undefined ? drawnUse : lives < scripts.length };
}

/** What nobody on a device without faults must have asked of it. */
function misuseOf({ violations, futileOperations }: SimDisk): ReadonlyArray<string> {
  const problems = violations.map((violation) => `device: ${JSON.stringify(violation)}`);
  if (futileOperations === 0) return problems;
  return [...problems, `${futileOperations} operations in zones that were known to be lost when the pool was opened`];
}

/** How a recovery ends, or the look through what was recovered, on a disk that is gone. */
const GONE = /is gone|DeviceGone|InputOutput/u;

export function judgeCrashState<M>(
  image: CrashImage,
  mark: M,
  recoverable: Recoverable<M>,
  options: RecoveryOptions,
): Judged {
  const { entropy, name, trace } = options;
  const next = options.path?.next;
  const random = entropy.stream(name);
  const { crashIt, used } = courseOf(options, random);
  let life: Living<M> | undefined;
  const faults = options.faults?.reseeded(entropy.number(`${name}, faults`));
  const behaviour = { name: "disk0", seed: random.u32(), statistics: false, ...(faults && { faults }) };
  const atOnce = (behaviour.seed & WAITS_BITS) !== 0;
  const known = faults === undefined && KnownRecoveries.covers(image) ? options.known : undefined;
  if (atOnce && !crashIt && !used && known?.isRight(recoverable, image, options.startMs, mark)) {
    trace.event(EQUAL_RECOVERY);
    return { problems: [], lives: [], states: 1, equalStates: 1, simulatedMs: 0, events: 0 };
  }
  const disk = SimDisk.fromImage(image, { ...behaviour, answersAtOnce: atOnce });
  const again = crashIt ? crashRecovery(disk, random, next) : undefined;
  const reads = crashIt || known === undefined ? undefined : readsOf(disk);
  const seed = random.u32();
  const world = new World({ seed, preemptShare: 0.01, startMs: options.startMs });
  const start = world.nowMs;
  const begin = { random, script: options.scripts?.[options.lives], statesMax: options.lifeStatesMax, crash: next };
  const onward: Onward<M> = {
    atOnce,
    chance: (what, share) => entropy.stream(`${name}, ${what}`).chance(share),
    through: (problems, judge) => {
      // A crash behind the recovery is another crash: what is done from here on may survive it or not.
      disk.setObserver(undefined);
      if (judge !== undefined && reads !== undefined && problems.length === 0) {
        known?.keep(recoverable, image, options.startMs, reads, judge as JudgeAgain<unknown>);
      }
      return used && problems.length === 0 ? begin : undefined;
    },
    clock: () => timeAt(world),
    lives: (living) => (life = living),
  };
  const { value, problem } = runIn(world, recoverable.recover(disk, mark, onward));
  const state = { seedNumber: (stream: string) => entropy.number(`${name}, ${stream}`), startMs: options.startMs };
  const found = problem === undefined ? (value ?? []) : [problem];
  const wentAway = disk.departed && life?.violation() === undefined && found.some((line) => GONE.test(line));
  const told = problem === undefined || wentAway ? undefined : recoverable.unrecovered?.(problem, image, mark, state);
  trace.fold("recovery", world.trace);
  let judged: Judged = {
    problems: [...(wentAway ? [] : (told ?? found)), ...misuseOf(disk)],
    lives: life === undefined ? [] : [life.lived()],
    states: 1,
    equalStates: 0,
    simulatedMs: world.nowMs - start,
    events: world.trace.events,
  };
  if (wentAway) judged = judgeReturned(judged, disk, life ?? { recoverable, mark: () => mark }, world.nowMs, options);
  const second = again?.();
  if (second !== undefined) judged = judgeSecond(judged, second, mark, recoverable, options);
  return life === undefined ? judged : judgeLater(judged, life, world.nowMs, options);
}

/** What is to be judged next. */
interface NextState<M> {
  readonly image: CrashImage;
  readonly mark: M;
  /** How it came of the state before. */
  readonly label: string;
  /** The crash that left it, if one did. */
  readonly crash?: LaterCrash;
  /** What was done before it. */
  readonly lives: ReadonlyArray<Life>;
}

/** Judges a state that came of the one at hand, unless something is wrong already. */
function judgeNext<M>(
  before: Judged,
  { image, mark, label, crash, lives }: NextState<M>,
  recoverable: Recoverable<M>,
  options: RecoveryOptions,
): Judged {
  if (before.problems.length > 0) return before;
  const { problems, ...judged } = judgeCrashState(image, mark, recoverable, options);
  const totals = {
    states: before.states + judged.states,
    equalStates: before.equalStates + judged.equalStates,
    simulatedMs: before.simulatedMs + judged.simulatedMs,
    events: before.events + judged.events,
  };
  if (problems.length === 0) return { ...before, ...totals };
  const deeper = judged.next === undefined ? {} : { next: judged.next };
  return {
    problems: problems.map((problem) => `${label}: ${problem}`),
    ...(crash === undefined ? deeper : { next: { ...crash, ...deeper } }),
    lives: [...lives, ...judged.lives],
    ...totals,
  };
}

/** The disk went while it was used and is back, with what it kept; this time it stays, and nothing follows. */
function judgeReturned<M>(
  before: Judged,
  disk: SimDisk,
  { recoverable, mark }: Pick<Living<M>, "recoverable" | "mark">,
  startMs: number,
  options: RecoveryOptions,
): Judged {
  const label = "the disk went during the recovery and is back";
  const next = { image: disk.crash(survivesAll), mark: mark(), label, lives: before.lives };
  return judgeNext(before, next, recoverable, {
    ...{ ...options, name: `${options.name}, back`, startMs },
    ...{ faults: undefined, recoveryShare: 0, livesShare: 0, scripts: undefined, path: undefined },
  });
}

/** The state that a crash during the recovery left. */
function judgeSecond<M>(
  before: Judged,
  { image, point }: RecoveryCrash,
  mark: M,
  recoverable: Recoverable<M>,
  options: RecoveryOptions,
): Judged {
  const crash = { during: "recovery", ...point } as const;
  const left = recoverable.powerLost?.(mark) ?? mark;
  return judgeNext(before, { image, mark: left, label: describeRecoveryCrash(point), crash, lives: [] }, recoverable, {
    ...{ ...options, name: `${options.name}+`, recoveryShare: 0 },
    path: options.path?.next,
  });
}

/** The states that were taken while what was recovered was used, up to the first that is wrong. */
function judgeLater<M>(before: Judged, life: Living<M>, startMs: number, options: RecoveryOptions): Judged {
  let judged = before;
  const wanted = options.path?.next;
  for (const [at, { image, mark, label, point }] of life.harvest.states.entries()) {
    const index = wanted?.state ?? at;
    const crash = { during: "life", ...point, ...stateOf(index) } as const;
    const next = { image, mark, label: `used and crashed again at ${label}`, crash, lives: [life.lived()] };
    judged = judgeNext(judged, next, life.recoverable, {
      ...{ ...options, name: `${options.name}, then ${index}`, ...LATER },
      ...{ lives: options.lives + 1, startMs, path: wanted },
    });
  }
  return judged;
}
