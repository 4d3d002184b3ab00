/**
 * A pool as a trial: it is made on the disk, clients use it with the oracle beside them, it is closed, opened once more,
 * and must hold exactly what the model holds.
 */
import * as Effect from "effect/Effect";
import { noFaults } from "../devices/sim/faults.ts";
import type { PoolFailed } from "../engine/actor.ts";
import type { FsError } from "../engine/fs/types.ts";
import type { PoolError } from "../engine/pool/errors.ts";
import { formatPool, type OpenOptions, openPool, type Pool } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import { livedEarlier } from "./earlier-program.ts";
import { comesToRest } from "./liveness.ts";
import { MortalPool } from "./mortal-pool.ts";
import type { Mark } from "./oracle/history.ts";
import { Oracle } from "./oracle/oracle.ts";
import { withPatience } from "./oracle/patient.ts";
import { PoolRecovery, verifyPool, verifyWhatIsLeft, withoutHonestRefusal } from "./pool-recovery.ts";
import { HoldingPool } from "./holding-pool.ts";
import type { Observable } from "./oracle/checked-filesystem.ts";
import { ImmediatePool } from "./immediate-view.ts";
import { inRole } from "./role.ts";
import type { ScenarioPlan } from "./scenario.ts";
import { SlowCompressor } from "./slow-compressor.ts";
import type { Session } from "./session.ts";
import type { Trial } from "./trial.ts";
import { watchFilesystem } from "./watched-filesystem.ts";
import type { Operation } from "./workload/operation.ts";

/** Share of runs in which the pool must come to rest before it is closed: in the others it closes with work to do. */
const REST_SHARE = 0.3;

/** Share of runs in which somebody beside the pool compresses for it. */
const COMPRESSOR_SHARE = 0.5;

/** Share of the calls of a run that are tried at once first, where nothing must be waited for. */
const AT_ONCE_SHARES = [0, 0.5, 1];

/** Settings of the engine that a campaign wants unless the scenario says otherwise. */
const OPEN: OpenOptions = {
  commitIntervalMs: 1000,
  writebackIntervalMs: 5000,
  nodeCacheBytes: 8 * 1024 * 1024,
  readCacheBytes: 256 * 1024,
  dirtyBytesMax: 2 * 1024 * 1024,
};

export class PoolTrial implements Trial<Mark> {
  recoverable: PoolRecovery;
  private readonly session: Session<Mark>;
  private readonly plan: ScenarioPlan;
  private oracle: Oracle;
  private readonly open: OpenOptions;
  /** Who compresses for the clients' pool, if anybody does. */
  private readonly compressor: SlowCompressor | undefined;
  /** Is the next call tried at once first? */
  private readonly tried: () => boolean;
  /** The pool failed for good, as its scenario allows. */
  private gaveUp = false;

  constructor(session: Session<Mark>, plan: ScenarioPlan) {
    this.session = session;
    this.plan = plan;
    this.oracle = new Oracle(plan.tolerance);
    this.oracle.model.keepsGone = plan.mortality !== undefined;
    const inlineAsks = session.entropy.stream("inline asks").chance(0.5);
    this.open = { ...OPEN, inlineAsks, ...plan.open };
    const compressor = session.entropy.stream("compressor");
    // What must be durable in time is compressed in no time.
    const slow = plan.durableWithinMs === undefined;
    this.compressor = compressor.chance(COMPRESSOR_SHARE) ? new SlowCompressor(compressor, slow) : undefined;
    const atOnce = session.entropy.stream("at once");
    const share = atOnce.pick(AT_ONCE_SHARES);
    this.tried = () => atOnce.chance(share);
    this.recoverable = this.recoveryOf(this.oracle);
  }

  /** As the clients' pool is opened. */
  private get opening(): OpenOptions {
    return { ...this.open, compressor: this.compressor };
  }

  private recoveryOf(oracle: Oracle): PoolRecovery {
    const { tolerance, mayFail = false, clockJumps = false, mortality, earlier } = this.plan;
    const segmentBytes = mortality?.segmentBytes;
    return new PoolRecovery(oracle, { open: this.open, tolerance, mayFail, clockJumps, segmentBytes, earlier });
  }

