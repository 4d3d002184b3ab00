/**
 * What a filesystem does when it is opened on tables that a crash has left: nothing in memory is carried over.
 */
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { Body, Transactor } from "../btree/transaction.ts";
import { makeReferenceServices, type ReferenceBench } from "../data/reference-services.ts";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeInode } from "../format/values/inode.ts";
import { type FilesystemCore, makeFilesystemCore } from "./core.ts";
import { FileType, type Filesystem, ROOT_INODE } from "./types.ts";

const OWNER = { uid: 0, gid: 0 };
const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const run = (work: Effect.Effect<void, unknown>): Promise<void> => Effect.runPromise(work as Effect.Effect<void>);

/** Opens the tables anew, as after a crash: with what recovery does. */
const reopen = (services: ReferenceBench): Effect.Effect<FilesystemCore, unknown> =>
  Effect.gen(function* () {
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    yield* core.resumeLoggedOperations;
    yield* core.cleanOrphans;
    return core;
  });

/** Once armed, runs commits until so many have happened, and then never again. */
function stopping(
  services: ReferenceBench,
  commits: number,
): { readonly services: ReferenceBench; readonly arm: () => void } {
  const { transactor } = services;
  let last = Number.POSITIVE_INFINITY;
  const stopped: Transactor = {
    transact: <A, E>(body: Body<A, E>) =>
      Effect.suspend(() => (transactor.commits >= last ? Effect.never : transactor.transact(body))),
    sync: transactor.sync,
  };
  const arm = (): void => {
    last = transactor.commits + commits;
  };
  return { services: { ...services, transactor: stopped as ReferenceBench["transactor"] }, arm };
}

const file = (fs: Filesystem, name: string) => fs.mknod(ROOT_INODE, n(name), FileType.regular, 0, OWNER);

/** A file of so many rows, none of which is inline. */
const scattered = (fs: Filesystem, name: string, rows: number): Effect.Effect<number, unknown> =>
  Effect.gen(function* () {
    const { inode } = yield* file(fs, name);
    for (let index = 0; index < rows; index++) yield* fs.write(inode, index * 2000, new Uint8Array(1000).fill(5));
    yield* fs.fsync(inode);
    return inode;
  });

const rowsOf = (services: ReferenceBench, table: number): number => services.transactor.table(table).length;

const inodeRow = (services: ReferenceBench, inode: number) => {
  const row = services.transactor.get(Table.inodes, inode, 0, 0xffff_ffff)!;
  return decodeInode(viewOf(row), 0, row.length);
};

/** Does the work on a filesystem that stops after so many commits; true if the work came to its end. */
const upTo = (
  services: ReferenceBench,
  commits: number,
  work: (fs: Filesystem) => Effect.Effect<unknown, unknown>,
): Effect.Effect<boolean, unknown> =>
  Effect.gen(function* () {
    const stopped = stopping(services, commits);
    const core = yield* makeFilesystemCore(stopped.services);
    stopped.arm();
    const fiber = yield* Effect.forkDetach(work(core.filesystem));
    for (let turn = 0; turn < 200; turn++) yield* Effect.yieldNow;
    const ended = fiber.pollUnsafe() !== undefined;
    // What holds a file's lock is not interruptible, as a kill of the process would not ask either.
    if (ended) yield* Fiber.join(fiber);
    return ended;
  });

