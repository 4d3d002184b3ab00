import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { DeviceError, Geometry, ZoneGeometry } from "../device.ts";
import { SimDisk } from "./disk.ts";
import type { SimDiskBehaviour } from "./disk.ts";
import { FaultPlan } from "./faults.ts";
import type { Fault } from "./faults.ts";
import { survivesAll, survivesAllBut, survivesNone } from "./survival.ts";
import { fixedTiming } from "./timing.ts";

const BLOCK = 4096;
const zones: ZoneGeometry = {
  zoneBytes: 16 * BLOCK,
  zoneCapacityBytes: 12 * BLOCK,
  zoneCount: 16,
  conventionalCount: 1,
  openZonesMax: 0,
  activeZonesMax: 3,
};

function makeDisk(behaviour: Partial<SimDiskBehaviour> = {}, zonesOf?: ZoneGeometry): SimDisk {
  const geometry: Geometry = {
    capacityBytes: 256 * BLOCK,
    blockBytes: BLOCK,
    atomicWriteBytes: 512,
    rotational: false,
    zones: zonesOf,
  };
  return SimDisk.make({ name: "disk", geometry, ...behaviour });
}

const withFaults = (...faults: ReadonlyArray<Fault>): SimDisk => makeDisk({ faults: new FaultPlan(7, faults) });
const filled = (value: number, blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK).fill(value);
const run = <A>(effect: Effect.Effect<A, DeviceError>): A => Effect.runSync(effect);
const errorOf = <A>(effect: Effect.Effect<A, DeviceError>): DeviceError => Effect.runSync(Effect.flip(effect));
const firstByte = (disk: SimDisk, block = 0): number => run(disk.read(block * BLOCK, BLOCK))[0]!;

