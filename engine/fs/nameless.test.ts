/**
 * Files that are made without a name, and what a rename leaves behind for overlays.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { makeReferenceServices, type ReferenceBench } from "../data/reference-services.ts";
import { Table } from "../format/tables.ts";
import { type FilesystemCore, makeFilesystemCore } from "./core.ts";
import { FileType, type Filesystem, type Fs, type FsReason, ROOT_INODE } from "./types.ts";

const OWNER = { uid: 7, gid: 8 };
const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const rows = (services: ReferenceBench, table: number): number => services.transactor.table(table).length;

/** Opens the tables anew, as after a crash. */
const reopen = (services: ReferenceBench): Effect.Effect<FilesystemCore, unknown> =>
  Effect.gen(function* () {
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    yield* core.cleanOrphans;
    return core;
  });

const onTables = (body: (services: ReferenceBench, fs: Filesystem) => Effect.Effect<void, unknown>): Promise<void> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const services = makeReferenceServices({});
      const { filesystem } = yield* reopen(services);
      yield* body(services, filesystem);
    }) as Effect.Effect<void>,
  );

const refusal = (operation: Fs<unknown>): Effect.Effect<FsReason | undefined> =>
  Effect.map(Effect.result(operation), (result) => (result._tag === "Failure" ? result.failure.reason : undefined));

describe("a file that was made without a name", () => {
  it("can be used, shows nowhere, and goes with its last release", () =>
    onTables((services, fs) =>
      Effect.gen(function* () {
        const made = yield* fs.tmpfile(ROOT_INODE, 0o4640, OWNER);
        expect([made.mode, made.links, made.uid, made.gid]).toEqual([FileType.regular | 0o4640, 0, 7, 8]);
        yield* fs.open(made.inode);
        yield* fs.write(made.inode, 0, n("text"));
        yield* fs.fsync(made.inode);
        expect(yield* fs.readdir(ROOT_INODE, 0, 10)).toEqual([]);
        yield* fs.release(made.inode);
        expect(yield* fs.read(made.inode, 0, 10)).toEqual(n("text"));
        yield* fs.release(made.inode);
        expect(yield* refusal(fs.getattr(made.inode))).toBe("NoEntry");
        for (const table of [Table.orphans, Table.extents]) expect(rows(services, table)).toBe(0);
      }),
    ));

  it("goes with a crash", () =>
    onTables((services, fs) =>
      Effect.gen(function* () {
        const { inode } = yield* fs.tmpfile(ROOT_INODE, 0o600, OWNER);
        yield* fs.write(inode, 0, new Uint8Array(9000).fill(1));
        yield* fs.fsync(inode);
        yield* reopen(services);
        for (const table of [Table.orphans, Table.extents]) expect(rows(services, table)).toBe(0);
      }),
    ));

  it("stays once it got a name, after its release and a crash", () =>
    onTables((services, fs) =>
      Effect.gen(function* () {
        const { inode } = yield* fs.tmpfile(ROOT_INODE, 0o600, OWNER);
        yield* fs.write(inode, 0, n("text"));
        expect((yield* fs.link(inode, ROOT_INODE, n("name"))).links).toBe(1);
        expect((yield* fs.link(inode, ROOT_INODE, n("other"))).links).toBe(2);
        yield* fs.release(inode);
        yield* fs.fsync(inode);
        const { filesystem } = yield* reopen(services);
        expect((yield* filesystem.lookup(ROOT_INODE, n("name"))).inode).toBe(inode);
        expect(yield* filesystem.read(inode, 0, 10)).toEqual(n("text"));
        expect(rows(services, Table.orphans)).toBe(0);
      }),
    ));

  it("gets no second first name: one whose names are gone cannot be linked", () =>
    onTables((_services, fs) =>
      Effect.gen(function* () {
        const { inode } = yield* fs.tmpfile(ROOT_INODE, 0o600, OWNER);
        yield* fs.link(inode, ROOT_INODE, n("name"));
        yield* fs.unlink(ROOT_INODE, n("name"));
        expect(yield* refusal(fs.link(inode, ROOT_INODE, n("again")))).toBe("NoEntry");
        yield* fs.release(inode);
        expect(yield* refusal(fs.getattr(inode))).toBe("NoEntry");
      }),
    ));

  it("is not made in what is no directory, or in one that is gone", () =>
    onTables((_services, fs) =>
      Effect.gen(function* () {
        const { inode } = yield* fs.mknod(ROOT_INODE, n("file"), 0o600, 0, OWNER);
        expect(yield* refusal(fs.tmpfile(inode, 0o600, OWNER))).toBe("NotDirectory");
        const directory = yield* fs.mkdir(ROOT_INODE, n("d"), 0o700, OWNER);
        yield* fs.open(directory.inode);
        yield* fs.rmdir(ROOT_INODE, n("d"));
        expect(yield* refusal(fs.tmpfile(directory.inode, 0o600, OWNER))).toBe("NoEntry");
      }),
    ));
});

