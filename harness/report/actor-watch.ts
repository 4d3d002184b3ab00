/**
 * Hears what the actors of the engine say to each other while a seed runs, without the engine knowing of it.
 *
 * The methods by which messages go are replaced while the watch lasts, by ones that tell and then do the same; nothing
 * is added to a fiber, so that a watched run takes the same course as any other. Only the pool of the run is heard:
 * pools that are recovered from crash states have no role, and what is done for them is nobody's.
 */
import * as Fiber from "effect/Fiber";
import { Actor, Pending, Supervisor } from "../../engine/actor.ts";
import { describeFibers } from "../role.ts";

type AnyFiber = Fiber.Fiber<unknown, unknown>;

/** Somebody on the timeline: a client, an actor, or a fiber of the engine by its name. */
export interface Speaker {
  readonly kind: "client" | "actor";
  readonly name: string;
}

export interface ActorListener {
  /** Position in the timeline, to be given back with `handled` or `replied`. */
  readonly position: () => number;
  readonly handled: (actor: Speaker, from: Sent | undefined, text: string) => void;
  readonly replied: (from: Speaker, to: Sent) => void;
}

export interface Sent {
  readonly by: Speaker;
  readonly position: number;
}

/** What the classes keep to themselves. */
interface ActorInside {
  readonly name: string;
  run: (this: ActorInside, message: object) => void;
  tell: (this: ActorInside, message: object) => void;
  ask: (this: ActorInside, message: (pending: object) => object) => unknown;
}
interface SupervisorInside {
  readonly fibers: ReadonlySet<AnyFiber>;
  fork: (this: SupervisorInside, name: string, work: unknown) => void;
}
interface PendingInside {
  settle: (this: PendingInside, exit: unknown) => void;
}

const TEXT_LENGTH_MAX = 80;

export class ActorWatch {
  private readonly listener: ActorListener;
  private readonly forks = new Map<AnyFiber, Speaker | undefined>();
  private readonly speakers = new Map<string, Speaker>();
  /** Actors of the pool of the run: they were spoken to by somebody with a role. */
  private readonly known = new Set<ActorInside>();
  private readonly sent = new Map<object, Sent>();
  private readonly owed = new Map<object, Sent>();
  /** The actors whose turn it is, the innermost last, and on whose stack. */
  private readonly turns: Array<{ readonly actor: Speaker | undefined; readonly fiber: AnyFiber | undefined }> = [];

  constructor(listener: ActorListener) {
    this.listener = listener;
  }

  /** Who runs at this moment; undefined if it is none of the run's. */
  current(): Speaker | undefined {
    const fiber = Fiber.getCurrent();
    const turn = this.turns.at(-1);
    // A reply resumes the asker inline, in the middle of the actor's turn.
    if (turn !== undefined && turn.fiber === fiber) return turn.actor;
    if (fiber === undefined) return undefined;
    if (!this.forks.has(fiber)) this.forks.set(fiber, this.roleOf(fiber));
    return this.forks.get(fiber);
  }

  /** Of a fiber that no supervisor forked. */
  private roleOf(fiber: AnyFiber): Speaker | undefined {
    const [name = ""] = describeFibers([fiber]).split(", ");
    if (/^client \d+$/u.test(name)) return this.speaker("client", name);
    return /^the (?:pool|store) /u.test(name) ? this.speaker("actor", name) : undefined;
  }

  private speaker(kind: Speaker["kind"], name: string): Speaker {
    let speaker = this.speakers.get(name);
    if (speaker === undefined) this.speakers.set(name, (speaker = { kind, name }));
    return speaker;
  }

  /** Begins to listen; the returned function ends it. */
  start(): () => void {
    const actor = Actor.prototype as unknown as ActorInside;
    const supervisor = Supervisor.prototype as unknown as SupervisorInside;
    const pending = Pending.prototype as unknown as PendingInside;
    const { ask, tell, run } = actor;
    const { fork } = supervisor;
    const { settle } = pending;
    const watch = this;
    actor.ask = function (this: ActorInside, message) {
      return ask.call(this, (pending) => {
        const content = message(pending);
        watch.sends(this, content, pending);
        return content;
      });
    };
    actor.tell = function (this: ActorInside, message) {
      if (!watch.sent.has(message)) watch.sends(this, message, undefined);
      tell.call(this, message);
    };
    actor.run = function (this: ActorInside, message) {
      watch.turn(this, message, () => run.call(this, message));
    };
    supervisor.fork = function (this: SupervisorInside, name, work) {
      const by = watch.current();
      fork.call(this, name, work);
      const fiber = [...this.fibers].at(-1);
      if (fiber !== undefined) watch.forks.set(fiber, by === undefined ? undefined : watch.speaker("actor", name));
    };
    pending.settle = function (this: PendingInside, exit) {
      watch.settles(this);
      settle.call(this, exit);
    };
    return () => {
      Object.assign(actor, { ask, tell, run });
      Object.assign(supervisor, { fork });
      Object.assign(pending, { settle });
    };
  }

  private sends(actor: ActorInside, message: object, pending: object | undefined): void {
    const by = this.current();
    if (by === undefined) return;
    this.known.add(actor);
    const sent = { by, position: this.listener.position() };
    this.sent.set(message, sent);
    if (pending !== undefined) this.owed.set(pending, sent);
  }

  private turn(actor: ActorInside, message: object, run: () => void): void {
    const mine = this.known.has(actor) ? this.speaker("actor", actor.name) : undefined;
    if (mine !== undefined) {
      const sent = this.sent.get(message);
      this.sent.delete(message);
      this.listener.handled(mine, sent, textOf(message));
    }
    this.turns.push({ actor: mine, fiber: Fiber.getCurrent() });
    try {
      run();
    } finally {
      this.turns.pop();
    }
  }

  private settles(pending: object): void {
    const asked = this.owed.get(pending);
    if (asked === undefined) return;
    this.owed.delete(pending);
    const by = this.current();
    if (by !== undefined && by !== asked.by) this.listener.replied(by, asked);
  }
}

/** What of a message says something: its numbers, what is true, how many bytes. */
function textOf(message: object): string {
  const words: Array<string> = [];
  for (const [key, value] of Object.entries(message) as Array<[string, unknown]>) {
    if (value === true) words.push(key);
    else if (typeof value === "number" || typeof value === "string") words.push(`${key} ${value}`);
    else if (value instanceof Uint8Array) words.push(`${value.length} bytes`);
    else if (Array.isArray(value)) words.push(`${value.length} ${key}`);
  }
  return words.join(", ").slice(0, TEXT_LENGTH_MAX);
}
