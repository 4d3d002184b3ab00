/**
 * Stories of pools that crash with many journal entries unflushed, and then again and again: what one life left of its
 * journal behind a gap meets the entries of the next.
 */
import type { Entropy } from "../harness/entropy.ts";
import type { ScenarioPlan } from "../harness/scenario.ts";
import { profile } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { CRASHES, type Medium, pool, STRICT, type Story } from "./pools.ts";

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

export const lifeStories: ReadonlyArray<Story> = [manyLives];
