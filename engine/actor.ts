/**
 * The shell that all actors share, and the supervisor above them.
 *
 * An actor owns its state alone and handles one message at a time, synchronously; it replies at once or later through
 * the message's `Pending`. Waiting work is forked with `fork`, never done inside a handler. A handler that throws, or a
 * forked fiber that dies of a defect, has broken an invariant: the supervisor then fails the whole pool, every waiting
 * asker gets `PoolFailed`, and nothing more is written. An actor never catches a defect and goes on. Where only the
 * devices no longer take what is written, memory is right, and reading goes on: the pool is frozen.
 *
 * Replies resume the asker inline, so a handler replies last.
 */
import * as Cause from "effect/Cause";
import type * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Fiber from "effect/Fiber";
import type * as Scheduler from "effect/Scheduler";
import { reached } from "./marks.ts";

/** Messages that may wait in one mailbox; more is a defect, since every sender waits for its reply. */
export const MAILBOX_MESSAGES_MAX = 1_000_000;

/** The pool went read-only because an invariant broke or a device no longer carries the journal. */
export class PoolFailed {
  readonly _tag = "PoolFailed";
  readonly detail: string;
  constructor(detail: string) {
    this.detail = detail;
  }
}

/** A reply that is owed to an asker. */
export class Pending<A, E> {
  private exit: Exit.Exit<A, E | PoolFailed> | undefined;
  private resume: ((exit: Exit.Exit<A, E | PoolFailed>) => void) | undefined;
  private readonly owed: Set<Pending<never, never>>;
  /** It is answered in a frozen pool too. */
  readonly reads: boolean;

  constructor(supervisor: Supervisor, reads = false) {
    this.reads = reads;
    this.owed = supervisor.owed;
    this.owed.add(this as unknown as Pending<never, never>);
  }

  succeed(value: A): void {
    this.settle(Exit.succeed(value));
  }

  fail(error: E | PoolFailed): void {
    this.settle(Exit.fail(error));
  }

  settle(exit: Exit.Exit<A, E | PoolFailed>): void {
    if (this.exit !== undefined) return;
    this.exit = exit;
    this.owed.delete(this as unknown as Pending<never, never>);
    this.resume?.(exit);
  }

  /** What the asker runs: the reply if it is there, else a wait for it. */
  get wait(): Effect.Effect<A, E | PoolFailed> {
    if (this.exit !== undefined) return this.exit;
    return Effect.callback<A, E | PoolFailed>((resume) => {
      if (this.exit === undefined) this.resume = resume;
      else resume(this.exit);
    });
  }
}

/** Watches over the actors of one pool. */
export class Supervisor {
  readonly owed: Set<Pending<never, never>> = new Set();
  /** All actors of the pool, so that one that is stuck can be named. */
  readonly actors: Array<{ readonly name: string; readonly waiting: number }> = [];
  /** Asks of an idle actor are handled on the asker's stack; a simulation switches this off to interleave more. */
  inlineAsks: boolean;
  private readonly context: Context.Context<never>;
  readonly dispatcher: Scheduler.SchedulerDispatcher;
  private readonly fibers: Set<Fiber.Fiber<unknown, unknown>> = new Set();
  private readonly watchers: Array<(failure: PoolFailed) => void> = [];
  private stopping = false;
  private frozen = false;
  failure: PoolFailed | undefined;

  private constructor(fiber: Fiber.Fiber<unknown, unknown>, inlineAsks: boolean) {
    this.context = fiber.context;
    this.dispatcher = fiber.currentDispatcher;
    this.inlineAsks = inlineAsks;
  }

  /** Takes scheduler, clock and entropy from the fiber that makes it. */
  static make(inlineAsks: boolean): Effect.Effect<Supervisor> {
    return Effect.withFiber((fiber) => Effect.succeed(new Supervisor(fiber, inlineAsks)));
  }

  get stopped(): boolean {
    return this.stopping;
  }

  /** What whoever asks for something is told once the pool has failed or was stopped. */
  get ended(): PoolFailed | undefined {
    return this.failure ?? (this.stopping ? new PoolFailed("the pool was closed") : undefined);
  }

  /** The same for whoever only reads. */
  get endedForReading(): PoolFailed | undefined {
    return this.frozen && !this.stopping ? undefined : this.ended;
  }

  onFailure(watcher: (failure: PoolFailed) => void): void {
    this.watchers.push(watcher);
  }

  /** Fails the pool for good: an invariant is broken, so that memory is not to be believed either. First cause wins. */
  fail(detail: string): void {
    if (this.frozen) {
      this.frozen = false;
      for (const pending of [...this.owed]) pending.fail(this.failure!);
    }
    this.end(detail);
  }

