/**
 * Stories of processes that die while the machine goes on: whoever takes over has everything that was acknowledged.
 */
import type { Entropy } from "../harness/entropy.ts";
import type { Mortality } from "../harness/mortal-pool.ts";
import { GENERAL, profile, swarm } from "../harness/workload/profile.ts";
import { OPEN_UNLINKED } from "./general.ts";
import { CRASHES, type Medium, randomStory, type Story } from "./pools.ts";

const KIBIBYTE = 1024;

/**
 * Small segments and little memory, so that the log turns over while something is dirty. No write is larger than a segment,
 * as none is on a mount: after a larger one nothing is kept.
 */
function mortality(entropy: Entropy): Mortality {
  const random = entropy.stream("mortality");
  const segmentBytes = random.pick([320, 352, 512]) * KIBIBYTE;
  return {
    deathsMax: random.between(1, 5),
    callsMax: random.pick([6, 20, 40]),
    segmentBytes,
    bytesMax: random.pick([1, 2, 4, 16]) * segmentBytes,
    statesMax: 12,
  };
}

const mortal = (story: Story): Story => ({
  ...story,
  plan: (entropy: Entropy, medium: Medium) => ({ ...story.plan(entropy, medium), mortality: mortality(entropy) }),
});

const FEWER_CRASHES = { crash: { ...CRASHES, statesMax: 12 } };

/** Whoever takes over leaves alone what may be open, with a name or without one. Most of it is not synced. */
const OPEN = profile({ weights: { ...OPEN_UNLINKED, fsync: 2, syncfs: 0 }, handlesMax: 5 });

export const processStories: ReadonlyArray<Story> = [
  mortal(
    randomStory(
      "process-crash",
      "processes die and others take over, while one client or several do everything there is",
      (random) =>
        Array.from({ length: random.pick([1, 1, 2, 3]) }, () => ({ profile: swarm(GENERAL, random), operations: 40 })),
      FEWER_CRASHES,
    ),
  ),
  mortal(
    randomStory(
      "process-crash-data",
      "files are written over and over, cut and punched, and synced now and then, while processes die",
      (random) => {
        const weights = {
          create: 3,
          write: 30,
          append: 10,
          truncate: 8,
          fallocate: 8,
          fsync: 2,
          syncfs: 1,
          sleep: 3,
          read: 4,
          open: 3,
          release: 2,
          unlink: 2,
          setattr: 3,
          compress: 3,
        };
        const data = profile({ weights, fileNames: ["x", "y", "z"], handlesMax: 3 });
        return Array.from({ length: random.pick([1, 2]) }, () => ({ profile: data, operations: 60 }));
      },
      FEWER_CRASHES,
    ),
  ),
  mortal(
    randomStory(
      "process-crash-open",
      "files that are open lose their names and are still used, while processes die",
      (random) => Array.from({ length: random.pick([1, 1, 2]) }, () => ({ profile: OPEN, operations: 50 })),
      FEWER_CRASHES,
    ),
  ),
];
