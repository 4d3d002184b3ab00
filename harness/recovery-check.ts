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
import type { Entropy } from "./entropy.ts";
import { drawSurvival } from "./harvest.ts";
import type { Trace } from "./trace.ts";
import type { Life, Onward, Recoverable } from "./trial.ts";
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
  const random = entropy.stream(name);
  const crashIt = random.chance(options.recoveryShare);
  const used = options.lives + 1 < LIVES_MAX && random.chance(options.livesShare);
  let life: Life<M> | undefined;
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
  const onward: Onward<M> = {
    through: (problems) => {
      // A crash behind the recovery is another crash: what is done from here on may survive it or not.
      disk.setObserver(undefined);
      return used && problems.length === 0 ? random : undefined;
    },
    clock: () => timeAt(world),
    lives: (next) => (life = next),
  };
  const { value, problem } = runIn(world, recoverable.recover(disk, mark, onward));
  const state = { seedNumber: (stream: string) => entropy.number(`${name}, ${stream}`), startMs: options.startMs };
  const found = problem === undefined ? (value ?? []) : [problem];
  const wentAway = disk.departed && life?.violation() === undefined && found.some((line) => GONE.test(line));
  const told = problem === undefined || wentAway ? undefined : recoverable.unrecovered?.(problem, image, mark, state);
  const problems = wentAway ? [] : [...(told ?? found)];
  problems.push(...misuseOf(disk));
  trace.fold("recovery", world.trace);
  const totals = { problems, states: 1, simulatedMs: world.nowMs - start, events: world.trace.events };
  const after = { ...options, startMs: world.nowMs };
  const next = life?.recoverable ?? recoverable;
  if (wentAway) {
    // The disk is back, with what it kept; this time it stays.
    const back = { ...after, name: `${name}, back`, faults: undefined, recoveryShare: 0, livesShare: 0 };
    const state = { image: disk.crash(survivesAll), mark: life?.mark() ?? mark };
    judgeNext(totals, { ...state, label: "the disk went during the recovery and is back" }, next, back);
  }
  if (again !== undefined) {
    judgeNext(totals, { ...again, mark }, recoverable, { ...options, name: `${name}+`, recoveryShare: 0 });
  }
  for (const [index, state] of (life?.harvest.states ?? []).entries()) {
    const label = `used and crashed again at ${state.label}`;
    const later = { ...after, name: `${name}, then ${index}`, ...LATER, lives: options.lives + 1 };
    judgeNext(totals, { ...state, label }, next, later);
  }
  return totals;
}

/** Judges a state that came of the one at hand, unless something is wrong already. */
function judgeNext<M>(
  totals: { problems: Array<string>; states: number; simulatedMs: number; events: number },
  { image, mark, label }: { readonly image: CrashImage; readonly mark: M; readonly label: string },
  recoverable: Recoverable<M>,
  options: RecoveryOptions,
): void {
  if (totals.problems.length > 0) return;
  const { problems, states, simulatedMs, events } = judgeCrashState(image, mark, recoverable, options);
  totals.states += states;
  totals.simulatedMs += simulatedMs;
  totals.events += events;
  totals.problems.push(...problems.map((problem) => `${label}: ${problem}`));
}
