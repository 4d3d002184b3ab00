/**
 * Strategies that say what a crash leaves of the volatile operations: the harness' choice among legal crash states.
 *
 * A strategy names a fate for each operation, by its position in the volatile cache; `crash.ts` applies it within the
 * contract, so that no strategy can produce an illegal state: a sequential zone keeps a prefix of what was done to it,
 * whatever is asked for. Strategies are pure; the keyed ones depend on their seed and the operations' numbers alone.
 */
import { mix32 } from "./keyed-hash.ts";
import type { VolatileOperation } from "./volatile.ts";

export type Fate = "kept" | "dropped" | "torn";

export interface Survival {
  readonly fate: (operation: VolatileOperation, position: number) => Fate;
  /**
   * For a torn operation: which atomic units survive. A write in a sequential zone keeps as many units from its front
   * as this says yes to.
   */
  readonly keepsUnit: (operation: VolatileOperation, unit: number) => boolean;
  /** A permutation of positions in which conventional operations reach the medium; issue order unless given. */
  readonly order?: (count: number) => ReadonlyArray<number>;
}

const untorn = (): boolean => true;
const FATE_STREAM = 0x66617465;
const UNIT_STREAM = 0x756e6974;
const ORDER_STREAM = 0x6f726472;
const CUT_STREAM = 0x63757400;

/** The power went and took all that was not flushed. */
export const survivesNone: Survival = { fate: () => "dropped", keepsUnit: untorn };

/** All that was issued reached the medium. */
export const survivesAll: Survival = { fate: () => "kept", keepsUnit: untorn };

/** The first `count` operations, and the first `units` atomic units of the next one. */
export function survivesPrefix(count: number, units = 0): Survival {
  return {
    fate: (_operation, position) => (position < count ? "kept" : position === count && units > 0 ? "torn" : "dropped"),
    keepsUnit: (_operation, unit) => unit < units,
  };
}

/** All but the operation at one position. */
export function survivesAllBut(dropped: number): Survival {
  return { fate: (_operation, position) => (position === dropped ? "dropped" : "kept"), keepsUnit: untorn };
}

/** Nothing but the operation at one position. */
export function survivesOnly(kept: number): Survival {
  return { fate: (_operation, position) => (position === kept ? "kept" : "dropped"), keepsUnit: untorn };
}

/** All, but the operation at one position is torn: the seed chooses its surviving units. */
export function survivesAllButTorn(torn: number, seed: number): Survival {
  return { fate: (_operation, position) => (position === torn ? "torn" : "kept"), keepsUnit: keyedUnit(seed) };
}

/** Exactly the operations whose bit is set, for enumerating the subsets of a small cache. */
export function survivesSubset(bits: number): Survival {
  return {
    fate: (_operation, position) => (position < 31 && ((bits >>> position) & 1) === 1 ? "kept" : "dropped"),
    keepsUnit: untorn,
  };
}

/** Out of 16, how many operations are kept and how many torn; the rest is dropped. A seed draws one of these. */
const MIXTURES: ReadonlyArray<readonly [kept: number, torn: number]> = [
  [8, 4],
  [14, 1],
  [4, 4],
  [13, 3],
  [1, 1],
  [0, 16],
];

/** Each operation kept, dropped or torn by the seed, in proportions that the seed draws too. */
export function survivesKeyed(seed: number): Survival {
  const [kept, torn] = MIXTURES[mix32(seed, FATE_STREAM, 0xffffffff) % MIXTURES.length]!;
  return {
    fate: (operation) => {
      const draw = mix32(seed, FATE_STREAM, operation.index) & 15;
      return draw < kept ? "kept" : draw < kept + torn ? "torn" : "dropped";
    },
    keepsUnit: keyedUnit(seed),
  };
}

/** As `survivesKeyed`, and what survives reaches the medium in an order that the seed draws. */
export function survivesReordered(seed: number): Survival {
  return { ...survivesKeyed(seed), order: (count) => permutation(seed, count) };
}

/** The machine goes on: what was completed is there, flushed or not, and of what is in flight the seed chooses. */
export function survivesProcess(seed: number): Survival {
  const { fate, keepsUnit } = survivesKeyed(seed);
  return { fate: (operation, position) => (operation.completed ? "kept" : fate(operation, position)), keepsUnit };
}

/** A cable that is pulled: nothing survives, everything does, or some of it, by the key. */
export function survivesCut(key: number): Survival {
  switch (mix32(key, CUT_STREAM, 0) & 3) {
    case 0:
      return survivesNone;
    case 1:
      return survivesAll;
    default:
      return survivesReordered(key);
  }
}

function keyedUnit(seed: number): (operation: VolatileOperation, unit: number) => boolean {
  return (operation, unit) => (mix32(seed ^ UNIT_STREAM, operation.index, unit) & 1) === 1;
}

function permutation(seed: number, count: number): Array<number> {
  const positions = Array.from({ length: count }, (_, position) => position);
  for (let last = count - 1; last > 0; last--) {
    const other = mix32(seed, ORDER_STREAM, last) % (last + 1);
    const moved = positions[last]!;
    positions[last] = positions[other]!;
    positions[other] = moved;
  }
  return positions;
}
