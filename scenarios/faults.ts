/**
 * Stories of a disk that fails: for a moment, or by letting bits turn.
 *
 * Transient errors must not show at all: operations succeed, since every layer retries. Rot must not show as wrong
 * bytes: after a clean close bits turn all over the disk, and whatever is read then is right or `InputOutput`.
 */
import * as Effect from "effect/Effect";
import { type Fault, FaultPlan } from "../devices/sim/faults.ts";
import { fixedTiming } from "../devices/sim/timing.ts";
import { defaultBucketBytes } from "../engine/device/bucket-io.ts";
import { SUPERBLOCK_BUCKETS } from "../engine/device/superblock-log.ts";
import type { Entropy, Prng } from "../harness/entropy.ts";
import { CrashCheck } from "../harness/oracle/crash-check.ts";
import { collectTree } from "../harness/oracle/found-tree.ts";
import type { Epilogue, Program, ScenarioPlan } from "../harness/scenario.ts";
import { GENERAL, type Profile, profile, swarm } from "../harness/workload/profile.ts";
import { perform, performer } from "../harness/workload/operation.ts";
import { inSequence, randomProgram } from "../harness/workload/program.ts";
import { CRASHES, type Medium, pool, STRICT, type Story } from "./pools.ts";

const transientErrors: Story = {
  name: "transient-errors",
  summary: "reads, writes and flushes fail now and then, and succeed when they are tried again",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const probability = random.pick([0.005, 0.02, 0.05]);
    const base = pool(entropy, medium);
    const faults = new FaultPlan(random.u32(), [
      { kind: "read-error", probability },
      { kind: "write-error", probability },
      { kind: "flush-error", probability },
      { kind: "delay", probability: 0.02, delayMs: 40 },
    ]);
    return {
      ...base,
      disk: { ...base.disk, faults },
      tolerance: STRICT,
      clients: [randomProgram(swarm(profile({ fileBytesMax: 200_000 }), entropy.stream("clients")), 50)],
      crash: { ...CRASHES, statesMax: 20 },
    };
  },
};

/** Writes to the disk all the time, rather than when the pool is closed. */
const EAGER: Profile = profile({
  weights: { ...GENERAL.weights, fsync: 25, syncfs: 6, sleep: 8 },
  fileBytesMax: 200_000,
});

/** Troubles that a disk may have with writing, and that do not always end. */
function writingTroubles(random: Prng): ReadonlyArray<Fault> {
  const burst = (fault: Fault): Fault => {
    const fromIndex = random.between(20, 400);
    return { ...fault, when: { fromIndex, toIndex: fromIndex + random.between(10, 120) } };
  };
  switch (random.below(4)) {
    case 0:
      return [{ kind: "write-error", permanent: true, probability: random.pick([0.005, 0.02, 0.1]) }];
    case 1:
      return [1, 2, 3].map(() => burst({ kind: "write-error", probability: random.pick([0.5, 0.8, 1]) }));
    case 2:
      return [burst({ kind: "write-error", permanent: true, probability: random.pick([0.3, 1]) })];
    default:
      return [burst({ kind: "flush-error", probability: random.pick([0.7, 1]), permanent: random.chance(0.3) })];
  }
}

const failingDisk: Story = {
  name: "failing-disk",
  summary: "writes and flushes fail for long or for good; the pool goes on or gives up, and what was synced is there",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const faults = new FaultPlan(random.u32(), writingTroubles(random));
    const clients = entropy.stream("clients");
    const program = (): Program => randomProgram(swarm(EAGER, clients, 0.1), 60);
    return {
      ...base,
      disk: { ...base.disk, faults },
      tolerance: { noSpace: true, promisesFail: medium === "zoned", reasons: ["InputOutput"], readable: true },
      mayFail: true,
      clients: random.chance(0.5) ? [program()] : [program(), program()],
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

/** Looks at everything, of which hardly anything stays in memory. */
const ONLOOKERS: Profile = profile({
  weights: { read: 10, getattr: 30, readdir: 6, getxattr: 20, listxattr: 20, sleep: 1 },
  existingShare: 1,
});

/** Changes names and attributes faster than a small journal takes them. */
const CHANGERS: Profile = profile({
  weights: { create: 12, mkdir: 4, setxattr: 30, rename: 6, write: 10, unlink: 4, fsync: 6, syncfs: 1, sleep: 1 },
  fileBytesMax: 60_000,
  xattrBytesMax: 30_000,
});

/** Makes so many files that their rows take more leaves than stay in memory. */
const manyNames: Program = ({ filesystem, note }) =>
  Effect.gen(function* () {
    const by = performer(filesystem, note);
    for (let count = 0; count < 120; count++) yield* perform({ kind: "create", path: `/${count}` }, by);
    yield* perform({ kind: "syncfs" }, by);
  });

const frozenReaders: Story = {
  name: "frozen-readers",
  summary:
    "from some moment on the disk takes nothing; whoever reads is answered, and whoever changes something is told",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium, 120);
    const fromIndex = random.between(100, 500);
    const kind = random.pick(["flush-error", "flush-error", "write-error"] as const);
    const fault: Fault = { kind, when: { fromIndex, toIndex: Number.MAX_SAFE_INTEGER } };
    const read = random.pick([1, 20]);
    return {
      ...base,
      disk: {
        timing: fixedTiming({ read, write: 1, append: 1, flush: 2 }, 0.05),
        faults: new FaultPlan(random.u32(), [fault]),
      },
      format: { ...base.format, journalBuckets: 6 },
      open: { ...base.open, readCacheBytes: 0, nodeCacheBytes: 0, treeLimits: { fanMax: 8, leafRowsMax: 12 } },
      tolerance: { noSpace: true, promisesFail: true, reasons: ["InputOutput"], readable: true },
      mayFail: true,
      clients: [
        inSequence(manyNames, randomProgram(CHANGERS, 40)),
        randomProgram(CHANGERS, 40),
        ...[1, 2, 3].map(() => randomProgram(ONLOOKERS, 100)),
      ],
      crash: { ...CRASHES, statesMax: 3 },
    };
  },
};

