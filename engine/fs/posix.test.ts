import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { makeMemoryDevice } from "../../devices/memory.ts";
import { makeReferenceServices } from "../data/reference-services.ts";
import { formatPool, openPool } from "../pool/pool.ts";
import { makeFilesystemCore } from "./core.ts";
import {
  type Attributes,
  FileType,
  type Filesystem,
  type Fs,
  FsError,
  type FsReason,
  LINKS_MAX,
  ROOT_INODE,
  SYMLINK_BYTES_MAX,
  XATTR_VALUE_BYTES_MAX,
} from "./types.ts";

const OWNER = { uid: 10, gid: 20 };
const UUID = new Uint8Array(16).fill(3);
const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

type Use = (fs: Filesystem) => Effect.Effect<void, unknown>;

const onReference = (use: Use, hashBits = 48): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    let draws = 0;
    const random = (): number => ((draws++ * 7919) % 101) / 101;
    const core = yield* makeFilesystemCore(makeReferenceServices({ random, directoryHashBits: hashBits }));
    yield* core.initialiseRoot;
    yield* use(core.filesystem);
  });

/** With a user who holds what it says; `orphans` are what it was told of. */
const onHolder = (
  use: (fs: Filesystem, held: Set<number>, orphans: Array<number>) => Effect.Effect<void, unknown>,
): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const core = yield* makeFilesystemCore(makeReferenceServices({ random: () => 0.5, directoryHashBits: 48 }));
    yield* core.initialiseRoot;
    const [held, orphans] = [new Set<number>(), new Array<number>()];
    const user = {
      linearized: () => {},
      holds: (inode: number) => held.has(inode),
      orphaned: (inode: number) => void orphans.push(inode),
    };
    yield* use(core.filesystemFor(user), held, orphans);
  });

const onPool = (use: Use, directoryHashBits = 48, capacityBytes = 128 * 1024 * 1024): Effect.Effect<void, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const device = makeMemoryDevice({ name: "memory", capacityBytes });
      yield* formatPool([device], { uuid: UUID, directoryHashBits });
      const pool = yield* openPool([device], {});
      yield* use(pool.filesystem);
      yield* pool.close;
    }),
  );

const fails = (operation: Fs<unknown>, reason: FsReason): Effect.Effect<void, unknown> =>
  Effect.map(Effect.result(operation), (result) => {
    if (result._tag === "Success") throw new Error(`succeeded instead of failing with ${reason}`);
    expect(result.failure).toBeInstanceOf(FsError);
    expect(result.failure.reason).toBe(reason);
  });

const file = (fs: Filesystem, name: string, parent = ROOT_INODE): Fs<Attributes> =>
  fs.mknod(parent, n(name), FileType.regular | 0o640, 0, OWNER);
const dir = (fs: Filesystem, name: string, parent = ROOT_INODE): Fs<Attributes> =>
  fs.mkdir(parent, n(name), 0o755, OWNER);

const names = (fs: Filesystem, directory: number, step = 100): Fs<Array<string>> =>
  Effect.gen(function* () {
    const found: Array<string> = [];
    for (let cookie = 0; ;) {
      const entries = yield* fs.readdir(directory, cookie, step);
      if (entries.length === 0) return found;
      found.push(...entries.map((entry) => text(entry.name)));
      cookie = entries.at(-1)!.cookie;
    }
  });

const after = (a: Attributes, b: Attributes, which: "modified" | "changed"): boolean =>
  b[which].seconds > a[which].seconds ||
  (b[which].seconds === a[which].seconds && b[which].nanoseconds >= a[which].nanoseconds);

