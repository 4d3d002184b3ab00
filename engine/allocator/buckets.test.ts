import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Device } from "../../devices/device.ts";
import { BucketIo, BucketLayout } from "../device/bucket-io.ts";
import { Buckets, FREE_BUCKETS_KEPT } from "./buckets.ts";

const BUCKET = 128 * 1024;

function someBuckets(count: number): Buckets {
  const device: Device = {
    name: "nothing",
    geometry: {
      capacityBytes: count * BUCKET,
      blockBytes: 4096,
      atomicWriteBytes: 512,
      rotational: false,
      zones: undefined,
    },
    read: () => Effect.die("not read"),
    write: () => Effect.die("not written"),
    flush: Effect.void,
    discard: () => Effect.void,
    zones: undefined,
  };
  return new Buckets(new BucketIo([{ device, layout: new BucketLayout(device, BUCKET) }]));
}

describe("buckets", () => {
  it("keeps the last free buckets for those who give space back", () => {
    const buckets = someBuckets(FREE_BUCKETS_KEPT.data + 1);
    expect(buckets.take("data")).toBeDefined();
    expect(buckets.take("data")).toBeUndefined();
    expect(buckets.take("collected")).toBeDefined();
    expect(buckets.take("collected")).toBeDefined();
    expect(buckets.take("collected")).toBeUndefined();
    expect(buckets.take("btree")).toBeDefined();
    expect(buckets.take("btree")).toBeUndefined();
  });

  it("frees an emptied bucket only once the entry that emptied it is known to be durable", () => {
    const buckets = someBuckets(8);
    const taken = buckets.take("data")!;
    buckets.hold(taken);
    buckets.setLive(taken, 4096, 5);
    buckets.unhold(taken, 5);
    buckets.seal(taken, 0);
    buckets.setLive(taken, 0, 9);
    expect(buckets.freeUpTo(8)).toBe(0);
    expect(buckets.freeCount).toBe(7);
    expect(buckets.freeUpTo(9)).toBe(1);
    expect(buckets.freeCount).toBe(8);
  });

  it("never frees a bucket with something appended whose commit is still to come", () => {
    const buckets = someBuckets(8);
    const taken = buckets.take("data")!;
    buckets.hold(taken);
    buckets.seal(taken, 0);
    expect(buckets.freeUpTo(1000)).toBe(0);
    buckets.unhold(taken, 3);
    expect(buckets.freeUpTo(2)).toBe(0);
    expect(buckets.freeUpTo(3)).toBe(1);
  });

  it("raises the generation each time a bucket is handed out", () => {
    const buckets = someBuckets(1 + FREE_BUCKETS_KEPT.data);
    const first = buckets.take("data")!;
    buckets.seal(first, 0);
    buckets.freeUpTo(1);
    let again = buckets.take("btree", true)!;
    while (again.bucket !== first.bucket) again = buckets.take("btree", true)!;
    expect(again.generation).toBe(first.generation + 1);
    expect(again.reset).toBe(true);
  });

  it("chooses the bucket with the most to gain, the unusable end not counted as gain", () => {
    const buckets = someBuckets(8);
    const [a, b, c] = [buckets.take("data")!, buckets.take("data")!, buckets.take("data")!];
    buckets.setLive(a, BUCKET / 2, 1);
    buckets.setLive(b, BUCKET / 4, 1);
    buckets.setLive(c, BUCKET / 8, 1);
    buckets.seal(a, 0);
    buckets.seal(b, 0);
    buckets.seal(c, BUCKET / 2);
    expect(buckets.victim(1, new Set())?.bucket).toBe(b.bucket);
    expect(buckets.victim(1, new Set([buckets.key(b)]))?.bucket).toBe(a.bucket);
    expect(buckets.victim(BUCKET, new Set())).toBeUndefined();
  });

  it("does not lend its books to a pointer into a reserved bucket", () => {
    const buckets = someBuckets(8);
    buckets.reserve({ device: 0, bucket: 0 });
    expect(() => buckets.restore({ device: 0, bucket: 0 }, 2, 1, 10)).toThrow();
  });
});
