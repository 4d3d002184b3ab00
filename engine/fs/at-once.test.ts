import * as Effect from "effect/Effect";
import { expect, it } from "vitest";
import { makeMemoryDevice } from "../../devices/memory.ts";
import { Pieces } from "../data/read-memory.ts";
import { formatPool, openPool, type OpenOptions, type Pool } from "../pool/pool.ts";
import { type Attributes, FileType, FsError, ROOT_INODE } from "./types.ts";

const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const NOBODY = { linearized: () => {} };
const OWNER = { uid: 1, gid: 2 };

const withPool = (options: OpenOptions, use: (pool: Pool) => Effect.Effect<void, unknown>): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const device = makeMemoryDevice({ name: "memory", capacityBytes: 64 * 1024 * 1024 });
        yield* formatPool([device], { uuid: new Uint8Array(16).fill(4) });
        yield* use(yield* openPool([device], options));
      }),
    ),
  );

/** Asks the other way, and goes on once the answer is through: until then it is still being given. */
const whole = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.tap(effect, () => Effect.yieldNow);

const reason = (answer: unknown): string => (answer instanceof FsError ? answer.reason : "no failure");

it("answers what the calls of the same names answer", () =>
  withPool({}, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const atOnce = atOnceFor(NOBODY);
      const { inode } = yield* whole(fs.mknod(ROOT_INODE, n("file"), FileType.regular | 0o640, 0, OWNER));
      expect(atOnce.write(inode, 0, n("one two"), false)).toBe(true);
      expect(atOnce.write(inode, 4, n("three"), false)).toBe(true);
      expect(atOnce.getattr(inode)).toEqual(yield* whole(fs.getattr(inode)));
      expect(atOnce.lookup(ROOT_INODE, n("file"))).toEqual(yield* whole(fs.lookup(ROOT_INODE, n("file"))));
      expect(atOnce.getattr(inode)).toMatchObject({ sizeBytes: 9 });
      expect(piecesOf(atOnce.read(inode, 0, 100))).toEqual([n("one three")]);
      expect(piecesOf(atOnce.read(inode, 6, 2))).toEqual([n("re")]);
      const times = { modified: { seconds: 5, nanoseconds: 6 } };
      yield* whole(fs.fsync(inode));
      yield* whole(fs.setattr(inode, times));
      yield* whole(fs.write(inode, 0, n("o"), true));
      expect(atOnce.write(inode, 1, n("n"), true)).toBe(true);
      expect(atOnce.getattr(inode)).toMatchObject(times);
      const link = yield* whole(fs.symlink(ROOT_INODE, n("link"), n("file"), OWNER));
      const below = yield* whole(fs.mkdir(ROOT_INODE, n("below"), 0o755, OWNER));
      yield* whole(fs.setxattr(inode, n("user.a"), n("b"), "set"));
      expect(atOnce.readlink(link.inode)).toEqual(n("file"));
      expect(reason(atOnce.readlink(inode))).toBe("InvalidArgument");
      expect(atOnce.parentOf(below.inode)).toBe(ROOT_INODE);
      expect(reason(atOnce.parentOf(inode))).toBe("NotDirectory");
      expect(atOnce.listxattr(inode)).toEqual([n("user.a")]);
      expect(atOnce.getxattr(inode, n("user.a"))).toEqual(n("b"));
      expect(reason(atOnce.lookup(ROOT_INODE, n("none")))).toBe("NoEntry");
      expect(reason(atOnce.lookup(inode, n("none")))).toBe("NotDirectory");
      expect(reason(atOnce.getattr(999))).toBe("NoEntry");
      expect(reason(atOnce.read(ROOT_INODE, 0, 1))).toBe("IsDirectory");
    }),
  ));

const piecesOf = (read: Pieces | FsError | undefined): ReadonlyArray<Uint8Array> => {
  if (!(read instanceof Pieces)) throw new Error("nothing was read");
  return read.list;
};