  /** Nothing is written from now on, as the devices do not take it. What was committed can be read. */
  freeze(detail: string): void {
    if (this.ended !== undefined) return;
    this.frozen = true;
    this.end(detail);
  }

  private end(detail: string): void {
    if (this.failure !== undefined || this.stopping) return;
    reached("pool failed");
    this.failure = new PoolFailed(detail);
    const failure = this.failure;
    for (const watcher of this.watchers) watcher(failure);
    for (const pending of [...this.owed]) if (!this.frozen || !pending.reads) pending.fail(failure);
  }

  /** Runs work on its own fiber, never on the caller's stack: who forks may be in the middle of a step. A defect in it fails the pool, a typed failure must have been handled inside. */
  fork(name: string, work: Effect.Effect<unknown, PoolFailed>): void {
    if (this.stopping) return;
    const fiber = Effect.runForkWith(this.context)(Effect.andThen(Effect.yieldNow, work));
    this.fibers.add(fiber);
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber);
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) this.fail(`${name}: ${Cause.pretty(exit.cause)}`);
    });
  }

  /** Stops everything where it stands, as a kill would; waiting askers are told. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.stopping = true;
    const running = [...this.fibers];
    const failure = this.ended!;
    for (const pending of [...this.owed]) pending.fail(failure);
    return Fiber.interruptAll(running);
  });
}

export class Actor<M> {
  readonly name: string;
  private readonly supervisor: Supervisor;
  private readonly handle: (message: M) => void;
  private readonly reads: boolean;
  private box: Array<M> = [];
  private head = 0;
  private scheduled = false;
  private draining = false;

  /** `reads`: it goes on in a frozen pool, and then only reads. */
  constructor(supervisor: Supervisor, name: string, handle: (message: M) => void, { reads = false } = {}) {
    this.reads = reads;
    this.supervisor = supervisor;
    this.name = name;
    this.handle = handle;
    supervisor.actors.push(this);
  }

  private get ended(): PoolFailed | undefined {
    return this.reads ? this.supervisor.endedForReading : this.supervisor.ended;
  }

  /** Would a message that is asked now be handled on the asker's stack? */
  get idle(): boolean {
    return this.supervisor.inlineAsks && this.ended === undefined && !this.draining && this.waiting === 0;
  }

  /** Runs a step at once as if a message asked for it; `undefined` where it would have to wait for its turn. */
  now<A>(step: () => A): A | undefined {
    if (!this.idle) return undefined;
    this.draining = true;
    let answer: A | undefined;
    this.guarded(() => (answer = step()));
    this.draining = false;
    this.kick();
    return answer;
  }

  /** Messages not yet handled. */
  get waiting(): number {
    return this.box.length - this.head;
  }

  /** Sends a message that carries a reply, and waits for the reply. */
  ask<A, E>(message: (pending: Pending<A, E>) => M): Effect.Effect<A, E | PoolFailed> {
    return Effect.suspend(() => {
      const { supervisor } = this;
      // Nobody would answer any more, and what is asked while fibers are interrupted must not hold them up.
      const { ended } = this;
      if (ended !== undefined) return Exit.fail(ended);
      const pending = new Pending<A, E>(supervisor, this.reads);
      const content = message(pending);
      if (this.idle) {
        this.draining = true;
        this.run(content);
        this.draining = false;
        this.kick();
      } else this.tell(content);
      return pending.wait;
    });
  }

  tell(message: M): void {
    if (this.ended !== undefined) return;
    if (this.waiting >= MAILBOX_MESSAGES_MAX) throw new Error(`mailbox of ${this.name} is over its limit`);
    this.box.push(message);
    this.kick();
  }

  private kick(): void {
    // Mail that nobody handles any more must not have the drain scheduled for ever.
    if (this.ended !== undefined) return;
    if (this.scheduled || this.draining || this.waiting === 0) return;
    this.scheduled = true;
    this.supervisor.dispatcher.scheduleTask(this.drain, 0);
  }

  private run(message: M): void {
    this.guarded(() => this.handle(message));
  }

  private guarded(step: () => void): void {
    try {
      step();
    } catch (defect) {
      this.supervisor.fail(
        `${this.name}: ${defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)}`,
      );
    }
  }

  private readonly drain = (): void => {
    this.scheduled = false;
    this.draining = true;
    // Replies run inline and may send again: this turn is bounded to what was there at its start.
    const end = this.box.length;
    while (this.head < end && this.ended === undefined) {
      this.run(this.box[this.head++]!);
    }
    if (this.head === this.box.length) {
      this.box = [];
      this.head = 0;
    } else if (this.head > 4096) {
      this.box.splice(0, this.head);
      this.head = 0;
    }
    this.draining = false;
    this.kick();
  };
}