describe("a simulated disk", () => {
  it("tells its observer of issue and completion of every operation, in order", () => {
    const events: Array<string> = [];
    const disk = makeDisk({
      observer: (phase, operation, offsetBytes, lengthBytes, index) =>
        events.push(`${index} ${phase} ${operation} ${offsetBytes}+${lengthBytes}`),
      faults: new FaultPlan(1, [{ kind: "flush-error" }]),
    });
    run(disk.write(BLOCK, filled(1)));
    errorOf(disk.flush);
    expect(events).toEqual([
      "0 issue write 4096+4096",
      "0 complete write 4096+4096",
      "1 issue flush 0+0",
      "1 fail flush 0+0",
    ]);
  });

  it("can be crashed by its observer while a write or a flush is in flight", () => {
    const states: Array<string> = [];
    const disk = makeDisk();
    disk.setObserver((phase, operation) => {
      const kept = disk.crash(survivesAll).media.read(0, 1)[0];
      const lost = disk.crash(survivesNone).media.read(0, 1)[0];
      states.push(`${operation} ${phase}: ${kept} or ${lost}`);
    });
    run(disk.write(0, filled(1)));
    run(disk.flush);
    expect(states).toEqual([
      "write issue: 1 or 0",
      "write complete: 1 or 0",
      "flush issue: 1 or 0",
      "flush complete: 1 or 1",
    ]);
  });

  it("makes durable by a flush only what had completed when the flush began", async () => {
    const disk = makeDisk({ timing: fixedTiming({ write: 10, flush: 20 }) });
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* disk.write(0, filled(1));
        const late = yield* Effect.forkChild(disk.write(BLOCK, filled(2)), { startImmediately: true });
        yield* disk.flush;
        const durable = disk.crash(survivesNone).media;
        expect([durable.read(0, 1)[0], durable.read(BLOCK, 1)[0]]).toEqual([1, 0]);
        yield* Fiber.join(late);
        yield* disk.flush;
        expect(disk.crash(survivesNone).media.read(BLOCK, 1)[0]).toBe(2);
        expect(disk.pending).toHaveLength(0);
      }),
    );
  });

  it("keeps what was written during a flush volatile, and what two flushes cover durable", async () => {
    const disk = makeDisk({ timing: fixedTiming({ flush: 5 }) });
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* disk.write(0, filled(1));
        const first = yield* Effect.forkChild(disk.flush, { startImmediately: true });
        yield* disk.write(BLOCK, filled(2));
        const second = yield* Effect.forkChild(disk.flush, { startImmediately: true });
        yield* disk.write(2 * BLOCK, filled(3));
        yield* Fiber.join(first);
        yield* Fiber.join(second);
        const durable = disk.crash(survivesNone).media;
        expect([0, 1, 2].map((block) => durable.read(block * BLOCK, 1)[0])).toEqual([1, 2, 0]);
        expect(disk.pending).toHaveLength(1);
      }),
    );
  });

  it("takes nothing back when a flush ends after one that began later", async () => {
    const delaysMs = [0, 20, 0, 5];
    const disk = makeDisk({
      timing: { instant: false, delayMs: (_verb, _at, _length, index) => delaysMs[index] ?? 0 },
    });
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* disk.write(0, filled(1));
        const first = yield* Effect.forkChild(disk.flush, { startImmediately: true });
        yield* disk.write(BLOCK, filled(2));
        yield* disk.flush;
        yield* Fiber.join(first);
        const durable = disk.crash(survivesNone).media;
        expect([0, 1].map((block) => durable.read(block * BLOCK, 1)[0])).toEqual([1, 2]);
      }),
    );
  });

  it("leaves no gap in a zone when a flush covers a write but not the one before it", async () => {
    const delaysMs = [20, 0, 0];
    const timing = {
      instant: false,
      delayMs: (_1: string, _2: number, _3: number, index: number) => delaysMs[index] ?? 0,
    };
    const disk = makeDisk({ timing }, zones);
    await Effect.runPromise(
      Effect.gen(function* () {
        const slow = yield* Effect.forkChild(disk.zones!.append(1, filled(1)), { startImmediately: true });
        yield* disk.zones!.append(1, filled(2));
        yield* disk.flush;
        const { media, zones: table } = disk.crash(survivesNone);
        expect(table!.writePointerBytes(1)).toBe(zones.zoneBytes + 2 * BLOCK);
        expect([16, 17].map((block) => media.read(block * BLOCK, 1)[0])).toEqual([1, 2]);
        yield* Fiber.join(slow);
      }),
    );
  });

  it("is not stopped by interruption from completing what was issued", async () => {
    const disk = makeDisk({ timing: fixedTiming({ write: 5 }) });
    await Effect.runPromise(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(disk.write(0, filled(1)), { startImmediately: true });
        yield* Fiber.interrupt(fiber);
        expect(disk.pending[0]!.completed).toBe(true);
      }),
    );
  });

  it("keeps a list of calls that broke the contract", () => {
    const disk = makeDisk({}, zones);
    errorOf(disk.write(zones.zoneBytes + BLOCK, filled(1)));
    errorOf(disk.read(1, BLOCK));
    errorOf(disk.zones!.append(99, filled(1)));
    expect(disk.violations.map(({ _tag }) => _tag)).toEqual(["ZoneViolation", "OutOfRange", "ZoneViolation"]);
    expect(disk.pending).toHaveLength(0);
  });

  it("discards into old bytes, zeros, garbage or a mixture, as its seed says", () => {
    const outcomes = Array.from({ length: 64 }, (_, seed) => {
      const disk = makeDisk({ seed });
      run(disk.write(0, filled(1, 8)));
      run(disk.discard(0, 8 * BLOCK));
      const held = Array.from({ length: 8 }, (_, block) => firstByte(disk, block));
      return new Set(held).size > 1 ? "mixed" : held[0];
    });
    expect(new Set(outcomes)).toEqual(new Set([1, 0, 0xa5, "mixed"]));
  });

  it("does not answer while it is disconnected, and has kept all it took when it is back", () => {
    const disk = makeDisk();
    run(disk.write(0, filled(1)));
    disk.disconnect();
    expect(errorOf(disk.read(0, BLOCK))._tag).toBe("DeviceGone");
    expect(errorOf(disk.flush)._tag).toBe("DeviceGone");
    disk.reconnect();
    expect(firstByte(disk)).toBe(1);
  });

  it("gives a zone up: it can be read while read-only, and neither while offline", () => {
    const disk = makeDisk({}, zones);
    const start = zones.zoneBytes;
    run(disk.write(start, filled(1)));
    disk.failZone(1, "read-only");
    expect(errorOf(disk.write(start + BLOCK, filled(2)))).toMatchObject({ _tag: "MediumError", permanent: true });
    expect(firstByte(disk, 16)).toBe(1);
    disk.failZone(1, "offline");
    expect(errorOf(disk.read(start, BLOCK))).toMatchObject({ _tag: "MediumError", permanent: true });
    expect(errorOf(disk.zones!.reset(1))._tag).toBe("MediumError");
    expect(disk.crash(survivesAll).zones!.state(1)).toBe("offline");
    expect(disk.violations).toHaveLength(0);
  });
});

