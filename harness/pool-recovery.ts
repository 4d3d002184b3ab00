/**
 * The recovery of a pool: it is opened, walked, held against the oracle, checked, and may live on. Of a pool that lost
 * zones, or that can no longer be written, what can be read must be right.
 */
import * as Effect from "effect/Effect";
import type { CrashImage } from "../devices/sim/crash.ts";
import { SimDisk } from "../devices/sim/disk.ts";
import { SurvivorLog } from "../engine/journal/survivor-log.ts";
import { type OpenOptions, openPool, type Pool } from "../engine/pool/pool.ts";
import { asEarlier, type JudgeOfEarlier, ofThisVersionAgain, seenByEarlier } from "./earlier-program.ts";
import { NextLife } from "./next-life.ts";
import type { Tolerance } from "./oracle/checked-filesystem.ts";
import { collectTree, type FoundTree } from "./oracle/found-tree.ts";
import type { Mark } from "./oracle/history.ts";
import type { Oracle } from "./oracle/oracle.ts";
import { runIn } from "./recovery-check.ts";
import type { Onward, Recoverable, StateName } from "./trial.ts";
import type { EarlierLife } from "./scenario.ts";
import type { Profile } from "./workload/profile.ts";
import { World } from "./world.ts";

/** Share of states that the program of an earlier version opens and uses, where it may. */
const GOES_BACK_SHARE = 0.4;

export interface PoolRecoveryOptions {
  readonly open: OpenOptions;
  readonly tolerance: Tolerance;
  /** The disk may be so bad that the pool cannot be written any more: then what can be read of it must be right. */
  readonly mayFail: boolean;
  /** Of the memory that outlives a process. */
  readonly segmentBytes?: number | undefined;
  /** The clock was set while the pool was used: times are held against what it says now. */
  readonly clockJumps?: boolean;
  /** Of the pool before this program had it: whoever made it may come back to it. */
  readonly earlier?: EarlierLife | undefined;
}

const nobody: JudgeOfEarlier = () => [];

/** Who need not be told when a call takes effect. */
const NOBODY = { linearized: () => {} };

export interface Verified {
  readonly problems: ReadonlyArray<string>;
  /** Those that are some whatever its history is. */
  readonly ofItself: ReadonlyArray<string>;
  readonly tree: FoundTree;
}

/** Everything that a recovered or reopened pool must fulfil at a mark; `tries`: calls are tried at once first. */
export const verifyPool = Effect.fnUntraced(function* (
  pool: Pool,
  oracle: Oracle,
  mark: Mark,
  tries: boolean = false,
): Effect.fn.Return<Verified, unknown> {
  const tree = yield* collectTree(pool.filesystem, tries ? { atOnce: pool.atOnceFor(NOBODY) } : {});
  const { problems } = oracle.judge(mark, tree);
  const { inodes } = yield* pool.filesystem.statfs;
  // Nothing is open now, so an inode that no name leads to is space lost for ever.
  const lost = inodes - tree.nodes.size;
  const orphans = lost === 0 ? [] : [`${lost} inodes are kept that no name leads to`];
  const report = yield* pool.check();
  const checked = report.problems.map(({ pass, what }) => `check, ${pass}: ${what}`);
  const ofItself = [...orphans, ...checked];
  return { problems: [...problems, ...ofItself], ofItself, tree };
});

/** Another process takes over and shows everything; then it hands over, so that a cold start finds the same. */
function takenOver(
  disk: SimDisk,
  oracle: Oracle,
  mark: Mark,
  { open, segmentBytes }: PoolRecoveryOptions,
): Effect.Effect<ReadonlyArray<string>, unknown> {
  const log = { memory: mark.ram!.fork(), ...(segmentBytes === undefined ? {} : { segmentBytes }) };
  return Effect.scoped(
    Effect.gen(function* () {
      const survivors = new SurvivorLog(log);
      const pool = yield* openPool([disk], { ...open, survivors });
      // Whoever had asked is gone.
      survivors.allResent();
      const { problems } = oracle.judge(mark, yield* collectTree(pool.filesystem));
      const report = yield* pool.check();
      yield* pool.handOver;
      return [...problems, ...report.problems.map(({ pass, what }) => `check, ${pass}: ${what}`)];
    }),
  );
}

/** What somebody who opens or reads a pool is told when a part of it is lost. */
const HONEST = /^(?:PoolDamaged|PoolFailed|DeviceFailed|FsError: InputOutput)/u;

/**
 * The same of a pool of which zones are offline: what is shown is right, what is lost gives an error, and a check names
 * it. Nothing is asked of a pool that says it cannot be opened.
 */
export const verifyWhatIsLeft = Effect.fnUntraced(function* (
  pool: Pool,
  oracle: Oracle,
  mark: Mark,
): Effect.fn.Return<Array<string>, unknown> {
  const tree = yield* collectTree(pool.filesystem, { damageExpected: true });
  const problems = [...oracle.judge(mark, tree).problems];
  const report = yield* pool.check({ data: true });
  const [lost] = tree.unreadable;
  const named = report.problems.some(({ pass }) => pass === "zones" || pass === "btrees");
  if (lost !== undefined && !named) problems.push(`the check names no zone that is offline, but ${lost}`);
  return problems;
});

