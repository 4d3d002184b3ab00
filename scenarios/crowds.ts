/**
 * Stories of several clients that meet in one place of the engine: in a flush, in a journal with little room, in a
 * bucket that is emptied while it is read, in a file of which many rows go.
 *
 * Each slows the device operation behind which they meet, so that something can happen meanwhile.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import { fixedTiming, someReadsSlow } from "../devices/sim/timing.ts";
import type { Entropy } from "../harness/entropy.ts";
import type { Client, Program, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, perform, performer } from "../harness/workload/operation.ts";
import { profile } from "../harness/workload/profile.ts";
import { inSequence, randomProgram } from "../harness/workload/program.ts";
import { pieces, sweep } from "./extents.ts";
import { checkpoints, CRASHES, MAY_BE_FULL, type Medium, pool, STRICT, type Story, tiny } from "./pools.ts";
import { fillShare } from "./space.ts";

/** Hardly anything between two syncs, and pauses in which another one takes it along: then there is nothing to write. */
const SYNCING = profile({
  weights: { create: 10, setxattr: 6, write: 8, rename: 10, unlink: 3, fsync: 40, syncfs: 4, sleep: 20 },
  sleepMsMax: 12,
  fileBytesMax: 30_000,
  farShare: 0,
  writeLengths: { tiny: 3, small: 3, blocks: 1, large: 0 },
  xattrBytesMax: 4000,
});

/** Fills journal entries, and hardly ever waits for them. */
const WORDY = profile({
  weights: { create: 10, setxattr: 60, removexattr: 4, rename: 4, fsync: 2, sleep: 8 },
  xattrBytesMax: 60_000,
  sleepMsMax: 12,
});

const manySyncs: Story = {
  name: "many-syncs",
  summary: "several clients sync all the time while flushes take long; what one waits for is not what another one did",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium);
    const syncing = Array.from({ length: random.between(2, 4) }, () => randomProgram(SYNCING, 26));
    const wordy = Array.from({ length: random.pick([0, 1, 3]) }, () => randomProgram(WORDY, 30));
    return {
      ...base,
      disk: { timing: fixedTiming({ read: 0.1, write: 0.3, append: 0.3, flush: random.pick([4, 12]) }, 0.05) },
      format: { ...base.format, journalBuckets: 10 },
      tolerance: STRICT,
      clients: [...syncing, ...wordy],
      crash: { ...CRASHES, statesMax: 12, syncStatesMax: 16 },
    };
  },
};

const pressedJournal: Story = {
  name: "pressed-journal",
  summary: "clients fill a small journal faster than a slow disk takes the nodes that hold its tail",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium);
    const clients = Array.from({ length: random.between(2, 4) }, () => randomProgram(WORDY, 60));
    return {
      ...base,
      disk: { timing: fixedTiming({ read: 0.1, write: 4, append: 4, flush: random.pick([0.5, 10]) }, 0.05) },
      format: { ...base.format, journalBuckets: 6 },
      tolerance: STRICT,
      clients,
      crash: { ...CRASHES, statesMax: 20, recoveryShare: 0.3 },
    };
  },
};

/** What clients tell each other about what one of them does. */
interface Stage {
  sweeping: boolean;
  over: boolean;
}

/** Tells the others that it is over. */
const ended =
  (stage: Stage): Program =>
  () =>
    Effect.sync(() => {
      stage.over = true;
    });

/** Runs a program again and again until it is over, at most so often. */
const whileItLasts =
  (stage: Stage, program: Program, timesMax: number): Program =>
  (client) =>
    Effect.gen(function* () {
      for (let times = 0; times < timesMax && !stage.over; times++) yield* program(client);
    });

const READS_MAX = 300;
const FILE_BYTES_MAX = 128 * 1024;

/** Reads the whole of a file: more extents than are read at once. */
const readOne: Program = ({ filesystem, note, random, model }) => {
  const names = [...(model.root.state.entries?.keys() ?? [])];
  const operation: Operation =
    names.length === 0
      ? { kind: "statfs" }
      : { kind: "read", target: `/${random.pick(names)}`, offsetBytes: 0, lengthBytes: FILE_BYTES_MAX };
  return Effect.andThen(perform(operation, performer(filesystem, note)), Effect.sleep(0.1));
};