it("does nothing where something must be waited for", () =>
  withPool({ dirtyBytesMax: 100_000, readCacheBytes: 0 }, ({ filesystem: fs, atOnceFor, limitMemory }) =>
    Effect.gen(function* () {
      const atOnce = atOnceFor(NOBODY);
      const { inode } = yield* whole(fs.mknod(ROOT_INODE, n("file"), FileType.regular | 0o640, 0, OWNER));
      expect(atOnce.write(ROOT_INODE, 0, n("x"), false)).toBeUndefined();
      yield* whole(fs.write(inode, 0, new Uint8Array(50_000).fill(7)));
      limitMemory({ dirtyBytesMax: 1 });
      expect(atOnce.write(inode, 0, n("x"), false)).toBeUndefined();
      expect(atOnce.getattr(inode)).toMatchObject({ sizeBytes: 50_000 });
      yield* whole(fs.fsync(inode));
      // Its bytes are on the device alone.
      expect(atOnce.read(inode, 0, 10)).toBeUndefined();
      expect(yield* whole(fs.read(inode, 0, 3))).toEqual(new Uint8Array(3).fill(7));
      expect(piecesOf(atOnce.read(inode, 60_000, 10))).toEqual([]);
    }),
  ));

it("gives later what the device has, in pieces, with zeros in holes and newer bytes over it", () =>
  withPool({ readCacheBytes: 1024 * 1024 }, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const atOnce = atOnceFor(NOBODY);
      const { inode } = yield* whole(fs.mknod(ROOT_INODE, n("file"), FileType.regular | 0o640, 0, OWNER));
      const expected = Uint8Array.from({ length: 400_000 }, (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24);
      yield* whole(fs.write(inode, 0, expected));
      yield* whole(fs.fsync(inode));
      const same = Effect.gen(function* () {
        for (const [offset, length] of [
          [0, 400_000],
          [1, 131_072],
          [131_071, 140_000],
          [399_999, 10],
          [400_000, 10],
        ] as const) {
          const wanted = expected.subarray(offset, offset + length);
          const pieces = yield* whole(atOnce.readLater(inode, offset, length));
          expect(Buffer.compare(Buffer.concat(pieces.list), wanted)).toBe(0);
          expect(Buffer.compare(Buffer.concat(piecesOf(atOnce.read(inode, offset, length))), wanted)).toBe(0);
        }
      });
      yield* same;
      expect(piecesOf(atOnce.read(inode, 0, 400_000))).toHaveLength(4);
      yield* whole(fs.fallocate(inode, "punch", 150_000, 100_000, true));
      expected.fill(0, 150_000, 250_000);
      yield* same;
      yield* whole(fs.write(inode, 140_000, n("newer")));
      expected.set(n("newer"), 140_000);
      yield* same;
    }),
  ));

it("puts together what lies in more pieces than a system takes in one answer", () =>
  withPool({ readCacheBytes: 4 * 1024 * 1024 }, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const { inode } = yield* whole(fs.mknod(ROOT_INODE, n("file"), FileType.regular | 0o640, 0, OWNER));
      const expected = Uint8Array.from({ length: 700_000 }, (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24);
      for (let at = 0; at < expected.length; at += 1000) {
        yield* fs.write(inode, at, expected.subarray(at, at + 1000));
        yield* fs.fsync(inode);
      }
      const pieces = yield* whole(atOnceFor(NOBODY).readLater(inode, 0, expected.length));
      expect(pieces.list).toHaveLength(1);
      expect(Buffer.compare(pieces.list[0]!, expected)).toBe(0);
    }),
  ));

it("does nothing where actors are asked in turn, and nothing on a pool that is read-only", async () => {
  await withPool({ inlineAsks: false }, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const atOnce = atOnceFor(NOBODY);
      expect((yield* whole(fs.getattr(ROOT_INODE))).inode).toBe(ROOT_INODE);
      expect(atOnce.getattr(ROOT_INODE)).toBeUndefined();
    }),
  );
  await withPool({ readOnly: true }, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const atOnce = atOnceFor(NOBODY);
      yield* whole(fs.getattr(ROOT_INODE));
      expect(atOnce.getattr(ROOT_INODE)).toMatchObject({ inode: ROOT_INODE });
      expect(atOnce.write(ROOT_INODE, 0, n("x"), false)).toBeUndefined();
    }),
  );
});

