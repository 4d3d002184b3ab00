/**
 * From bytes of a file to the bytes that are stored, and back: compression and checksum; pure.
 *
 * Compression is adaptive: a sample whose bytes look evenly spread is not tried at all, and a result is kept only if it
 * saves at least a sixteenth. The checksum is over the stored bytes and verified before anything is decoded.
 */
import { checksumOf } from "../format/codec.ts";
import { Compression } from "../format/superblock.ts";
import { compressedBytesMax, compressInto, decompressInto } from "../format/zstd.ts";
import { reached } from "../marks.ts";

/** Longest extent before compression. */
export const EXTENT_BYTES_MAX = 128 * 1024;
const SAMPLE_BYTES = 1024;
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

const histogram = new Uint32Array(256);

/** Entropy of a sample from the middle of the bytes, in bits a byte. */
export function sampleEntropyBits(bytes: Uint8Array): number {
  const count = Math.min(SAMPLE_BYTES, bytes.length);
  const from = (bytes.length - count) >> 1;
  histogram.fill(0);
  for (let index = from; index < from + count; index++) histogram[bytes[index]!] = histogram[bytes[index]!]! + 1;
  let bits = 0;
  for (let value = 0; value < 256; value++) {
    const share = histogram[value]! / count;
    if (share > 0) bits -= share * Math.log2(share);
  }
  return bits;
}

let scratch = new Uint8Array(0);

/** Compresses if that pays, and checksums what will be stored. The result may share memory with `bytes`. */
export function encode(bytes: Uint8Array, compression: number): Encoded {
  if (compression === Compression.zstd && bytes.length >= COMPRESS_BYTES_MIN) {
    if (sampleEntropyBits(bytes) > ENTROPY_BITS_MAX) reached("incompressible data not tried");
    else {
      const needed = compressedBytesMax(bytes.length);
      if (scratch.length < needed) scratch = new Uint8Array(needed);
      const length = compressInto(scratch, bytes);
      if (length <= bytes.length - (bytes.length >> 4)) {
        const stored = scratch.slice(0, length);
        return { stored, checksum: checksumOf(stored, 0, length), compression, rawBytes: bytes.length };
      }
      reached("compression gave too little");
    }
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
