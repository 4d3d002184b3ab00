import { describe, expect, it } from "vitest";
import { Compression } from "../format/superblock.ts";
import { marks, resetMarks } from "../marks.ts";
import { choiceOf, type CompressionChoice, CompressionHistory, uncompressed } from "./compression.ts";
import { decode, encode, EXTENT_BYTES_MAX, sampleEntropyBits } from "./encode.ts";

const zstd: CompressionChoice = { codec: Compression.zstd, level: 1, adaptive: false };
const adaptive = choiceOf(Compression.zstd);

/** Bytes that nothing shrinks. */
function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 11;
  }
  return bytes;
}

/** Looks as if it would shrink, since some values are more frequent, and shrinks by too little. */
const stubborn = (length: number, seed: number): Uint8Array =>
  noise(length, seed).map((byte, at) => (at % 20 < 9 ? byte & 63 : byte));

const text = (length: number): Uint8Array =>
  new TextEncoder()
    .encode("written once, in order, never rewritten. ".repeat(Math.ceil(length / 41)))
    .subarray(0, length);

const tried = (): number => marks.get("compression gave too little") ?? 0;

describe("the choice", () => {
  it.each([
    ["none", uncompressed],
    ["adaptive", adaptive],
    ["zstd at level 1", zstd],
    ["zstd at level 19", { ...zstd, level: 19 }],
  ])("%s gives back what was written, of any length and kind", (_name, choice) => {
    for (const length of [0, 1, 255, 256, 4096, 100_000, EXTENT_BYTES_MAX]) {
      for (const bytes of [text(length), noise(length), stubborn(length, 3)]) {
        const encoded = encode(bytes, choice);
        expect(Buffer.compare(decode(encoded.stored, encoded)!, bytes)).toBe(0);
        expect(encoded.stored.length).toBeLessThanOrEqual(length);
      }
    }
  });

  it("of a higher level stores less", () => {
    const bytes = text(5000).map((byte, at) => (at % 37 === 0 ? at & 127 : byte));
    const stored = (level: number): number => encode(bytes, { ...zstd, level }).stored.length;
    expect(stored(19)).toBeLessThan(stored(1));
  });

  it("none stores as it is what would shrink", () => {
    expect(encode(text(10_000), uncompressed).compression).toBe(Compression.none);
    expect(encode(text(10_000), adaptive).compression).toBe(Compression.zstd);
  });
});

describe("adaptive compression", () => {
  it("does not try what is spread evenly, and zstd does", () => {
    resetMarks();
    encode(noise(EXTENT_BYTES_MAX), adaptive);
    expect(tried()).toBe(0);
    encode(noise(EXTENT_BYTES_MAX), zstd);
    expect(tried()).toBe(1);
  });

  it("sees text that stands beside noise, wherever", () => {
    for (const from of [0, EXTENT_BYTES_MAX / 2]) {
      const bytes = noise(EXTENT_BYTES_MAX);
      bytes.set(text(EXTENT_BYTES_MAX / 2), from);
      expect(sampleEntropyBits(bytes)).toBeLessThan(7.5);
      expect(encode(bytes, adaptive).stored.length).toBeLessThan(0.6 * EXTENT_BYTES_MAX);
    }
  });

  it("gives a file up that was tried in vain, tries it now and then, and begins anew once that shrinks", () => {
    resetMarks();
    const history = new CompressionHistory();
    for (let extent = 0; extent < 200; extent++) encode(stubborn(20_000, extent), adaptive, history);
    const vain = tried();
    expect(vain).toBeGreaterThan(4);
    expect(vain).toBeLessThan(14);
    let until = 0;
    while (encode(text(20_000), adaptive, history).compression === Compression.none) until++;
    expect(until).toBeLessThanOrEqual(32);
    expect(encode(text(20_000), adaptive, history).compression).toBe(Compression.zstd);
  });

  it("asks no past where everything is to be tried", () => {
    resetMarks();
    const history = new CompressionHistory();
    for (let extent = 0; extent < 50; extent++) encode(stubborn(20_000, extent), zstd, history);
    expect(tried()).toBe(50);
  });
});
