/**
 * One seed of one scenario, from format to verdict: a function of scenario and seed, and of nothing else.
 *
 * A pool is made on a simulated disk; clients use it while crash states are taken; it is closed. Every crash state is
 * then judged, and the pool is opened once more and must hold exactly what the model holds. Whatever goes wrong first
 * is the seed's failure. The hash covers every scheduling choice, timer, device operation and judgement.
 */
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import { type CrashImage, withZoneLost } from "../devices/sim/crash.ts";
import { SimDisk } from "../devices/sim/disk.ts";
import { noFaults } from "../devices/sim/faults.ts";
import type { DiskPhase } from "../devices/sim/operation-runner.ts";
import { marks, resetMarks } from "../engine/marks.ts";
import { formatPool, type OpenOptions, openPool, type Pool } from "../engine/pool/pool.ts";
import { jumps, timeAt } from "./clock-jumps.ts";
import type { CrashPoint, IoPoint } from "./crash-point.ts";
import { Entropy, type Prng } from "./entropy.ts";
import { type CrashState, Harvest } from "./harvest.ts";
import { digestOf } from "./media-digest.ts";
import { comesToRest } from "./liveness.ts";
import { Oracle } from "./oracle/oracle.ts";
import { judgeCrashState, runIn, verifyPool, verifyWhatIsLeft, withoutHonestRefusal } from "./recovery-check.ts";
import { inRole, Role } from "./role.ts";
import type { Scenario, ScenarioPlan } from "./scenario.ts";
import { Trace } from "./trace.ts";
import { setTraps } from "./traps.ts";
import { watchFilesystem } from "./watched-filesystem.ts";
import type { Operation } from "./workload/operation.ts";
import { EPOCH_MS, World } from "./world.ts";

export interface SeedFailure {
  /** Where it showed: while the clients ran, in a crash state, or at the end. */
  readonly where: "run" | "crash" | "end";
  readonly message: string;
  /** The crash that showed it. */
  readonly crash?: CrashPoint;
}

export interface SeedResult {
  readonly scenario: string;
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly crashStates: number;
  readonly simulatedMs: number;
  readonly marks: Readonly<Record<string, number>>;
  readonly failure: SeedFailure | undefined;
}

export interface RunOptions {
  /** Receives the events, for comparing two runs or for reading. */
  readonly trace?: Trace;
  /** Hears each operation that the programs of the clients carry out, by number of the client. */
  readonly note?: (client: number, operation: Operation) => void;
  /** Hears of every step of the clients' part, and may let everything from there on be drawn by another seed. */
  readonly onStep?: (step: number, reseed: (seed: number) => void) => void;
}

/** Share of recovered pools that live on, unless the scenario says otherwise. */
const LIVES_SHARE = 0.06;

/** No scenario has so much to do: a run that is not through by then waits for something, while timers tick. */
const VIRTUAL_MS_MAX = 24 * 3600 * 1000;

/** Share of runs in which the pool must come to rest before it is closed: in the others it closes with work to do. */
const REST_SHARE = 0.3;

/** What a client is told to be doing while it waits for durability. */
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

/** Without the lines of a stack, which differ between versions of Node and between places of the build. */
const withoutStack = (message: string): string => message.replaceAll(/\n\s+at [^\n]*/gu, "");

/** A failed seed as one that reads it wants it: which state, what is wrong. */
const failed = (where: SeedFailure["where"], ...lines: ReadonlyArray<string>): SeedFailure => ({
  where,
  message: lines.join("\n"),
});

/** With some luck, one of the zones that hold something has not survived the loss of power. */
function afterCrash(image: CrashImage, share: number, random: Prng): CrashImage {
  const used = (image.zones?.report() ?? []).filter(({ state }) => state === "closed" || state === "full");
  if (used.length === 0 || !random.chance(share)) return image;
  return withZoneLost(image, random.pick(used).zone, random.chance(0.7) ? "offline" : "read-only");
}

