import { describe, expect, it } from "vitest";
import { Ring } from "./ring.ts";

const buckets = (count: number) => Array.from({ length: count }, (_, bucket) => ({ device: 0, bucket }));

describe("journal ring", () => {
  it("fills a bucket before it takes the next, and resets the next first", () => {
    const ring = new Ring(buckets(3), 100, 50);
    expect(ring.place(50, 1)).toEqual({ device: 0, bucket: 0, offsetBytes: 0, reset: true, finished: undefined });
    expect(ring.place(40, 2)).toMatchObject({ bucket: 0, offsetBytes: 50, reset: false });
    expect(ring.place(20, 3)).toMatchObject({ bucket: 1, offsetBytes: 0, reset: true, finished: { bucket: 0 } });
  });

  it("hands out no bucket that is still needed", () => {
    const ring = new Ring(buckets(2), 100, 100);
    ring.place(100, 1);
    ring.place(100, 2);
    expect(ring.place(100, 3)).toBeUndefined();
    ring.release(2);
    expect(ring.place(100, 3)).toMatchObject({ bucket: 0 });
  });

  it("never promises more room than entries of the greatest size find", () => {
    const ring = new Ring(buckets(4), 100, 40);
    let sequence = 0;
    let room = ring.roomBytes;
    while (room >= 40) {
      expect(ring.place(40, ++sequence)).toBeDefined();
      room = Math.min(room - 40, ring.roomBytes);
    }
  });

  it("starts a new bucket behind what recovery found", () => {
    const ring = new Ring(buckets(4), 100, 40);
    ring.occupy(1, 7);
    ring.occupy(2, 9);
    expect(ring.freeBuckets).toBe(2);
    expect(ring.place(10, 10)).toMatchObject({ bucket: 3, offsetBytes: 0 });
  });

  it("takes no room for an entry where writing it failed", () => {
    const ring = new Ring(buckets(6), 100, 40);
    ring.place(40, 1);
    const { roomBytes, freeBuckets } = ring;
    for (let tries = 0; tries < 3; tries++) {
      ring.place(40, 2);
      ring.abandon();
    }
    expect(ring.place(40, 2)).toMatchObject({ bucket: 3, reset: true });
    expect(ring.freeBuckets).toBe(freeBuckets - 1);
    expect(ring.roomBytes).toBeGreaterThan(roomBytes - 100);
    ring.release(2);
    expect(ring.freeBuckets).toBe(5);
  });

  it("never takes a retired bucket again, and keeps what it holds until it is not needed", () => {
    const ring = new Ring(buckets(4), 100, 100);
    for (let sequence = 1; sequence <= 2; sequence++) ring.place(100, sequence);
    expect(ring.retire({ device: 0, bucket: 0 })).toBe(1);
    expect(ring.retire({ device: 0, bucket: 2 })).toBe(0);
    expect(ring.retire({ device: 0, bucket: 9 })).toBeUndefined();
    expect(ring.buckets).toBe(2);
    expect(ring.kept.map(({ bucket }) => bucket)).toEqual([0, 1, 3]);
    expect(ring.place(100, 3)).toMatchObject({ bucket: 3 });
    ring.release(3);
    expect(ring.kept.map(({ bucket }) => bucket)).toEqual([1, 3]);
    expect(ring.place(100, 4)).toMatchObject({ bucket: 1 });
    expect(ring.place(100, 5)).toBeUndefined();
  });

  it("says which sequence must be passed to free buckets", () => {
    const ring = new Ring(buckets(4), 100, 100);
    for (let sequence = 1; sequence <= 4; sequence++) ring.place(100, sequence);
    expect(ring.sequenceToFree(1)).toBe(2);
    expect(ring.sequenceToFree(2)).toBe(3);
    ring.release(3);
    expect(ring.freeBuckets).toBe(2);
    expect(ring.sequenceToFree(2)).toBe(0);
  });
});
