/**
 * Stories of space: a disk that fills up, a disk that is nearly full all the time, a journal that goes round.
 */
import * as Effect from "effect/Effect";
import type { Entropy, Prng } from "../harness/entropy.ts";
import type { Client, Program, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, perform, performer } from "../harness/workload/operation.ts";
import { profile, swarm } from "../harness/workload/profile.ts";
import { inSequence, randomProgram } from "../harness/workload/program.ts";
import {
  conventional,
  CRASHES,
  MAY_BE_FULL,
  type Medium,
  pool,
  randomStory,
  STRICT,
  type Story,
  zoned,
} from "./pools.ts";

const MEBIBYTE = 1024 * 1024;
const FILL_WRITES_MAX = 400;
/** What may be missing of the space that was there at first, once all is deleted: metadata that stays. */
const LOST_SHARE_MAX = 0.1;
const SETTLE_MS = 20_000;

const SMALL = { conventional: 6 * MEBIBYTE, zones: 32 };

function smallDisk(entropy: Entropy, medium: Medium): Pick<ScenarioPlan, "geometry" | "disk" | "format" | "open"> {
  const random = entropy.stream("small disk");
  const geometry = medium === "zoned" ? zoned(random, SMALL.zones) : conventional(random, SMALL.conventional);
  return { ...pool(entropy, medium, FILL_WRITES_MAX), geometry };
}

export const isFull = (outcome: object): boolean => "reason" in outcome && outcome.reason === "NoSpace";

class SpaceLost {
  readonly _tag = "SpaceLost";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Writes file after file until there is no space, then deletes and truncates them all; the space must come back. */
function fillAndDelete(rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      const run = (operation: Operation): Effect.Effect<object> => perform(operation, by);
      yield* run({ kind: "syncfs" });
      const { availableBytes: before } = yield* filesystem.statfs;
      for (let round = 0; round < rounds; round++) {
        const paths = yield* fill(random, run, round);
        for (const path of paths) {
          const removed = yield* run(
            random.chance(0.2) ? { kind: "truncate", target: path, sizeBytes: 0 } : { kind: "unlink", path },
          );
          if (isFull(removed)) return yield* Effect.fail(new SpaceLost(`no space to remove ${path}`));
          if (random.chance(0.1)) yield* run({ kind: "syncfs" });
        }
        for (const path of paths) yield* run({ kind: "unlink", path });
        yield* run({ kind: "syncfs" });
        // What was freed may be handed back by work in the background, which gets its time.
        yield* run({ kind: "sleep", milliseconds: SETTLE_MS });
        yield* run({ kind: "syncfs" });
        const { availableBytes: after } = yield* filesystem.statfs;
        if (after < before * (1 - LOST_SHARE_MAX)) {
          return yield* Effect.fail(new SpaceLost(`${after} bytes available after all was deleted, ${before} before`));
        }
      }
    });
}

function fill(
  random: Prng,
  run: (operation: Operation) => Effect.Effect<object>,
  round: number,
): Effect.Effect<ReadonlyArray<string>> {
  return Effect.gen(function* () {
    const paths: Array<string> = [];
    let refused = 0;
    for (let count = 0; count < FILL_WRITES_MAX && refused < 4; count++) {
      const path = `/file-${round}-${count}`;
      const made = yield* run({ kind: "create", path });
      if (!isFull(made)) paths.push(path);
      const lengthBytes = random.pick([3000, 40_000, 150_000, 290_000]);
      const pattern = {
        tag: round * FILL_WRITES_MAX + count,
        lengthBytes,
        texture: random.pick(["noise", "noise", "text"] as const),
      };
      const written = isFull(made) ? made : yield* run({ kind: "append", target: path, pattern });
      if (isFull(written)) refused++;
      if (random.chance(0.15)) yield* run({ kind: "fsync", target: path });
    }
    return paths;
  });
}

const fillToFull: Story = {
  name: "fill-to-full-and-delete",
  summary: "the disk is filled until nothing fits, then everything is deleted and the space comes back",
  plan: (entropy, medium) => ({
    ...smallDisk(entropy, medium),
    tolerance: MAY_BE_FULL,
    clients: [fillAndDelete(2)],
    crash: { ...CRASHES, statesMax: 12, pointShare: 0.3 },
  }),
};

/** The path of each file by which a disk is filled. */
export const fillPath = (count: number): string => `/${"abcdefgh"[count % 8]}${count}`;