/** Settings of the engine that a campaign wants unless the scenario says otherwise. */
const OPEN: OpenOptions = {
  commitIntervalMs: 1000,
  writebackIntervalMs: 5000,
  nodeCacheBytes: 8 * 1024 * 1024,
  readCacheBytes: 256 * 1024,
  dirtyBytesMax: 2 * 1024 * 1024,
};

class Seed {
  readonly entropy: Entropy;
  readonly plan: ScenarioPlan;
  readonly trace: Trace;
  readonly options: RunOptions;
  readonly oracle: Oracle;
  readonly disk: SimDisk;
  readonly harvest: Harvest;
  /** States at the instants at which syncs return: what they cover must be there, whatever the disk is busy with. */
  private readonly syncHarvest: Harvest;
  private syncs = 0;
  readonly open: OpenOptions;
  private current: World | undefined;
  private armed = false;
  /** The pool failed for good, as its scenario allows. */
  private gaveUp = false;
  simulatedMs = 0;
  /** Virtual time at the end of what ran last. */
  private endMs = EPOCH_MS;
  events = 0;
  crashStates = 0;

  constructor(scenario: Scenario, seed: number, trace: Trace, options: RunOptions) {
    const reseedable = options.onStep !== undefined;
    const entropy = new Entropy(`${scenario.name}:${seed}`, reseedable);
    this.plan = scenario.plan(entropy);
    this.entropy = this.plan.draws === undefined ? entropy : new Entropy(this.plan.draws, reseedable);
    this.trace = trace;
    this.options = options;
    this.oracle = new Oracle(this.plan.tolerance);
    const { statesMax, pointShare, syncStatesMax = 0, only } = this.plan.crash;
    this.harvest = new Harvest(this.entropy.stream("crash points"), statesMax, pointShare, only);
    this.syncHarvest = new Harvest(this.entropy.stream("crash points at syncs"), syncStatesMax, 1, only);
    const inlineAsks = this.entropy.stream("inline asks").chance(0.5);
    this.open = { ...OPEN, inlineAsks, ...this.plan.open };
    this.disk = SimDisk.make({
      name: "disk0",
      geometry: this.plan.geometry,
      seed: this.entropy.number("disk"),
      ...(this.plan.disk?.timing === undefined ? {} : { timing: this.plan.disk.timing }),
      ...(this.plan.disk?.yields === undefined ? {} : { yields: this.plan.disk.yields }),
      statistics: true,
      keepsEarlier: this.plan.disk?.faults?.needsEarlier === true || this.plan.crash.faults?.needsEarlier === true,
    });
    this.disk.setObserver((phase, operation, offset, length, index) => {
      trace.event(eventName(phase, operation), offset, length, index);
      if (!this.armed || operation === "read" || phase === "fail") return;
      const io = (): IoPoint => ({ phase, operation, index });
      this.harvest.point(this.disk, io, () => this.oracle.mark());
    });
  }

  private world(name: string): World {
    const random = this.entropy.stream(`world ${name}`);
    const policy = random.chance(0.5) ? "uniform" : "priorities";
    const preemptShare = random.pick([0, 0.01, 0.05]);
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
    const result = runIn(world, inRole(effect, new Role(`the pool (${name})`)));
    this.simulatedMs += world.nowMs - EPOCH_MS;
    this.endMs = world.nowMs;
    return result;
  }

