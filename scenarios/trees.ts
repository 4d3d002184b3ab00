/**
 * Stories of trees: nodes so small that a few hundred rows make them deep, which grow, are written, and shrink again.
 *
 * What a node gave away, took over or has not written yet matters only until it is written, so most I/O is that of
 * nodes, and little else is made durable.
 */
import * as Effect from "effect/Effect";
import type { Client, Program, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, perform, performer } from "../harness/workload/operation.ts";
import { inSequence } from "../harness/workload/program.ts";
import { TREE_LIMITS } from "../engine/btree/tree.ts";
import { type Fault, FaultPlan } from "../devices/sim/faults.ts";
import { fixedTiming } from "../devices/sim/timing.ts";
import { CRASHES, MAY_BE_FULL, type Medium, pool, STRICT, type Story, tiny } from "./pools.ts";
import { fillShare, isFull } from "./space.ts";
import type { Entropy } from "../harness/entropy.ts";

const ATTRIBUTES = ["user.a", "user.b", "user.c"];
/** So little memory that every leaf which is not in use is written and goes. */
const SQUEEZED = { nodeCacheBytes: 0 };
const SMALL = [10, 200];
const BULKY = [3000, 12_000, 30_000];
const ROOMY = { nodeCacheBytes: 64 * 1024 * 1024 };

/**
 * Makes files by the dozen and removes most of them again. Nodes are written since memory is taken away, or, with bulky
 * values, since the journal needs its tail: then interior nodes wait until it has gone round once more.
 */
function ebbAndFlow(rounds: number, filesMax: number, bulky: boolean): Program {
  return ({ filesystem, note, random, pool }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      const there: Array<string> = [];
      const run = (operation: Operation): Effect.Effect<unknown> =>
        Effect.andThen(
          perform(operation, by),
          random.chance(0.2) ? Effect.sleep(random.pick([0.5, 2, 6])) : Effect.void,
        );
      let made = 0;
      for (let round = 0; round < rounds; round++) {
        pool.limitMemory(bulky ? ROOMY : random.pick([SQUEEZED, ROOMY]));
        for (let count = random.between(filesMax / 3, filesMax); count > 0; count--) {
          // In no order, so that leaves split in their middle.
          const path = `/${(made++ * 7919) % 9973}`;
          there.push(path);
          yield* run({ kind: "create", path });
          const name = random.pick(ATTRIBUTES);
          const pattern = { tag: made, lengthBytes: random.pick(bulky ? BULKY : SMALL), texture: "text" as const };
          if (random.chance(0.6)) yield* run({ kind: "setxattr", target: path, name, pattern, mode: "set" });
        }
        pool.limitMemory(bulky ? ROOMY : random.pick([SQUEEZED, ROOMY]));
        // A run of neighbours, so that leaves run empty and are merged.
        const from = random.below(Math.max(1, there.length / 3));
        const gone = there.splice(from, Math.floor(there.length * random.pick([0.5, 0.8])));
        for (const path of random.chance(0.5) ? gone : gone.toReversed()) yield* run({ kind: "unlink", path });
        if (random.chance(0.3)) yield* run({ kind: "syncfs" });
      }
    });
}

const ebbingTrees: Story = {
  name: "ebbing-trees",
  summary: "deep trees of tiny nodes grow, are written under pressure, and shrink again",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("trees");
    const base = pool(entropy, medium, 120);
    const bulky = random.chance(0.5);
    const fanMax = random.pick([4, 5, 8]);
    // A tree may change in whatever moment its nodes are chosen, encoded and written.
    const restless = random.chance(0.5) ? { preemptShare: random.pick([0.2, 0.5]) } : {};
    return {
      ...base,
      ...restless,
      // Slow enough that entries with the places of some nodes are durable before others are written.
      disk: { timing: fixedTiming({ read: 0.1, write: 3, append: 3, flush: 0.5 }, 0.05) },
      open: {
        ...base.open,
        commitIntervalMs: random.pick([0, 2, 10]),
        treeLimits: { fanMax, leafRowsMax: random.pick([4, 6]), batchNodesMax: random.pick([1, 3, 64]) },
      },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: STRICT,
      clients: [ebbAndFlow(random.between(2, 4), 60, bulky)],
      crash: { ...CRASHES, statesMax: 24 },
    };
  },
};

/** Makes so many files that their nodes take more places than the journal has room for, and then fills the journal. */
export function brim(files: number, values: number): Program {
  return ({ filesystem, note, random }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      const set = (target: string, lengthBytes: number, tag: number): Effect.Effect<unknown> => {
        const pattern = { tag, lengthBytes, texture: "text" as const };
        return perform({ kind: "setxattr", target, name: random.pick(ATTRIBUTES), pattern, mode: "set" }, by);
      };
      // In no order, so that leaves split in their middle.
      const paths = Array.from({ length: files }, (_, index) => `/${(index * 7919) % 9973}`);
      for (const path of paths) {
        yield* perform({ kind: "create", path }, by);
        yield* set(path, random.pick(SMALL), 0);
      }
      for (let value = 1; value <= values; value++) {
        yield* set(random.pick(paths), random.pick(BULKY), value);
        if (random.chance(0.1)) yield* perform({ kind: "fsync", target: random.pick(paths) }, by);
      }
    });
}