/** An outcome of opening and reading, with zones offline: an honest refusal is none. */
export const withoutHonestRefusal = (problem: string | undefined): string | undefined =>
  problem !== undefined && HONEST.test(problem) ? undefined : problem;

/** What a pool says that can no longer be written. */
const GAVE_UP = /^(?:PoolFailed|DeviceFailed|FsError: InputOutput)/u;

/** Is there a place that can no longer be written? */
const refusesWrites = ({ bad, zones }: CrashImage): boolean => bad.refusesWrites || (zones?.failedCount ?? 0) > 0;

export class PoolRecovery implements Recoverable<Mark> {
  private readonly oracle: Oracle;
  private readonly options: PoolRecoveryOptions;

  constructor(oracle: Oracle, options: PoolRecoveryOptions) {
    this.oracle = oracle;
    this.options = options;
  }

  recover(disk: SimDisk, mark: Mark, onward: Onward<Mark>): Effect.Effect<ReadonlyArray<string>, unknown> {
    const { earlier, open } = this.options;
    ofThisVersionAgain();
    if (earlier === undefined) return this.recoverAs(disk, mark, onward);
    return Effect.flatMap(seenByEarlier(disk, open), ({ judge, refused }) => {
      const goesBack = !refused && onward.chance("program", GOES_BACK_SHARE);
      const recovered = this.recoverAs(disk, mark, onward, judge, goesBack ? earlier.profile : undefined);
      return goesBack ? asEarlier(recovered) : recovered;
    });
  }

  /** `shown`: what else must be right; `profile`: of those who use it then. */
  private recoverAs(
    disk: SimDisk,
    mark: Mark,
    onward: Onward<Mark>,
    shown: JudgeOfEarlier = nobody,
    profile?: Profile,
  ): Effect.Effect<ReadonlyArray<string>, unknown> {
    const { oracle, options } = this;
    const { atOnce } = onward;
    const open = atOnce ? { ...options.open, inlineAsks: true } : options.open;
    const lossy = disk.offlineZones > 0;
    return Effect.scoped(
      Effect.gen(function* () {
        if (mark.ram !== undefined) {
          const wrong = yield* takenOver(disk, oracle, mark, options);
          if (wrong.length > 0) return wrong;
        }
        const pool = yield* openPool([disk], open);
        if (lossy) return yield* verifyWhatIsLeft(pool, oracle, mark);
        const { ofItself, tree, ...verified } = yield* verifyPool(pool, oracle, mark, atOnce);
        const problems = [...verified.problems, ...shown(oracle, mark)];
        const begin = onward.through(problems, (other) => {
          // What a process before this one left in memory is not on the disk.
          if (mark.ram !== undefined || other.ram !== undefined) return undefined;
          return [...ofItself, ...oracle.judge(other, tree).problems, ...shown(oracle, other)];
        });
        if (begin === undefined) return problems;
        // Who uses it now interleaves as the seed wants it.
        pool.runtime.supervisor.inlineAsks = options.open.inlineAsks ?? true;
        disk.answersAtOnce = false;
        const life = new NextLife(tree, options.tolerance, begin.random, { ...begin, profile });
        if (options.clockJumps) life.oracle.model.clock = onward.clock;
        onward.lives({
          harvest: life.harvest,
          recoverable: new PoolRecovery(life.oracle, options),
          lived: () => life.lived,
          mark: () => life.oracle.mark(),
          violation: () => life.oracle.violation?.message,
        });
        yield* life.live(pool, disk);
        const { violation } = life.oracle;
        return violation === undefined ? [] : [violation.message];
      }),
    );
  }

  powerLost({ moment, syncs }: Mark): Mark {
    return { moment, syncs };
  }

  unrecovered(
    problem: string,
    image: CrashImage,
    mark: Mark,
    { seedNumber, startMs }: StateName,
  ): ReadonlyArray<string> | undefined {
    const { oracle, options } = this;
    const lossy = (image.zones?.offlineCount ?? 0) > 0;
    if (lossy && withoutHonestRefusal(problem) === undefined) return [];
    if (!(options.mayFail && refusesWrites(image) && GAVE_UP.test(problem))) return undefined;
    const disk = SimDisk.fromImage(image, { name: "disk0", seed: 1, statistics: false });
    const found = runIn(
      new World({ seed: seedNumber("read only"), startMs }),
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* openPool([disk], { ...options.open, readOnly: true });
          const tree = yield* collectTree(pool.filesystem);
          return [...oracle.judge(mark, tree).problems];
        }),
      ),
    );
    return found.problem === undefined ? (found.value ?? []) : [`read only: ${found.problem}`];
  }
}