for (const [store, on] of [
  ["reference store", onReference],
  ["pool in memory", onPool],
] as const) {
  const check = (title: string, use: Use, hashBits?: number): void =>
    // oxlint-disable-next-line vitest/valid-title
    it(title, () => Effect.runPromise(on(use, hashBits) as Effect.Effect<void>));
  // No pool has a hash of no bits, but everything is said to be one row then.
  const checkReference = on === onReference ? check : (): void => {};

  describe(`creating and finding, on a ${store}`, () => {
    check("gives a new file type, permissions, owner and one link", (fs) =>
      Effect.gen(function* () {
        const made = yield* file(fs, "f");
        expect(made).toMatchObject({
          mode: FileType.regular | 0o640,
          links: 1,
          uid: 10,
          gid: 20,
          sizeBytes: 0,
          rdev: 0,
        });
        expect(yield* fs.lookup(ROOT_INODE, n("f"))).toEqual(made);
        expect(yield* fs.getattr(made.inode)).toEqual(made);
      }),
    );
    check("makes fifos, sockets and device nodes, and nothing else by mknod", (fs) =>
      Effect.gen(function* () {
        for (const type of [FileType.fifo, FileType.socket, FileType.block, FileType.character]) {
          const made = yield* fs.mknod(ROOT_INODE, n(`t${type}`), type | 0o600, 0x105, OWNER);
          expect(made.mode).toBe(type | 0o600);
          yield* fails(fs.read(made.inode, 0, 1), "InvalidArgument");
          yield* fails(fs.write(made.inode, 0, n("x")), "InvalidArgument");
        }
        expect((yield* fs.lookup(ROOT_INODE, n(`t${FileType.block}`))).rdev).toBe(0x105);
        yield* fails(fs.mknod(ROOT_INODE, n("d"), FileType.directory, 0, OWNER), "InvalidArgument");
        yield* fails(fs.mknod(ROOT_INODE, n("s"), FileType.symlink, 0, OWNER), "InvalidArgument");
      }),
    );
    check("counts a directory, its name and its subdirectories as links", (fs) =>
      Effect.gen(function* () {
        const a = yield* dir(fs, "a");
        expect(a.links).toBe(2);
        expect((yield* fs.getattr(ROOT_INODE)).links).toBe(3);
        yield* dir(fs, "b", a.inode);
        yield* file(fs, "f", a.inode);
        expect(yield* fs.getattr(a.inode)).toMatchObject({ links: 3, sizeBytes: 2 });
        yield* fs.rmdir(a.inode, n("b"));
        expect(yield* fs.getattr(a.inode)).toMatchObject({ links: 2, sizeBytes: 1 });
        expect(yield* fs.parentOf(a.inode)).toBe(ROOT_INODE);
        expect(yield* fs.parentOf(ROOT_INODE)).toBe(ROOT_INODE);
      }),
    );
    check("shows the entries of a directory that is open", (fs) =>
      Effect.gen(function* () {
        const a = yield* dir(fs, "a");
        yield* fs.open(a.inode);
        yield* file(fs, "f", a.inode);
        expect((yield* fs.getattr(a.inode)).sizeBytes).toBe(1);
        yield* fs.release(a.inode);
      }),
    );
    check("refuses names that are none", (fs) =>
      Effect.gen(function* () {
        yield* fails(file(fs, "a".repeat(256)), "NameTooLong");
        for (const bad of ["a/b", "a\0", ".", ".."]) yield* fails(file(fs, bad), "InvalidArgument");
        yield* file(fs, "a".repeat(255));
        yield* fails(file(fs, "a".repeat(255)), "Exists");
        yield* fails(fs.lookup(ROOT_INODE, n("none")), "NoEntry");
        const f = yield* file(fs, "f");
        yield* fails(fs.lookup(f.inode, n("x")), "NotDirectory");
        yield* fails(file(fs, "x", f.inode), "NotDirectory");
        yield* fails(file(fs, "x", 999_999), "NoEntry");
        yield* fails(fs.getattr(999_999), "NoEntry");
      }),
    );
    check("keeps targets of symlinks up to their limit", (fs) =>
      Effect.gen(function* () {
        for (const length of [1, 2048, 2049, SYMLINK_BYTES_MAX]) {
          const target = n("t".repeat(length - 1) + "e");
          const made = yield* fs.symlink(ROOT_INODE, n(`l${length}`), target, OWNER);
          expect(made).toMatchObject({ mode: FileType.symlink | 0o777, sizeBytes: length });
          expect(yield* fs.readlink(made.inode)).toEqual(target);
        }
        yield* fails(fs.symlink(ROOT_INODE, n("l"), n("t".repeat(SYMLINK_BYTES_MAX + 1)), OWNER), "NameTooLong");
        const f = yield* file(fs, "f");
        yield* fails(fs.readlink(f.inode), "InvalidArgument");
      }),
    );
    check("makes an effect that is run twice two operations", (fs) =>
      Effect.gen(function* () {
        const make = file(fs, "f");
        const first = yield* make;
        yield* fs.link(first.inode, ROOT_INODE, n("g"));
        yield* fs.unlink(ROOT_INODE, n("f"));
        expect((yield* make).inode).not.toBe(first.inode);
        const open = fs.open(first.inode);
        yield* open;
        yield* open;
        yield* fs.unlink(ROOT_INODE, n("g"));
        yield* fs.release(first.inode);
        expect((yield* fs.getattr(first.inode)).links).toBe(0);
        yield* fs.release(first.inode);
        yield* fails(fs.getattr(first.inode), "NoEntry");
      }),
    );
  });

  describe(`links and removal, on a ${store}`, () => {
    check("keeps a file until its last name goes", (fs) =>
      Effect.gen(function* () {
        const f = yield* file(fs, "f");
        yield* fs.write(f.inode, 0, n("data"));
        expect((yield* fs.link(f.inode, ROOT_INODE, n("g"))).links).toBe(2);
        yield* fails(fs.link(f.inode, ROOT_INODE, n("g")), "Exists");
        yield* fs.unlink(ROOT_INODE, n("f"));
        expect(text(yield* fs.read(f.inode, 0, 10))).toBe("data");
        yield* fs.unlink(ROOT_INODE, n("g"));
        yield* fails(fs.read(f.inode, 0, 10), "NoEntry");
        yield* fails(fs.unlink(ROOT_INODE, n("g")), "NoEntry");
        yield* fails(fs.open(f.inode), "NoEntry");
        expect(LINKS_MAX).toBeGreaterThan(65_000);
      }),
    );
    check("keeps an open file without names until its last release", (fs) =>
      Effect.gen(function* () {
        const f = yield* file(fs, "f");
        yield* fs.open(f.inode);
        yield* fs.open(f.inode);
        yield* fs.write(f.inode, 0, new Uint8Array(300_000).fill(1));
        yield* fs.unlink(ROOT_INODE, n("f"));
        expect(yield* fs.getattr(f.inode)).toMatchObject({ links: 0, sizeBytes: 300_000 });
        yield* fs.write(f.inode, 300_000, n("more"));
        yield* fs.fsync(f.inode);
        yield* fails(fs.link(f.inode, ROOT_INODE, n("g")), "NoEntry");
        yield* fs.release(f.inode);
        expect(text(yield* fs.read(f.inode, 300_000, 10))).toBe("more");
        yield* fs.release(f.inode);
        yield* fails(fs.getattr(f.inode), "NoEntry");
        yield* fails(fs.write(f.inode, 0, n("x")), "NoEntry");
        yield* fails(fs.fsync(f.inode), "NoEntry");
      }),
    );
    check("tells files from directories", (fs) =>
      Effect.gen(function* () {
        const a = yield* dir(fs, "a");
        const f = yield* file(fs, "f", a.inode);
        yield* fails(fs.unlink(ROOT_INODE, n("a")), "IsDirectory");
        yield* fails(fs.rmdir(a.inode, n("f")), "NotDirectory");
        yield* fails(fs.rmdir(ROOT_INODE, n("a")), "NotEmpty");
        yield* fails(fs.link(a.inode, ROOT_INODE, n("b")), "NotPermitted");
        yield* fails(fs.read(a.inode, 0, 1), "IsDirectory");
        yield* fs.open(a.inode);
        yield* fails(fs.write(a.inode, 0, n("x")), "IsDirectory");
        yield* fails(fs.setattr(a.inode, { sizeBytes: 0 }), "IsDirectory");
        yield* fs.release(a.inode);
        yield* fails(fs.readdir(f.inode, 0, 10), "NotDirectory");
        yield* fs.unlink(a.inode, n("f"));
        yield* fs.rmdir(ROOT_INODE, n("a"));
        yield* fails(fs.lookup(ROOT_INODE, n("a")), "NoEntry");
      }),
    );
    check("puts nothing into a directory that was removed while open", (fs) =>
      Effect.gen(function* () {
        const a = yield* dir(fs, "a");
        const f = yield* file(fs, "f");
        yield* fs.open(a.inode);
        yield* fs.rmdir(ROOT_INODE, n("a"));
        yield* fails(file(fs, "x", a.inode), "NoEntry");
        yield* fails(fs.link(f.inode, a.inode, n("x")), "NoEntry");
        yield* fails(fs.rename(ROOT_INODE, n("f"), a.inode, n("x"), "replace"), "NoEntry");
        expect(yield* names(fs, a.inode)).toEqual([]);
        yield* fs.release(a.inode);
        yield* fails(fs.getattr(a.inode), "NoEntry");
      }),
    );
    check("sets times of what a change touches", (fs) =>
      Effect.gen(function* () {
        const past = { seconds: 5, nanoseconds: 6 };
        const a = yield* dir(fs, "a");
        const f = yield* file(fs, "f", a.inode);
        const old = { accessed: past, modified: past };
        yield* fs.setattr(a.inode, old);
        yield* fs.setattr(f.inode, old);
        const before = yield* fs.getattr(f.inode);
        expect(before).toMatchObject(old);
        yield* fs.link(f.inode, a.inode, n("g"));
        const linked = yield* fs.getattr(f.inode);
        expect(linked.modified).toEqual(past);
        expect(after(before, linked, "changed")).toBe(true);
        expect((yield* fs.getattr(a.inode)).modified.seconds).toBeGreaterThan(5);
        yield* fs.write(f.inode, 0, n("x"));
        expect((yield* fs.getattr(f.inode)).modified.seconds).toBeGreaterThan(5);
      }),
    );
    check("shows the time of a write though the file's time lay in the future, before and after writeback", (fs) =>
      Effect.gen(function* () {
        const f = yield* file(fs, "f");
        yield* fs.setattr(f.inode, { modified: { seconds: 9e9, nanoseconds: 1 } });
        yield* fs.write(f.inode, 0, n("x"));
        const written = yield* fs.getattr(f.inode);
        expect(written.modified.seconds).toBeLessThan(9e9);
        yield* fs.fsync(f.inode);
        expect((yield* fs.getattr(f.inode)).modified).toEqual(written.modified);
        yield* fs.write(f.inode, 0, n("y"));
        const set = yield* fs.setattr(f.inode, { modified: { seconds: 7, nanoseconds: 8 } });
        expect(set.modified).toEqual({ seconds: 7, nanoseconds: 8 });
        yield* fs.fsync(f.inode);
        expect((yield* fs.getattr(f.inode)).modified).toEqual({ seconds: 7, nanoseconds: 8 });
      }),
    );
    check("leaves the times alone where whoever writes keeps them, and takes both of them", (fs) =>
      Effect.gen(function* () {
        const f = yield* file(fs, "f");
        const [modified, changed] = [
          { seconds: 7, nanoseconds: 8 },
          { seconds: 9, nanoseconds: 1 },
        ];
        yield* fs.setattr(f.inode, { modified, changed });
        yield* fs.write(f.inode, 0, n("some"), true);
        const unwritten = yield* fs.getattr(f.inode);
        expect(unwritten).toMatchObject({ sizeBytes: 4, modified, changed, unsettled: true });
        yield* fs.fsync(f.inode);
        const written = yield* fs.getattr(f.inode);
        expect(written).toMatchObject({ sizeBytes: 4, modified, changed });
        expect(written.unsettled).toBeUndefined();
        const cut = yield* fs.setattr(f.inode, { sizeBytes: 2, modified: changed, changed: modified });
        expect(cut).toMatchObject({ sizeBytes: 2, modified: changed, changed: modified });
      }),
    );
    check("changes mode, owner and times, never the type", (fs) =>
      Effect.gen(function* () {
        const f = yield* file(fs, "f");
        const changed = yield* fs.setattr(f.inode, { mode: 0o170000 | 0o4711, uid: 7, gid: 8 });
        expect(changed).toMatchObject({ mode: FileType.regular | 0o4711, uid: 7, gid: 8 });
        expect(yield* fs.getattr(f.inode)).toEqual(changed);
      }),
    );
  });

  describe(`directories, on a ${store}`, () => {
    check("list every name once, in steps of any size", (fs) =>
      Effect.gen(function* () {
        const wanted = Array.from({ length: 60 }, (_, index) => `name ${index}`);
        for (const name of wanted) yield* file(fs, name);
        for (const step of [1, 7, 1000]) {
          expect((yield* names(fs, ROOT_INODE, step)).sort()).toEqual([...wanted].sort());
        }
      }),
    );
    check(
      "keep names of one hash apart, with cookies that stay while others come and go",
      (fs) =>
        Effect.gen(function* () {
          const wanted = Array.from({ length: 40 }, (_, index) => `n${index}`);
          const inodes = new Map<string, number>();
          for (const name of wanted) inodes.set(name, (yield* file(fs, name)).inode);
          for (const name of wanted) expect((yield* fs.lookup(ROOT_INODE, n(name))).inode).toBe(inodes.get(name));
          for (const step of [1, 3]) expect((yield* names(fs, ROOT_INODE, step)).sort()).toEqual([...wanted].sort());
          const entries = yield* fs.readdir(ROOT_INODE, 0, 1000);
          expect(entries.every((entry, index) => index === 0 || entry.cookie > entries[index - 1]!.cookie)).toBe(true);
          // Half of the names seen so far go, then the listing goes on: the rest comes, each once.
          const seen = entries.slice(0, 20);
          for (const { name } of seen.slice(0, 10)) yield* fs.unlink(ROOT_INODE, name);
          const rest = yield* fs.readdir(ROOT_INODE, seen.at(-1)!.cookie, 1000);
          expect(rest).toEqual(entries.slice(20));
        }),
      3,
    );
    checkReference(
      "are full, not broken, when too many names have one hash",
      (fs) =>
        Effect.gen(function* () {
          for (let index = 0; index < 16; index++) yield* file(fs, `n${index}`);
          yield* fails(file(fs, "one more"), "NoSpace");
          yield* fs.unlink(ROOT_INODE, n("n7"));
          yield* file(fs, "one more");
          yield* fs.rename(ROOT_INODE, n("one more"), ROOT_INODE, n("renamed"), "replace");
          const long = yield* dir(fs, "x").pipe(Effect.result);
          expect(long._tag).toBe("Failure");
        }),
      0,
    );
    checkReference(
      "do not overflow with long names of one hash",
      (fs) =>
        Effect.gen(function* () {
          let made = 0;
          let full = false;
          for (let index = 0; index < 16 && !full; index++) {
            const result = yield* Effect.result(file(fs, String(index).padStart(255, "x")));
            full = result._tag === "Failure" && result.failure.reason === "NoSpace";
            if (!full) made++;
          }
          expect(made).toBe(15);
          expect((yield* names(fs, ROOT_INODE)).length).toBe(15);
        }),
      0,
    );
  });

  describe(`extended attributes, on a ${store}`, () => {
    check("are set, replaced, listed and removed", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        yield* fails(fs.getxattr(inode, n("user.a")), "NoAttribute");
        yield* fails(fs.setxattr(inode, n("user.a"), n("v"), "replace"), "NoAttribute");
        yield* fs.setxattr(inode, n("user.a"), n("v"), "create");
        yield* fails(fs.setxattr(inode, n("user.a"), n("w"), "create"), "Exists");
        yield* fs.setxattr(inode, n("user.b"), new Uint8Array(0), "set");
        yield* fs.setxattr(inode, n("user.a"), n("longer"), "replace");
        expect(text(yield* fs.getxattr(inode, n("user.a")))).toBe("longer");
        expect((yield* fs.getxattr(inode, n("user.b"))).length).toBe(0);
        expect((yield* fs.listxattr(inode)).map(text).sort()).toEqual(["user.a", "user.b"]);
        yield* fs.removexattr(inode, n("user.a"));
        yield* fails(fs.removexattr(inode, n("user.a")), "NoAttribute");
        expect((yield* fs.listxattr(inode)).map(text)).toEqual(["user.b"]);
        yield* fails(fs.getxattr(999_999, n("user.a")), "NoEntry");
        yield* fs.setxattr(ROOT_INODE, n("user.d"), n("on a directory"), "set");
        expect(text(yield* fs.getxattr(ROOT_INODE, n("user.d")))).toBe("on a directory");
      }),
    );
    check("grow and shrink to the limit of a value", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        for (const length of [0, 10, 4000, XATTR_VALUE_BYTES_MAX, 5000, 1, XATTR_VALUE_BYTES_MAX]) {
          const value = Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 255);
          yield* fs.setxattr(inode, n("user.big"), value, "set");
          yield* fs.setxattr(inode, n("user.other"), value.subarray(0, 100), "set");
          expect(yield* fs.getxattr(inode, n("user.big"))).toEqual(value);
        }
        yield* fails(
          fs.setxattr(inode, n("user.big"), new Uint8Array(XATTR_VALUE_BYTES_MAX + 1), "set"),
          "ResultTooLarge",
        );
        yield* fails(fs.setxattr(inode, n("x".repeat(256)), n("v"), "set"), "ResultTooLarge");
        yield* fs.unlink(ROOT_INODE, n("f"));
        yield* fails(fs.listxattr(inode), "NoEntry");
      }),
    );
    check("of any number go with their inode", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        for (let index = 0; index < 100; index++) yield* fs.setxattr(inode, n(`user.${index}`), n("v"), "set");
        expect((yield* fs.listxattr(inode)).length).toBe(100);
        yield* fs.unlink(ROOT_INODE, n("f"));
        yield* fails(fs.getattr(inode), "NoEntry");
      }),
    );
  });

  describe(`files, on a ${store}`, () => {
    check("refuse ranges that are none", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        yield* fails(fs.read(inode, -1, 1), "InvalidArgument");
        yield* fails(fs.write(inode, 0.5, n("x")), "InvalidArgument");
        yield* fails(fs.write(inode, Number.MAX_SAFE_INTEGER, n("xx")), "FileTooLarge");
        yield* fails(fs.write(inode, 2 ** 60, n("x")), "FileTooLarge");
        yield* fails(fs.setattr(inode, { sizeBytes: -1 }), "InvalidArgument");
        yield* fails(fs.setattr(inode, { sizeBytes: 2 ** 53 }), "FileTooLarge");
        const never = { seconds: 2 ** 53, nanoseconds: 0 };
        yield* fails(fs.setattr(inode, { modified: never }), "InvalidArgument");
        yield* fails(
          fs.setattr(inode, { accessed: { seconds: 0, nanoseconds: 1e9 }, sizeBytes: 0 }),
          "InvalidArgument",
        );
        yield* fails(fs.fallocate(inode, "zero", 2 ** 60, 4096, true), "FileTooLarge");
        yield* fails(fs.fallocate(inode, "punch", 0, 0, true), "InvalidArgument");
        yield* fails(fs.fallocate(inode, "allocate", Number.MAX_SAFE_INTEGER, 5, false), "FileTooLarge");
        yield* fails(fs.seek(inode, 0, "data"), "NoSuchOffset");
      }),
    );
    check("may be as large as numbers are", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        const end = Number.MAX_SAFE_INTEGER;
        yield* fs.write(inode, end - 3, n("end"));
        expect((yield* fs.getattr(inode)).sizeBytes).toBe(end);
        yield* fs.fsync(inode);
        expect(yield* fs.seek(inode, 0, "data")).toBe(end - 3);
        expect(yield* fs.seek(inode, 0, "hole")).toBe(0);
        expect(text(yield* fs.read(inode, end - 3, 10))).toBe("end");
        yield* fs.setattr(inode, { sizeBytes: 10 });
        yield* fails(fs.seek(inode, 0, "data"), "NoSuchOffset");
      }),
    );
    check("write nothing with no bytes, and do not grow", (fs) =>
      Effect.gen(function* () {
        const made = yield* file(fs, "f");
        yield* fs.write(made.inode, 100, new Uint8Array(0));
        expect(yield* fs.getattr(made.inode)).toEqual(made);
        yield* fails(fs.write(999_999, 0, new Uint8Array(0)), "NoEntry");
      }),
    );
    check("count what is written, before and after writeback", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        yield* fs.write(inode, 0, new Uint8Array(10_000).fill(1));
        expect((yield* fs.getattr(inode)).allocatedBytes).toBe(10_000);
        yield* fs.fsync(inode);
        expect((yield* fs.getattr(inode)).allocatedBytes).toBe(10_000);
        yield* fs.fallocate(inode, "punch", 0, 4000, true);
        expect((yield* fs.getattr(inode)).allocatedBytes).toBe(6000);
        yield* fs.fallocate(inode, "allocate", 0, 20_000, true);
        expect(yield* fs.getattr(inode)).toMatchObject({ allocatedBytes: 20_480, sizeBytes: 10_000 });
        yield* fs.setattr(inode, { sizeBytes: 0 });
        expect((yield* fs.getattr(inode)).allocatedBytes).toBe(0);
      }),
    );
    check("allocate all pages that a range touches, and grow by the range alone", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        yield* fs.fallocate(inode, "allocate", 4095, 2, false);
        expect(yield* fs.getattr(inode)).toMatchObject({ allocatedBytes: 8192, sizeBytes: 4097 });
        yield* fs.write(inode, 0, new Uint8Array(4097).fill(1));
        yield* fs.fsync(inode);
        expect(yield* fs.getattr(inode)).toMatchObject({ allocatedBytes: 8192, sizeBytes: 4097 });
        // What is allocated behind the end reads as zeros once the file reaches there, and goes with a truncate.
        yield* fs.write(inode, 5000, n("x"));
        expect((yield* fs.read(inode, 4096, 2000)).join("")).toBe("1" + "0".repeat(903) + "120");
        yield* fs.setattr(inode, { sizeBytes: 4096 });
        yield* fs.fallocate(inode, "allocate", 10_000, 1, true);
        expect(yield* fs.getattr(inode)).toMatchObject({ allocatedBytes: 8192, sizeBytes: 4096 });
        expect(yield* fs.seek(inode, 0, "hole")).toBe(4096);
      }),
    );
    check("read as zeros behind an end that was cut and moved out again", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        yield* fs.write(inode, 0, new Uint8Array(5000).fill(9));
        yield* fs.setattr(inode, { sizeBytes: 4999 });
        yield* fs.setattr(inode, { sizeBytes: 10_000 });
        expect((yield* fs.read(inode, 4990, 20)).join("")).toBe("9".repeat(9) + "0".repeat(11));
        yield* fs.fsync(inode);
        yield* fs.setattr(inode, { sizeBytes: 10 });
        yield* fs.write(inode, 20, n("x"));
        expect((yield* fs.read(inode, 8, 100)).join(",")).toBe("9,9,0,0,0,0,0,0,0,0,0,0,120");
      }),
    );
    check("refuse to set aside more than there is", (fs) =>
      Effect.gen(function* () {
        const { inode } = yield* file(fs, "f");
        const most = Number.MAX_SAFE_INTEGER - 1;
        for (const mode of ["allocate", "zero"] as const) {
          yield* fails(fs.fallocate(inode, mode, 0, most, true), "NoSpace");
        }
        yield* fs.write(inode, 5, n("x"));
        yield* fs.fallocate(inode, "punch", 0, most, true);
        expect(yield* fs.getattr(inode)).toMatchObject({ sizeBytes: 6, allocatedBytes: 0 });
      }),
    );
    check("say what a filesystem holds", (fs) =>
      Effect.gen(function* () {
        const stat = yield* fs.statfs;
        expect(stat.totalBytes).toBeGreaterThan(0);
        expect(stat.freeBytes).toBeLessThanOrEqual(stat.totalBytes + 5 * 4 * 1024 * 1024);
        expect(stat.availableBytes).toBeLessThanOrEqual(stat.freeBytes);
        expect(stat.nameBytesMax).toBe(255);
      }),
    );
  });
}