describe("faults of a simulated disk", () => {
  it("fail a read or write once and let the same effect succeed when it is run again", () => {
    const disk = withFaults(
      { kind: "write-error", when: { fromIndex: 0, toIndex: 1 } },
      { kind: "read-error", when: { fromIndex: 2, toIndex: 3 } },
    );
    const write = disk.write(0, filled(1));
    expect(errorOf(write)).toMatchObject({ _tag: "MediumError", operation: "write", permanent: false });
    run(write);
    const read = disk.read(0, BLOCK);
    expect(errorOf(read)).toMatchObject({ operation: "read", permanent: false });
    expect(run(read)[0]).toBe(1);
  });

  it("leave any of the atomic units of a failed write behind", () => {
    const left = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const disk = makeDisk({ faults: new FaultPlan(seed, [{ kind: "write-error" }]) });
      errorOf(disk.write(0, filled(1)));
      left.add(run(disk.read(0, BLOCK)).reduce((sum, byte) => sum + byte, 0) / 512);
    }
    expect(left.size).toBeGreaterThan(4);
  });

  it("make a range unreadable for good, until it is written", () => {
    const disk = withFaults({ kind: "read-error", permanent: true, when: { fromIndex: 1, toIndex: 2 } });
    run(disk.write(0, filled(1, 3)));
    const middle = disk.read(BLOCK, BLOCK);
    expect(errorOf(middle)).toMatchObject({ permanent: true });
    expect(errorOf(disk.read(0, 3 * BLOCK))).toMatchObject({ permanent: true });
    const after = SimDisk.fromImage(disk.crash(survivesAll), { name: "after" });
    expect(errorOf(after.read(BLOCK, BLOCK))).toMatchObject({ permanent: true });
    const image = disk.crash(survivesAll);
    run(disk.write(BLOCK, filled(2)));
    expect(run(disk.read(0, 3 * BLOCK))[BLOCK]).toBe(2);
    expect(errorOf(SimDisk.fromImage(image, { name: "before" }).read(BLOCK, BLOCK))).toMatchObject({ permanent: true });
  });

  it("make a range unwritable for good", () => {
    const disk = withFaults({ kind: "write-error", permanent: true, when: { fromIndex: 0, toIndex: 1 } });
    for (const _ of [0, 1]) expect(errorOf(disk.write(0, filled(1)))).toMatchObject({ permanent: true });
    run(disk.write(BLOCK, filled(1)));
    expect(firstByte(disk)).toBe(0);
  });

  it("fail a flush, which then makes nothing durable", () => {
    const disk = withFaults({ kind: "flush-error", when: { fromIndex: 0, toIndex: 2 } });
    run(disk.write(0, filled(1)));
    expect(errorOf(disk.flush)).toMatchObject({ operation: "flush", permanent: false });
    expect(disk.crash(survivesNone).media.read(0, 1)[0]).toBe(0);
    run(disk.flush);
    expect(disk.crash(survivesNone).media.read(0, 1)[0]).toBe(1);
  });

  it("fail all flushes once one has failed for good", () => {
    const disk = withFaults({ kind: "flush-error", permanent: true, when: { fromIndex: 0, toIndex: 1 } });
    for (const _ of [0, 1]) expect(errorOf(disk.flush)).toMatchObject({ permanent: true });
  });

  it("turn one bit of what is read, or one on the medium for all to read", () => {
    const bits = (bytes: Uint8Array): number =>
      bytes.reduce((sum, byte) => sum + byte.toString(2).split("1").length - 1, 0);
    const once = { when: { fromIndex: 0, toIndex: 1 } };
    const inTransit = withFaults({ kind: "read-rot", ...once });
    expect([0, 1].map(() => bits(run(inTransit.read(0, BLOCK))))).toEqual([1, 0]);
    const onMedium = withFaults({ kind: "media-rot", ...once });
    expect([0, 1].map(() => bits(run(onMedium.read(0, BLOCK))))).toEqual([1, 1]);
    expect(bits(onMedium.crash(survivesNone).media.read(0, BLOCK))).toBe(1);
  });

  it("turn a bit below a volatile write without the write showing it", () => {
    const disk = makeDisk();
    run(disk.write(0, filled(1)));
    disk.rot(3, 7);
    expect(run(disk.read(0, BLOCK))[3]).toBe(1);
    expect(disk.crash(survivesNone).media.read(0, BLOCK)[3]).toBe(0x80);
    expect(disk.crash(survivesAll).media.read(0, BLOCK)[3]).toBe(1);
  });

  it("lose a write that reported success", () => {
    const disk = withFaults({ kind: "lost-write", where: { fromBytes: 0, toBytes: BLOCK } });
    for (const block of [0, 1]) run(disk.write(block * BLOCK, filled(1)));
    expect([0, 1].map((block) => firstByte(disk, block))).toEqual([0, 1]);
  });

  it("read and write elsewhere, and say nothing of it", () => {
    const astray = withFaults({ kind: "misdirected-write", when: { fromIndex: 0, toIndex: 1 } });
    run(astray.write(0, filled(1)));
    expect(firstByte(astray, 0)).toBe(0);
    expect(astray.pending[0]!.offsetBytes % BLOCK).toBe(0);
    expect(firstByte(astray, astray.pending[0]!.offsetBytes / BLOCK)).toBe(1);
    const misread = withFaults({ kind: "misdirected-read", when: { fromIndex: 1, toIndex: 2 } });
    run(misread.write(0, filled(1)));
    expect([0, 1].map(() => firstByte(misread, 0))).toEqual([0, 1]);
  });

  it("strike with their probability, by the identity of the operation alone", () => {
    const half: Fault = { kind: "read-error", probability: 0.5 };
    const struck = (faults: ReadonlyArray<Fault>, writes: number): string => {
      const disk = withFaults(...faults);
      for (let at = 0; at < writes; at++) run(disk.write(0, filled(1)));
      return Array.from({ length: 400 }, () =>
        Number(Effect.runSync(Effect.exit(disk.read(0, BLOCK)))._tag === "Failure"),
      ).join("");
    };
    const alone = struck([half], 0);
    expect(alone.split("1").length).toBeGreaterThan(150);
    expect(alone.split("1").length).toBeLessThan(250);
    expect(struck([{ kind: "media-rot", probability: 0.1 }, half], 5)).toBe(alone);
  });
});