/** Rounds of overwriting, behind each of which those who change something meet. */
const ROUNDS = 4;

/** Waits for the others; whoever comes last has the pool checked, which must hold while buckets are emptied. */
function meeting(count: number): Program {
  let met = Deferred.makeUnsafe<void>();
  let missing = count;
  return ({ pool, filesystem, note }) =>
    Effect.gen(function* () {
      const others = met;
      if (--missing > 0) return yield* Deferred.await(others);
      yield* perform({ kind: "syncfs" }, performer(filesystem, note));
      const { problems } = yield* pool.check();
      const [problem] = problems;
      if (problem !== undefined) return yield* Effect.die(new Error(`check, ${problem.pass}: ${problem.what}`));
      missing = count;
      met = Deferred.makeUnsafe();
      yield* Deferred.succeed(others, undefined);
    });
}

const rounds = (program: Program, meet: Program): ReadonlyArray<Program> =>
  Array.from({ length: ROUNDS }, () => [program, meet]).flat();

const crowdedCollection: Story = {
  name: "crowded-collection",
  summary: "clients overwrite a tiny full disk and sync, and slow reads are under way while buckets are reset",
  plan: (entropy, medium) => {
    const random = entropy.stream("load");
    const base = pool(entropy, medium, 24);
    const geometry = tiny(random, medium);
    const bytes = { farShare: 0, fileBytesMax: FILE_BYTES_MAX, existingShare: 0.98, fileNames: ["x", "y"] };
    const overwrites = profile({
      ...bytes,
      weights: { write: 40, fsync: 14, create: 2, unlink: 3, truncate: 2, syncfs: 2, sleep: 2 },
      writeLengths: { tiny: 0, small: 2, blocks: 6, large: 2 },
      sleepMsMax: 40,
    });
    const stage: Stage = { sweeping: false, over: false };
    const meet = meeting(2);
    const overwriting = randomProgram(overwrites, 15);
    const reader = whileItLasts(stage, readOne, READS_MAX);
    const fast = fixedTiming({ read: 0.2, write: 0.4, append: 0.4, flush: 1 }, 0.05);
    const timing = someReadsSlow(fast, random.u32(), random.pick([0.05, 0.3]), random.pick([10, 60]));
    return {
      ...base,
      geometry,
      disk: { timing },
      format: { ...base.format, journalBuckets: 6 },
      open: { ...base.open, readCacheBytes: random.pick([0, 4 * 1024 * 1024]), dirtyBytesMax: 128 * 1024 },
      tolerance: MAY_BE_FULL,
      clients: [
        inSequence(fillShare(0.7 + random.float() * 0.3), ...rounds(overwriting, meet), ended(stage)),
        inSequence(...rounds(overwriting, meet)),
        reader,
        reader,
      ],
      crash: { ...CRASHES, statesMax: 12, syncStatesMax: 6, pointShare: 0.5 },
    };
  },
};

const NEVER = Number.POSITIVE_INFINITY;

/** Names come and go, so that many small nodes change. */
const NAMES = profile({
  weights: { create: 30, setxattr: 20, unlink: 14, rename: 10, fsync: 8, sleep: 4 },
  fileNames: Array.from({ length: 60 }, (_, index) => `n${index}`),
  farShare: 0,
  xattrBytesMax: 200,
  sleepMsMax: 4,
});

