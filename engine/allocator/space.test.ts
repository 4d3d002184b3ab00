/**
 * Space: what must not go on while somebody compares rows, and what is not worth a copy.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { Supervisor } from "../actor.ts";
import { BucketClass, type Buckets } from "./buckets.ts";
import { Space } from "./space.ts";

const KIBIBYTE = 1024;

/** A space with one bucket that is worth copying, and what was done to it. */
function spaceWithVictim(): {
  readonly space: Space;
  readonly collected: Array<number>;
  readonly change: (commits: number) => void;
} {
  const collected: Array<number> = [];
  let commits = 0;
  const buckets = {
    freeCount: 0,
    emptiedCount: 0,
    bucketCount: 1,
    bucketUsableBytes: 4096,
    leaver: undefined,
    victim: (_gain: number, tried: ReadonlySet<number>) => (tried.size > 0 ? undefined : { device: 0, bucket: 7 }),
    key: ({ bucket }: { readonly bucket: number }) => bucket,
    classOf: () => 0,
  } as unknown as Buckets;
  const space = new Space({
    supervisor: { fork: (_name: string, work: Effect.Effect<void>) => Effect.runSync(work) } as unknown as Supervisor,
    buckets,
    settle: Effect.void,
    collect: ({ bucket }) =>
      Effect.sync(() => {
        collected.push(bucket);
        // What it moves is journalled too.
        commits += 100;
        return 100;
      }),
    emptySparse: Effect.void,
    writeNodes: Effect.void,
    copyBytes: () => () => 0,
    commits: () => commits,
    dirtyNodeBytes: () => 0,
    dirtyNodeBytesMost: () => 0,
    supersededNodeBytes: () => 0,
    nodesLeave: () => true,
  });
  const change = (count: number): void => {
    commits += count;
  };
  return { space, collected, change };
}

/** A space of nodes in buckets of 64 KiB, by what copying each takes, and those that were copied. */
function spaceOfNodes(copyBytes: ReadonlyArray<number>): { readonly space: Space; readonly copied: Array<number> } {
  const copied: Array<number> = [];
  const buckets = {
    ...{ freeCount: 3, emptiedCount: 0, bucketUsableBytes: 64 * KIBIBYTE },
    victim: (_gain: number, tried: ReadonlySet<number>) => {
      const bucket = copyBytes.findIndex((_, index) => !tried.has(index));
      return bucket < 0 ? undefined : { device: 0, bucket };
    },
    key: ({ bucket }: { readonly bucket: number }) => bucket,
    classOf: () => BucketClass.btree,
  };
  const space = new Space({
    supervisor: {} as unknown as Supervisor,
    buckets: buckets as unknown as Buckets,
    settle: Effect.void,
    collect: ({ bucket }) => {
      copied.push(bucket);
      return Effect.succeed(0);
    },
    emptySparse: Effect.void,
    writeNodes: Effect.void,
    copyBytes:
      () =>
      ({ bucket }) =>
        copyBytes[bucket]!,
    commits: () => 0,
    dirtyNodeBytes: () => 0,
    dirtyNodeBytesMost: () => 0,
    supersededNodeBytes: () => 0,
    nodesLeave: () => true,
  });
  return { space, copied };
}

describe("space", () => {
  it("copies no bucket of nodes that takes as much as it frees", () => {
    const { space, copied } = spaceOfNodes([80, 57, 56, 10].map((kibibytes) => kibibytes * KIBIBYTE));
    expect(Effect.runSync(space.relieve)).toBe(false);
    expect(copied).toEqual([2, 3]);
  });

  it("copies no bucket in the background again until others have changed something", () => {
    const { space, collected, change } = spaceWithVictim();
    for (let times = 0; times < 10; times++) space.poke();
    expect(collected).toEqual([7]);
    change(15);
    space.poke();
    expect(collected).toEqual([7]);
    change(1);
    for (let times = 0; times < 10; times++) space.poke();
    expect(collected).toEqual([7, 7]);
  });

  it("empties no bucket while something runs undisturbed, and goes on behind it", async () => {
    const { space, collected } = spaceWithVictim();
    const during = await Effect.runPromise(
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>();
        const work = yield* Effect.forkChild(space.undisturbed(Deferred.await(gate)), { startImmediately: true });
        const relief = yield* Effect.forkChild(space.relieve, { startImmediately: true });
        for (let turns = 0; turns < 20; turns++) yield* Effect.yieldNow;
        const seen = [...collected];
        yield* Deferred.succeed(gate, undefined);
        yield* Fiber.join(work);
        yield* Fiber.join(relief);
        return seen;
      }),
    );
    expect(during).toEqual([]);
    expect(collected).toEqual([7]);
  });
});