describe("opening after a crash", () => {
  it("never gives an inode number twice", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const seen = new Set<number>();
        for (let opening = 0; opening < 4; opening++) {
          const { filesystem } = yield* reopen(services);
          for (let index = 0; index < 700; index++) {
            const { inode } = yield* file(filesystem, `f${opening}.${index}`);
            expect(seen.has(inode)).toBe(false);
            seen.add(inode);
            yield* filesystem.unlink(ROOT_INODE, n(`f${opening}.${index}`));
          }
        }
      }),
    ));

  it("removes what was unlinked while open", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const { filesystem } = yield* reopen(services);
        const inode = yield* scattered(filesystem, "f", 200);
        yield* filesystem.setxattr(inode, n("user.a"), new Uint8Array(9000), "set");
        yield* filesystem.open(inode);
        yield* filesystem.unlink(ROOT_INODE, n("f"));
        expect(rowsOf(services, Table.orphans)).toBe(1);
        yield* reopen(services);
        for (const table of [Table.orphans, Table.extents, Table.xattrs]) expect(rowsOf(services, table)).toBe(0);
        expect(rowsOf(services, Table.inodes)).toBe(1);
        expect(services.liveBytes()).toBe(0);
      }),
    ));

  it("finishes the removal of a large file, wherever it was cut short", () =>
    run(
      Effect.gen(function* () {
        let ended = false;
        for (let commits = 0; !ended; commits++) {
          const services = makeReferenceServices();
          const { filesystem } = yield* reopen(services);
          yield* scattered(filesystem, "f", 200);
          const rows = rowsOf(services, Table.extents);
          ended = yield* upTo(services, commits, (fs) => fs.unlink(ROOT_INODE, n("f")));
          const after = yield* reopen(services);
          const found = yield* Effect.result(after.filesystem.lookup(ROOT_INODE, n("f")));
          expect(found._tag).toBe(commits === 0 ? "Success" : "Failure");
          expect(rowsOf(services, Table.extents)).toBe(commits === 0 ? rows : 0);
          expect(rowsOf(services, Table.orphans)).toBe(0);
        }
      }),
    ));

  it("shows a truncate or a punch of many rows whole or not at all, wherever it was cut short", () =>
    run(
      Effect.gen(function* () {
        for (const work of ["truncate", "punch", "zero"] as const) {
          let ended = false;
          for (let commits = 0; !ended; commits++) {
            const services = makeReferenceServices();
            const { filesystem } = yield* reopen(services);
            const inode = yield* scattered(filesystem, "f", 300);
            const before = yield* filesystem.read(inode, 0, 2 ** 30);
            ended = yield* upTo(services, commits, (fs) =>
              work === "truncate"
                ? fs.setattr(inode, { sizeBytes: 1500 })
                : fs.fallocate(inode, work, 1500, 500_000, true),
            );
            const wanted = before.slice();
            if (commits > 0) wanted.fill(0, 1500, 501_500);
            const { filesystem: after } = yield* reopen(services);
            const size = work === "truncate" && commits > 0 ? 1500 : before.length;
            expect((yield* after.getattr(inode)).sizeBytes).toBe(size);
            yield* after.setattr(inode, { sizeBytes: before.length });
            if (work === "truncate" && commits > 0) wanted.fill(0, 1500);
            expect(Buffer.compare(yield* after.read(inode, 0, 2 ** 30), wanted)).toBe(0);
            expect(rowsOf(services, Table.loggedOperations)).toBe(0);
          }
        }
      }),
    ));

  it("never finds a size without the data below it", () =>
    run(
      Effect.gen(function* () {
        const total = 700_000;
        let ended = false;
        for (let commits = 1; !ended; commits++) {
          const services = makeReferenceServices({ compression: 0 });
          const { filesystem } = yield* reopen(services);
          const { inode } = yield* file(filesystem, "f");
          ended = yield* upTo(services, commits, (fs) =>
            Effect.andThen(fs.write(inode, 0, new Uint8Array(total).fill(9)), fs.fsync(inode)),
          );
          const size = inodeRow(services, inode).sizeBytes;
          expect(size).toBe(ended ? total : size);
          const { filesystem: after } = yield* reopen(services);
          const read = yield* after.read(inode, 0, total);
          expect(read.length).toBe(size);
          expect(read.every((byte) => byte === 9)).toBe(true);
        }
      }),
    ));
});

