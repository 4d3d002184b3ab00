/**
 * A pool whose process dies now and then, with a kernel between it and its clients: what was asked and not answered is
 * asked again of the process that takes over, under the same number.
 *
 * A death is one instant: from then on nothing of the dead process counts, neither what it answers nor what it keeps; its
 * device operations that are in flight come to an end before the next process begins, as they do where the system ends a
 * process. Clients see operations that take long. When the processes die, the seed decides.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Fiber from "effect/Fiber";
import * as Scope from "effect/Scope";
import { type Device, DeviceGone } from "../devices/device.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import type { Filesystem, Fs } from "../engine/fs/types.ts";
import { SurvivorLog } from "../engine/journal/survivor-log.ts";
import { type OpenOptions, openPool, type Pool } from "../engine/pool/pool.ts";
import type { Prng } from "./entropy.ts";
import type { Observable, Observer } from "./oracle/checked-filesystem.ts";
import { immediateView } from "./immediate-view.ts";
import { SurvivorRam } from "./survivor-ram.ts";

/** How processes die. */
export interface Mortality {
  /** At most so many do. */
  readonly deathsMax: number;
  /** Clients' calls between two deaths, at most. */
  readonly callsMax: number;
  readonly segmentBytes: number;
  readonly bytesMax: number;
  /** Crash states to take in which the process dies alone, and to verify. */
  readonly statesMax: number;
}

/** Steps of the world between the call that a death was set on and the death, at most. */
const STEPS_MAX = 60;
/** The same behind an effect. */
const STEPS_TO_ANSWER = 2;
/** Steps of the world between an effect's end and its answer, fewer than. */
const STEPS_OF_ANSWER = 3;
/** Share of processes that die while they take over. */
const STILLBORN_SHARE = 0.25;

/** Operations in flight of one process, and whether it lives. */
class Process {
  readonly ram: SurvivorRam;
  readonly log: SurvivorLog;
  readonly scope: Scope.Closeable;
  alive = true;
  pool: Pool | undefined;
  private inFlight = 0;
  private whenQuiet: (() => void) | undefined;

  constructor(ram: SurvivorRam, scope: Scope.Closeable, options: Mortality) {
    this.ram = ram;
    this.scope = scope;
    this.log = new SurvivorLog({ memory: ram, segmentBytes: options.segmentBytes, bytesMax: options.bytesMax });
  }

  /** The disk as this process has it open. */
  deviceOf(disk: SimDisk): Device {
    const { zones } = disk;
    const own = <A, E>(operation: Effect.Effect<A, E>): Effect.Effect<A, E> => this.counted(operation);
    return {
      name: disk.name,
      geometry: disk.geometry,
      read: (offset, length) => own(disk.read(offset, length)),
      write: (offset, bytes) => own(disk.write(offset, bytes)),
      flush: own(disk.flush),
      discard: (offset, length) => own(disk.discard(offset, length)),
      zones:
        zones === undefined
          ? undefined
          : {
              append: (zone, bytes) => own(zones.append(zone, bytes)),
              reset: (zone) => own(zones.reset(zone)),
              finish: (zone) => own(zones.finish(zone)),
              open: (zone) => own(zones.open(zone)),
              close: (zone) => own(zones.close(zone)),
              report: own(zones.report),
            },
    };
  }

  /** Whoever is interrupted waits for the device, and never between the count and what it counts. */
  private counted<A, E>(operation: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const counted = Effect.suspend(() => {
      if (!this.alive) return Effect.fail(new DeviceGone("disk0") as E);
      this.inFlight++;
      return Effect.ensuring(
        operation,
        Effect.sync(() => {
          this.inFlight--;
          if (this.inFlight === 0) this.whenQuiet?.();
        }),
      );
    });
    return Effect.uninterruptible(counted);
  }

  get quiet(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.inFlight === 0) resume(Effect.void);
      else this.whenQuiet = () => resume(Effect.void);
    });
  }
}

export class MortalPool implements Observable {
  private readonly disk: SimDisk;
  private readonly options: OpenOptions;
  private readonly mortality: Mortality;
  private readonly random: Prng;
  private readonly tried: () => boolean;
  /** What a process that began now would find in memory. */
  ram = new SurvivorRam();
  private current: Process | undefined;
  private serving: Deferred.Deferred<Process, unknown> = Deferred.makeUnsafe();
  private deaths = 0;
  private requests = 1;
  private callsLeft: number;
  private dying = false;
  /** Requests that a process works on. */
  private active = 0;
  /** Requests without an answer, and those of them that the process that serves has not been asked yet. */
  private readonly unanswered: Set<number> = new Set();
  private readonly unasked: Set<number> = new Set();
  private whenIdle: (() => void) | undefined;
  private readonly opens: Map<number, number> = new Map();
  /** The next effect is the death of its process. */
  private atEffect = false;
  /** Starts work that nobody waits for. */
  private fork: (work: Effect.Effect<void>) => void = () => {};
  /** No process dies any more. */
  private immortal = false;
  /** Hears of everything that a process is about to keep. */
  onKeep: (offsetBytes: number, bytes: Uint8Array) => void = () => {};