/** Fills about `share` of what is available with files of 64 to 128 KiB. */
export function fillShare(share: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem, client.note);
      const { availableBytes } = yield* client.filesystem.statfs;
      let left = availableBytes * share;
      for (let count = 0; left > 0; count++) {
        const lengthBytes = client.random.between(64 * 1024, 128 * 1024);
        const path = fillPath(count);
        yield* perform({ kind: "create", path }, by);
        const pattern = { tag: 5_000_000 + count, lengthBytes, texture: "noise" as const };
        if (isFull(yield* perform({ kind: "append", target: path, pattern }, by))) return;
        left -= lengthBytes;
      }
      yield* perform({ kind: "syncfs" }, by);
    });
}

const collection: Story = {
  name: "collection-under-load",
  summary: "a disk that is nearly full is overwritten in pieces, so that buckets must be collected all the time",
  plan: (entropy, medium) => {
    const random = entropy.stream("load");
    const overwrites = profile({
      weights: { write: 40, read: 6, fsync: 6, create: 2, unlink: 2, truncate: 2, sleep: 2, fallocate: 2, syncfs: 1 },
      fileNames: ["x", "y"],
      farShare: 0,
      fileBytesMax: 128 * 1024,
      writeLengths: { tiny: 1, small: 2, blocks: 6, large: 2 },
      existingShare: 0.98,
    });
    return {
      ...smallDisk(entropy, medium),
      tolerance: MAY_BE_FULL,
      clients: [inSequence(fillShare(0.55 + random.float() * 0.35), randomProgram(overwrites, 150))],
      crash: { ...CRASHES, statesMax: 16, pointShare: 0.3 },
    };
  },
};

const journalWrap: Story = {
  name: "journal-wrap",
  summary: "so many small changes that the journal goes round and its tail must be written to nodes",
  plan: (entropy, medium) => {
    const names = profile({
      weights: {
        create: 30,
        mkdir: 3,
        setxattr: 90,
        unlink: 16,
        rename: 12,
        write: 16,
        fsync: 10,
        setattr: 8,
        removexattr: 3,
        sleep: 2,
      },
      fileNames: Array.from({ length: 40 }, (_, index) => `n${index}`),
      farShare: 0,
      writeLengths: { tiny: 2, small: 2, blocks: 0, large: 0 },
      fileBytesMax: 8000,
      xattrBytesMax: 40_000,
    });
    const base = pool(entropy, medium, names.fileNames.length);
    return {
      ...base,
      format: { ...base.format, journalBuckets: 6 },
      tolerance: STRICT,
      clients: [randomProgram(names, 250)],
      crash: { ...CRASHES, statesMax: 20, recoveryShare: 0.4 },
    };
  },
};

const smallMemory: Story = randomStory(
  "small-memory",
  "caches that hold next to nothing, and nodes that split all the time",
  () => {
    const names = Array.from({ length: 60 }, (_, index) => `m${index}`);
    const lively = profile({ fileNames: names, farShare: 0, existingShare: 0.7 });
    return [{ profile: lively, operations: 140 }];
  },
  {
    open: {
      nodeCacheBytes: 256 * 1024,
      readCacheBytes: 0,
      dirtyBytesMax: 64 * 1024,
      commitIntervalMs: 100,
      writebackIntervalMs: 100,
      treeLimits: { fanMax: 4, leafRowsMax: 8 },
    },
    crash: { ...CRASHES, statesMax: 20 },
  },
);

/** Takes memory away from the pool and gives it back, while others work. */
function squeezer(rounds: number): Program {
  return ({ random, pool }) =>
    Effect.gen(function* () {
      for (let round = 0; round < rounds; round++) {
        yield* Effect.sleep(random.between(1, 400));
        pool.limitMemory({
          nodeCacheBytes: random.pick([0, 256 * 1024, 8 * MEBIBYTE]),
          readCacheBytes: random.pick([0, 64 * 1024, MEBIBYTE]),
          dirtyBytesMax: random.pick([1, 64 * 1024, 2 * MEBIBYTE]),
        });
      }
    });
}

const memoryPressure: Story = {
  name: "memory-pressure",
  summary: "caches and the room for dirty data shrink and grow while clients work",
  plan: (entropy, medium) => {
    const random = entropy.stream("clients");
    const lively = profile({ farShare: 0, fileBytesMax: 200_000 });
    const clients = [1, 2].map(() => randomProgram(swarm(lively, random), 40));
    const base = pool(entropy, medium, 40);
    return {
      ...base,
      open: { ...base.open, treeLimits: { fanMax: 4, leafRowsMax: 8 } },
      tolerance: STRICT,
      clients: [squeezer(30), ...clients],
      crash: { ...CRASHES, statesMax: 12 },
    };
  },
};

export const spaceStories: ReadonlyArray<Story> = [fillToFull, collection, journalWrap, smallMemory, memoryPressure];
