import * as Effect from "effect/Effect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Device } from "../../devices/device.ts";
import { makeMemoryDevice } from "../../devices/memory.ts";
import { BucketIo, BucketLayout } from "../device/bucket-io.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { Superblock } from "../format/superblock.ts";
import { marks, resetMarks } from "../marks.ts";
import { NO_JOURNAL, readJournal } from "../pool/recovery.ts";
import { makeRoomAfterRecovery, RUNTIME_OPTIONS, type Runtime, startRuntime } from "../pool/runtime.ts";
import { POOL_BYTES_MIN, shapeOf } from "../pool/shape.ts";
import { Abort } from "./transaction.ts";

const UUID = new Uint8Array(16).fill(7);
const CAPACITY_BYTES = 32 * 1024 * 1024;
/** Few keys a leaf and few children a node, so that small tests see deep trees. */
const OPTIONS = { ...RUNTIME_OPTIONS, treeLimits: { fanMax: 8, leafRowsMax: 16 } };

type Model = Map<number, number>;

/** A store that is opened again and again on one device, as after a kill or after a clean close. */
class Bench {
  readonly device: Device;
  readonly model: Model = new Map();
  private opened = false;

  constructor(capacityBytes = CAPACITY_BYTES) {
    this.device = makeMemoryDevice({ name: "memory", capacityBytes });
  }

  session<A>(use: (runtime: Runtime) => Effect.Effect<A, unknown>, end: "kill" | "close" = "kill"): Promise<A> {
    const { device } = this;
    const superblock = shapeOf([device], { uuid: UUID }, 0) as Superblock;
    const io = new BucketIo([{ device, layout: new BucketLayout(device, superblock.bucketBytes) }]);
    const first = !this.opened;
    this.opened = true;
    return Effect.runPromise(
      Effect.gen(function* () {
        const recovered = first ? NO_JOURNAL : yield* readJournal(io, superblock);
        const runtime = yield* startRuntime(io, superblock, recovered, OPTIONS);
        yield* makeRoomAfterRecovery(runtime);
        const result = yield* use(runtime);
        if (end === "close") {
          yield* runtime.writer.flushAll;
          runtime.journal.markClean();
          yield* runtime.journal.settle;
        } else yield* runtime.journal.sync;
        expect(runtime.supervisor.failure).toBeUndefined();
        yield* runtime.supervisor.stop;
        runtime.trees.dispose();
        return result;
      }),
    );
  }

  change(runtime: Runtime, key: number, value: number | undefined): Effect.Effect<void, unknown> {
    if (value === undefined) this.model.delete(key);
    else this.model.set(key, value);
    return runtime.btree.transact<void, never>((tx) => {
      const offset = key % 97;
      const inode = (key - offset) / 97;
      if (value === undefined) return tx.remove(Table.dirents, inode, offset, SNAPSHOT_ROOT);
      tx.put(Table.dirents, inode, offset, SNAPSHOT_ROOT, 8);
      tx.out.setFloat64(tx.outAt, value, true);
    });
  }
}

const contents = (runtime: Runtime): Effect.Effect<Model, unknown> =>
  runtime.btree.transact<Model, never>((tx) => {
    const seen: Model = new Map();
    const scan = tx.scan(Table.dirents, 0, 0, 0);
    while (scan.next()) seen.set(scan.inode * 97 + scan.offset, scan.view.getFloat64(scan.at, true));
    return seen;
  });

const sorted = (model: Model): Array<[number, number]> => [...model].sort((a, b) => a[0] - b[0]);

