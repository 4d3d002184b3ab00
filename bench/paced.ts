/**
 * Simulated seconds a second: how fast time passes in a world whose clients take their time.
 *
 * One client on a simulated disk whose operations take from 0.1 to 10 ms does something every second or so, and syncs
 * once a minute, for two simulated hours; commits, writeback and collection run by their own timers meanwhile. No crash
 * states are taken: this is what a long watch costs beside the states.
 */
import * as Effect from "effect/Effect";
import { SimDisk, spreadTiming } from "../devices/sim/index.ts";
import { Prng } from "../harness/entropy.ts";
import { runIn } from "../harness/recovery-check.ts";
import { World } from "../harness/world.ts";
import { usePool } from "./memory-pool.ts";
import { Mix } from "./mix.ts";
import { now, rate, type Workload } from "./workload.ts";

const CAPACITY_BYTES = 64 * 1024 * 1024;
const SIMULATED_SECONDS = 7200;
const SYNC_EVERY = 60;
const PAUSE_MS_MAX = 2000;
/** A world ends what runs for ever; this one is to run long. */
const ENDLESS = { stepsMax: Number.POSITIVE_INFINITY, virtualMsMax: Number.POSITIVE_INFINITY };

export const paced: Workload = {
  name: "paced",
  summary: "simulated seconds a second of one client that does something once a second",
  run: ({ scale, progress }) => {
    const seconds = Math.max(600, Math.floor(SIMULATED_SECONDS * scale));
    const world = new World({ seed: 1, preemptShare: 0.01, ...ENDLESS });
    const random = new Prng(1);
    const disk = SimDisk.make({
      name: "disk0",
      geometry: {
        capacityBytes: CAPACITY_BYTES,
        blockBytes: 4096,
        atomicWriteBytes: 4096,
        rotational: false,
        zones: undefined,
      },
      seed: 1,
      timing: spreadTiming(1, 0.1, 10),
    });
    let operations = 0;
    const started = now();
    const before = world.nowMs;
    const clients = usePool(disk, (pool) =>
      Effect.gen(function* () {
        const mix = yield* Mix.begin(pool.filesystem);
        while (world.nowMs - before < seconds * 1000) {
          yield* Effect.sleep(random.below(PAUSE_MS_MAX));
          yield* mix.step();
          if (++operations % SYNC_EVERY === 0) yield* pool.filesystem.syncfs;
        }
        yield* pool.close;
      }),
    );
    const { problem } = runIn(world, Effect.scoped(clients));
    if (problem !== undefined) return Promise.reject(new Error(problem));
    const simulated = (world.nowMs - before) / 1000;
    const value = rate(simulated, now() - started);
    progress(`paced: ${value} simulated seconds a second`);
    return Promise.resolve([
      { name: "simulated time", value: Math.round(simulated), unit: "s" },
      { name: "operations", value: operations, unit: "" },
      { name: "device writes", value: disk.statistics.writes, unit: "" },
      { name: "rate", value, unit: "simulated s/s" },
    ]);
  },
};
