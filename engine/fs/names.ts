/**
 * Names of directory entries: what is a name, and the hash that orders a directory; pure.
 *
 * The hash is seeded by the pool, so that nobody can make names collide who does not know it. It is cut to the bits
 * that the pool says; few bits make names collide, for tests. Two 32-bit lanes in the manner of MurmurHash3.
 */
import { FsError, NAME_BYTES_MAX } from "./types.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** Why these bytes are no name, or undefined if they are. */
export function nameFault(name: Uint8Array): FsError | undefined {
  if (name.length === 0) return new FsError("NoEntry", "empty name");
  if (name.length > NAME_BYTES_MAX) return new FsError("NameTooLong");
  for (const byte of name) if (byte === SLASH || byte === 0) return new FsError("InvalidArgument", "bad name");
  const dots = name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
  return dots ? new FsError("InvalidArgument", "dots") : undefined;
}

export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

const mix = (hash: number): number => {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** Hash of a name, below 2^bits; at most 48 bits. */
export function nameHash(name: Uint8Array, seed: readonly [number, number], bits: number): number {
  let a = seed[0] | 0;
  let b = seed[1] | 0;
  for (const byte of name) {
    a = Math.imul(a ^ byte, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b + byte, 0x9e3779b1);
    b ^= b >>> 13;
  }
  const low = mix(a ^ name.length);
  const high = mix(b ^ Math.imul(name.length, 0x27d4eb2f)) & 0xffff;
  return bits >= 48 ? high * 2 ** 32 + low : (high * 2 ** 32 + low) % 2 ** bits;
}