const brimmingJournal: Story = {
  name: "brimming-journal",
  summary: "so many nodes have changes that the journal lacks the room for the places they are written to",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("brimming journal");
    const base = pool(entropy, medium, 300);
    const timing = fixedTiming({ read: 0.1, write: random.pick([0.5, 4]), append: 2, flush: 0.5 }, 0.05);
    const cut: Fault = { kind: "cut-write", probability: random.pick([0.02, 0.1]) };
    const faults = new FaultPlan(random.u32(), [cut]);
    return {
      ...base,
      // A zone that cuts a write short takes no more: what is left of a bucket of the journal is lost.
      disk: medium === "zoned" && random.chance(0.5) ? { timing, faults } : { timing },
      open: {
        ...base.open,
        ...ROOMY,
        commitIntervalMs: random.pick([0, 10]),
        treeLimits: { fanMax: random.pick([5, 8]), leafRowsMax: 4, batchNodesMax: random.pick([3, 64]) },
      },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: STRICT,
      clients: [brim(random.between(140, 280), random.between(8, 20))],
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

/** Changes every leaf, has all of them written at once, and so on. */
function changeAll(files: number, rounds: number): Program {
  return ({ filesystem, note, random, pool }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      const paths = Array.from({ length: files }, (_, index) => `/${(index * 7919) % 9973}`);
      for (const path of paths) yield* perform({ kind: "create", path }, by);
      for (let round = 0; round < rounds; round++) {
        pool.limitMemory(ROOMY);
        for (let file = 0; file < files; file++) {
          const from = paths[file]!;
          const path = `${from}.`;
          paths[file] = path;
          yield* perform({ kind: "rename", from, to: path, mode: "replace" }, by);
          const pattern = { tag: round, lengthBytes: random.pick(SMALL), texture: "text" as const };
          yield* perform({ kind: "setxattr", target: path, name: "user.round", pattern, mode: "set" }, by);
        }
        pool.limitMemory(SQUEEZED);
        // Long enough for all of them to be written.
        yield* Effect.sleep(random.pick([200, 400]));
      }
    });
}

function createAll(files: number): Program {
  return ({ filesystem, note }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      for (let file = 0; file < files; file++) yield* perform({ kind: "create", path: `/${file}` }, by);
    });
}

/** Sets an attribute of each of the files, over and over; some rounds are followed by a pause. */
function setAll(files: number, rounds: number): Program {
  return ({ filesystem, note, random }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      for (let round = 0; round < rounds; round++) {
        for (let file = 0; file < files; file++) {
          const pattern = { tag: round, lengthBytes: random.pick(SMALL), texture: "text" as const };
          yield* perform({ kind: "setxattr", target: `/${file}`, name: "user.round", pattern, mode: "set" }, by);
        }
        if (random.chance(0.5)) yield* Effect.sleep(random.pick([20, 400]));
      }
    });
}

/** Makes a file durable now and then. */
function keepSyncing(files: number): Program {
  return ({ filesystem, note, random }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      for (let file = 0; file < files; file++) {
        yield* Effect.sleep(random.pick([1, 10, 40]));
        yield* perform({ kind: "create", path: `/beside-${file}` }, by);
        yield* perform({ kind: "fsync", target: `/beside-${file}` }, by);
      }
    });
}

const lastingCheckpoints: Story = {
  name: "lasting-checkpoints",
  summary: "checkpoints of many small writes replace whole buckets of nodes while others make entries durable",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("lasting checkpoints");
    const base = pool(entropy, medium, 120);
    return {
      ...base,
      geometry: tiny(random, medium),
      disk: { timing: fixedTiming({ read: 0.1, write: 1, append: 1, flush: 0.3 }, 0.05) },
      open: {
        ...base.open,
        commitIntervalMs: 1,
        treeLimits: { fanMax: 4, leafRowsMax: 4, batchNodesMax: 1 },
        checkpointChunks: 1,
      },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: MAY_BE_FULL,
      clients: [changeAll(random.between(40, 140), 5), keepSyncing(40)],
      crash: { ...CRASHES, statesMax: 16 },
    };
  },
};

/**
 * Fills the disk with the data of the files, and then overwrites it file by file, each time durably, while small changes
 * have nodes written all over the disk.
 */
