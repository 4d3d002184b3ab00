import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ZoneGeometry } from "../device.ts";
import { ZoneTable } from "./zones.ts";

const BLOCK = 4096;
const geometry: ZoneGeometry = {
  zoneBytes: 16 * BLOCK,
  zoneCapacityBytes: 12 * BLOCK,
  zoneCount: 9,
  conventionalCount: 2,
  openZonesMax: 2,
  activeZonesMax: 4,
};

const zone = fc.nat(geometry.zoneCount);
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ verb: fc.constantFrom("write", "append"), zone, blocks: fc.integer({ min: 1, max: 13 }) }),
  },
  { weight: 3, arbitrary: fc.record({ verb: fc.constantFrom("open", "close", "finish", "reset"), zone }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constantFrom("lose power", "fork", "fail"), zone }) },
);
type Command = typeof command extends fc.Arbitrary<infer A> ? A & { readonly blocks?: number } : never;

function run(table: ZoneTable, { verb, zone, blocks = 1 }: Command): string | undefined {
  const exists = zone < geometry.zoneCount;
  if (verb === "open" || verb === "close" || verb === "finish" || verb === "reset") return table[verb](zone);
  if (!exists) return undefined;
  if (verb === "append") return table.appendRule(zone) ?? table.write(table.writePointerBytes(zone), blocks * BLOCK);
  if (verb === "write") return table.write(table.startBytes(zone), blocks * BLOCK);
  if (verb === "lose power") table.losePower();
  if (verb === "fail" && zone === 8) table.fail(zone, "offline");
  return undefined;
}

describe("the zone table", () => {
  it("keeps its limits, its pointers and its counts whatever is asked of it", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
        let table = ZoneTable.empty(geometry);
        for (const command of commands) {
          const before = JSON.stringify(table.report());
          const broken = run(table, command);
          const report = table.report();
          if (broken !== undefined) expect(JSON.stringify(report)).toBe(before);
          if (command.verb === "fork") table = table.fork();
          const count = (...states: ReadonlyArray<string>): number =>
            report.filter(({ state }) => states.includes(state)).length;
          expect(table.openCount).toBe(count("open"));
          expect(table.activeCount).toBe(count("open", "closed"));
          expect(table.offlineCount).toBe(count("offline"));
          expect(table.openCount).toBeLessThanOrEqual(geometry.openZonesMax);
          expect(table.activeCount).toBeLessThanOrEqual(geometry.activeZonesMax);
          for (const { zone, state, writePointerBytes } of report.slice(2)) {
            const written = writePointerBytes - table.startBytes(zone);
            if (state === "empty") expect(written).toBe(0);
            else if (state === "closed") expect(written).toBeGreaterThan(0);
            if (state === "full") expect(written).toBe(geometry.zoneCapacityBytes);
            else if (state !== "offline") expect(written).toBeLessThan(geometry.zoneCapacityBytes);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("names the broken rule and both offsets when a write misses the pointer", () => {
    const table = ZoneTable.empty(geometry);
    expect(table.write(table.startBytes(3) + BLOCK, BLOCK)).toBe(
      "write at 4096 of the zone, not at its write pointer 0",
    );
  });

  it("lets a closed zone be written again when no further one may become active", () => {
    const table = ZoneTable.empty(geometry);
    for (const zone of [2, 3, 4, 5]) table.write(table.startBytes(zone), BLOCK);
    expect(table.state(2)).toBe("closed");
    expect(table.write(table.writePointerBytes(2), BLOCK)).toBeUndefined();
    expect(table.write(table.startBytes(6), BLOCK)).toMatch(/more than 4 active zones/);
  });

  it("forks into independent copies", () => {
    const table = ZoneTable.empty(geometry);
    const fork = table.fork();
    fork.write(fork.startBytes(3), BLOCK);
    expect(table.state(3)).toBe("empty");
    expect(fork.state(3)).toBe("open");
  });

  it("keeps a failed zone failed, through resets and crashes", () => {
    const table = ZoneTable.empty(geometry);
    table.fail(4, "read-only");
    expect(table.reset(4)).toMatch(/read-only/);
    table.restore(4, BLOCK);
    table.losePower();
    expect(table.state(4)).toBe("read-only");
  });

  it("lets power loss close what is open", () => {
    const table = ZoneTable.empty(geometry);
    table.write(table.startBytes(3), BLOCK);
    table.open(4);
    table.losePower();
    expect([table.state(3), table.state(4)]).toEqual(["closed", "empty"]);
  });
});
