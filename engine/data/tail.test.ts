import { describe, expect, it } from "vitest";
import { Entropy } from "../../harness/entropy.ts";
import { Compression } from "../format/superblock.ts";
import { choiceOf, type CompressionChoice, uncompressed } from "./compression.ts";
import { decode, EXTENT_BYTES_MAX } from "./encode.ts";
import { Tail } from "./tail.ts";

const BUCKET_BYTES = 512 * 1024;
const zstd: CompressionChoice = { codec: Compression.zstd, level: 1, adaptive: false };

/** Bytes of so many values, drawn anew: fewer values shrink more. */
const drawn = (seed: string, length: number, values: number): Uint8Array => {
  const random = new Entropy(seed).stream("bytes");
  return new Uint8Array(length).map(() => 97 + random.below(values));
};

/** Fills buckets with the windows of a file, and says how; each extent must fit and give back what it was made of. */
function filled(
  bytes: Uint8Array,
  choice: CompressionChoice,
): { readonly extents: number; readonly wasted: Array<number> } {
  const tail = new Tail(BUCKET_BYTES, BUCKET_BYTES);
  const wasted: Array<number> = [];
  let left = BUCKET_BYTES;
  let extents = 0;
  for (let window = 0; window < bytes.length; window += EXTENT_BYTES_MAX) {
    const end = Math.min(bytes.length, window + EXTENT_BYTES_MAX);
    for (let at = window; at < end;) {
      const encoded = tail.encodeFront(bytes.subarray(at, end), choice);
      expect(encoded.rawBytes).toBeGreaterThan(0);
      expect(Buffer.compare(decode(encoded.stored, encoded)!, bytes.subarray(at, at + encoded.rawBytes))).toBe(0);
      if (encoded.stored.length > left) {
        wasted.push(left);
        left = BUCKET_BYTES;
      }
      left -= encoded.stored.length;
      extents++;
      at += encoded.rawBytes;
    }
  }
  return { extents, wasted };
}

describe("extents that fill buckets", () => {
  it.each([
    ["text that shrinks to a third", zstd, 4],
    ["text that shrinks by a quarter", zstd, 50],
    ["text, if it looks as if it would shrink", choiceOf(Compression.zstd), 8],
    ["what does not shrink", zstd, 159],
    ["what is not compressed", uncompressed, 4],
  ] as const)("leave less than a page unused: %s", (_what, choice, values) => {
    const bytes = drawn("fill", 6 * 1024 * 1024, values);
    const { extents, wasted } = filled(bytes, choice);
    expect(wasted.length).toBeGreaterThan(2);
    expect(Math.max(...wasted)).toBeLessThan(4096);
    // Each bucket's end divides a window or two, once or a few times.
    expect(extents).toBeLessThan(bytes.length / EXTENT_BYTES_MAX + 6 * wasted.length);
  });

  it("are whole windows as long as there is room for what they become", () => {
    const bytes = drawn("whole", 8 * EXTENT_BYTES_MAX, 2);
    const tail = new Tail(BUCKET_BYTES, BUCKET_BYTES);
    for (let at = 0; at < bytes.length; at += EXTENT_BYTES_MAX) {
      expect(tail.encodeFront(bytes.subarray(at, at + EXTENT_BYTES_MAX), zstd).rawBytes).toBe(EXTENT_BYTES_MAX);
    }
  });
});