describe("work on many rows that has taken effect and is not through", () => {
  for (const work of ["truncate", "punch"] as const) {
    it(`of a ${work} shows nothing of what is still to go`, () =>
      run(
        Effect.gen(function* () {
          const services = makeReferenceServices();
          const { transactor } = services;
          let calls = Number.NEGATIVE_INFINITY;
          // The second transaction of the work never comes; all others do.
          const held: Transactor = {
            transact: <A, E>(body: Body<A, E>) =>
              Effect.suspend(() => (++calls === 2 ? Effect.never : transactor.transact(body))),
            sync: transactor.sync,
          };
          const core = yield* reopen({ ...services, transactor: held as ReferenceBench["transactor"] });
          const { filesystem } = core;
          const inode = yield* scattered(filesystem, "f", 300);
          yield* filesystem.open(inode);
          calls = 0;
          yield* Effect.forkDetach(
            work === "truncate"
              ? filesystem.setattr(inode, { sizeBytes: 500 })
              : filesystem.fallocate(inode, "punch", 500, 700_000, true),
          );
          for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow;
          expect(calls).toBe(2);
          expect(rowsOf(services, Table.extents)).toBeGreaterThan(200);
          yield* filesystem.write(inode, 800_000, n("x"));
          const read = yield* filesystem.read(inode, 0, 1_000_000);
          const data = [...read].flatMap((byte, at) => (byte === 0 ? [] : [at]));
          expect([data.length, data.at(-1)]).toEqual([501, 800_000]);
          expect(yield* filesystem.seek(inode, 500, "data")).toBe(800_000);
          expect(yield* filesystem.seek(inode, 0, "hole")).toBe(500);
        }),
      ));
  }
});

describe("writeback", () => {
  it("changes no row before its data is written", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const { filesystem } = yield* reopen(services);
        const { inode } = yield* file(filesystem, "f");
        yield* filesystem.write(inode, 0, new Uint8Array(100_000).fill(1));
        const sizes: Array<number> = [];
        services.store.before = Effect.sync(() => sizes.push(inodeRow(services, inode).sizeBytes));
        yield* filesystem.fsync(inode);
        expect(sizes).toEqual([0]);
        expect(inodeRow(services, inode).sizeBytes).toBe(100_000);
      }),
    ));

  it("keeps what could not be written, tells fsync, and writes it later", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const core = yield* reopen(services);
        const { filesystem } = core;
        const { inode } = yield* file(filesystem, "f");
        yield* filesystem.write(inode, 0, new Uint8Array(100_000).fill(1));
        services.store.failing = "error";
        for (let tries = 0; tries < 2; tries++) {
          const result = yield* Effect.result(filesystem.fsync(inode));
          expect(result._tag === "Failure" && result.failure.reason).toBe("InputOutput");
        }
        yield* Effect.ignore(core.writebackAll);
        yield* filesystem.write(inode, 50_000, new Uint8Array(100).fill(2));
        services.store.failing = "no";
        // What failed in the background meanwhile is told once.
        expect((yield* Effect.result(filesystem.fsync(inode)))._tag).toBe("Failure");
        yield* filesystem.fsync(inode);
        const { filesystem: after } = yield* reopen(services);
        const read = yield* after.read(inode, 0, 100_000);
        expect(read.subarray(50_000, 50_100).every((byte) => byte === 2)).toBe(true);
        expect(read.filter((byte) => byte === 1).length).toBe(99_900);
        expect(services.space.reserved).toBe(0);
      }),
    ));

  it("of a removed file that fails leaves nothing behind", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const core = yield* reopen(services);
        const { filesystem } = core;
        const { inode } = yield* file(filesystem, "f");
        yield* filesystem.write(inode, 0, new Uint8Array(100_000).fill(1));
        // The file goes while its data is on its way, and then the way ends.
        services.store.before = Effect.andThen(
          Effect.ignore(filesystem.unlink(ROOT_INODE, n("f"))),
          Effect.sync(() => {
            services.store.failing = "error";
          }),
        );
        yield* Effect.ignore(core.writebackAll);
        expect(core.dirtyBytes()).toBe(0);
        expect(core.dirtyHeldBytes()).toBe(0);
        expect(services.space.reserved).toBe(0);
        expect(rowsOf(services, Table.extents)).toBe(0);
      }),
    ));

  it("waits for no more than the limit of dirty bytes", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices({ dirtyBytesMax: 100_000 });
        const core = yield* reopen(services);
        const { inode } = yield* file(core.filesystem, "f");
        for (let index = 0; index < 50; index++) {
          yield* core.filesystem.append(inode, new Uint8Array(10_000).fill(index));
          expect(core.dirtyBytes()).toBeLessThan(110_001);
        }
        expect(services.store.appends).toBeGreaterThan(3);
      }),
    ));

  it("counts the memory that scattered bytes take, not the bytes", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices({ dirtyBytesMax: 1_000_000 });
        const core = yield* reopen(services);
        const { inode } = yield* file(core.filesystem, "f");
        // Two bytes at the ends of a window need the whole window.
        for (let index = 0; index < 50; index++) {
          yield* core.filesystem.write(inode, index * 131_072, new Uint8Array(1).fill(1));
          yield* core.filesystem.write(inode, index * 131_072 + 131_071, new Uint8Array(1).fill(1));
          expect(core.dirtyHeldBytes()).toBeGreaterThanOrEqual(core.dirtyBytes() * 60_000);
          expect(core.dirtyHeldBytes()).toBeLessThan(1_200_000);
        }
        expect(services.store.appends + services.transactor.commits).toBeGreaterThan(5);
        yield* core.filesystem.setattr(inode, { sizeBytes: 0 });
        expect(core.dirtyHeldBytes()).toBe(0);
      }),
    ));

  it("lets a full disk take no more writes, and take them again once something is removed", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices({ capacityBytes: 1_000_000, compression: 0 });
        const { filesystem } = yield* reopen(services);
        const { inode } = yield* file(filesystem, "f");
        let stored = 0;
        let full = false;
        while (!full) {
          const result = yield* Effect.result(filesystem.append(inode, new Uint8Array(10_000).fill(1)));
          full = result._tag === "Failure" && result.failure.reason === "NoSpace";
          if (!full) stored += 10_000;
        }
        expect(stored).toBeGreaterThan(950_000);
        yield* filesystem.fsync(inode);
        yield* filesystem.setattr(inode, { sizeBytes: 5 });
        yield* filesystem.append(inode, new Uint8Array(500_000).fill(2));
        yield* filesystem.fsync(inode);
        expect((yield* filesystem.getattr(inode)).sizeBytes).toBe(500_005);
      }),
    ));
});

