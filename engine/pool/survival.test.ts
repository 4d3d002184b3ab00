/**
 * A process that dies and the one after it: what was acknowledged is there, though nobody synced it.
 */
import * as Effect from "effect/Effect";
import { describe, expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { survivesAll, survivesNone } from "../../devices/sim/survival.ts";
import { SurvivorRam } from "../../harness/survivor-ram.ts";
import { FileType, ROOT_INODE } from "../fs/types.ts";
import { SurvivorLog } from "../journal/survivor-log.ts";
import { formatPool, openPool, type Pool } from "./pool.ts";

const MIB = 1024 * 1024;
const OWNER = { uid: 0, gid: 0 };
const OPEN = { commitIntervalMs: 0, writebackIntervalMs: 0 };
const SEGMENT_BYTES = 300 * 1024;
const name = (text: string): Uint8Array => new TextEncoder().encode(text);
const noise = (seed: number, length = 100_000): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => Math.imul(at + 1, seed * 2 + 1) >> 7);

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect as Effect.Effect<A>);

/** One process after another on the same disk, with the same memory. */
class Machine {
  disk: SimDisk;
  ram = new SurvivorRam();
  log!: SurvivorLog;
  lives = 0;

  private constructor(disk: SimDisk) {
    this.disk = disk;
  }

  static async make(): Promise<Machine> {
    const geometry = { capacityBytes: 16 * MIB, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
    const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });
    await run(formatPool([disk], { uuid: new Uint8Array(16).fill(7) }));
    return new Machine(disk);
  }

  /** The process dies at the end of `use`, wherever that is. */
  async process<A>(use: (pool: Pool) => Effect.Effect<A, unknown>): Promise<A> {
    this.log = new SurvivorLog({ memory: this.ram, segmentBytes: SEGMENT_BYTES });
    const options = { ...OPEN, survivors: this.log };
    const answer = await run(Effect.scoped(Effect.flatMap(openPool([this.disk], options), use)));
    this.ram = this.ram.fork();
    this.disk = SimDisk.fromImage(this.disk.crash(survivesAll), { name: "disk", seed: ++this.lives });
    return answer;
  }

  /** The power goes: memory is empty, and the disk has what was flushed. */
  loseAll(): void {
    this.ram = new SurvivorRam();
    this.disk = SimDisk.fromImage(this.disk.crash(survivesNone), { name: "disk", seed: ++this.lives });
  }
}

/** Byte by byte, and quickly. */
const same = (found: Uint8Array, expected: Uint8Array): boolean => Buffer.from(found).equals(expected);

const file = ({ filesystem }: Pool, text: string) =>
  filesystem.mknod(ROOT_INODE, name(text), FileType.regular | 0o644, 0, OWNER);

