/**
 * The part of a seed that is the same whatever is tried: disk, worlds, crash states taken and judged, and what was
 * counted. It knows of the trial only what `trial.ts` says.
 */
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import { type CrashImage, withZoneLost } from "../devices/sim/crash.ts";
import { SimDisk } from "../devices/sim/disk.ts";
import type { DiskPhase } from "../devices/sim/operation-runner.ts";
import type { Timestamp } from "../engine/fs/types.ts";
import { jumps, timeAt } from "./clock-jumps.ts";
import { type CrashPath, type IoPoint, survivalOf } from "./crash-point.ts";
import { Entropy, type Prng } from "./entropy.ts";
import { Harvest } from "./harvest.ts";
import { KnownRecoveries } from "./known-recoveries.ts";
import { digestOf } from "./media-digest.ts";
import { judgeCrashState, runIn, stateOf } from "./recovery-check.ts";
import { inRole, Role } from "./role.ts";
import type { DiskPlan, Life } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import type { StateName, Trial } from "./trial.ts";
import type { Watcher } from "./watched-filesystem.ts";
import type { Operation } from "./workload/operation.ts";
import { EPOCH_MS, World } from "./world.ts";

export interface SeedFailure {
  /** Where it showed: while the clients ran, in a crash state, or at the end. */
  readonly where: "run" | "crash" | "end";
  readonly message: string;
  /** The crash that showed it, and those that it took after that. */
  readonly crash?: CrashPath;
  /** What was done after the crashes, the last of which may have shown it without another crash. */
  readonly lives?: ReadonlyArray<Life>;
}

export interface RunOptions {
  /** Receives the events, for comparing two runs or for reading. */
  readonly trace?: Trace;
  /** Hears each operation that the programs of the clients carry out, by number of the client. */
  readonly note?: (client: number, operation: Operation) => void;
  /** Hears of each I/O at which crash states may be taken. */
  readonly onIo?: (io: IoPoint) => void;
  /** Hears of every step of the clients' part, and may let everything from there on be drawn by another seed. */
  readonly onStep?: (step: number, reseed: (seed: number) => void) => void;
  /** Hears, behind the event of the I/O, that a crash state is taken there. */
  readonly onCrashState?: () => void;
}

/** Share of what was recovered that lives on, unless the scenario says otherwise. */
const LIVES_SHARE = 0.06;

/** No scenario has so much to do: a run that is not through by then waits for something, while timers tick. */
const VIRTUAL_MS_MAX = 24 * 3600 * 1000;