describe("statistics of a simulated disk", () => {
  it("count writes by 4 KiB block and in all", () => {
    const disk = makeDisk();
    run(disk.write(0, filled(1, 4)));
    run(disk.write(2 * BLOCK, filled(2)));
    run(disk.flush);
    const { statistics } = disk;
    expect([...statistics.heat.subarray(0, 5)]).toEqual([1, 1, 2, 1, 0]);
    expect(statistics).toMatchObject({ writes: 2, writtenBytes: 5 * BLOCK, flushes: 1, heatTotal: 5, heatMax: 2 });
  });

  it("count blocks that were overwritten without having been discarded or reset", () => {
    const disk = makeDisk({}, zones);
    run(disk.write(0, filled(1, 2)));
    run(disk.discard(0, BLOCK));
    run(disk.write(0, filled(2, 2)));
    expect(disk.statistics).toMatchObject({ overwrites: 1, firstOverwriteBytes: BLOCK });
    for (const value of [1, 2]) {
      run(disk.write(zones.zoneBytes, filled(value)));
      run(disk.zones!.reset(1));
    }
    expect(disk.statistics).toMatchObject({ overwrites: 1, resets: 2 });
  });
});

it("a crash state that drops a write in one zone keeps the other zones", () => {
  const disk = makeDisk({}, zones);
  for (const zone of [1, 2]) run(disk.zones!.append(zone, filled(zone, 2)));
  const image = disk.crash(survivesAllBut(0));
  expect([1, 2].map((zone) => image.zones!.writePointerBytes(zone) - zone * zones.zoneBytes)).toEqual([0, 2 * BLOCK]);
});