function overwriteAll(files: number, rounds: number): Program {
  return ({ filesystem, note, random }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      const write = (target: string, tag: number): Effect.Effect<object> => {
        const pattern = { tag, lengthBytes: random.between(6, 24) * 1024, texture: "noise" as const };
        return perform({ kind: "write", target, offsetBytes: 0, pattern }, by);
      };
      for (let tag = 0, full = false; !full && tag < 2 * files; tag++)
        full = isFull(yield* write(`/${tag % files}`, tag));
      for (let round = 0; round < rounds; round++) {
        for (let count = random.between(0, 30); count > 0; count--) {
          const pattern = { tag: round, lengthBytes: random.pick(SMALL), texture: "text" as const };
          const target = `/${random.below(files)}`;
          yield* perform({ kind: "setxattr", target, name: "user.round", pattern, mode: "set" }, by);
        }
        const target = `/${random.below(files)}`;
        if (random.chance(0.2)) yield* perform({ kind: "setattr", target, changes: { sizeBytes: 0 } }, by);
        if (!isFull(yield* write(target, 100_000 + round))) yield* perform({ kind: "fsync", target }, by);
      }
    });
}

const scatteredNodes: Story = {
  name: "scattered-nodes",
  summary: "on a full disk data is overwritten durably while nodes are written a few at a time, all over it",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("scattered nodes");
    const base = pool(entropy, medium, 300);
    const files = random.between(100, 250);
    return {
      ...base,
      geometry: tiny(random, medium),
      disk: { timing: fixedTiming({ read: 0.1, write: 0.5, append: 0.5, flush: 0.5 }, 0.05) },
      open: {
        ...base.open,
        ...ROOMY,
        commitIntervalMs: random.pick([0, 10]),
        treeLimits: { fanMax: random.pick([5, 8]), leafRowsMax: 4, batchNodesMax: random.pick([1, 2, 3]) },
      },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: MAY_BE_FULL,
      clients: [inSequence(createAll(files), overwriteAll(files, 150))],
      crash: { ...CRASHES, statesMax: 8 },
    };
  },
};

const thinNodes: Story = {
  name: "thin-nodes",
  summary: "on a full disk nodes are written so few at a time that their buckets seem half empty, however often copied",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("thin nodes");
    const base = pool(entropy, medium, 300);
    const files = random.between(100, 250);
    const fill = fillShare(0.9 + random.float() * 0.1);
    return {
      ...base,
      geometry: tiny(random, medium),
      disk: { timing: fixedTiming({ read: 0.1, write: random.pick([0.5, 4]), append: 2, flush: 0.5 }, 0.05) },
      open: {
        ...base.open,
        ...ROOMY,
        commitIntervalMs: random.pick([0, 10]),
        treeLimits: { fanMax: random.pick([5, 8]), leafRowsMax: 4, batchNodesMax: random.pick([2, 3, 4]) },
      },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: MAY_BE_FULL,
      clients: [
        inSequence(createAll(files), setAll(files, 1), fill, setAll(files, 4)),
        ...(random.chance(0.5) ? [keepSyncing(20)] : []),
      ],
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

/** The data of small files lies in their rows. */
const LONG_BYTES = { least: 2036, most: 2048 };
const SHORT_BYTES_MAX = 4;
const LONG_FILES = 36;

/** Fills the files that were made first, the longest there are in one row, when those behind have hardly anything. */
function fillInFront(shortFiles: number): Program {
  return ({ filesystem, note, random }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      const files = Array.from({ length: LONG_FILES + shortFiles }, (_, index) => `/${index}`);
      for (const path of files) yield* perform({ kind: "create", path }, by);
      const write = (path: string, lengthBytes: number): Effect.Effect<unknown> => {
        const pattern = { tag: random.below(1000), lengthBytes, texture: "noise" as const };
        return perform({ kind: "write", target: path, offsetBytes: 0, pattern }, by);
      };
      for (const path of files.slice(LONG_FILES)) yield* write(path, random.between(1, SHORT_BYTES_MAX));
      yield* perform({ kind: "syncfs" }, by);
      const long = files.slice(0, LONG_FILES);
      for (const path of random.chance(0.5) ? long : long.toReversed()) {
        yield* write(path, random.between(LONG_BYTES.least, LONG_BYTES.most));
        if (random.chance(0.2)) yield* perform({ kind: "fsync", target: path }, by);
      }
      yield* perform({ kind: "syncfs" }, by);
    });
}

const lopsidedLeaves: Story = {
  name: "lopsided-leaves",
  summary: "long rows come before short ones, until one half of a leaf holds nearly all of its bytes",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("lopsided leaves");
    const base = pool(entropy, medium, 120);
    return {
      ...base,
      // Leaves are as large as they are in use.
      open: { ...base.open, treeLimits: TREE_LIMITS },
      tolerance: STRICT,
      clients: [fillInFront(random.between(28, 38))],
      crash: { ...CRASHES, statesMax: 8 },
    };
  },
};

export const treeStories: ReadonlyArray<Story> = [
  ebbingTrees,
  brimmingJournal,
  lastingCheckpoints,
  thinNodes,
  scatteredNodes,
  lopsidedLeaves,
];