  readonly mark = (): Mark => this.oracle.mark();

  /** The clients' part; returns what went wrong. */
  run(): string | undefined {
    const self = this;
    const { plan, session } = this;
    const { disk, entropy } = session;
    const problem = session.run(
      Effect.gen(function* () {
        const uuid = new Uint8Array(16);
        const random = entropy.stream("uuid");
        for (let index = 0; index < uuid.length; index++) uuid[index] = random.below(256);
        yield* self.make({ uuid, ...plan.format });
        const { oracle } = self;
        yield* Effect.scoped(
          Effect.gen(function* () {
            const mortal = self.mortalPool();
            if (mortal !== undefined) yield* mortal.start;
            if (plan.earlier !== undefined) self.arm();
            const first = mortal === undefined ? yield* openPool([disk], self.opening) : undefined;
            if (plan.earlier === undefined) self.arm();
            if (plan.clockJumps === true) oracle.model.clock = yield* session.jumpingClock;
            if (mortal !== undefined) self.armProcess(mortal);
            const served = first ?? mortal!;
            const used = first === undefined ? served : self.usedAs(first);
            yield* Effect.forEach(plan.clients, (_program, index) => self.client(served, used, index), {
              concurrency: "unbounded",
              discard: true,
            });
            if (mortal !== undefined) yield* mortal.settle;
            const pool = first ?? mortal!.pool;
            if (plan.destructive !== true) disk.setFaults(noFaults);
            if (entropy.stream("rest").chance(REST_SHARE)) yield* self.rest(pool);
            yield* self.close(pool);
            disk.setFaults(noFaults);
            session.disarm();
          }),
        );
      }),
    );
    const kept = this.compressor?.outstanding ?? 0;
    const forgotten = kept === 0 ? undefined : `${kept} pieces were compressed that nobody let go of`;
    const wrong = this.oracle.violation?.message ?? problem ?? session.violation ?? forgotten;
    if (wrong !== undefined || disk.statistics.overwrites === 0) return wrong;
    return `the block at byte ${disk.statistics.firstOverwriteBytes} was written twice without a reset`;
  }

  /** The pool is made, and perhaps used, by whoever makes it: what it holds then is where the history begins. */
  private make(format: FormatOptions): Effect.Effect<void, unknown> {
    const { plan, session, open } = this;
    const { tolerance, earlier } = plan;
    const { disk } = session;
    if (earlier === undefined) return formatPool([disk], format);
    const random = session.entropy.stream("earlier life");
    return Effect.map(livedEarlier(earlier, { disk, format, open, tolerance, random }), (tree) => {
      this.oracle = new Oracle(tolerance, tree);
      this.recoverable = this.recoveryOf(this.oracle);
    });
  }

  /** From now on there are faults and crashes. */
  private arm(): void {
    const { plan, session } = this;
    if (plan.disk?.faults !== undefined) session.disk.setFaults(plan.disk.faults);
    session.arm(this.mark);
  }

  /** Of a pool that may fail, only that it comes to an end is asked. */
  private rest(pool: Pool): Effect.Effect<void, unknown> {
    const atRest = comesToRest(pool, this.oracle.client("at rest", pool));
    return this.plan.mayFail === true ? Effect.ignore(atRest) : atRest;
  }

  private close(pool: Pool): Effect.Effect<void, unknown> {
    const { oracle, plan, session } = this;
    return Effect.matchEffect(pool.close, {
      onSuccess: () => Effect.sync(() => oracle.closed()),
      onFailure: (error) => {
        const expected = plan.destructive === true || this.saysItGaveUp(error);
        if (plan.mayFail !== true || !expected) return Effect.fail(error);
        this.gaveUp = true;
        // What faults may have destroyed is for the epilogue to judge.
        if (plan.destructive !== true) session.failedForGood(this.mark);
        return Effect.void;
      },
    });
  }