it("changes what the calls of the same names change", () =>
  withPool({}, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const moments: Array<number> = [];
      const orphans: Array<number> = [];
      const held = new Set<number>();
      const atOnce = atOnceFor({
        linearized: (made = 0) => void moments.push(made),
        holds: (inode) => held.has(inode),
        orphaned: (inode) => void orphans.push(inode),
      });
      // Brings what is touched into memory.
      yield* whole(fs.mknod(ROOT_INODE, n("other"), FileType.regular, 0, OWNER));
      const made = atOnce.mknod(ROOT_INODE, n("file"), FileType.regular | 0o640, 0, OWNER) as Attributes;
      expect(made).toEqual(yield* whole(fs.lookup(ROOT_INODE, n("file"))));
      expect(moments).toEqual([made.inode]);
      expect(reason(atOnce.mknod(ROOT_INODE, n("file"), FileType.regular, 0, OWNER))).toBe("Exists");
      expect(atOnce.mkdir(ROOT_INODE, n("directory"), 0o755, OWNER)).toMatchObject({ links: 2 });
      expect(atOnce.setattr(made.inode, { uid: 9, mode: 0o600 })).toMatchObject({
        uid: 9,
        mode: FileType.regular | 0o600,
      });
      expect(atOnce.rename(ROOT_INODE, n("file"), ROOT_INODE, n("moved"), "replace")).toBe(true);
      expect(reason(atOnce.rename(ROOT_INODE, n("file"), ROOT_INODE, n("x"), "replace"))).toBe("NoEntry");
      expect(reason(atOnce.unlink(ROOT_INODE, n("directory")))).toBe("IsDirectory");
      expect(atOnce.rmdir(ROOT_INODE, n("directory"))).toBe(true);
      expect(moments.length).toBe(8);
      held.add(made.inode);
      expect(atOnce.unlink(ROOT_INODE, n("moved"))).toBe(true);
      expect(orphans).toEqual([made.inode]);
      expect(atOnce.getattr(made.inode)).toMatchObject({ links: 0 });
      expect(atOnce.release(made.inode)).toBe(true);
      expect(reason(atOnce.getattr(made.inode))).toBe("NoEntry");
      expect(yield* whole(fs.readdir(ROOT_INODE, 0, 10))).toMatchObject([{ name: n("other") }]);
    }),
  ));

it("leaves no trace where a change must wait behind its commit, or for data", () =>
  withPool({}, ({ filesystem: fs, atOnceFor }) =>
    Effect.gen(function* () {
      const moments: Array<number> = [];
      const atOnce = atOnceFor({ linearized: (made = 0) => void moments.push(made) });
      const { inode } = yield* whole(fs.mknod(ROOT_INODE, n("new"), FileType.regular | 0o640, 0, OWNER));
      yield* whole(fs.mknod(ROOT_INODE, n("old"), FileType.regular | 0o640, 0, OWNER));
      yield* whole(fs.write(inode, 0, n("data")));
      expect(atOnce.rename(ROOT_INODE, n("new"), ROOT_INODE, n("old"), "replace")).toBeUndefined();
      expect(atOnce.setattr(inode, { sizeBytes: 1 })).toBeUndefined();
      expect(atOnce.release(inode)).toBeUndefined();
      expect(moments).toEqual([]);
      expect((yield* whole(fs.readdir(ROOT_INODE, 0, 10))).length).toBe(2);
      yield* whole(fs.rename(ROOT_INODE, n("new"), ROOT_INODE, n("old"), "replace"));
      expect(yield* whole(fs.read(inode, 0, 10))).toEqual(n("data"));
    }),
  ));