/** What an opening of a damaged pool may say instead of opening it. */
export const HONEST_REFUSALS = new Set([
  "NotAPool",
  "PoolDamaged",
  "UnsupportedVersion",
  "WrongMembers",
  "DeviceFailed",
  "PoolFailed",
  "FsError",
]);

/** Reads all that can be read of a damaged pool: it is right, or the pool says that it is lost. */
export function readHonestly(
  { model, closed, random, open, fail }: Epilogue,
  damage: string,
): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    const read = Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* open({ readOnly: random.chance(0.5) });
        return yield* collectTree(opened.filesystem, { damageExpected: true });
      }),
    );
    const result = yield* Effect.result(read);
    if (result._tag === "Failure") {
      const tag = (result.failure as { readonly _tag?: string })._tag ?? "?";
      if (!HONEST_REFUSALS.has(tag)) return yield* fail(`opening a pool with ${damage} fails with ${tag}`);
      return;
    }
    const mark = model.history.mark();
    // A device that loses the last writes before a pool fails looks like one that never got them: nobody can tell.
    const { problems } = new CrashCheck(model).judge(closed ? mark : { ...mark, syncs: 0 }, result.success);
    if (problems.length > 0) return yield* fail(`with ${damage}: ${problems.join("\n")}`);
  });
}

/** Turns bits all over the disk, then reads all that can be read. */
function rotAndRead(context: Epilogue): Effect.Effect<void, unknown> {
  const { disk, random } = context;
  const { capacityBytes } = disk.geometry;
  const heavy = random.chance(0.3);
  // The first buckets hold the superblock and the journal: with those gone little else would be seen.
  const from = random.chance(0.7) ? Math.floor(capacityBytes / 8) : 0;
  const turned = heavy ? random.between(200, 3000) : random.between(1, 60);
  for (let count = 0; count < turned; count++) disk.rot(from + random.below(capacityBytes - from), random.below(8));
  return readHonestly(context, `${turned} turned bits`);
}

/** Places behind the journal refuse every write for a while: data cannot go anywhere, and the journal goes on. */
const refusedData: Story = {
  name: "refused-data",
  summary:
    "for a while no data can be written anywhere; who syncs is told, and what was written is kept and comes later",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const { capacityBytes, zones } = base.geometry;
    const bucketBytes = zones?.zoneBytes ?? defaultBucketBytes(capacityBytes);
    const where = { fromBytes: (SUPERBLOCK_BUCKETS + JOURNAL_BUCKETS) * bucketBytes, toBytes: capacityBytes };
    const faults = Array.from({ length: random.between(1, 2) }, (_, index): Fault => {
      const fromIndex = 20 + 120 * index + random.below(100);
      return { kind: "write-error", where, when: { fromIndex, toIndex: fromIndex + random.between(40, 90) } };
    });
    const writers = profile({
      weights: { create: 4, write: 30, append: 10, read: 16, fsync: 20, truncate: 2, unlink: 2, sleep: 4 },
      fileNames: ["x", "y"],
      farShare: 0,
      fileBytesMax: 200_000,
      sleepMsMax: 200,
      writeLengths: { tiny: 1, small: 2, blocks: 4, large: 1 },
    });
    const clients = [1, 2].map(() => randomProgram(writers, 35));
    return {
      ...base,
      disk: { ...base.disk, faults: new FaultPlan(random.u32(), faults) },
      format: { ...base.format, journalBuckets: JOURNAL_BUCKETS },
      // Nodes are written when the pool is closed and not before: their failure would end it.
      open: { ...base.open, nodeCacheBytes: 64 * 1024 * 1024, commitIntervalMs: 0 },
      tolerance: { noSpace: true, reasons: ["InputOutput"] },
      mayFail: true,
      clients,
      crash: { ...CRASHES, statesMax: 6 },
    };
  },
};