  /** `tried`: whether the next call is tried at once first. */
  constructor(disk: SimDisk, options: OpenOptions, mortality: Mortality, random: Prng, tried: () => boolean) {
    this.disk = disk;
    this.options = options;
    this.mortality = mortality;
    this.random = random;
    this.tried = tried;
    this.callsLeft = random.between(1, mortality.callsMax);
  }

  /** The pool of the process that is alive now. */
  get pool(): Pool {
    return this.current!.pool!;
  }

  get usage(): Pool["usage"] {
    return Effect.suspend(() => this.pool.usage);
  }

  readonly limitMemory: Pool["limitMemory"] = (limits) => this.pool.limitMemory(limits);

  readonly check: Pool["check"] = (options) => Effect.suspend(() => this.pool.check(options));

  /** Opens the pool in a process of its own; it ends with the scope at the latest. */
  get start(): Effect.Effect<void, unknown, Scope.Scope> {
    const self = this;
    return Effect.gen(function* () {
      self.fork = Effect.runForkWith(yield* Effect.context<never>());
      yield* Effect.acquireRelease(self.begin(new SurvivorRam()), () =>
        Effect.suspend(() => Scope.close(self.current!.scope, Exit.void)),
      );
    });
  }

  private begin(ram: SurvivorRam): Effect.Effect<void, unknown> {
    const self = this;
    return Effect.gen(function* () {
      const scope = yield* Scope.make();
      const next = new Process(ram, scope, self.mortality);
      self.current = next;
      self.ram = ram;
      ram.onWrite = (offsetBytes, bytes) => self.onKeep(offsetBytes, bytes);
      const options = { ...self.options, survivors: next.log };
      next.pool = yield* Scope.provide(openPool([next.deviceOf(self.disk)], options), scope);
      self.unasked.clear();
      for (const request of self.unanswered) self.unasked.add(request);
      if (self.unasked.size === 0) next.log.allResent();
      yield* Deferred.succeed(self.serving, next);
    });
  }

