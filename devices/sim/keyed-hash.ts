/**
 * Keyed, stateless decisions: a hash of a seed, a stream and an index instead of a draw from a generator.
 *
 * What one I/O meets therefore depends on nothing but its own identity, and adding or removing a consumer of
 * randomness never shifts what the others see. Not for cryptography; the bias of a probability is below 0.03 in 4096
 * trials.
 */

/** Mixes three 32-bit values into one, uniformly. */
export function mix32(seed: number, stream: number, index: number): number {
  let h = Math.imul(seed ^ stream, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h ^ index, 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** True with the given probability, decided by the hash. */
export function chance(probability: number, seed: number, stream: number, index: number): boolean {
  return probability > 0 && mix32(seed, stream, index) < probability * 0x100000000;
}

/** FNV-1a of a name, to make a stream of it. */
export function hashName(name: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) h = Math.imul(h ^ name.charCodeAt(at), 0x01000193);
  return h >>> 0;
}
