import { describe, expect, it } from "vitest";
import { VolatileOperation } from "../../devices/sim/volatile.ts";
import { survivalsAt, SURVIVALS_MAX } from "./survivals.ts";

const UNIT = 512;

/** Volatile writes of so many units each, numbered from 1. */
const writes = (...units: ReadonlyArray<number>): Array<VolatileOperation> =>
  units.map((count, at) => VolatileOperation.write(at + 1, at * 64 * UNIT, new Uint8Array(count * UNIT), -1));

/** What survives of each operation: all (+), nothing (.), or so many units. */
function shown(pending: ReadonlyArray<VolatileOperation>): Array<string> {
  return survivalsAt(pending, UNIT).map(({ survival }) =>
    pending
      .map((operation, position) => {
        const fate = survival.fate(operation, position);
        if (fate !== "torn") return fate === "kept" ? "+" : ".";
        const units = Array.from({ length: operation.unitCount(UNIT) }, (_, unit) => unit);
        return String(units.filter((unit) => survival.keepsUnit(operation, unit)).length);
      })
      .join(""),
  );
}

describe("the survivals of a crash point", () => {
  it("are one when nothing is volatile", () => {
    expect(shown(writes())).toEqual([""]);
  });

  it("are all or nothing of one operation that cannot be torn, and its parts of one that can", () => {
    expect(shown(writes(1))).toEqual([".", "+"]);
    expect(shown(writes(2))).toEqual([".", "+", "1"]);
    expect(shown(writes(8))).toEqual([".", "+", "1", "7"]);
  });

  it("drop and keep single operations of a few", () => {
    expect(shown(writes(1, 4))).toEqual(["..", "++", "+.", ".+", "+1", "+3"]);
    expect(shown(writes(1, 6, 1))).toEqual(["...", "+++", "++.", "+.+", ".++", "..+", ".+.", "+..", "+3+"]);
  });

  it("look at the newest and at the oldest of many, and are never more than the bound", () => {
    const many = shown(writes(4, 4, 4, 4, 4, 4, 4, 4));
    expect(many).toEqual([
      "........",
      "++++++++",
      "+++++++.",
      "++++++.+",
      "+++++.++",
      "++++.+++",
      ".+++++++",
      ".......+",
      "......+.",
      "+.......",
      "+++++++1",
      "+++++++3",
      "++++++2+",
    ]);
    expect(many).toHaveLength(SURVIVALS_MAX);
    expect(new Set(many).size).toBe(many.length);
  });
});
