/**
 * Which of the volatile operations survive at a crash point of bounded exploration: a list made by a rule, of at most
 * `SURVIVALS_MAX`, without any chance.
 *
 * With `n` volatile operations, numbered from 1, the oldest: none; all; all but one, for the newest four and the oldest;
 * only one, for the newest two and the oldest; the newest cut behind its first atomic unit, and before its last one, all
 * others being kept; the one before it cut in its middle. An operation that cannot be torn is left out of the last three,
 * and what a small `n` would bring twice comes once.
 */
import { type Survival, survivesAll, survivesAllBut, survivesNone, survivesOnly } from "../../devices/sim/survival.ts";
import type { VolatileOperation } from "../../devices/sim/volatile.ts";

export interface NamedSurvival {
  readonly name: string;
  readonly survival: Survival;
}

export const SURVIVALS_MAX = 13;
const DROPPED_NEWEST = 4;
const KEPT_NEWEST = 2;

/** Positions of the newest few and of the oldest, each once. */
function newestAndOldest(count: number, newest: number): Array<number> {
  const positions = Array.from({ length: Math.min(count, newest) }, (_, back) => count - 1 - back);
  return positions.includes(0) ? positions : [...positions, 0];
}

/** All operations, but of one only the first units. */
const cut = (position: number, units: number): Survival => ({
  fate: (_operation, at) => (at === position ? "torn" : "kept"),
  keepsUnit: (_operation, unit) => unit < units,
});

export function survivalsAt(pending: ReadonlyArray<VolatileOperation>, atomicWriteBytes: number): Array<NamedSurvival> {
  const count = pending.length;
  const none = { name: "nothing volatile survives", survival: survivesNone };
  if (count === 0) return [none];
  const told = (position: number): string => `${pending[position]!.kind} ${pending[position]!.index}`;
  const survivals: Array<NamedSurvival> = [none, { name: "everything survives", survival: survivesAll }];
  if (count > 1) {
    for (const position of newestAndOldest(count, DROPPED_NEWEST)) {
      survivals.push({ name: `all but ${told(position)} survive`, survival: survivesAllBut(position) });
    }
  }
  if (count > 2) {
    for (const position of newestAndOldest(count, KEPT_NEWEST)) {
      survivals.push({ name: `only ${told(position)} survives`, survival: survivesOnly(position) });
    }
  }
  const torn = (position: number, units: number, of: number): void => {
    if (units <= 0 || units >= of) return;
    const name = `all survive, of ${told(position)} only the first ${units} of ${of} units`;
    survivals.push({ name, survival: cut(position, units) });
  };
  const newest = pending[count - 1]!.unitCount(atomicWriteBytes);
  torn(count - 1, 1, newest);
  if (newest > 2) torn(count - 1, newest - 1, newest);
  const before = count > 1 ? pending[count - 2]!.unitCount(atomicWriteBytes) : 0;
  torn(count - 2, Math.floor(before / 2), before);
  return survivals;
}
