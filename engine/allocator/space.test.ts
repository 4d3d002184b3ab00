/**
 * Space: what must not go on while somebody compares rows.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { Supervisor } from "../actor.ts";
import type { Buckets } from "./buckets.ts";
import { Space } from "./space.ts";

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
    commits: () => commits,
    dirtyNodeBytes: () => 0,
  });
  const change = (count: number): void => {
    commits += count;
  };
  return { space, collected, change };
}

describe("space", () => {
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
