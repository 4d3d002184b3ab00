/**
 * Stories of data that nobody syncs: it becomes durable on its own, however busy everybody is.
 */
import * as Effect from "effect/Effect";
import { fixedTiming, instantTiming } from "../devices/sim/timing.ts";
import type { Client, Program } from "../harness/scenario.ts";
import { type Operation, perform, performer } from "../harness/workload/operation.ts";
import { CRASHES, pool, STRICT, type Story } from "./pools.ts";

/** What writing back and committing may take beside the two intervals, on disks that take 3 ms at most for anything. */
const WORK_MS = 400;
const PATIENT_ROUNDS = 2;
const FILES = 6;

/** Writes on and on until `until`, to few files, some of which are replaced by name; never syncs. */
function busyWriter(until: { done: boolean }): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note, name } = client;
      const by = performer(filesystem, note);
      const run = (operation: Operation): Effect.Effect<object> => perform(operation, by);
      const place = `/${name.replaceAll(" ", "-")}`;
      yield* run({ kind: "mkdir", path: place });
      for (let count = 0; !until.done; count++) {
        const path = `${place}/${random.below(FILES)}`;
        yield* run({ kind: "create", path });
        const lengthBytes = random.pick([20, 3000, 9000, 60_000]);
        const pattern = { tag: count, lengthBytes, texture: random.pick(["noise", "text"] as const) };
        const offset = random.below(4) * 20_000;
        yield* run({ kind: "write", target: path, offsetBytes: offset, pattern });
        if (random.chance(0.1)) yield* run({ kind: "rename", from: path, to: `${place}/0`, mode: "replace" });
        if (random.chance(0.1)) yield* run({ kind: "unlink", path });
        yield* run({ kind: "sleep", milliseconds: random.between(4, 40) });
      }
    });
}

/** Waits, again and again, for as long as it takes until all is durable on its own. */
function patientOne(until: { done: boolean }): Program {
  return ({ random, filesystem, note }: Client) =>
    Effect.gen(function* () {
      const by = performer(filesystem, note);
      for (let round = 0; round < PATIENT_ROUNDS; round++) {
        yield* perform({ kind: "sleep", milliseconds: random.between(1, 300) }, by);
        yield* perform({ kind: "syncfs" }, by);
      }
      until.done = true;
    });
}

const unsyncedData: Story = {
  name: "unsynced-data",
  summary: "clients write all the time and nobody syncs: what is old enough is durable all the same",
  plan: (entropy, medium) => {
    const random = entropy.stream("unsynced data");
    const writebackIntervalMs = random.pick([100, 300]);
    const commitIntervalMs = random.pick([40, 150]);
    const base = pool(entropy, medium, FILES);
    const until = { done: false };
    return {
      ...base,
      disk: {
        timing: random.pick([instantTiming, fixedTiming({ read: 0.1, write: 0.2, append: 0.2, flush: 3 }, 0.05)]),
      },
      // Little enough that writers wait for writeback at times, so that both ways to it are taken.
      open: {
        ...base.open,
        writebackIntervalMs,
        commitIntervalMs,
        dirtyBytesMax: random.pick([256 * 1024, 4 * 1024 * 1024]),
      },
      tolerance: STRICT,
      durableWithinMs: writebackIntervalMs + commitIntervalMs + WORK_MS,
      clients: [patientOne(until), busyWriter(until), busyWriter(until)],
      crash: { ...CRASHES, statesMax: 6, pointShare: 0.1, syncStatesMax: 6 },
    };
  },
};

export const steadyStories: ReadonlyArray<Story> = [unsyncedData];
