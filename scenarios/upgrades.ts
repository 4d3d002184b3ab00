/**
 * Stories of a pool that a program of an earlier version of the format made and used: opened for writing it becomes one
 * of this version, under faults and crashes, again and again.
 *
 * Whatever the crash, all that was there is found; and the program that made the pool, should somebody go back to it,
 * finds all of it too or hears that it is of a later version.
 */
import { FaultPlan } from "../devices/sim/faults.ts";
import { passingFaults } from "../harness/fault-atlas.ts";
import { GENERAL, profile, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { pool, STRICT, type Story } from "./pools.ts";

/** Files have no compression of their own there. */
const EARLIER = profile({ weights: { ...GENERAL.weights, compress: 0 }, fileBytesMax: 150_000 });

/** The opening is what matters: behind it come few operations, so that many of the states are taken in it. */
const LATER = profile({ weights: { ...GENERAL.weights, compress: 6, fsync: 12 }, fileBytesMax: 100_000 });

const LONG_RING = 50;

const earlierVersion: Story = {
  name: "earlier-version",
  summary:
    "a pool of an earlier version is opened for writing and crashed before, while and after it becomes one of this",
  plan: (entropy, medium) => {
    const random = entropy.stream("upgrade");
    const base = pool(entropy, medium);
    const faulty = random.chance(0.4);
    const faults = (): FaultPlan => new FaultPlan(random.u32(), passingFaults(random, base.geometry));
    return {
      ...base,
      disk: { ...base.disk, ...(faulty ? { faults: faults() } : {}) },
      // A long superblock is more than a sector, and can be torn.
      format: {
        ...base.format,
        ...(medium === "conventional" && random.chance(0.5) ? { journalBuckets: LONG_RING } : {}),
      },
      tolerance: STRICT,
      earlier: {
        profile: swarm(EARLIER, entropy.stream("earlier"), 0.1),
        operations: random.between(5, 40),
        closes: random.chance(0.5),
      },
      clients: [randomProgram(LATER, random.between(3, 12))],
      crash: {
        ...{ statesMax: 40, pointShare: 1, recoveryShare: 0.4, livesShare: 0.15 },
        ...(faulty ? { faults: faults() } : {}),
      },
    };
  },
};

export const upgradeStories: ReadonlyArray<Story> = [earlierVersion];
