import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Media } from "../sim/media.ts";
import {
  type Survival,
  survivesAll,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesReordered,
} from "../sim/survival.ts";
import { RecordedDisk } from "./recorded-disk.ts";
import { ScratchDisk } from "./scratch-disk.ts";

const SECTOR = 512;
const SECTORS = 64;

type Entry =
  | { readonly kind: "write"; readonly sector: number; readonly count: number }
  | { readonly kind: "discard"; readonly sector: number; readonly count: number }
  | { readonly kind: "flush" };

const range = { sector: fc.nat(SECTORS - 20), count: fc.integer({ min: 1, max: 20 }) };
const entries = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("write" as const), ...range }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("discard" as const), ...range }) },
    { weight: 2, arbitrary: fc.constant({ kind: "flush" as const }) },
  ),
  { minLength: 1, maxLength: 30 },
);
const survivals: fc.Arbitrary<Survival> = fc.oneof(
  fc.integer().map(survivesKeyed),
  fc.integer().map(survivesReordered),
  fc.nat(10).map(survivesOnly),
);

/** Writes a value of its own with each entry, all over the range. */
function record(list: ReadonlyArray<Entry>): RecordedDisk {
  const disk = RecordedDisk.blank(SECTORS * SECTOR);
  list.forEach((entry, index) => {
    if (entry.kind === "flush") disk.flush();
    else if (entry.kind === "discard") disk.discard(entry.sector * SECTOR, entry.count * SECTOR);
    else disk.write(entry.sector * SECTOR, new Uint8Array(entry.count * SECTOR).fill(index + 1));
  });
  return disk;
}

/** The value of each sector; a sector of several values is a failure. */
function sectors(media: Media): Array<number> {
  const bytes = media.read(0, SECTORS * SECTOR);
  return Array.from({ length: SECTORS }, (_, sector) => {
    const all = new Set(bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR));
    expect(all.size).toBe(1);
    return bytes[sector * SECTOR]!;
  });
}

/** What the sectors hold after the first entries, and what each may hold after a crash there. */
function expected(list: ReadonlyArray<Entry>, position: number) {
  let now = new Array<number>(SECTORS).fill(0);
  let durable = now;
  let allowed = now.map((value) => new Set([value]));
  list.slice(0, position).forEach((entry, index) => {
    if (entry.kind === "flush") {
      durable = now;
      allowed = now.map((value) => new Set([value]));
      return;
    }
    const value = entry.kind === "discard" ? 0 : index + 1;
    const covers = (sector: number): boolean => sector >= entry.sector && sector < entry.sector + entry.count;
    now = now.map((old, sector) => (covers(sector) ? value : old));
    allowed.forEach((values, sector) => covers(sector) && values.add(value));
  });
  return { now, durable, allowed };
}

describe("a crash image", () => {
  it("holds what was flushed, whatever is lost, and all that was written if nothing is, at every position", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const disk = record(list);
        for (let position = 0; position <= list.length; position++) {
          const { now, durable } = expected(list, position);
          expect(sectors(disk.crash(position, survivesNone))).toEqual(durable);
          expect(sectors(disk.crash(position, survivesAll))).toEqual(now);
        }
      }),
    );
  });

  it("holds in each sector what was flushed or one of the writes since, each write torn between sectors alone", () => {
    fc.assert(
      fc.property(entries, survivals, fc.nat(), (list, survival, at) => {
        const position = at % (list.length + 1);
        const { allowed } = expected(list, position);
        sectors(record(list).crash(position, survival)).forEach((value, sector) => {
          expect([...allowed[sector]!]).toContain(value);
        });
      }),
    );
  });

  it("has every subset of the writes since the last flush", () => {
    const disk = record([
      { kind: "write", sector: 0, count: 1 },
      { kind: "flush" },
      { kind: "write", sector: 0, count: 1 },
      { kind: "write", sector: 1, count: 1 },
    ]);
    const seen = new Set<string>();
    for (let bits = 0; bits < 4; bits++) {
      const survival: Survival = {
        fate: (_operation, position) => (((bits >> position) & 1) === 1 ? "kept" : "dropped"),
        keepsUnit: () => true,
      };
      seen.add(sectors(disk.crash(4, survival)).slice(0, 2).join());
    }
    expect([...seen].toSorted()).toEqual(["1,0", "1,4", "3,0", "3,4"]);
  });

  it("is torn at larger units where the disk never tears smaller ones", () => {
    const disk = new RecordedDisk(RecordedDisk.blank(SECTORS * SECTOR).content(), 4096);
    disk.write(0, new Uint8Array(16 * SECTOR).fill(7));
    const torn: Survival = { fate: () => "torn", keepsUnit: (_operation, unit) => unit === 1 };
    const held = sectors(disk.crash(1, torn));
    expect(held.slice(0, 16)).toEqual([...new Array<number>(8).fill(0), ...new Array<number>(8).fill(7)]);
  });
});

describe("the record", () => {
  it("is not disturbed by what is done to its images, nor they by what is recorded later", () => {
    const disk = record([{ kind: "write", sector: 3, count: 2 }, { kind: "flush" }]);
    const image = disk.crash(2, survivesNone);
    const scratch = new ScratchDisk(image);
    scratch.write(3 * SECTOR, new Uint8Array(SECTOR).fill(99));
    scratch.discard(4 * SECTOR, SECTOR);
    disk.write(4 * SECTOR, new Uint8Array(SECTOR).fill(50));
    expect([scratch.read(3 * SECTOR, 1)[0], scratch.read(4 * SECTOR, 1)[0]]).toEqual([99, 0]);
    expect(sectors(image).slice(3, 5)).toEqual([1, 1]);
    expect([disk.read(3 * SECTOR, 1)[0], disk.read(4 * SECTOR, 1)[0]]).toEqual([1, 50]);
  });

  it("counts what came, and where it was flushed", () => {
    const disk = record([
      { kind: "write", sector: 0, count: 2 },
      { kind: "flush" },
      { kind: "discard", sector: 0, count: 1 },
      { kind: "flush" },
    ]);
    expect(disk.counts).toEqual({ writes: 1, writtenBytes: 1024, discards: 1, flushes: 2 });
    expect([disk.length, disk.flushPositions, disk.volatileAt(3).length]).toEqual([4, [2, 4], 1]);
  });

  it("refuses what lies outside of the disk or the record", () => {
    const disk = record([{ kind: "flush" }]);
    expect(() => disk.write(SECTORS * SECTOR, new Uint8Array(1))).toThrow(RangeError);
    expect(() => disk.crash(2, survivesNone)).toThrow(RangeError);
    expect(disk.length).toBe(1);
  });
});
