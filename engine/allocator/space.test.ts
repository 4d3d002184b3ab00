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
function spaceWithVictim(): { readonly space: Space; readonly collected: Array<number> } {
  const collected: Array<number> = [];
  const buckets = {
    freeCount: 0,
    emptiedCount: 0,
    bucketUsableBytes: 4096,
    victim: (_gain: number, tried: ReadonlySet<number>) => (tried.size > 0 ? undefined : { device: 0, bucket: 7 }),
    key: ({ bucket }: { readonly bucket: number }) => bucket,
    classOf: () => 0,
  } as unknown as Buckets;
  const space = new Space({
    supervisor: undefined as unknown as Supervisor,
    buckets,
    settle: Effect.void,
    collect: ({ bucket }) => Effect.sync(() => void collected.push(bucket)),
    dirtyNodeBytes: () => 0,
  });
  return { space, collected };
}

describe("space", () => {
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