describe("btree over journal and allocator", () => {
  it("holds what was committed, over kills and closes, with deep trees that split and merge", async () => {
    resetMarks();
    const change = fc.tuple(fc.nat(4000), fc.option(fc.integer(), { nil: undefined, freq: 3 }));
    const sessions = fc.array(
      fc.record({ changes: fc.array(change, { maxLength: 2500, size: "max" }), end: fc.constantFrom("kill", "close") }),
      { minLength: 2, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(sessions, async (runs) => {
        const bench = new Bench();
        for (const { changes, end } of runs) {
          await bench.session(
            (runtime) =>
              Effect.gen(function* () {
                expect(sorted(yield* contents(runtime))).toEqual(sorted(bench.model));
                for (const [key, value] of changes) yield* bench.change(runtime, key, value);
              }),
            end,
          );
        }
        await bench.session((runtime) =>
          Effect.map(contents(runtime), (found) => expect(sorted(found)).toEqual(sorted(bench.model))),
        );
      }),
      { numRuns: 8, seed: 20 },
    );
    for (const mark of ["leaf split", "root split", "interior split", "leaves merged"]) {
      expect(marks.get(mark), mark).toBeGreaterThan(0);
    }
  }, 60_000);

  it("wraps the journal, and writes the nodes that pin its tail", async () => {
    resetMarks();
    const bench = new Bench();
    await bench.session((runtime) =>
      Effect.gen(function* () {
        for (let round = 0; round < 40_000; round++) yield* bench.change(runtime, (round * 7919) % 3000, round);
      }),
    );
    expect(marks.get("journal wrapped")).toBeGreaterThan(0);
    await bench.session((runtime) =>
      Effect.map(contents(runtime), (found) => expect(sorted(found)).toEqual(sorted(bench.model))),
    );
  }, 60_000);

  it("has room for commits however often it was killed before the nodes that pin the journal were written", async () => {
    for (let kills = 1; kills <= 5; kills++) {
      const bench = new Bench();
      await bench.session((runtime) =>
        Effect.gen(function* () {
          for (let key = 0; key < 3500; key++) yield* bench.change(runtime, key * 31, key);
        }),
      );
      for (let kill = 0; kill < kills; kill++) {
        await bench.session((runtime) => bench.change(runtime, kill, kill));
      }
      await bench.session((runtime) =>
        Effect.gen(function* () {
          for (let key = 0; key < 3500; key++) yield* bench.change(runtime, key * 31, -key);
          expect(sorted(yield* contents(runtime))).toEqual(sorted(bench.model));
        }),
      );
    }
  }, 60_000);

  it("writes more nodes than the journal has room for", async () => {
    resetMarks();
    const bench = new Bench();
    for (let round = 1; round <= 4; round++) {
      await bench.session((runtime) =>
        Effect.gen(function* () {
          // Hardly any two changes in a row are of one leaf.
          for (let key = 0; key < 12_000; key++) yield* bench.change(runtime, (key * 7919) % 12_000, key * round);
          expect(sorted(yield* contents(runtime))).toEqual(sorted(bench.model));
        }),
      );
    }
    await bench.session((runtime) =>
      Effect.map(contents(runtime), (found) => expect(sorted(found)).toEqual(sorted(bench.model))),
    );
    expect(marks.get("checkpoint for want of journal space")).toBeGreaterThan(0);
  }, 60_000);

  it("has a bucket for nodes however often it was killed behind the first that it wrote", async () => {
    resetMarks();
    const bench = new Bench(POOL_BYTES_MIN);
    for (let kill = 0; kill < 40; kill++) {
      await bench.session((runtime) =>
        Effect.gen(function* () {
          for (let key = 0; key < 40; key++) yield* bench.change(runtime, (kill * 40 + key) * 97, kill);
          yield* runtime.writer.flushAll;
        }),
      );
    }
    await bench.session((runtime) =>
      Effect.map(contents(runtime), (found) => expect(sorted(found)).toEqual(sorted(bench.model))),
    );
    expect(marks.get("checkpoint for want of a bucket")).toBeGreaterThan(0);
    expect(marks.get("sparse bucket emptied in a checkpoint")).toBeGreaterThan(0);
  }, 60_000);

  it("leaves no trace of a body that aborts", async () => {
    const bench = new Bench();
    await bench.session((runtime) =>
      Effect.gen(function* () {
        const aborted = yield* Effect.flip(
          runtime.btree.transact<void, string>((tx) => {
            tx.put(Table.dirents, 1, 1, SNAPSHOT_ROOT, 8);
            return new Abort("no");
          }),
        );
        expect(aborted).toBe("no");
        expect((yield* contents(runtime)).size).toBe(0);
        expect(runtime.journal.gathering.empty).toBe(true);
      }),
    );
  });

  it("sees its own staged rows through find, and only committed ones through scan", async () => {
    const bench = new Bench();
    await bench.session((runtime) =>
      Effect.gen(function* () {
        yield* bench.change(runtime, 5, 50);
        yield* runtime.btree.transact<void, never>((tx) => {
          tx.put(Table.dirents, 0, 6, SNAPSHOT_ROOT, 8);
          tx.out.setFloat64(tx.outAt, 60, true);
          expect(tx.find(Table.dirents, 0, 6, SNAPSHOT_ROOT)).toBe(true);
          expect(tx.view.getFloat64(tx.at, true)).toBe(60);
          tx.remove(Table.dirents, 0, 5, SNAPSHOT_ROOT);
          expect(tx.find(Table.dirents, 0, 5, SNAPSHOT_ROOT)).toBe(false);
          const scan = tx.scan(Table.dirents, 0, 0, 0);
          expect(scan.next()).toBe(true);
          expect(scan.offset).toBe(5);
          expect(scan.next()).toBe(false);
        });
      }),
    );
  });

  it("turns the pool read-only when an invariant breaks, and tells everybody who waits", async () => {
    const bench = new Bench();
    const { device } = bench;
    const superblock = shapeOf([device], { uuid: UUID }, 0) as Superblock;
    const io = new BucketIo([{ device, layout: new BucketLayout(device, superblock.bucketBytes) }]);
    await Effect.runPromise(
      Effect.gen(function* () {
        const runtime = yield* startRuntime(io, superblock, NO_JOURNAL, OPTIONS);
        const broken = yield* Effect.flip(
          runtime.btree.transact<void, never>(() => {
            throw new Error("planted");
          }),
        );
        expect(broken._tag).toBe("PoolFailed");
        expect(runtime.supervisor.failure?.detail).toContain("planted");
        const after = yield* Effect.flip(bench.change(runtime, 1, 1));
        expect(after).toBe(runtime.supervisor.failure);
      }),
    );
  });
});