describe("a very small pool", () => {
  it("takes the largest attribute value, or refuses it, and lives on", () =>
    Effect.runPromise(
      onPool(
        (fs) =>
          Effect.gen(function* () {
            const { inode } = yield* file(fs, "f");
            const largest = yield* Effect.result(
              fs.setxattr(inode, n("user.a"), new Uint8Array(XATTR_VALUE_BYTES_MAX), "set"),
            );
            if (largest._tag === "Failure") expect(largest.failure.reason).toBe("NoSpace");
            yield* fs.setxattr(inode, n("user.a"), new Uint8Array(XATTR_VALUE_BYTES_MAX / 2), "set");
            expect((yield* fs.getxattr(inode, n("user.a"))).length).toBe(XATTR_VALUE_BYTES_MAX / 2);
          }),
        48,
        16 * 1024 * 1024,
      ) as Effect.Effect<void>,
    ));
});

it("keeps what its user holds when the last name goes, says so, and lets it go once it is released", () =>
  Effect.runPromise(
    onHolder((fs, held, orphans) =>
      Effect.gen(function* () {
        const [f, g, a] = [yield* file(fs, "f"), yield* file(fs, "g"), yield* dir(fs, "a")];
        yield* fs.write(f.inode, 0, n("content"));
        yield* fs.link(f.inode, ROOT_INODE, n("second"));
        for (const { inode } of [f, a]) held.add(inode);
        yield* fs.unlink(ROOT_INODE, n("second"));
        expect(orphans).toEqual([]);
        yield* fs.rename(ROOT_INODE, n("g"), ROOT_INODE, n("f"), "replace");
        yield* fs.rmdir(ROOT_INODE, n("a"));
        expect(orphans).toEqual([f.inode, a.inode]);
        expect(text(yield* fs.read(f.inode, 0, 100))).toBe("content");
        expect(yield* fs.getattr(f.inode)).toMatchObject({ links: 0, sizeBytes: 7 });
        yield* fails(fs.mknod(a.inode, n("x"), FileType.regular | 0o600, 0, { uid: 0, gid: 0 }), "NoEntry");
        // Nobody holds this one.
        yield* fs.unlink(ROOT_INODE, n("f"));
        yield* fails(fs.getattr(g.inode), "NoEntry");
        held.clear();
        for (const { inode } of [f, a]) {
          yield* fs.release(inode);
          yield* fails(fs.getattr(inode), "NoEntry");
        }
      }),
    ),
  ));
