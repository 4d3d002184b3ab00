/**
 * Stories of pools that crash with many journal entries unflushed, and then again and again: what one life left of its
 * journal behind a gap meets the entries of the next.
 */
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import type { FsReason } from "../engine/fs/types.ts";
import type { Entropy, Prng } from "../harness/entropy.ts";
import { sameBytes } from "../harness/oracle/inode.ts";
import type { Epilogue, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, type Pattern, perform, type Performer, performer } from "../harness/workload/operation.ts";
import { patternBytes } from "../harness/workload/pattern.ts";
import { profile } from "../harness/workload/profile.ts";
import { randomProgram, scriptedProgram } from "../harness/workload/program.ts";
import { CRASHES, MAY_BE_FULL, type Medium, pool, STRICT, type Story, tiny } from "./pools.ts";
import { fillPath, fillShare } from "./space.ts";

/** Long attribute values fill one journal entry after another, and hardly anybody waits for them to be durable. */
const WORDY = profile({
  weights: { create: 8, setxattr: 40, removexattr: 4, rename: 6, unlink: 3, mkdir: 2, fsync: 1, sleep: 2 },
  xattrBytesMax: 30_000,
});

const manyLives: Story = {
  name: "many-lives",
  summary: "pools crash with many entries unflushed, are used, and crash again, up to four times",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium);
    return {
      ...base,
      format: { ...base.format, journalBuckets: random.pick([8, 14]) },
      open: { ...base.open, commitIntervalMs: random.pick([1000, 30_000]) },
      tolerance: STRICT,
      clients: Array.from({ length: random.between(1, 2) }, () => randomProgram(WORDY, 40)),
      crash: { ...CRASHES, statesMax: 10, livesShare: 0.7 },
    };
  },
};

const LIVES_MAX = 16;
const FILES_A_LIFE = 24;

/** Kills the pool again and again, each time when it has begun a bucket of nodes; what was synced must be there. */
function beginBuckets({ random, open, fail }: Epilogue): Effect.Effect<void, unknown> {
  const lives = random.between(LIVES_MAX / 2, LIVES_MAX);
  let made = 0;
  const synced: Array<string> = [];
  const life = Effect.gen(function* () {
    const { filesystem } = yield* open({ checkpointChunks: Number.POSITIVE_INFINITY });
    const by = performer(filesystem);
    const here: Array<string> = [];
    for (let file = 0; file < FILES_A_LIFE; file++) {
      const path = `/life-${made++}`;
      const outcome = yield* perform({ kind: "create", path }, by);
      const refused = "reason" in outcome ? outcome.reason : undefined;
      if (refused === "NoSpace") break;
      if (refused !== undefined) return yield* fail(`${path} cannot be made: ${refused}`);
      here.push(path);
      // Leaves that are not in use are written, and go.
      yield* Effect.sleep(random.pick([0, 1]));
    }
    const outcome = yield* perform({ kind: "syncfs" }, by);
    if ("reason" in outcome) return yield* fail(`syncfs behind ${made} files: ${outcome.reason}`);
    synced.push(...here);
  });
  return Effect.gen(function* () {
    for (let count = 0; count < lives; count++) yield* Effect.scoped(life);
    const { filesystem, check } = yield* open();
    const by = performer(filesystem);
    for (const target of synced) {
      const found = yield* perform({ kind: "getattr", target }, by);
      if ("reason" in found) return yield* fail(`${target}, synced, is not there: ${found.reason}`);
    }
    const [problem] = (yield* check()).problems;
    if (problem !== undefined) return yield* fail(`check, ${problem.pass}: ${problem.what}`);
  }).pipe(Effect.scoped);
}

const begunBuckets: Story = {
  name: "begun-buckets",
  summary: "a tiny full pool is killed again and again, each time with a bucket of nodes just begun",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("begun buckets");
    const base = pool(entropy, medium, LIVES_MAX * FILES_A_LIFE);
    const treeLimits = { fanMax: 5, leafRowsMax: 4 };
    return {
      ...base,
      geometry: tiny(random, medium),
      format: { ...base.format, journalBuckets: 6 },
      open: { ...base.open, nodeCacheBytes: 0, treeLimits },
      tolerance: MAY_BE_FULL,
      clients: [fillShare(0.4 + random.float() * 0.5)],
      epilogue: beginBuckets,
      crash: { ...CRASHES, statesMax: 4, pointShare: 0.2 },
    };
  },
};

/** Each takes its time: few seeds have many. */
const MANY_LIVES_SHARE = 0.2;
const MANY_LIVES = 40;
const HEAVY_FILES = { least: 100, most: 400 };
const heavyPath = (file: number): string => `/heavy-${file}`;
/** As many as a tiny pool can hold, and more. */
const FILL_PATHS = Array.from({ length: 128 }, (_, count) => fillPath(count));
const LONG = "user.long";
const LONG_BYTES = { least: 300, most: 1900 };

type Refusal = FsReason | undefined;

const refusalOf = (operation: Operation, by: Performer): Effect.Effect<Refusal> =>
  Effect.map(perform(operation, by), (outcome) => ("reason" in outcome ? outcome.reason : undefined));

/** Takes no space that one could be refused, and changes a leaf. */
const touch = (target: string, tag: number, by: Performer): Effect.Effect<Refusal> =>
  refusalOf({ kind: "setattr", target, changes: { modified: { seconds: tag, nanoseconds: 0 } } }, by);

/**
 * Kills the pool again and again, each time behind long values all over the tree: what is unwritten of nodes takes as much
 * as buckets are free, and is all to be written once more after each recovery.
 */