const crowdedCheckpoints: Story = {
  name: "crowded-checkpoints",
  summary: "many nodes are written, often in checkpoints, on a tiny full disk, where all wait for the next free bucket",
  plan: (entropy, medium) => {
    const random = entropy.stream("load");
    const base = pool(entropy, medium, 60);
    const geometry = tiny(random, medium);
    const overwrites = profile({
      weights: { write: 40, fsync: 20, create: 2, unlink: 3, truncate: 2 },
      writeLengths: { tiny: 0, small: 2, blocks: 6, large: 2 },
      farShare: 0,
      fileBytesMax: FILE_BYTES_MAX,
      existingShare: 0.98,
      fileNames: ["x", "y"],
    });
    return {
      ...base,
      geometry,
      disk: { timing: fixedTiming({ read: 0.1, write: 1, append: 1, flush: 0.3 }, 0.05) },
      format: { ...base.format, journalBuckets: 6 },
      open: {
        ...base.open,
        dirtyBytesMax: 64 * 1024,
        nodeCacheBytes: 0,
        treeLimits: { fanMax: 5, leafRowsMax: 4, batchNodesMax: 3 },
        checkpointChunks: random.pick([1, 2, NEVER]),
      },
      tolerance: MAY_BE_FULL,
      clients: [
        inSequence(fillShare(0.6 + random.float() * 0.3), randomProgram(overwrites, 40)),
        randomProgram(NAMES, 80),
        randomProgram(NAMES, 80),
      ],
      crash: { ...CRASHES, statesMax: 8 },
    };
  },
};

const STRIPED = "/x";
const BESIDE = "/beside";
const ROUND_MS = 2;

/** Makes a file of many pieces, and lets the others know when it takes most of them out. */
function sweepOnStage(stage: Stage, rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (let round = 0; round < rounds; round++) {
        const count = random.between(150, 260);
        for (const operation of pieces(STRIPED, count, random)) yield* perform(operation, by);
        yield* perform({ kind: "fsync", target: STRIPED }, by);
        stage.sweeping = true;
        yield* perform({ kind: "sleep", milliseconds: ROUND_MS }, by);
        for (let turn = 0; turn < 2; turn++) yield* perform(sweep(STRIPED, count, random), by);
        yield* perform({ kind: "sleep", milliseconds: ROUND_MS }, by);
        stage.sweeping = false;
      }
      stage.over = true;
    });
}

/** Does one thing after another as long as there is a sweep. */
function duringSweeps(stage: Stage, next: (client: Client) => Operation): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem, client.note);
      yield* perform({ kind: "create", path: BESIDE }, by);
      while (!stage.over) {
        if (stage.sweeping) yield* perform(next(client), by);
        yield* Effect.sleep(stage.sweeping ? client.random.pick([0.01, 0.2]) : ROUND_MS / 2);
      }
    });
}

const look = ({ random }: Client): Operation => ({
  kind: "read",
  target: STRIPED,
  offsetBytes: random.below(600_000),
  lengthBytes: random.pick([3000, 40_000, 400_000]),
});

const syncBeside = ({ random }: Client): Operation =>
  random.chance(0.5)
    ? { kind: "setattr", target: BESIDE, changes: { mode: random.below(0o1000) } }
    : { kind: "fsync", target: BESIDE };

const crowdedSweeps: Story = {
  name: "crowded-sweeps",
  summary: "files of hundreds of extents are cut and punched while others read them and sync beside",
  plan: (entropy, medium) => {
    const base = pool(entropy, medium);
    const stage: Stage = { sweeping: false, over: false };
    return {
      ...base,
      disk: { timing: fixedTiming({ read: 0.3, write: 0.1, append: 0.1, flush: 0.1 }, 0.05) },
      // With few leaves in memory, what is taken out must be loaded, and others get their turn.
      open: { ...base.open, nodeCacheBytes: 0, readCacheBytes: 0, treeLimits: { fanMax: 16, leafRowsMax: 24 } },
      tolerance: STRICT,
      clients: [sweepOnStage(stage, 2), duringSweeps(stage, look), duringSweeps(stage, syncBeside)],
      crash: { ...CRASHES, statesMax: 16 },
    };
  },
};

