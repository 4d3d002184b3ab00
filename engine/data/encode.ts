/**
 * From bytes of a file to the bytes that are stored, and back: compression and checksum; pure.
 *
 * Adaptive compression does not try what looks evenly spread in a sample, nor what the file's past speaks against. A
 * result is kept only if it saves at least a sixteenth. The checksum is over the stored bytes and verified before
 * anything is decoded.
 */
import { checksumOf } from "../format/codec.ts";
import { Compression } from "../format/superblock.ts";
import { compressedBytesMax, compressInto, decompressInto } from "../format/zstd.ts";
import { reached } from "../marks.ts";
import type { CompressionChoice, CompressionHistory } from "./compression.ts";

/** Longest extent before compression. */
export const EXTENT_BYTES_MAX = 128 * 1024;
const SAMPLE_BYTES = 1024;
const SAMPLE_PLACES = 4;
/** Bits a byte of the sample above which compression is not tried. */
const ENTROPY_BITS_MAX = 7.5;
/** Below this, compression gains nothing worth a header. */
const COMPRESS_BYTES_MIN = 256;

export interface Encoded {
  readonly stored: Uint8Array;
  readonly checksum: bigint;
  readonly compression: number;
  readonly rawBytes: number;
}

/** What came of compressing. */
export interface Shrunk {
  /** Memory of its own; undefined if it saved too little. */
  readonly stored: Uint8Array | undefined;
}

const histogram = new Uint32Array(256);

/** Entropy of a sample from several places, in bits a byte. */
export function sampleEntropyBits(bytes: Uint8Array): number {
  const length = Math.min(SAMPLE_BYTES / SAMPLE_PLACES, Math.floor(bytes.length / SAMPLE_PLACES));
  const stride = Math.floor(bytes.length / SAMPLE_PLACES);
  histogram.fill(0);
  for (let place = 0; place < SAMPLE_PLACES; place++) {
    const from = place * stride + ((stride - length) >> 1);
    for (let index = from; index < from + length; index++) histogram[bytes[index]!] = histogram[bytes[index]!]! + 1;
  }
  let bits = 0;
  for (let value = 0; value < 256; value++) {
    const share = histogram[value]! / (length * SAMPLE_PLACES);
    if (share > 0) bits -= share * Math.log2(share);
  }
  return bits;
}

let scratch = new Uint8Array(0);

/** Does it look as if it would shrink? */
function promising(
  bytes: Uint8Array,
  { adaptive }: CompressionChoice,
  history: CompressionHistory | undefined,
): boolean {
  if (!adaptive) return true;
  if (sampleEntropyBits(bytes) <= ENTROPY_BITS_MAX) return history?.worthTrying ?? true;
  reached("incompressible data not tried");
  return false;
}

/** Is a result of so many bytes worth keeping? */
const pays = (storedBytes: number, rawBytes: number): boolean => storedBytes <= rawBytes - (rawBytes >> 4);

/** What compressing gave: the first `length` of these bytes, copied, if that pays. */
export const keptOf = (compressed: Uint8Array, length: number, rawBytes: number): Shrunk => ({
  stored: pays(length, rawBytes) ? compressed.slice(0, length) : undefined,
});

/** Compresses, whatever the bytes look like. */
export function shrink(bytes: Uint8Array, level: number): Shrunk {
  const needed = compressedBytesMax(bytes.length);
  if (scratch.length < needed) scratch = new Uint8Array(needed);
  return keptOf(scratch, compressInto(scratch, bytes, level), bytes.length);
}

/** Would `encode` try to compress these bytes, if nothing that comes before them speaks against it? */
export const looksPromising = (bytes: Uint8Array, choice: CompressionChoice, history?: CompressionHistory): boolean =>
  choice.codec === Compression.zstd &&
  bytes.length >= COMPRESS_BYTES_MIN &&
  (!choice.adaptive || (history?.hopeful !== false && sampleEntropyBits(bytes) <= ENTROPY_BITS_MAX));

/**
 * Compresses if that pays, and checksums what will be stored. The result may share memory with `bytes`. `history` is of
 * the file, if it is one whose past is known; `shrunk` what `shrink` gave for these bytes, of which `looksPromising` was
 * true: what is stored is the same with it and without.
 */
export function encode(
  bytes: Uint8Array,
  choice: CompressionChoice,
  history?: CompressionHistory,
  shrunk?: Shrunk,
): Encoded {
  const compression = choice.codec;
  if (compression === Compression.zstd && bytes.length >= COMPRESS_BYTES_MIN && promising(bytes, choice, history)) {
    const { stored } = shrunk ?? shrink(bytes, choice.level);
    history?.tried(stored !== undefined);
    if (stored !== undefined) {
      return { stored, checksum: checksumOf(stored, 0, stored.length), compression, rawBytes: bytes.length };
    }
    reached("compression gave too little");
  }
  const checksum = checksumOf(bytes, 0, bytes.length);
  return { stored: bytes, checksum, compression: Compression.none, rawBytes: bytes.length };
}

/** The bytes of the file, or undefined if the stored bytes are not what was written. */
export function decode(
  stored: Uint8Array,
  { checksum, compression, rawBytes }: Omit<Encoded, "stored">,
): Uint8Array | undefined {
  if (checksumOf(stored, 0, stored.length) !== checksum) return undefined;
  if (compression === Compression.none) return stored.length === rawBytes ? stored : undefined;
  const raw = new Uint8Array(rawBytes);
  return decompressInto(raw, stored) === rawBytes ? raw : undefined;
}