/** A space of 100 buckets of 64 KiB with so many free ones, of which so much is live, and nodes that wait to be written. */
function fullSpace(state: {
  commits?: number;
  freeCount: number;
  liveBytes: number;
  dirtyNodeBytes: number;
  supersededNodeBytes?: number;
  /** Buckets that nodes which wait to be written leave. */
  leftByNodes?: number;
}) {
  let written = 0;
  let rounds = 0;
  const bucketUsableBytes = 64 * KIBIBYTE;
  const capacityBytes = 100 * bucketUsableBytes;
  const buckets = {
    ...{ emptiedCount: 0, bucketCount: 100, bucketUsableBytes, capacityBytes, wasteBytes: 0 },
    get freeCount() {
      return state.freeCount;
    },
    get liveBytes() {
      return state.liveBytes;
    },
    victim: () => undefined,
  };
  const space = new Space({
    supervisor: {} as unknown as Supervisor,
    buckets: buckets as unknown as Buckets,
    settle: Effect.void,
    collect: () => Effect.succeed(0),
    emptySparse: Effect.sync(() => void rounds++),
    writeNodes: Effect.sync(() => {
      written++;
      // They take less than they were thought to.
      state.liveBytes += state.dirtyNodeBytes / 4 - (state.supersededNodeBytes ?? 0);
      state.dirtyNodeBytes = 0;
      delete state.leftByNodes;
    }),
    copyBytes: () => () => 0,
    commits: () => state.commits ?? 0,
    dirtyNodeBytes: () => state.dirtyNodeBytes,
    dirtyNodeBytesMost: () => state.dirtyNodeBytes,
    supersededNodeBytes: () => state.supersededNodeBytes ?? 0,
    nodesLeave: (count) => (state.leftByNodes ?? state.freeCount) >= count,
  });
  return { space, written: () => written, rounds: () => rounds };
}

describe("metadata where little is available", () => {
  const total = fullSpace({ freeCount: 9, liveBytes: 0, dirtyNodeBytes: 0 }).space.totalBytes();

  it("is admitted once nodes that were thought to take all of it are written", () => {
    const state = { freeCount: 9, liveBytes: total - 100 * KIBIBYTE, dirtyNodeBytes: 120 * KIBIBYTE };
    const { space, written } = fullSpace(state);
    expect(space.admitsMetadata()).toBe(false);
    expect(Effect.runSync(space.admitMetadata)).toBe(true);
    expect(written()).toBe(1);
    expect(space.availableBytes()).toBe(70 * KIBIBYTE);
  });

  it("is admitted once nodes are written whose old records hold what was deleted", () => {
    const deleted = { dirtyNodeBytes: 120 * KIBIBYTE, supersededNodeBytes: 90 * KIBIBYTE };
    const { space } = fullSpace({ freeCount: 9, liveBytes: total - KIBIBYTE, ...deleted });
    expect(Effect.runSync(space.admitMetadata)).toBe(true);
    expect(space.availableBytes()).toBe(61 * KIBIBYTE);
  });

  it("is admitted once nodes are written that would take the last buckets", () => {
    const state = { freeCount: 9, liveBytes: 0, dirtyNodeBytes: 8, leftByNodes: 2 };
    const { space, written } = fullSpace(state);
    expect([space.admitsMetadata(), Effect.runSync(space.admitMetadata), written()]).toEqual([false, true, 1]);
    expect([space.admitsMetadata(), Effect.runSync(space.admitMetadata), written()]).toEqual([true, true, 1]);
  });

  it("is written before others take the bucket that it needs", () => {
    for (const leftByNodes of [0, 1, 2]) {
      const { space, written } = fullSpace({ freeCount: 9, liveBytes: 0, dirtyNodeBytes: 8, leftByNodes });
      Effect.runSync(space.makeWay("btree"));
      expect(written()).toBe(0);
      Effect.runSync(space.makeWay("data"));
      expect(written()).toBe(leftByNodes < 2 ? 1 : 0);
    }
  });

  it("is refused without a node written where that would not help", () => {
    const full = fullSpace({ freeCount: 9, liveBytes: total - 15 * KIBIBYTE, dirtyNodeBytes: 120 * KIBIBYTE });
    expect(Effect.runSync(full.space.admitMetadata)).toBe(false);
    const scarce = fullSpace({ freeCount: 3, liveBytes: total - 100 * KIBIBYTE, dirtyNodeBytes: 120 * KIBIBYTE });
    expect(Effect.runSync(scarce.space.admitMetadata)).toBe(false);
    expect(full.written() + scarce.written()).toBe(0);
  });

  it("is refused at once until others have changed something", () => {
    const state = { commits: 5, freeCount: 9, liveBytes: total, dirtyNodeBytes: 0 };
    const { space, rounds } = fullSpace(state);
    const admitted = (): boolean => Effect.runSync(space.admitMetadata);
    expect([admitted(), admitted(), admitted(), rounds()]).toEqual([false, false, false, 1]);
    state.commits++;
    expect([admitted(), rounds()]).toEqual([false, 2]);
    state.liveBytes -= 100 * KIBIBYTE;
    expect([admitted(), rounds()]).toEqual([true, 2]);
  });

  it("is looked for once by whoever waits for space, and not at all by whoever waits for a bucket", () => {
    const state = { freeCount: 9, liveBytes: total - 100 * KIBIBYTE, dirtyNodeBytes: 120 * KIBIBYTE };
    const { space, written } = fullSpace(state);
    // No bucket comes free of it: a write point that took it for help would try for ever.
    expect(Effect.runSync(space.relieveFor("data"))).toBe(false);
    expect(written()).toBe(0);
    expect(Effect.runSync(space.relieve)).toBe(true);
    expect(Effect.runSync(space.relieve)).toBe(false);
    expect(written()).toBe(1);
  });
});
