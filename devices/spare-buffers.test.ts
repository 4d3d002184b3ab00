import { describe, expect, it } from "vitest";
import { SpareBuffers } from "./spare-buffers.ts";

const KIB = 1024;
const spare = (bytesMax: number): SpareBuffers => new SpareBuffers([128 * KIB, 256 * KIB], 16, bytesMax);

describe("buffers that are kept", () => {
  it("are lent again for what fits, and lie a gap behind the start of theirs", () => {
    const buffers = spare(1024 * KIB);
    const first = buffers.take(100 * KIB);
    const other = buffers.take(128 * KIB);
    expect([first.length, first.byteOffset]).toEqual([100 * KIB, 16]);
    expect(other.buffer).not.toBe(first.buffer);
    buffers.give(first.subarray(1000, 2000));
    expect(buffers.take(200 * KIB).buffer).not.toBe(first.buffer);
    const again = buffers.take(128 * KIB);
    expect([again.buffer === first.buffer, again.length]).toEqual([true, 128 * KIB]);
  });

  it("take no more memory than they may, and none that is not theirs or lies wrong", () => {
    const buffers = spare(200 * KIB);
    const taken = [buffers.take(128 * KIB), buffers.take(128 * KIB), buffers.take(128 * KIB)];
    buffers.refuse(taken[0]!);
    buffers.give(new Uint8Array(128 * KIB + 16));
    for (const each of taken) buffers.give(each);
    const next = [buffers.take(128 * KIB), buffers.take(128 * KIB)].map(({ buffer }) => buffer);
    expect(taken.map(({ buffer }) => next.indexOf(buffer))).toEqual([-1, 0, -1]);
  });

  it("may not be given back twice", () => {
    const buffers = spare(1024 * KIB);
    const taken = buffers.take(128 * KIB);
    buffers.give(taken);
    expect(() => buffers.give(taken)).toThrow("twice");
  });
});
