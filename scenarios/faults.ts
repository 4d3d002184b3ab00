/**
 * Stories of a disk that fails: for a moment, or by letting bits turn.
 *
 * Transient errors must not show at all: operations succeed, since every layer retries. Rot must not show as wrong
 * bytes: after a clean close bits turn all over the disk, and whatever is read then is right or `InputOutput`.
 */
import * as Effect from "effect/Effect";
import { FaultPlan } from "../devices/sim/faults.ts";
import type { Entropy } from "../harness/entropy.ts";
import { CrashCheck } from "../harness/oracle/crash-check.ts";
import { collectTree } from "../harness/oracle/found-tree.ts";
import type { Epilogue, ScenarioPlan } from "../harness/scenario.ts";
import { GENERAL, profile, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
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

/** What an opening of a damaged pool may say instead of opening it. */
const HONEST_REFUSALS = new Set([
  "NotAPool",
  "PoolDamaged",
  "UnsupportedVersion",
  "WrongMembers",
  "DeviceFailed",
  "PoolFailed",
  "FsError",
]);

/** Turns bits all over the disk, then reads all that can be read. */
function rotAndRead({ disk, model, random, open, fail }: Epilogue): Effect.Effect<void, unknown> {
  const { capacityBytes } = disk.geometry;
  const heavy = random.chance(0.3);
  // The first buckets hold the superblock and the journal: with those gone little else would be seen.
  const from = random.chance(0.7) ? Math.floor(capacityBytes / 8) : 0;
  const turned = heavy ? random.between(200, 3000) : random.between(1, 60);
  for (let count = 0; count < turned; count++) disk.rot(from + random.below(capacityBytes - from), random.below(8));
  return Effect.gen(function* () {
    const read = Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* open({ readOnly: random.chance(0.5) });
        return yield* collectTree(opened.filesystem, true);
      }),
    );
    const result = yield* Effect.result(read);
    if (result._tag === "Failure") {
      const tag = (result.failure as { readonly _tag?: string })._tag ?? "?";
      if (!HONEST_REFUSALS.has(tag)) return yield* fail(`opening a pool with rot fails with ${tag}`);
      return;
    }
    const { problems } = new CrashCheck(model).judge(model.history.mark(), result.success);
    if (problems.length > 0) return yield* fail(`with ${turned} turned bits: ${problems.join("\n")}`);
  });
}

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

export const faultStories: ReadonlyArray<Story> = [transientErrors, bitRot, slowDisk];