describe("a rename with a whiteout", () => {
  it("leaves a character device 0:0 under the old name, replacing what was under the new one", () =>
    onTables((services, fs) =>
      Effect.gen(function* () {
        const file = yield* fs.mknod(ROOT_INODE, n("a"), 0o600, 0, OWNER);
        yield* fs.mknod(ROOT_INODE, n("b"), 0o600, 0, OWNER);
        yield* fs.rename(ROOT_INODE, n("a"), ROOT_INODE, n("b"), "whiteout");
        const left = yield* fs.lookup(ROOT_INODE, n("a"));
        expect([left.mode, left.rdev, left.links, left.uid]).toEqual([FileType.character, 0, 1, 0]);
        expect((yield* fs.lookup(ROOT_INODE, n("b"))).inode).toBe(file.inode);
        expect((yield* fs.getattr(ROOT_INODE)).sizeBytes).toBe(2);
        expect((yield* fs.readdir(ROOT_INODE, 0, 10)).length).toBe(2);
        const { filesystem } = yield* reopen(services);
        const later = yield* filesystem.mknod(ROOT_INODE, n("c"), 0o600, 0, OWNER);
        expect(later.inode).toBeGreaterThan(left.inode);
      }),
    ));

  it("of a directory takes its link from the old parent", () =>
    onTables((_services, fs) =>
      Effect.gen(function* () {
        const d = yield* fs.mkdir(ROOT_INODE, n("d"), 0o700, OWNER);
        yield* fs.mkdir(ROOT_INODE, n("moved"), 0o700, OWNER);
        yield* fs.rename(ROOT_INODE, n("moved"), d.inode, n("here"), "whiteout");
        expect((yield* fs.getattr(ROOT_INODE)).links).toBe(3);
        expect((yield* fs.getattr(d.inode)).links).toBe(3);
        expect((yield* fs.lookup(ROOT_INODE, n("moved"))).mode).toBe(FileType.character);
      }),
    ));

  it("leaves nothing where it fails, or has nothing to do", () =>
    onTables((services, fs) =>
      Effect.gen(function* () {
        const { inode } = yield* fs.mknod(ROOT_INODE, n("a"), 0o600, 0, OWNER);
        yield* fs.link(inode, ROOT_INODE, n("same"));
        yield* fs.rename(ROOT_INODE, n("a"), ROOT_INODE, n("same"), "whiteout");
        expect((yield* fs.lookup(ROOT_INODE, n("a"))).inode).toBe(inode);
        yield* fs.mkdir(ROOT_INODE, n("d"), 0o700, OWNER);
        expect(yield* refusal(fs.rename(ROOT_INODE, n("a"), ROOT_INODE, n("d"), "whiteout"))).toBe("IsDirectory");
        expect(rows(services, Table.inodes)).toBe(3);
      }),
    ));
});
