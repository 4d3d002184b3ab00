/**
 * Stories of a zoned disk that gives zones up: read-only, offline, not to be emptied, not to be finished.
 *
 * A few zones that turn read-only, and commands that fail now and then, must not show at all: what is in those zones is
 * moved, and what was synced is there. With more of them the pool may give up, and is still right. What stood in a zone
 * that is offline is lost: reading it gives an error, a check names it, and everything else is there.
 */
import * as Effect from "effect/Effect";
import { type Fault, FaultPlan } from "../devices/sim/faults.ts";
import { fixedTiming } from "../devices/sim/timing.ts";
import type { Entropy, Prng } from "../harness/entropy.ts";
import { CrashCheck } from "../harness/oracle/crash-check.ts";
import { collectTree } from "../harness/oracle/found-tree.ts";
import type { Epilogue, Program, Scenario, ScenarioPlan } from "../harness/scenario.ts";
import { GENERAL, type Profile, profile, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { CRASHES, MAY_BE_FULL, pool, STRICT } from "./pools.ts";
import { brim } from "./trees.ts";

const ZONE_BYTES = 256 * 1024;
/** Behind the superblock, and behind the journal. */
const SUPERBLOCK_END = 2 * ZONE_BYTES;
const JOURNAL_END = 8 * ZONE_BYTES;

/** Fills zones and empties them again, so that each is opened, finished and reset within a run. */
const CHURN: Profile = profile({
  weights: { ...GENERAL.weights, write: 30, unlink: 8, truncate: 6, fsync: 12, syncfs: 4, sleep: 8, read: 10 },
  fileBytesMax: 300_000,
});

const places = (random: Prng, fromBytes: number): NonNullable<Fault["where"]> => ({
  fromBytes: random.chance(0.6) ? JOURNAL_END : fromBytes,
  toBytes: Number.MAX_SAFE_INTEGER,
});

/** The device's operation of that number turns the zone that it touches into one that is lost. */
function loss(random: Prng, kind: "zone-read-only" | "zone-offline", fromBytes: number): Fault {
  const fromIndex = random.between(20, 500);
  // Operations that touch no such zone pass by; the first one that does is struck, and a few more at most.
  return { kind, probability: 0.5, where: places(random, fromBytes), when: { fromIndex, toIndex: fromIndex + 2 } };
}

/** Commands and writes that fail for once. */
function hiccups(random: Prng, probabilities = [0.01, 0.05]): ReadonlyArray<Fault> {
  const probability = random.pick(probabilities);
  return (["reset-error", "finish-error", "open-error", "cut-write"] as const)
    .filter(() => random.chance(0.6))
    .map((kind): Fault => ({ kind, probability }));
}

function clientsOf(entropy: Entropy, random: Prng): ReadonlyArray<Program> {
  const clients = entropy.stream("clients");
  const program = (): Program => randomProgram(swarm(CHURN, clients, 0.1), 60);
  return random.chance(0.5) ? [program()] : [program(), program()];
}

function plan(entropy: Entropy, faults: (random: Prng) => ReadonlyArray<Fault>): ScenarioPlan {
  const random = entropy.stream("faults");
  const base = pool(entropy, "zoned");
  const chosen = new FaultPlan(random.u32(), faults(random));
  return {
    ...base,
    disk: { ...base.disk, faults: chosen },
    tolerance: STRICT,
    clients: clientsOf(entropy, random),
    crash: { ...CRASHES, statesMax: 12 },
  };
}

const FAILED = { noSpace: true, reasons: ["InputOutput"] } as const;

/** One of the two superblock zones is lost: the pool goes on with the other, however often it is opened and closed. */
function loseSuperblock({ disk, model, random, open, fail }: Epilogue): Effect.Effect<void, unknown> {
  if (disk.geometry.zones!.conventionalCount > 0) return Effect.void;
  return Effect.gen(function* () {
    disk.failZone(random.below(2), random.pick(["read-only", "offline"]));
    for (let round = 1; round <= 3; round++) {
      const tree = yield* Effect.scoped(
        Effect.gen(function* () {
          const opened = yield* open({ readOnly: random.chance(0.2) });
          const found = yield* collectTree(opened.filesystem);
          yield* opened.close;
          return found;
        }),
      );
      const { problems } = new CrashCheck(model).judge(model.history.mark(), tree);
      if (problems.length > 0) return yield* fail(`opening ${round}, a superblock lost: ${problems.join("\n")}`);
    }
  });
}

const tiringZones: Scenario = {
  name: "zoned/tiring-zones",
  summary: "a few zones turn read-only, zone commands fail now and then and writes are cut short; nobody notices",
  plan: (entropy) => ({
    ...plan(entropy, (random) => [
      ...hiccups(random),
      ...Array.from({ length: random.below(3) }, () => loss(random, "zone-read-only", SUPERBLOCK_END)),
    ]),
    tolerance: MAY_BE_FULL,
    epilogue: loseSuperblock,
  }),
};

/** What many zones of a disk may come to, for good. */
function forGood(random: Prng): ReadonlyArray<Fault> {
  const where = places(random, 0);
  switch (random.below(4)) {
    case 0:
      return [{ kind: "zone-read-only", probability: random.pick([0.002, 0.01, 0.03]), where }];
    case 1:
      return [{ kind: "reset-error", permanent: true, probability: random.pick([0.1, 0.5]) }];
    case 2:
      return [
        { kind: "finish-error", permanent: true, probability: random.pick([0.05, 0.3]) },
        { kind: "open-error", permanent: true, probability: random.pick([0.02, 0.2]), where },
      ];
    default:
      return [{ kind: "cut-write", permanent: true, probability: random.pick([0.01, 0.1]), where }];
  }
}

const failingZones: Scenario = {
  name: "zoned/failing-zones",
  summary: "many zones turn read-only or cannot be emptied; the pool goes on or gives up, and what was synced is there",
  plan: (entropy) => ({
    ...plan(entropy, (random) => [...forGood(random), ...(random.chance(0.5) ? hiccups(random, [0.05, 0.7]) : [])]),
    tolerance: FAILED,
    mayFail: true,
  }),
};

const lostZones: Scenario = {
  name: "zoned/lost-zones",
  summary: "zones go offline; what was synced elsewhere is there, what is lost gives an error and is named by a check",
  plan: (entropy) => {
    const base = plan(entropy, (random) =>
      Array.from({ length: random.between(1, 4) }, () => loss(random, "zone-offline", 0)),
    );
    return {
      ...base,
      open: { ...base.open, readCacheBytes: 0 },
      tolerance: FAILED,
      mayFail: true,
      crash: { ...base.crash, zoneLossShare: 0.6 },
    };
  },
};

const cutJournal: Scenario = {
  name: "zoned/cut-journal",
  summary:
    "writes of the journal are cut short so often that it takes bucket after bucket, and has none for a recovery",
  plan: (entropy) => {
    const random = entropy.stream("cut journal");
    const base = pool(entropy, "zoned", 300);
    const where = { fromBytes: SUPERBLOCK_END, toBytes: JOURNAL_END };
    const cut: Fault = { kind: "cut-write", probability: random.pick([0.2, 0.4]), where };
    return {
      ...base,
      disk: {
        timing: fixedTiming({ read: 0.1, write: random.pick([0.5, 4]), append: 2, flush: 0.5 }, 0.05),
        faults: new FaultPlan(random.u32(), [cut]),
      },
      open: {
        ...base.open,
        nodeCacheBytes: 64 * 1024 * 1024,
        commitIntervalMs: random.pick([0, 10]),
        treeLimits: { fanMax: random.pick([5, 8]), leafRowsMax: 4, batchNodesMax: random.pick([3, 64]) },
      },
      format: { ...base.format, journalBuckets: JOURNAL_END / ZONE_BYTES - 2 },
      tolerance: FAILED,
      mayFail: true,
      clients: [brim(random.between(140, 280), random.between(20, 40))],
      crash: { ...CRASHES, statesMax: 16 },
    };
  },
};

export const zoneScenarios: ReadonlyArray<Scenario> = [tiringZones, failingZones, lostZones, cutJournal];
