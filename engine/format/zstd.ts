/**
 * zstd as pure functions between given buffers, with contexts made once.
 *
 * The low-level binding is used because it compresses into a buffer of the caller's and needs no fresh context, which
 * is a third faster on small pieces. Garbage given to `decompressInto` is answered by -1; nothing throws for its input.
 */
import binding from "zstd-napi/binding.js";

/** Fast, and what is used unless somebody asks for another. */
export const ZSTD_LEVEL = 1;
/** Small, and slow; what lies above takes more memory than it is worth. */
export const ZSTD_LEVEL_MAX = 19;

const compression = new binding.CCtx();
const decompression = new binding.DCtx();

/** Bytes that compressing so many can take at most. */
export const compressedBytesMax = (bytes: number): number => binding.compressBound(bytes);

/** Compresses into `to`, which has room for `compressedBytesMax(from.length)`; returns the bytes used. */
export function compressInto(to: Uint8Array, from: Uint8Array, level = ZSTD_LEVEL): number {
  return compression.compress(to, from, level);
}

/** Decompresses into `to`; returns the bytes it came to, or -1 if they do not fit or were never compressed. */
export function decompressInto(to: Uint8Array, from: Uint8Array): number {
  try {
    return decompression.decompress(to, from);
  } catch {
    return -1;
  }
}