describe("reading", () => {
  it("fails on stored bytes that are not what was written, and never returns them", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const { filesystem } = yield* reopen(services);
        const { inode } = yield* file(filesystem, "f");
        yield* filesystem.write(inode, 0, new Uint8Array(100_000).fill(1));
        yield* filesystem.fsync(inode);
        services.store.spoil();
        const result = yield* Effect.result(filesystem.read(inode, 0, 10));
        expect(result._tag === "Failure" && result.failure.reason).toBe("InputOutput");
        // What is not read does not matter: the file can be written over and read again.
        yield* filesystem.write(inode, 0, new Uint8Array(100_000).fill(2));
        expect((yield* filesystem.read(inode, 0, 100_000)).every((byte) => byte === 2)).toBe(true);
        expect(services.store.held).toBe(0);
      }),
    ));

  it("leaves bytes that do not verify where they are when it collects", () =>
    run(
      Effect.gen(function* () {
        const services = makeReferenceServices();
        const core = yield* reopen(services);
        const { inode } = yield* file(core.filesystem, "f");
        yield* core.filesystem.write(inode, 0, new Uint8Array(100_000).fill(1));
        yield* core.filesystem.fsync(inode);
        services.store.spoil();
        const before = services.transactor.table(Table.extents).map(({ value }) => value.join());
        yield* core.collectBucket(0, 0, services.store.endBytes);
        expect(services.transactor.table(Table.extents).map(({ value }) => value.join())).toEqual(before);
      }),
    ));
});
