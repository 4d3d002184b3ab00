/**
 * The world of a simulation: scheduler, clock and entropy, all decided by a seed, on one synchronous stack.
 *
 * All fibers share one pool of runnable tasks; the seed chooses the next one, uniformly or by priorities that change at
 * random points (PCT). A fiber that was resumed inline is put back into the pool, so that nobody runs on merely because
 * somebody answered, and fibers are preempted at random. Time stands still while anything can run and jumps to the next
 * timer when nothing can; the clock on the wall may jump meanwhile, timers do not notice. No promise, timer or callback from outside can run in between: a fiber that waits for one
 * shows as a deadlock.
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Duration from "effect/Duration";
import * as Effect from "effect/Effect";
import type * as Exit from "effect/Exit";
import type * as Fiber from "effect/Fiber";
import * as Random from "effect/Random";
import * as Scheduler from "effect/Scheduler";
import { Prng } from "./entropy.ts";
import { describeFibers } from "./role.ts";
import { Trace } from "./trace.ts";

/** Virtual time begins here: a date that makes sense in timestamps. */
export const EPOCH_MS = 1_750_000_000_000;

/** The simulation does not come to an end: nothing can run any more, or something runs for ever. */
export class Deadlock {
  readonly _tag = "Deadlock";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export interface WorldOptions {
  readonly seed: number;
  readonly policy?: "uniform" | "priorities";
  /** Share of operations of a fiber at which it is preempted. */
  readonly preemptShare?: number;
  readonly stepsMax?: number;
  /** Virtual time after which a run that still goes on counts as one without an end. */
  readonly virtualMsMax?: number;
  readonly trace?: Trace;
  readonly startMs?: number;
  /** Hears of every step before it is taken. */
  readonly onStep?: ((world: World) => void) | undefined;
}

const STEPS_MAX = 2_000_000;
/** Fibers known at first before those that have ended are forgotten. */
const FIBERS_KNOWN = 256;
/** Share of steps at which the task that runs loses its priority. */
const CHANGE_SHARE = 0.01;

interface Timer {
  readonly atMs: number;
  /** Of the fiber that sleeps, which keeps its priority that way. */
  readonly lane: Lane;
  readonly order: number;
  fire: (() => void) | undefined;
}

interface Lane extends Scheduler.SchedulerDispatcher {
  priority: number;
}

interface Task {
  readonly run: () => void;
  readonly lane: Lane;
}

const earlier = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class World implements Scheduler.Scheduler {
  readonly executionMode = "async" as const;
  readonly trace: Trace;
  /** Time on the clock that never jumps, by which timers run. */
  nowMs: number;
  /** What the clock on the wall is ahead of that; anybody may set it at any time. */
  wallAheadMs = 0;
  steps = 0;
  private readonly choices: Prng;
  private readonly values: Prng;
  private readonly byPriority: boolean;
  private readonly preempt: number;
  private readonly stepsMax: number;
  private readonly virtualMsMax: number;
  private readonly startMs: number;
  private readonly fibers: Set<Fiber.Fiber<unknown, unknown>> = new Set();
  private fibersKnownMax = FIBERS_KNOWN;
  private readonly runnable: Array<Task> = [];
  private readonly timers: Array<Timer> = [];
  private timerOrder = 0;
  private readonly onStep: ((world: World) => void) | undefined;
  private fresh = false;
  private running = false;
  readonly clock: Clock.Clock;
  private readonly context: Context.Context<never>;

  constructor(options: WorldOptions) {
    this.choices = new Prng(options.seed);
    this.values = new Prng(options.seed ^ 0x5bd1e995);
    this.byPriority = options.policy === "priorities";
    this.preempt = Math.floor((options.preemptShare ?? 0.02) * 2 ** 32);
    this.stepsMax = options.stepsMax ?? STEPS_MAX;
    this.trace = options.trace ?? new Trace();
    this.virtualMsMax = options.virtualMsMax ?? Number.POSITIVE_INFINITY;
    this.startMs = options.startMs ?? EPOCH_MS;
    this.nowMs = this.startMs;
    this.onStep = options.onStep;
    this.clock = this.makeClock();
    const random = {
      nextIntUnsafe: () => this.values.u32() - 2 ** 31,
      nextDoubleUnsafe: () => this.values.float(),
    };
    this.context = Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this as Scheduler.Scheduler),
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, random),
    );
  }

  /** The choices from here on are those of another seed. */
  reseed(seed: number): void {
    this.choices.reseed(seed);
    this.values.reseed(seed ^ 0x5bd1e995);
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const lane: Lane = {
      priority: this.byPriority ? this.choices.u32() : 0,
      scheduleTask: (run) => {
        if (!this.running) throw new Error("something was scheduled from outside the simulation");
        this.runnable.push({ run, lane });
      },
      flush: () => {
        throw new Error("runSync inside a simulation");
      },
    };
    return lane;
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const first = fiber.currentOpCount === 1;
    if (first && !this.fibers.has(fiber)) this.know(fiber);
    if (this.fresh) {
      this.fresh = false;
      return false;
    }
    // The first operation after a resumption that did not come from the scheduler.
    if (first) return true;
    return this.preempt > 0 && this.choices.u32() < this.preempt;
  }

  /** Remembers a fiber, to be named should it wait for ever. */
  private know(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.fibers.add(fiber);
    if (this.fibers.size < this.fibersKnownMax) return;
    for (const known of this.fibers) if (known.pollUnsafe() !== undefined) this.fibers.delete(known);
    this.fibersKnownMax = Math.max(FIBERS_KNOWN, 2 * this.fibers.size);
  }

  private endless(why: string): Deadlock {
    const at = ((this.nowMs - this.startMs) / 1000).toFixed(3);
    return new Deadlock(`at ${at} s ${why}; waiting: ${describeFibers(this.fibers)}`);
  }

  private makeClock(): Clock.Clock {
    const nanosOf = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;
    const wall = (): bigint => nanosOf(this.nowMs + this.wallAheadMs);
    const monotonic = (): bigint => nanosOf(this.nowMs);
    const wallMs = (): number => Math.floor(this.nowMs + this.wallAheadMs);
    return {
      currentTimeMillisUnsafe: wallMs,
      currentTimeMillis: Effect.sync(wallMs),
      currentTimeNanosUnsafe: wall,
      currentTimeNanos: Effect.sync(wall),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => {
        const ms = Duration.toMillis(duration);
        if (!(ms > 0)) return Effect.yieldNow;
        if (!Number.isFinite(ms)) return Effect.never;
        return Effect.withFiber<void>((fiber) => this.sleep(ms, fiber.currentDispatcher as Lane));
      },
    };
  }

  private sleep(ms: number, lane: Lane): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const fire = (): void => resume(Effect.void);
      const timer: Timer = { atMs: this.nowMs + ms, order: this.timerOrder++, lane, fire };
      this.pushTimer(timer);
      return Effect.sync(() => {
        timer.fire = undefined;
      });
    });
  }

  private pushTimer(timer: Timer): void {
    const heap = this.timers;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (earlier(heap[parent]!, timer)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = timer;
  }

  private popTimer(): Timer | undefined {
    const heap = this.timers;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
      if (earlier(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  }

  private choose(): Task {
    const { runnable } = this;
    const count = runnable.length;
    let index = 0;
    if (count > 1) index = this.byPriority ? this.highest() : this.choices.below(count);
    const task = runnable[index]!;
    const last = runnable.pop()!;
    if (index < count - 1) runnable[index] = last;
    if (count > 1) this.trace.event("s", count, index);
    return task;
  }

  private highest(): number {
    const { runnable } = this;
    let best = 0;
    for (let index = 1; index < runnable.length; index++) {
      if (runnable[index]!.lane.priority > runnable[best]!.lane.priority) best = index;
    }
    // At a change point whoever would run falls behind all others.
    if (this.choices.float() < CHANGE_SHARE) runnable[best]!.lane.priority = -this.choices.u32();
    return best;
  }

  /** Moves time on to the next timer; false if there is none. */
  private advance(): boolean {
    let timer = this.popTimer();
    while (timer !== undefined && timer.fire === undefined) timer = this.popTimer();
    if (timer === undefined) return false;
    this.nowMs = Math.max(this.nowMs, timer.atMs);
    this.trace.event("t", Math.round((this.nowMs - EPOCH_MS) * 1000));
    while (timer !== undefined) {
      if (timer.fire !== undefined) this.runnable.push({ run: timer.fire, lane: timer.lane });
      timer = this.timers[0] !== undefined && this.timers[0].atMs <= this.nowMs ? this.popTimer() : undefined;
    }
    return true;
  }

  /** Runs an effect to its end; everything happens before this returns. */
  run<A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> {
    if (this.running) throw new Error("a world runs one effect at a time: run another one in a world of its own");
    this.running = true;
    this.fresh = true;
    try {
      const fiber = Effect.runForkWith(this.context)(effect);
      for (;;) {
        const exit = fiber.pollUnsafe();
        if (exit !== undefined) return exit;
        if (++this.steps > this.stepsMax) throw this.endless(`no end after ${this.stepsMax} steps: a livelock`);
        this.onStep?.(this);
        if (this.runnable.length === 0) {
          if (!this.advance()) throw this.endless("nothing can run and no timer is set: a deadlock");
          if (this.nowMs - this.startMs > this.virtualMsMax) throw this.endless("no end in sight: a livelock");
          continue;
        }
        const task = this.choose();
        this.fresh = true;
        task.run();
      }
    } finally {
      this.running = false;
    }
  }
}