/** What a client of a pool is told to be doing while it waits for durability. */
const SYNC = /^(?:fsync\(|syncfs)/u;

/** Names of events, made once. */
const EVENTS: Readonly<Record<DiskPhase, Map<string, string>>> = {
  issue: new Map(),
  complete: new Map(),
  fail: new Map(),
};

function eventName(phase: DiskPhase, operation: string): string {
  let name = EVENTS[phase].get(operation);
  if (name === undefined) EVENTS[phase].set(operation, (name = `${phase} ${operation}`));
  return name;
}

/** With some luck, one of the zones that hold something has not survived the loss of power. */
function afterCrash(image: CrashImage, share: number, random: Prng): CrashImage {
  const used = (image.zones?.report() ?? []).filter(({ state }) => state === "closed" || state === "full");
  if (used.length === 0 || !random.chance(share)) return image;
  return withZoneLost(image, random.pick(used).zone, random.chance(0.7) ? "offline" : "read-only");
}

export class Session<M> {
  readonly entropy: Entropy;
  readonly trace: Trace;
  readonly options: RunOptions;
  readonly disk: SimDisk;
  private readonly plan: DiskPlan;
  private readonly harvest: Harvest<M>;
  /** States at the instants at which syncs return: what they cover must be there, whatever the disk is busy with. */
  private readonly syncHarvest: Harvest<M>;
  /** States in which a process dies and the machine goes on. */
  private processHarvest: Harvest<M> | undefined;
  private syncs = 0;
  private kept = 0;
  private readonly what: "pool" | "store";
  private armedFor: (() => M) | undefined;
  private processMark: ((begun?: readonly [number, Uint8Array]) => M) | undefined;
  private current: World | undefined;
  simulatedMs = 0;
  /** Virtual time at the end of what ran last. */
  private endMs = EPOCH_MS;
  events = 0;
  crashStates = 0;
  /** Those whose recovery was known from another one. */
  equalStates = 0;

  /** `what`: as it is called where somebody waits for ever. */
  constructor(what: "pool" | "store", plan: DiskPlan, entropy: Entropy, trace: Trace, options: RunOptions) {
    this.what = what;
    this.plan = plan;
    this.entropy = plan.draws === undefined ? entropy : new Entropy(plan.draws, options.onStep !== undefined);
    this.trace = trace;
    this.options = options;
    const { statesMax, pointShare, syncStatesMax = 0, survives } = plan.crash;
    const only = plan.crash.only?.filter((point) => point.survives.kind !== "process");
    this.harvest = new Harvest(this.entropy.stream("crash points"), statesMax, pointShare, only, survives);
    const atSyncs = this.entropy.stream("crash points at syncs");
    this.syncHarvest = new Harvest(atSyncs, syncStatesMax, 1, only, survives);
    this.disk = SimDisk.make({
      name: "disk0",
      geometry: plan.geometry,
      seed: this.entropy.number("disk"),
      ...(plan.disk?.timing === undefined ? {} : { timing: plan.disk.timing }),
      ...(plan.disk?.yields === undefined ? {} : { yields: plan.disk.yields }),
      reusesMemory: plan.disk?.reusesMemory ?? false,
      statistics: true,
      keepsEarlier: plan.disk?.faults?.needsEarlier === true || plan.crash.faults?.needsEarlier === true,
    });
    this.disk.setObserver((phase, operation, offset, length, index) => {
      trace.event(eventName(phase, operation), offset, length, index);
      const mark = this.armedFor;
      if (mark === undefined || operation === "read" || phase === "fail") return;
      const io = (): IoPoint => ({ phase, operation, index });
      options.onIo?.(io());
      this.harvest.point(this.disk, io, () => this.taken(mark));
      const { processMark } = this;
      if (processMark !== undefined) this.processHarvest?.point(this.disk, io, () => this.taken(() => processMark()));
    });
  }

  /** States are taken in which the process dies; `mark` says what it had kept, with the beginning of a frame or without. */
  armProcess(statesMax: number, mark: (begun?: readonly [number, Uint8Array]) => M): void {
    const survives = { kind: "process", seed: this.entropy.number("process crash") } as const;
    const random = this.entropy.stream("process crash points");
    const only = this.plan.crash.only?.filter((point) => point.survives.kind === "process");
    this.processHarvest = new Harvest(random, statesMax, 1, only, survives);
    this.processMark = mark;
  }

  /** Something is about to be kept: the process may die before, in the middle, or behind it. */
  keeps(offsetBytes: number, bytes: Uint8Array): void {
    const { armedFor, processMark, processHarvest } = this;
    if (armedFor === undefined || processMark === undefined) return;
    const io = (): IoPoint => ({ phase: "keep", operation: "write", index: this.kept });
    const length = this.kept++ % 3 === 0 ? 0 : Math.floor((bytes.length * (this.kept % 7)) / 7);
    processHarvest?.point(this.disk, io, () => this.taken(() => processMark([offsetBytes, bytes.subarray(0, length)])));
  }

  private taken(mark: () => M): M {
    this.options.onCrashState?.();
    return mark();
  }

  /** What a client does goes into the trace, and names it should it wait for ever. */
  speaker(name: string): Watcher & { readonly role: Role } {
    const { trace } = this;
    const role = new Role(name);
    return {
      role,
      called: (operation) => {
        role.doing = operation;
        trace.text(name, operation);
      },
      returned: (outcome) => {
        if (this.what === "pool" && SYNC.test(role.doing ?? "")) this.synced();
        role.doing = undefined;
        trace.text(name, outcome);
      },
    };
  }

  /** An fsync or syncfs has returned, whether it succeeded or not. */
  private synced(): void {
    const mark = this.armedFor;
    if (mark === undefined) return;
    const io = (): IoPoint => ({ phase: "return", operation: "flush", index: this.syncs });
    this.options.onIo?.(io());
    this.syncHarvest.point(this.disk, io, () => this.taken(mark));
    this.syncs++;
  }

  /** From now on crash states are taken. */
  arm(mark: () => M): void {
    this.armedFor = mark;
  }

  disarm(): void {
    this.armedFor = undefined;
  }

  /** It failed for good: what it left on the disk is judged as after a crash. */
  failedForGood(mark: () => M): void {
    this.harvest.behindTheLast(this.disk, () => this.taken(mark));
  }

  /** What the disk holds against whoever used it. */
  get violation(): string | undefined {
    const [violation] = this.disk.violations;
    return violation === undefined ? undefined : `device: ${JSON.stringify(violation)}`;
  }

  private world(name: string): World {
    const random = this.entropy.stream(`world ${name}`);
    const policy = random.chance(0.5) ? "uniform" : "priorities";
    const picked = random.pick([0, 0.01, 0.05]);
    const { preemptShare = picked } = this.plan;
    const { trace } = this;
    const onStep = name === "run" ? this.onStep : undefined;
    return new World({ seed: random.u32(), policy, preemptShare, trace, virtualMsMax: VIRTUAL_MS_MAX, onStep });
  }

  private get onStep(): ((world: World) => void) | undefined {
    const { onStep } = this.options;
    if (onStep === undefined) return undefined;
    return (world) =>
      onStep(world.steps, (seed) => {
        world.reseed(seed);
        this.entropy.reseed(seed);
      });
  }

  private within<A>(name: string, effect: Effect.Effect<A, unknown>): { value: A | undefined; problem?: string } {
    const world = this.world(name);
    this.current = world;
    const result = runIn(world, inRole(effect, new Role(`the ${this.what} (${name})`)));
    this.simulatedMs += world.nowMs - EPOCH_MS;
    this.endMs = world.nowMs;
    return result;
  }

  /** Sets the clock of what runs again and again until the scope ends; gives what it says at every moment. */
  get jumpingClock(): Effect.Effect<() => Timestamp, never, Scope.Scope> {
    const world = this.current!;
    return Effect.as(Effect.forkScoped(jumps(world, this.entropy.stream("clock"))), () => timeAt(world));
  }

  /** The clients' part. */
  run(effect: Effect.Effect<void, unknown>): string | undefined {
    return this.within("run", effect).problem;
  }

  /** What comes last; returns what is wrong, or what kept it from being looked at. */
  finish(effect: Effect.Effect<ReadonlyArray<string>, unknown>): {
    readonly problems: ReadonlyArray<string>;
    readonly problem?: string;
  } {
    const { value = [], ...ended } = this.within("end", effect);
    this.trace.text("media", digestOf(this.disk));
    return { problems: value, ...ended };
  }

  /** What the disk holds now, for somebody who could not open or close it at the end. */
  leftAtTheEnd(): { readonly image: CrashImage; readonly state: StateName } {
    const seedNumber = (stream: string): number => this.entropy.number(`end, ${stream}`);
    return { image: this.disk.crash(survivalOf({ kind: "all" })), state: { seedNumber, startMs: this.endMs } };
  }

  /** Judges the crash states; returns the first that is wrong. */
  judge({ recoverable }: Trial<M>): SeedFailure | undefined {
    const { entropy, trace } = this;
    const { recoveryShare, livesShare = LIVES_SHARE, zoneLossShare = 0, faults } = this.plan.crash;
    const { lives: scripts, lifeStatesMax, only } = this.plan.crash;
    const known = only === undefined ? new KnownRecoveries<unknown>() : undefined;
    const states = [...this.harvest.states, ...this.syncHarvest.states, ...(this.processHarvest?.states ?? [])];
    for (const [at, { image, mark, label, point }] of states.entries()) {
      const path = only === undefined ? undefined : (point as CrashPath);
      const index = path?.state ?? at;
      const name = `crash state ${index}`;
      const crashed = zoneLossShare === 0 ? image : afterCrash(image, zoneLossShare, entropy.stream(`${name}, zones`));
      const judged = judgeCrashState(crashed, mark, recoverable, {
        ...{ entropy, name, recoveryShare, livesShare, trace, lives: 0, scripts, lifeStatesMax, path },
        faults,
        known,
        startMs: this.endMs,
      });
      this.simulatedMs += judged.simulatedMs;
      this.events += judged.events;
      this.crashStates += judged.states;
      this.equalStates += judged.equalStates;
      if (judged.problems.length > 0) {
        const { next, lives } = judged;
        const { phase, operation, index: io, survives } = point;
        const crash = {
          ...{ phase, operation, index: io, survives },
          ...stateOf(index),
          ...(next === undefined ? {} : { next }),
        };
        return { where: "crash", message: [`${name} (${label}):`, ...judged.problems].join("\n"), crash, lives };
      }
    }
    return undefined;
  }
}