/** Makes one file after another, each as long as a bucket or two, and removes the one before. */
function churner(stage: Stage, name: string, rounds: number, syncs: boolean): Program {
  return ({ filesystem, note, random }) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      for (let round = 0; round < rounds; round++) {
        const path = `/${name}${round}`;
        const lengthBytes = random.between(60, 240) * 1024;
        const pattern = { tag: random.below(9_000_000), lengthBytes, texture: "noise" as const };
        yield* perform({ kind: "create", path }, by);
        yield* perform({ kind: "append", target: path, pattern }, by);
        if (syncs) yield* perform({ kind: "fsync", target: path }, by);
        if (random.chance(0.5)) yield* Effect.sleep(random.between(1, 8));
        if (round > 0) yield* perform({ kind: "unlink", path: `/${name}${round - 1}` }, by);
      }
      stage.over = true;
    });
}

const churn: Story = {
  name: "churn",
  summary: "files of a bucket or two come and go on a tiny disk, while others sync and flushes take long",
  plan: (entropy, medium) => {
    const random = entropy.stream("churn");
    const stage: Stage = { sweeping: true, over: false };
    return {
      ...pool(entropy, medium),
      geometry: tiny(random, medium),
      disk: { timing: fixedTiming({ read: 0.2, write: 0.3, append: 0.3, flush: random.pick([3, 12]) }, 0.05) },
      format: { compression: "none", journalBuckets: 6 },
      open: {
        ...checkpoints(entropy),
        commitIntervalMs: 0,
        writebackIntervalMs: 20,
        dirtyBytesMax: 64 * 1024,
        readCacheBytes: 0,
      },
      tolerance: MAY_BE_FULL,
      clients: [
        churner(stage, "a", 24, true),
        churner(stage, "b", 40, false),
        churner(stage, "c", 40, false),
        duringSweeps(stage, syncBeside),
      ],
      crash: { ...CRASHES, statesMax: 40 },
    };
  },
};

/** Everybody works on two files, which are often longer on the disk or in memory than the other half knows. */
const SHARED = profile({
  weights: { create: 2, write: 30, append: 6, read: 24, truncate: 6, fallocate: 3, fsync: 8, syncfs: 1, sleep: 8 },
  directoryNames: [],
  fileNames: ["x", "y"],
  depthMax: 1,
  farShare: 0,
  fileBytesMax: 40_000,
  writeLengths: { tiny: 2, small: 3, blocks: 3, large: 0 },
  existingShare: 0.97,
  sleepMsMax: 20,
});

const sharedFiles: Story = {
  name: "shared-files",
  summary: "several clients write, cut and read two files while what was written before is still on its way",
  plan: (entropy, medium) => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium);
    const slow = random.pick([2, 8]);
    return {
      ...base,
      disk: { timing: fixedTiming({ read: 0.3, write: slow, append: slow, flush: 1 }, 0.05) },
      open: { ...base.open, dirtyBytesMax: random.pick([1, 8 * 1024, 2 * 1024 * 1024]) },
      tolerance: STRICT,
      clients: Array.from({ length: random.between(3, 5) }, () => randomProgram(SHARED, 25)),
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

const HELD = profile({
  weights: {
    create: 10,
    open: 14,
    release: 8,
    unlink: 12,
    rename: 8,
    link: 3,
    mkdir: 2,
    rmdir: 3,
    write: 12,
    append: 4,
    truncate: 3,
    read: 10,
    getattr: 4,
    fsync: 3,
    sleep: 3,
  },
  directoryNames: ["a"],
  depthMax: 2,
  fileBytesMax: 60_000,
  sleepMsMax: 500,
  handlesMax: 4,
});

const heldFiles: Story = {
  name: "held-files",
  summary: "names go while what they named is held, as a kernel holds it, and not opened",
  plan: (entropy, medium) => {
    const random = entropy.stream("clients");
    return {
      ...pool(entropy, medium),
      tolerance: STRICT,
      holds: true,
      clients: Array.from({ length: random.between(2, 4) }, () => randomProgram(HELD, 40)),
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

export const crowdStories: ReadonlyArray<Story> = [
  heldFiles,
  manySyncs,
  sharedFiles,
  pressedJournal,
  crowdedCollection,
  crowdedCheckpoints,
  churn,
  crowdedSweeps,
];