describe("the process after one that died", () => {
  test("has all names, data and times that were acknowledged", async () => {
    const machine = await Machine.make();
    const before = await machine.process((pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const { inode } = yield* file(pool, "a");
        yield* filesystem.write(inode, 0, noise(1));
        yield* filesystem.write(inode, 50_000, noise(2));
        yield* filesystem.setattr(inode, { sizeBytes: 120_000 });
        yield* filesystem.write(inode, 118_000, noise(3, 5000));
        yield* filesystem.fallocate(inode, "punch", 10_000, 10_000, true);
        yield* filesystem.write(inode, 12_000, noise(4, 10));
        yield* filesystem.setxattr(inode, name("user.x"), noise(5, 100), "create");
        expect(pool.tookOver).toBe(false);
        return { attributes: yield* filesystem.getattr(inode), bytes: yield* filesystem.read(inode, 0, 200_000) };
      }),
    );
    for (let life = 0; life < 3; life++) {
      await machine.process((pool) =>
        Effect.gen(function* () {
          const { filesystem } = pool;
          expect(pool.tookOver).toBe(true);
          const { inode, ...attributes } = yield* filesystem.lookup(ROOT_INODE, name("a"));
          const { allocatedBytes: _, ...expected } = before.attributes;
          expect({ inode, ...attributes }).toMatchObject(expected);
          expect(same(yield* filesystem.read(inode, 0, 200_000), before.bytes)).toBe(true);
          expect(yield* filesystem.getxattr(inode, name("user.x"))).toEqual(noise(5, 100));
          expect((yield* pool.check()).problems).toEqual([]);
          if (life === 1) yield* filesystem.syncfs;
        }),
      );
    }
    machine.loseAll();
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { inode } = yield* pool.filesystem.lookup(ROOT_INODE, name("a"));
        expect(same(yield* pool.filesystem.read(inode, 0, 200_000), before.bytes)).toBe(true);
        expect((yield* pool.check({ data: true })).problems).toEqual([]);
      }),
    );
  });

  test("does not bring back what was cut off, and keeps what was written back and forgotten by the log", async () => {
    const machine = await Machine.make();
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const { inode } = yield* file(pool, "a");
        for (let round = 0; round < 12; round++) {
          yield* filesystem.write(inode, round * 100_000, noise(round));
          if (round % 4 === 3) yield* filesystem.syncfs;
        }
        yield* filesystem.setattr(inode, { sizeBytes: 250_000 });
        yield* filesystem.setattr(inode, { sizeBytes: 400_000 });
      }),
    );
    expect(machine.ram.sizeBytes()).toBeLessThan(5 * SEGMENT_BYTES);
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { inode, sizeBytes } = yield* pool.filesystem.lookup(ROOT_INODE, name("a"));
        expect(sizeBytes).toBe(400_000);
        const expected = new Uint8Array(400_000);
        for (let round = 0; round < 3; round++) expected.set(noise(round), round * 100_000);
        expected.fill(0, 250_000);
        expect(same(yield* pool.filesystem.read(inode, 0, 500_000), expected)).toBe(true);
      }),
    );
  });

  test("does nothing twice of what is sent again", async () => {
    const machine = await Machine.make();
    await machine.process((pool) =>
      Effect.gen(function* () {
        const made = pool.filesystemForRequest(10);
        yield* made.mkdir(ROOT_INODE, name("d"), 0o755, OWNER);
        yield* made.setxattr(ROOT_INODE, name("user.x"), noise(1, 4), "create");
        yield* pool.filesystemForRequest(12).mkdir(ROOT_INODE, name("e"), 0o755, OWNER);
        machine.log.answered(12);
        const { inode } = yield* file(pool, "log");
        yield* pool.filesystemForRequest(14).append(inode, noise(2, 100));
        yield* Effect.ignore(pool.filesystemForRequest(16).rmdir(ROOT_INODE, name("f")));
      }),
    );
    for (let life = 0; life < 2; life++) {
      await machine.process((pool) =>
        Effect.gen(function* () {
          const again = pool.filesystemForRequest(10);
          const { inode } = yield* again.mkdir(ROOT_INODE, name("d"), 0o755, OWNER);
          expect(inode).toBe((yield* pool.filesystem.lookup(ROOT_INODE, name("d"))).inode);
          yield* again.setxattr(ROOT_INODE, name("user.x"), noise(1, 4), "create");
          const twice = yield* Effect.flip(again.mkdir(ROOT_INODE, name("d"), 0o755, OWNER));
          expect(twice).toMatchObject({ reason: "Exists" });
          const log = yield* pool.filesystem.lookup(ROOT_INODE, name("log"));
          expect(yield* pool.filesystemForRequest(14).append(log.inode, noise(2, 100))).toBe(0);
          expect((yield* pool.filesystem.getattr(log.inode)).sizeBytes).toBe(100);
          // What failed has changed nothing: it is tried.
          const failed = yield* Effect.flip(pool.filesystemForRequest(16).rmdir(ROOT_INODE, name("f")));
          expect(failed).toMatchObject({ reason: "NoEntry" });
        }),
      );
    }
  });

  test("says of what is gone since that it was changed", async () => {
    const machine = await Machine.make();
    const inode = await machine.process((pool) =>
      Effect.gen(function* () {
        const made = yield* file(pool, "short lived");
        yield* pool.filesystemForRequest(10).setattr(made.inode, { sizeBytes: 5 });
        yield* pool.filesystemForRequest(12).setattr(made.inode, { mode: 0o600 });
        yield* pool.filesystemForRequest(14).link(made.inode, ROOT_INODE, name("other"));
        yield* pool.filesystem.unlink(ROOT_INODE, name("short lived"));
        yield* pool.filesystem.unlink(ROOT_INODE, name("other"));
        return made.inode;
      }),
    );
    await machine.process((pool) =>
      Effect.gen(function* () {
        const gone = { inode, links: 0, mode: 0o100600 };
        const resized = yield* pool.filesystemForRequest(10).setattr(inode, { sizeBytes: 5 });
        expect(resized).toMatchObject({ inode, links: 0 });
        expect(resized.mode & 0o170000).toBe(0o100000);
        expect(yield* pool.filesystemForRequest(12).setattr(inode, { mode: 0o600 })).toMatchObject(gone);
        expect(yield* pool.filesystemForRequest(14).link(inode, ROOT_INODE, name("other"))).toMatchObject(gone);
        const other = yield* Effect.flip(pool.filesystemForRequest(16).setattr(inode, { mode: 0o644 }));
        expect(other).toMatchObject({ reason: "NoEntry" });
      }),
    );
  });

  test("keeps files without names until they are forgotten, and a cold start removes them", async () => {
    const machine = await Machine.make();
    const [a, b] = await machine.process((pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const one = (yield* file(pool, "a")).inode;
        const other = (yield* file(pool, "b")).inode;
        yield* filesystem.open(one);
        yield* filesystem.open(other);
        yield* filesystem.write(one, 0, noise(1, 5000));
        yield* filesystem.write(other, 0, noise(2, 5000));
        yield* filesystem.unlink(ROOT_INODE, name("a"));
        return [one, other] as const;
      }),
    );
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        expect(yield* filesystem.read(a, 0, 5000)).toEqual(noise(1, 5000));
        yield* filesystem.unlink(ROOT_INODE, name("b"));
        yield* filesystem.release(b);
        expect(yield* filesystem.read(b, 0, 5000)).toEqual(noise(2, 5000));
        yield* filesystem.write(b, 0, noise(3, 10));
        yield* filesystem.fsync(b);
        yield* pool.forgotten(b);
        expect(yield* Effect.flip(filesystem.getattr(b))).toMatchObject({ reason: "NoEntry" });
        expect((yield* filesystem.statfs).inodes).toBe(2);
      }),
    );
    machine.ram = new SurvivorRam();
    await machine.process((pool) =>
      Effect.gen(function* () {
        expect((yield* pool.filesystem.statfs).inodes).toBe(1);
        expect((yield* pool.check()).problems).toEqual([]);
      }),
    );
  });

  test("goes on behind an orderly end, whatever is in the memory", async () => {
    const machine = await Machine.make();
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { inode } = yield* file(pool, "a");
        yield* pool.filesystem.write(inode, 0, noise(1, 5000));
        machine.log.keepNote(name("hello"));
        yield* pool.handOver;
      }),
    );
    await machine.process((pool) =>
      Effect.gen(function* () {
        expect(pool.tookOver).toBe(true);
        expect(machine.log.note).toEqual(name("hello"));
        const { inode } = yield* pool.filesystem.lookup(ROOT_INODE, name("a"));
        expect(yield* pool.filesystem.read(inode, 0, 5000)).toEqual(noise(1, 5000));
      }),
    );
  });

  test("refuses what is left when others used the pool meanwhile, or when the memory could not take a write in", async () => {
    const machine = await Machine.make();
    let files = 0;
    const write = (pool: Pool) =>
      Effect.gen(function* () {
        const { inode } = yield* file(pool, `file ${files++}`);
        yield* pool.filesystem.write(inode, 0, noise(1, 5000));
      });
    await machine.process(write);
    const kept = machine.ram;
    machine.ram = new SurvivorRam();
    await machine.process(write);
    machine.ram = kept;
    await expect(machine.process(write)).rejects.toMatchObject({ _tag: "NotTakenOver" });
    machine.ram = new SurvivorRam();
    await machine.process((pool) =>
      Effect.gen(function* () {
        const { inode } = yield* file(pool, "large");
        yield* pool.filesystem.write(inode, 0, noise(1, SEGMENT_BYTES));
      }),
    );
    await expect(machine.process(write)).rejects.toMatchObject({ _tag: "NotTakenOver" });
    machine.ram = new SurvivorRam();
    machine.ram.bytesMax = 9000;
    await machine.process((pool) => Effect.andThen(write(pool), write(pool)));
    machine.ram.bytesMax = 1e9;
    await expect(machine.process(write)).rejects.toMatchObject({ _tag: "NotTakenOver" });
  });
});