  /** The clients' part; returns what went wrong. */
  run(): SeedFailure | undefined {
    const self = this;
    const { disk, plan, oracle, entropy } = this;
    const { problem } = this.within(
      "run",
      Effect.gen(function* () {
        const uuid = new Uint8Array(16);
        const random = entropy.stream("uuid");
        for (let index = 0; index < uuid.length; index++) uuid[index] = random.below(256);
        yield* formatPool([disk], { uuid, ...plan.format });
        yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* openPool([disk], self.open);
            if (plan.disk?.faults !== undefined) disk.setFaults(plan.disk.faults);
            self.armed = true;
            if (plan.clockJumps === true) yield* self.jumpingClock;
            yield* Effect.forEach(plan.clients, (_program, index) => self.client(pool, index), {
              concurrency: "unbounded",
              discard: true,
            });
            if (plan.destructive !== true) disk.setFaults(noFaults);
            if (entropy.stream("rest").chance(REST_SHARE)) yield* self.rest(pool);
            yield* self.close(pool);
            disk.setFaults(noFaults);
            self.armed = false;
          }),
        );
      }),
    );
    if (oracle.violation !== undefined) return failed("run", oracle.violation.message);
    if (problem !== undefined) return failed("run", problem);
    const [violation] = disk.violations;
    if (violation !== undefined) return failed("run", `device: ${JSON.stringify(violation)}`);
    if (disk.statistics.overwrites > 0) {
      return failed(
        "run",
        `the block at byte ${disk.statistics.firstOverwriteBytes} was written twice without a reset`,
      );
    }
    return undefined;
  }

  /** Sets the clock again and again until the scope ends, and tells the model what it says. */
  private get jumpingClock(): Effect.Effect<void, never, Scope.Scope> {
    const world = this.current!;
    const random = this.entropy.stream("clock");
    this.oracle.model.clock = () => timeAt(world);
    return Effect.asVoid(Effect.forkScoped(jumps(world, random)));
  }

  /** Of a pool that may fail, only that it comes to an end is asked. */
  private rest(pool: Pool): Effect.Effect<void, unknown> {
    const atRest = comesToRest(pool, this.oracle.client("at rest", pool));
    return this.plan.mayFail === true ? Effect.ignore(atRest) : atRest;
  }

  private close(pool: Pool): Effect.Effect<void, unknown> {
    const { oracle, plan, harvest, disk } = this;
    return Effect.matchEffect(pool.close, {
      onSuccess: () => Effect.sync(() => oracle.closed()),
      onFailure: (error) => {
        const { _tag: tag } = error;
        const failed =
          tag === "PoolFailed" || tag === "DeviceFailed" || (tag === "FsError" && error.reason === "InputOutput");
        if (plan.mayFail !== true || !(failed || plan.destructive === true)) return Effect.fail(error);
        this.gaveUp = true;
        harvest.behindTheLast(disk, () => oracle.mark());
        return Effect.void;
      },
    });
  }

  private client(pool: Pool, index: number): Effect.Effect<void, unknown> {
    const { trace, oracle } = this;
    const name = `client ${index}`;
    const role = new Role(name);
    const filesystem = watchFilesystem(oracle.client(name, pool), {
      called: (operation) => {
        role.doing = operation;
        trace.text(name, operation);
      },
      returned: (outcome) => {
        if (SYNC.test(role.doing ?? "")) this.synced();
        role.doing = undefined;
        trace.text(name, outcome);
      },
    });
    const random = this.entropy.stream(name);
    const { note } = this.options;
    const program = this.plan.clients[index]!({
      ...{ name, filesystem, random, model: oracle.model, pool },
      ...(note === undefined ? {} : { note: (operation: Operation) => note(index, operation) }),
    });
    return inRole(program, role);
  }

  private get crashed(): ReadonlyArray<CrashState> {
    return [...this.harvest.states, ...this.syncHarvest.states];
  }

  /** An fsync or syncfs has returned, whether it succeeded or not. */
  private synced(): void {
    const io = (): IoPoint => ({ phase: "return", operation: "flush", index: this.syncs });
    this.syncHarvest.point(this.disk, io, () => this.oracle.mark());
    this.syncs++;
  }

  /** Judges the crash states; returns the first that is wrong. */
  judge(): SeedFailure | undefined {
    const { entropy, trace, open, oracle } = this;
    const { recoveryShare, livesShare = LIVES_SHARE, zoneLossShare = 0 } = this.plan.crash;
    for (const [index, { image, mark, label, point }] of this.crashed.entries()) {
      const name = `crash state ${index}`;
      const crashed = zoneLossShare === 0 ? image : afterCrash(image, zoneLossShare, entropy.stream(`${name}, zones`));
      const judged = judgeCrashState(crashed, mark, oracle, {
        ...{ open, entropy, name, recoveryShare, livesShare, trace, lives: 0 },
        tolerance: this.plan.tolerance,
        mayFail: this.plan.mayFail ?? false,
        faults: this.plan.crash.faults,
        clockJumps: this.plan.clockJumps,
        startMs: this.endMs,
      });
      this.simulatedMs += judged.simulatedMs;
      this.events += judged.events;
      this.crashStates += judged.states;
      if (judged.problems.length > 0) {
        return { ...failed("crash", `${name} (${label}):`, ...judged.problems), crash: point };
      }
    }
    return undefined;
  }

  /** Opens the closed pool, looks through all of it, and closes it; returns what is wrong. */
  private get reopened(): Effect.Effect<ReadonlyArray<string>, unknown> {
    const { disk, oracle, open, plan } = this;
    return Effect.scoped(
      Effect.gen(function* () {
        if (plan.mayFail !== true) disk.setFaults(plan.crash.faults ?? noFaults);
        const pool = yield* openPool([disk], open);
        if (disk.offlineZones > 0) return yield* verifyWhatIsLeft(pool, oracle, oracle.mark());
        const { problems } = yield* verifyPool(pool, oracle, oracle.mark());
        const report = yield* pool.check({ data: true });
        yield* pool.close;
        disk.setFaults(noFaults);
        return [...problems, ...report.problems.map(({ pass, what }) => `check, ${pass}: ${what}`)];
      }),
    );
  }

  /** The closed pool is opened again, must hold everything, and goes through the epilogue. */
  end(): SeedFailure | undefined {
    const self = this;
    const { disk, oracle, plan } = this;
    if (this.gaveUp && plan.destructive !== true) return undefined;
    let told: string | undefined;
    const reopened = this.within(
      "end",
      Effect.gen(function* () {
        const problems = plan.destructive === true ? [] : yield* self.reopened;
        if (problems.length > 0 || plan.epilogue === undefined) return problems;
        disk.reconnect();
        yield* plan.epilogue({
          disk,
          model: oracle.model,
          closed: !self.gaveUp,
          random: self.entropy.stream("epilogue"),
          open: (options) => openPool([disk], { ...self.open, ...options }),
          fail: (message) => {
            told = message;
            return Effect.die(new Error(message));
          },
        });
        return [];
      }),
    );
    this.trace.text("media", digestOf(disk));
    if (told !== undefined) return failed("end", told);
    const problem = disk.offlineZones > 0 ? withoutHonestRefusal(reopened.problem) : reopened.problem;
    if (problem !== undefined) return failed("end", problem);
    const problems = reopened.value ?? [];
    if (problems.length > 0) return failed("end", "after a clean close:", ...problems);
    const [violation] = disk.violations;
    return violation === undefined ? undefined : failed("end", `device: ${JSON.stringify(violation)}`);
  }
}