  /** A failure that a scenario allows which lets its pool fail for good. */
  private saysItGaveUp(error: FsError | PoolFailed | PoolError): boolean {
    if (error._tag !== "FsError") return error._tag === "PoolFailed" || error._tag === "DeviceFailed";
    return error.reason === "InputOutput" || (error.reason === "NoSpace" && this.plan.tolerance.promisesFail === true);
  }

  /** The pool as the kernel of a mount uses it, more or less. */
  private usedAs(pool: Pool): Observable {
    const immediate = new ImmediatePool(pool, this.tried);
    return this.plan.holds === true ? new HoldingPool(immediate) : immediate;
  }

  private mortalPool(): MortalPool | undefined {
    const { session, plan, opening } = this;
    const { mortality } = plan;
    if (mortality === undefined) return undefined;
    return new MortalPool(session.disk, opening, mortality, session.entropy.stream("process deaths"), this.tried);
  }

  /** States in which a process dies: everything that took effect is there, but for what was just being kept. */
  private armProcess(mortal: MortalPool): void {
    const { session, oracle } = this;
    session.armProcess(this.plan.mortality!.statesMax, (begun) => {
      const mark = oracle.mark();
      const keptMoment = begun === undefined ? mark.moment : Math.max(0, mark.moment - 1);
      return { ...mark, keptMoment, ram: mortal.ram.fork(begun) };
    });
    mortal.onKeep = (offsetBytes, bytes) => session.keeps(offsetBytes, bytes);
  }

  private client(pool: Pool | MortalPool, used: Observable, index: number): Effect.Effect<void, unknown> {
    const { oracle, session } = this;
    const name = `client ${index}`;
    const { role, ...watcher } = session.speaker(name);
    const { durableWithinMs } = this.plan;
    const engine = durableWithinMs === undefined ? used : withPatience(used, durableWithinMs);
    const filesystem = watchFilesystem(oracle.client(name, engine), watcher);
    const random = session.entropy.stream(name);
    const { note } = session.options;
    const program = this.plan.clients[index]!({
      ...{ name, filesystem, random, model: oracle.model, pool },
      ...(note === undefined ? {} : { note: (operation: Operation) => note(index, operation) }),
    });
    return inRole(program, role);
  }

  /** Opens the closed pool, looks through all of it, and closes it; returns what is wrong. */
  private get reopened(): Effect.Effect<ReadonlyArray<string>, unknown> {
    const { oracle, open, plan } = this;
    const { disk } = this.session;
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

  /** A pool that can no longer be opened for writing, or closed, holds everything all the same, if that is the disk's fault. */
  private unwritable(problem: string): string | undefined {
    const { image, state } = this.session.leftAtTheEnd();
    const problems = this.recoverable.unrecovered(problem, image, this.oracle.mark(), state);
    if (problems === undefined) return problem;
    return problems.length === 0 ? undefined : ["after a clean close:", ...problems].join("\n");
  }

  /** The closed pool is opened again, must hold everything, and goes through the epilogue. */
  end(): string | undefined {
    const self = this;
    const { oracle, plan, session } = this;
    const { disk, entropy } = session;
    if (this.gaveUp && plan.destructive !== true) return undefined;
    let told: string | undefined;
    const { problem, problems } = session.finish(
      Effect.gen(function* () {
        const problems = plan.destructive === true ? [] : yield* self.reopened;
        if (problems.length > 0 || plan.epilogue === undefined) return problems;
        disk.reconnect();
        yield* plan.epilogue({
          disk,
          model: oracle.model,
          closed: !self.gaveUp,
          random: entropy.stream("epilogue"),
          open: (options) => openPool([disk], { ...self.open, ...options }),
          fail: (message) => {
            told = message;
            return Effect.die(new Error(message));
          },
        });
        return [];
      }),
    );
    if (told !== undefined) return told;
    const honestly = disk.offlineZones > 0 ? withoutHonestRefusal(problem) : problem;
    const wrong = honestly === undefined || plan.destructive === true ? honestly : this.unwritable(honestly);
    if (wrong !== undefined) return wrong;
    if (problems.length > 0) return ["after a clean close:", ...problems].join("\n");
    return session.violation;
  }
}
