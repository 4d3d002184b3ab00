/**
 * Stories of a device that is not itself for a while: it gives what it held long ago, or is gone and comes back.
 *
 * These faults go on while pools are recovered and opened again, which is when a wrong read costs most: superblock and
 * journal stand where nothing above them says what must be there.
 */
import { FaultPlan } from "../devices/sim/faults.ts";
import { faultsWithoutLimit, passingFaults, survivableFaults } from "../harness/fault-atlas.ts";
import type { Program } from "../harness/scenario.ts";
import { GENERAL, type Profile, profile, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { readHonestly } from "./faults.ts";
import { CRASHES, pool, STRICT, type Story } from "./pools.ts";

/** Reads that are struck again at once would be errors: a place is spared for as often as it may be read again. */
const RESPITE = 8;

/** Fills buckets that are soon free again, in tree, data and journal. */
const RESTLESS: Profile = profile({
  weights: { ...GENERAL.weights, read: 25, write: 30, unlink: 8, setxattr: 12, fsync: 14, syncfs: 4, sleep: 4 },
  fileBytesMax: 150_000,
  xattrBytesMax: 12_000,
});

const staleReads: Story = {
  name: "stale-reads",
  summary: "reads give what stood there before, or what stands elsewhere, also while a pool is opened",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const probability = random.pick([0.01, 0.05, 0.2]);
    const faults = new FaultPlan(random.u32(), [
      { kind: "stale-read", probability, respite: RESPITE },
      { kind: "misdirected-read", probability: random.pick([0, 0.02]), respite: RESPITE },
      { kind: "read-rot", probability: random.pick([0, 0.02]), respite: RESPITE },
    ]);
    const clients = entropy.stream("clients");
    return {
      ...base,
      disk: { ...base.disk, faults },
      format: { ...base.format, journalBuckets: 8 },
      open: { ...base.open, readCacheBytes: 0, nodeCacheBytes: 128 * 1024 },
      tolerance: STRICT,
      clients: Array.from({ length: random.between(1, 2) }, () => randomProgram(swarm(RESTLESS, clients, 0.1), 60)),
      crash: { ...CRASHES, statesMax: 10, livesShare: 0.5, faults },
    };
  },
};

/** Makes much volatile, waits for some of it to be durable, and reads, which is all that may meet the absence. */
const HASTY: Profile = profile({
  weights: { ...GENERAL.weights, read: 30, write: 25, fsync: 12, syncfs: 3, sleep: 4 },
  fileBytesMax: 200_000,
});

/** Changes things and looks at what time that was. */
const WATCHFUL: Profile = profile({
  weights: { ...GENERAL.weights, getattr: 30, setattr: 6, sleep: 15, write: 25 },
  sleepMsMax: 800,
});

const deviceGone: Story = {
  name: "device-gone",
  summary: "the disk is gone, for a moment or for good, and has lost what was not flushed when it is back",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const clients = entropy.stream("clients");
    const program = (): Program => randomProgram(swarm(HASTY, clients, 0.1), 50);
    const from = random.between(10, 300);
    const away = random.pick([
      { delayMs: 0 },
      { delayMs: 0 },
      { delayMs: 2 },
      { delayMs: 500 },
      { delayMs: 20_000 },
      {},
    ]);
    const once = { kind: "gone", ...away, when: { fromIndex: from, toIndex: from + 1 } } as const;
    // Whoever only reads may take it for an error of that read.
    const toReaders = { kind: "gone", delayMs: 0, on: ["read"], probability: 0.2 } as const;
    const recovering = random.between(5, 120);
    return {
      ...base,
      disk: { ...base.disk, faults: new FaultPlan(random.u32(), [random.chance(0.6) ? toReaders : once]) },
      open: { ...base.open, readCacheBytes: 0, dirtyBytesMax: 64 * 1024, writebackIntervalMs: 200 },
      tolerance: { noSpace: false, reasons: ["InputOutput"] },
      mayFail: true,
      clients: Array.from({ length: random.between(1, 3) }, program),
      crash: {
        ...CRASHES,
        statesMax: 5,
        faults: new FaultPlan(random.u32(), [{ ...once, when: { fromIndex: recovering, toIndex: recovering + 1 } }]),
      },
    };
  },
};

const clockJumps: Story = {
  name: "clock-jumps",
  summary: "the clock is set forward and back, by years, while timers run on; files' times are what it said",
  plan: (entropy, medium) => {
    const base = pool(entropy, medium);
    const clients = entropy.stream("clients");
    const program = (): Program => randomProgram(swarm(WATCHFUL, clients, 0.1), 50);
    return {
      ...base,
      open: { ...base.open, commitIntervalMs: 50, writebackIntervalMs: 200 },
      tolerance: STRICT,
      clockJumps: true,
      clients: [program(), program()],
      crash: { ...CRASHES, statesMax: 6 },
    };
  },
};

const anyFaults: Story = {
  name: "any-faults",
  summary: "faults of all kinds, mixed, that a pool goes through without an error",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const clients = entropy.stream("clients");
    return {
      ...base,
      disk: { ...base.disk, faults: new FaultPlan(random.u32(), survivableFaults(random, base.geometry)) },
      open: { ...base.open, readCacheBytes: random.pick([0, 256 * 1024]) },
      tolerance: STRICT,
      clients: Array.from({ length: random.between(1, 2) }, () => randomProgram(swarm(RESTLESS, clients, 0.2), 40)),
      crash: {
        ...CRASHES,
        statesMax: 6,
        faults: new FaultPlan(random.u32(), passingFaults(random, base.geometry)),
      },
    };
  },
};

const faultsBeyond: Story = {
  name: "faults-without-limit",
  summary: "faults of all kinds, mixed, that may destroy anything; every read gives the right bytes or an error",
  plan: (entropy, medium) => {
    const random = entropy.stream("faults");
    const base = pool(entropy, medium);
    const faults = faultsWithoutLimit(random, base.geometry);
    const clients = entropy.stream("clients");
    return {
      ...base,
      disk: { ...base.disk, faults: new FaultPlan(random.u32(), faults) },
      open: { ...base.open, readCacheBytes: 0, nodeCacheBytes: random.pick([128 * 1024, 8 * 1024 * 1024]) },
      tolerance: { noSpace: true, reasons: ["InputOutput"] },
      mayFail: true,
      destructive: true,
      clients: Array.from({ length: random.between(1, 2) }, () => randomProgram(swarm(RESTLESS, clients, 0.2), 60)),
      crash: { ...CRASHES, statesMax: 0 },
      epilogue: (context) => readHonestly(context, [...new Set(faults.map(({ kind }) => kind))].join(", ")),
    };
  },
};

export const deviceStories: ReadonlyArray<Story> = [staleReads, deviceGone, clockJumps, anyFaults, faultsBeyond];