function changeHeavily({ random, open, fail }: Epilogue): Effect.Effect<void, unknown> {
  const lives = random.chance(MANY_LIVES_SHARE) ? MANY_LIVES : random.between(4, 12);
  const files = random.between(HEAVY_FILES.least, HEAVY_FILES.most);
  const values = new Map<string, Pattern>();
  const setLong = Effect.fnUntraced(function* (target: string, tag: number, by: Performer) {
    const unmade = yield* refusalOf({ kind: "create", path: target }, by);
    if (unmade === "NoSpace") return unmade;
    const pattern: Pattern = { tag, lengthBytes: random.between(LONG_BYTES.least, LONG_BYTES.most), texture: "noise" };
    const unset = yield* refusalOf({ kind: "setxattr", target, name: LONG, pattern, mode: "set" }, by);
    if (unset === undefined) values.set(target, pattern);
    return unset;
  });
  const life = (tag: number): Effect.Effect<void, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const { filesystem, superblock } = yield* open(
        random.chance(0.7) ? { checkpointChunks: Number.POSITIVE_INFINITY } : {},
      );
      const by = performer(filesystem);
      let full = false;
      for (let count = random.between(20, 2 * files); count > 0; count--) {
        const target = heavyPath(random.below(files));
        const { availableBytes } = yield* filesystem.statfs;
        const refused = yield* full ? touch(target, tag, by) : setLong(target, tag, by);
        if (!full && refused === "NoSpace") {
          // What is said to be available can be taken, but for a bucket that nothing fits into.
          if (availableBytes > superblock.bucketBytes) {
            return yield* fail(`${target} is refused for want of space, and ${availableBytes} bytes were available`);
          }
          full = true;
        } else if (refused !== undefined && !(full && refused === "NoEntry")) {
          return yield* fail(`${target} cannot be changed: ${refused}`);
        }
        if (random.chance(0.3)) yield* Effect.sleep(random.pick([0, 1]));
      }
      const outcome = yield* perform({ kind: "syncfs" }, by);
      if ("reason" in outcome) return yield* fail(`syncfs of life ${tag}: ${outcome.reason}`);
    });
  return Effect.gen(function* () {
    for (let tag = 0; tag < lives; tag++) yield* Effect.scoped(life(tag));
    const { filesystem, check } = yield* open();
    const by = performer(filesystem);
    for (const [target, { tag, lengthBytes, texture }] of values) {
      const outcome = yield* perform({ kind: "getxattr", target, name: LONG }, by);
      if ("reason" in outcome) return yield* fail(`the value of ${target}, synced, cannot be read: ${outcome.reason}`);
      const expected = patternBytes(tag, lengthBytes, texture);
      if (!sameBytes(outcome.value as Uint8Array, expected)) return yield* fail(`${target} has another value`);
    }
    // However full it is, who deletes everything has room again.
    const paths = [...Array.from({ length: files }, (_, file) => heavyPath(file)), ...FILL_PATHS];
    for (const path of paths) {
      const outcome = yield* perform({ kind: "unlink", path }, by);
      if ("reason" in outcome && outcome.reason !== "NoEntry") {
        return yield* fail(`${path} cannot be deleted: ${outcome.reason}`);
      }
    }
    yield* perform({ kind: "syncfs" }, by);
    const outcome = yield* perform({ kind: "create", path: heavyPath(0) }, by);
    if ("reason" in outcome) return yield* fail(`all is deleted, and no file can be made: ${outcome.reason}`);
    const [problem] = (yield* check()).problems;
    if (problem !== undefined) return yield* fail(`check, ${problem.pass}: ${problem.what}`);
  }).pipe(Effect.scoped);
}

const heavyLives: Story = {
  name: "heavy-lives",
  summary: "a tiny full pool is killed again and again, each time with more changed nodes than a bucket holds",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("heavy lives");
    const base = pool(entropy, medium, HEAVY_FILES.most);
    const treeLimits = { fanMax: 5, leafRowsMax: 4, batchNodesMax: random.pick([1, 3, 64]) };
    return {
      ...base,
      geometry: tiny(random, medium),
      format: { ...base.format, journalBuckets: random.pick([6, 10]) },
      open: { ...base.open, nodeCacheBytes: random.pick([0, 64 * 1024 * 1024]), treeLimits },
      tolerance: MAY_BE_FULL,
      clients: [fillShare(0.6 + random.float() * 0.4)],
      epilogue: changeHeavily,
      crash: { ...CRASHES, statesMax: 4, pointShare: 0.2 },
    };
  },
};

/** Names of one length: what is journalled of two of them ends alike. */
const ALIKE = ["a", "b", "c", "d"];
const BRIEF_LIVES = 3;
const BRIEF_STATES = 4;

const makeOne = (random: Prng): Operation => {
  const path = `/${random.pick(ALIKE)}`;
  return random.chance(0.5) ? { kind: "create", path } : { kind: "mkdir", path };
};

const briefLives: Story = {
  name: "brief-lives",
  summary: "lives in which hardly an entry is journalled before the next crash, which tears it",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("brief lives");
    const base = pool(entropy, medium);
    const life = (): ReadonlyArray<Operation> => [makeOne(random), { kind: "syncfs" }];
    return {
      ...base,
      ...(medium === "conventional" ? { geometry: { ...base.geometry, blockBytes: 512, atomicWriteBytes: 512 } } : {}),
      tolerance: STRICT,
      clients: [scriptedProgram(life())],
      crash: {
        ...CRASHES,
        statesMax: BRIEF_STATES,
        lives: Array.from({ length: BRIEF_LIVES }, () => ({ operations: life(), closes: false })),
        lifeStatesMax: BRIEF_STATES,
      },
    };
  },
};

export const lifeStories: ReadonlyArray<Story> = [manyLives, begunBuckets, heavyLives, briefLives];