const JOURNAL_BUCKETS = 14;

const bitRot: Story = {
  name: "bit-rot",
  summary: "bits turn on the medium of a closed pool; every read gives the right bytes or an error",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => ({
    ...pool(entropy, medium),
    tolerance: STRICT,
    clients: [randomProgram(swarm(GENERAL, entropy.stream("clients"), 0.1), 60)],
    crash: { ...CRASHES, statesMax: 6 },
    epilogue: rotAndRead,
  }),
};

const misreads: Story = {
  name: "misreads",
  summary: "reads now and then give a wrong bit or what stands elsewhere; nobody notices",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    // Three in a row would be an error, so they are rare.
    const probability = random.pick([0.001, 0.003]);
    const faults = new FaultPlan(random.u32(), [
      { kind: "read-rot", probability },
      { kind: "misdirected-read", probability },
    ]);
    const clients = entropy.stream("clients");
    const readers = swarm(
      profile({ weights: { ...GENERAL.weights, read: 40, readdir: 10, sleep: 6 }, fileBytesMax: 200_000 }),
      clients,
    );
    return {
      ...base,
      disk: { ...base.disk, faults },
      open: { ...base.open, readCacheBytes: 0, nodeCacheBytes: 128 * 1024 },
      tolerance: STRICT,
      clients: [randomProgram(readers, 120)],
      crash: { ...CRASHES, statesMax: 6 },
    };
  },
};

const manyMisreads: Story = {
  name: "many-misreads",
  summary: "several clients read all the time, with hardly any memory, and a read now and then goes wrong",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    // As rare as above, so that a seed does not fail by chance; it is the reads that are many.
    const probability = 0.0015;
    const faults = new FaultPlan(random.u32(), [
      { kind: "read-rot", probability },
      { kind: "misdirected-read", probability },
    ]);
    const readers = profile({
      weights: { create: 4, write: 12, fsync: 4, read: 60, readdir: 4, sleep: 4 },
      fileNames: ["x", "y", "z"],
      farShare: 0,
      fileBytesMax: 300_000,
      writeLengths: { tiny: 0, small: 1, blocks: 8, large: 1 },
    });
    return {
      ...base,
      disk: { ...base.disk, faults },
      open: { ...base.open, readCacheBytes: 0, nodeCacheBytes: 0, treeLimits: { fanMax: 8, leafRowsMax: 12 } },
      tolerance: STRICT,
      clients: [1, 2, 3].map(() => randomProgram(readers, 90)),
      crash: { ...CRASHES, statesMax: 2 },
    };
  },
};

const lyingWrites: Story = {
  name: "lying-writes",
  summary: "writes report success and are lost or go elsewhere; every read gives the right bytes or an error",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const kind = random.pick(["lost-write", "misdirected-write"] as const);
    // Never two writes in a row: with all of its last writes lost a pool is one that was closed earlier.
    const faults = Array.from({ length: random.between(1, 8) }, (_, index): Fault => {
      const fromIndex = 30 + 20 * index + random.below(12);
      return { kind, when: { fromIndex, toIndex: fromIndex + 1 } };
    });
    return {
      ...base,
      disk: { ...base.disk, faults: new FaultPlan(random.u32(), faults) },
      open: { ...base.open, readCacheBytes: 0 },
      tolerance: { noSpace: false, reasons: ["InputOutput"] },
      mayFail: true,
      destructive: true,
      clients: [randomProgram(swarm(EAGER, entropy.stream("clients"), 0.1), 80)],
      crash: { ...CRASHES, statesMax: 0 },
      epilogue: (context) => readHonestly(context, kind),
    };
  },
};

const slowDisk: Story = {
  name: "stalls",
  summary: "the disk stalls for seconds at a time; timers fire meanwhile and nothing is lost",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const faults = new FaultPlan(random.u32(), [
      { kind: "delay", probability: 0.05, delayMs: random.pick([200, 3000]) },
    ]);
    return {
      ...base,
      disk: { ...base.disk, faults },
      tolerance: STRICT,
      clients: [1, 2].map(() => randomProgram(swarm(GENERAL, entropy.stream("clients")), 30)),
      crash: CRASHES,
    };
  },
};

export const faultStories: ReadonlyArray<Story> = [
  transientErrors,
  failingDisk,
  frozenReaders,
  refusedData,
  bitRot,
  misreads,
  manyMisreads,
  lyingWrites,
  slowDisk,
];