  /** From now on the process that is alive stays so; waits until one is. */
  get settle(): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      this.immortal = true;
      this.atEffect = false;
      return Effect.asVoid(Deferred.await(this.serving));
    });
  }

  private die(stepsMax: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      // The step that it was set on goes to its end: half of it is another kind of death (`Session.keeps`).
      for (let left = 1 + this.random.below(stepsMax); left > 0; left--) yield* Effect.yieldNow;
      yield* this.dead;
    });
  }

  /** An operation takes effect: if a death is set on that, it comes before there is an answer, or soon after. */
  private effect(process: Process, request: number, observer: Observer): void {
    if (!process.alive) return;
    observer.linearized();
    if (!this.atEffect || !process.log.hasTakenEffect(request)) return;
    this.atEffect = false;
    this.fork(this.die(STEPS_TO_ANSWER));
  }

  /** The process ends in good order: it answers what it was asked, and brings everything to the disk. */
  private readonly handOver: Effect.Effect<void, unknown> = Effect.gen({ self: this }, function* () {
    if (this.immortal) {
      this.dying = false;
      return;
    }
    const old = this.current!;
    this.serving = Deferred.makeUnsafe();
    yield* Effect.callback<void>((resume) => {
      if (this.active === 0) resume(Effect.void);
      else this.whenIdle = () => resume(Effect.void);
    });
    this.whenIdle = undefined;
    yield* old.pool!.handOver;
    old.alive = false;
    yield* Scope.close(old.scope, Exit.void);
    yield* old.quiet;
    yield* this.begin(old.ram.fork());
    this.dying = false;
  });

  private readonly dead: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const dead = this.current!;
    if (this.immortal) {
      this.dying = false;
      return;
    }
    // This is the instant. What it keeps from here on goes into memory that nobody will look at.
    dead.alive = false;
    this.serving = Deferred.makeUnsafe();
    const ram = dead.ram.fork();
    dead.ram.onWrite = () => {};
    this.ram = ram;
    yield* Scope.close(dead.scope, Exit.void);
    yield* dead.quiet;
    while (this.random.chance(STILLBORN_SHARE)) yield* this.stillborn;
    const begun = yield* Effect.exit(this.begin(this.ram));
    this.dying = false;
    if (Exit.isFailure(begun)) yield* Deferred.failCause(this.serving, begun.cause);
  });

  /** A process that dies before it serves. */
  private get stillborn(): Effect.Effect<void> {
    const self = this;
    return Effect.gen(function* () {
      const scope = yield* Scope.make();
      const { ram, random } = self;
      const process = new Process(ram, scope, self.mortality);
      const options = { ...self.options, survivors: process.log };
      const opening = Scope.provide(openPool([process.deviceOf(self.disk)], options), scope);
      const fiber = yield* Effect.forkDetach(opening);
      yield* Effect.sleep(random.pick([0, 0.3, 2, 10]));
      for (let left = random.below(STEPS_MAX); left > 0; left--) yield* Effect.yieldNow;
      process.alive = false;
      self.ram = ram.fork();
      yield* Fiber.interrupt(fiber);
      yield* Scope.close(scope, Exit.void);
      yield* process.quiet;
    });
  }

  /** Sets the next death on one of the calls. */
  private called(): Effect.Effect<void> {
    if (this.immortal || this.dying || this.deaths >= this.mortality.deathsMax || --this.callsLeft > 0) {
      return Effect.void;
    }
    this.deaths++;
    this.dying = true;
    this.callsLeft = this.random.between(1, this.mortality.callsMax);
    const manner = this.random.below(10);
    if (manner < 5) {
      this.atEffect = true;
      return Effect.void;
    }
    if (manner < 7) {
      this.fork(Effect.catchCause(this.handOver, (cause) => Deferred.failCause(this.serving, cause)));
      return Effect.void;
    }
    return Effect.asVoid(Effect.forkDetach(this.die(STEPS_MAX)));
  }

  /** One request: asked of one process after another until one that lives has answered. */
  private ask<A>(observer: Observer, operation: (view: Filesystem) => Fs<A>): Fs<A> {
    const self = this;
    return Effect.gen(function* () {
      yield* self.called();
      const request = self.requests++;
      self.unanswered.add(request);
      for (let asked = 0; ;) {
        const { serving } = self;
        const process = yield* Effect.orDie(Deferred.await(serving));
        // It stopped taking requests between its answer and now.
        if (serving !== self.serving) continue;
        if (asked++ > 0) observer.resent();
        self.active++;
        const watching = { linearized: () => self.effect(process, request, observer) };
        const slowly = process.pool!.filesystemForRequest(request, watching);
        self.unasked.delete(request);
        if (self.unasked.size === 0) process.log.allResent();
        // What is sent again may have been done.
        const atOnce = asked > 1 ? undefined : process.pool!.atOnceForRequest(request, watching);
        const view = atOnce === undefined ? slowly : immediateView(slowly, atOnce, self.tried);
        const exit = yield* Effect.exit(operation(view));
        // What is done at once is answered in the same step, but a process may die within a step.
        for (let left = self.random.below(STEPS_OF_ANSWER); left > 0; left--) yield* Effect.yieldNow;
        self.active--;
        if (process.alive) {
          process.log.answered(request);
          self.unanswered.delete(request);
        }
        // The next process may be handing over by now, and waits for this as well.
        if (self.active === 0) self.whenIdle?.();
        if (process.alive) return yield* exit;
      }
    });
  }

  /** What the kernel knows of an inode: who opened it or is about to, over all processes. When nobody is, it forgets it. */
  private counted<A>(inode: number, change: 1 | -1, operation: Fs<A>): Fs<A> {
    if (change === -1) return Effect.tap(operation, () => this.closed(inode));
    return Effect.suspend(() => {
      this.opens.set(inode, (this.opens.get(inode) ?? 0) + 1);
      return Effect.tapError(operation, () => this.closed(inode));
    });
  }

  private closed(inode: number): Effect.Effect<void> {
    const opens = (this.opens.get(inode) ?? 0) - 1;
    this.opens.set(inode, opens);
    if (opens > 0 || !this.random.chance(0.7)) return Effect.void;
    return this.forget(inode);
  }

  private forget(inode: number): Effect.Effect<void> {
    const { serving } = this;
    return Effect.flatMap(Effect.orDie(Deferred.await(serving)), ({ pool }) =>
      // It stopped taking requests meanwhile.
      serving === this.serving ? Effect.ignore(pool!.forgotten(inode)) : this.forget(inode),
    );
  }

  filesystemFor(observer: Observer): Filesystem {
    const template = this.pool.filesystem;
    const own = <A>(operation: (view: Filesystem) => Fs<A>): Fs<A> => this.ask(observer, operation);
    return new Proxy(template, {
      get: (_target, name: keyof Filesystem) => {
        if (name === "syncfs" || name === "statfs") return own((view) => view[name] as Fs<never>);
        return (...operands: ReadonlyArray<never>) => {
          const asked = own((view) => (view[name] as (...all: ReadonlyArray<never>) => Fs<unknown>)(...operands));
          if (name !== "open" && name !== "release") return asked;
          return this.counted(operands[0] as unknown as number, name === "open" ? 1 : -1, asked);
        };
      },
    });
  }
}