/** All three parts, up to the first that fails. An error from a task, outside of any fiber, is a failure too. */
function verdict(
  scenario: Scenario,
  seed: number,
  trace: Trace,
  options: RunOptions,
): { run: Seed; failure: SeedFailure | undefined } {
  const run = new Seed(scenario, seed, trace, options);
  let where: SeedFailure["where"] = "run";
  try {
    let failure = run.run();
    if (failure === undefined) {
      where = "crash";
      failure = run.judge();
    }
    if (failure === undefined) {
      where = "end";
      failure = run.end();
    }
    return { run, failure };
  } catch (error) {
    return { run, failure: failed(where, error instanceof Error ? (error.stack ?? error.message) : String(error)) };
  }
}

export function runSeed(scenario: Scenario, seed: number, options: RunOptions = {}): SeedResult {
  const trace = options.trace ?? new Trace();
  resetMarks();
  const release = setTraps();
  try {
    const { run, failure } = verdict(scenario, seed, trace, options);
    if (failure !== undefined) trace.text("failure", withoutStack(failure.message));
    return {
      scenario: scenario.name,
      seed,
      hash: trace.hash,
      events: trace.events + run.events,
      crashStates: run.crashStates,
      simulatedMs: run.simulatedMs,
      marks: Object.fromEntries([...marks].sort(([a], [b]) => (a < b ? -1 : 1))),
      failure,
    };
  } finally {
    release();
  }
}
