import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { describe, expect, it } from "vitest";
import { World } from "../../harness/world.ts";
import { Supervisor } from "../actor.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { type Buckets, BucketState } from "./buckets.ts";
import { type Placement, WritePoint } from "./write-point.ts";

const BLOCK_BYTES = 4096;
const BUCKET_BYTES = 16 * BLOCK_BYTES;

/** A write point for as many buckets as there are, of which nothing comes free; what is held in each. */
const pointFor = Effect.fn(function* (bucketCount: number) {
  const supervisor = yield* Supervisor.make(false);
  const held = Array.from({ length: bucketCount }, () => 0);
  let taken = 0;
  const layout = {
    usableBytes: BUCKET_BYTES,
    start: (bucket: number) => bucket * BUCKET_BYTES,
    bucketOf: (address: number) => Math.floor(address / BUCKET_BYTES),
    roundUp: (bytes: number) => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES,
  };
  const io = {
    member: () => ({ device: {}, layout }),
    write: () => Effect.void,
    finish: () => Effect.void,
  };
  const buckets = {
    stateOf: () => BucketState.open,
    take: () => {
      if (taken === bucketCount) return undefined;
      return { device: 0, bucket: taken++, generation: 1, reset: false };
    },
    seal: () => undefined,
    hold: ({ bucket }: { readonly bucket: number }) => void held[bucket]!++,
    unhold: ({ bucket }: { readonly bucket: number }) => void held[bucket]!--,
  };
  const relief = { makeWay: () => Effect.void, relieveFor: () => Effect.succeed(false) };
  const services = { io, buckets } as unknown as { readonly io: BucketIo; readonly buckets: Buckets };
  return { point: new WritePoint(supervisor, services.io, services.buckets, "data", relief), held };
});

const pieces = (...blocks: ReadonlyArray<number>): ReadonlyArray<Uint8Array> =>
  blocks.map((count) => new Uint8Array(count * BLOCK_BYTES));

const bucketsOf = (placements: ReadonlyArray<Placement>): ReadonlyArray<number> =>
  placements.map(({ addressBytes }) => Math.floor(addressBytes / BUCKET_BYTES));

describe("a write point that gets no other bucket", () => {
  it("holds nothing of what it could write only in part", () => {
    const steps = Effect.gen(function* () {
      const { point, held } = yield* pointFor(2);
      expect(bucketsOf(yield* point.append(pieces(10)))).toEqual([0]);
      expect(held).toEqual([1, 0]);
      expect((yield* Effect.flip(point.append(pieces(4, 10, 8))))._tag).toBe("NoSpaceLeft");
      expect(held).toEqual([1, 0]);
    });
    expect(new World({ seed: 1 }).run(steps)).toEqual(Exit.void);
  });

  it("fails only those whose pieces have no place, of all that share a write", () => {
    const steps = Effect.gen(function* () {
      const { point, held } = yield* pointFor(2);
      const append = Effect.result(point.append(pieces(1, 8)));
      const results = yield* Effect.all([append, append, append, append], { concurrency: "unbounded" });
      const placed = results.flatMap((result) => (result._tag === "Success" ? [bucketsOf(result.success)] : []));
      expect(placed).toHaveLength(2);
      expect(placed).toEqual(
        expect.arrayContaining([
          [0, 0],
          [0, 1],
        ]),
      );
      expect(held).toEqual([3, 1]);
    });
    expect(new World({ seed: 1 }).run(steps)).toEqual(Exit.void);
  });
});
