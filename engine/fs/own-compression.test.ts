/**
 * A file's own compression: who gets it, what heeds it, and what stands as it was.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { packed, unpacked } from "../data/compression.ts";
import { parseCompression } from "../data/compression-words.ts";
import { makeReferenceServices, type ReferenceBench, type ReferenceOptions } from "../data/reference-services.ts";
import { viewOf } from "../format/codec.ts";
import { Compression } from "../format/superblock.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeExtent } from "../format/values/extent.ts";
import { encodeXattrHead, xattrHeadBytes } from "../format/values/xattr.ts";
import { COMPRESSION_ATTRIBUTE } from "./compression-attribute.ts";
import { type FilesystemCore, makeFilesystemCore } from "./core.ts";
import { FileType, type Filesystem, type Fs, type FsReason, ROOT_INODE } from "./types.ts";

const OWNER = { uid: 7, gid: 8 };
const n = (text: string): Uint8Array => new TextEncoder().encode(text);
const NAME = n(COMPRESSION_ATTRIBUTE);
const TEXT = n("sediment, one year's layer of it. ".repeat(3000));

const own = (words: string): number => {
  const choice = parseCompression(words);
  if (typeof choice === "string") throw new Error(choice);
  return packed(choice);
};

interface Bench {
  readonly services: ReferenceBench;
  readonly core: FilesystemCore;
  readonly fs: Filesystem;
}

const onTables = (options: ReferenceOptions, body: (bench: Bench) => Effect.Effect<void, unknown>): Promise<void> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const services = makeReferenceServices(options);
      const core = yield* makeFilesystemCore(services);
      yield* core.initialiseRoot;
      yield* body({ services, core, fs: core.filesystem });
    }) as Effect.Effect<void>,
  );

const refusal = (operation: Fs<unknown>): Effect.Effect<FsReason | undefined> =>
  Effect.map(Effect.result(operation), (result) => (result._tag === "Failure" ? result.failure.reason : undefined));

const file = (fs: Filesystem, name: string): Effect.Effect<number, unknown> =>
  Effect.map(fs.mknod(ROOT_INODE, n(name), FileType.regular | 0o644, 0, OWNER), ({ inode }) => inode);

/** The codecs of a file's extents, in order, and what they take. */
const stored = ({ services }: Bench, inode: number): ReadonlyArray<readonly [number, number]> =>
  services.transactor
    .table(Table.extents)
    .filter((row) => row.inode === inode)
    .map(({ value }) => decodeExtent(viewOf(value), 0, value.length))
    .flatMap((extent) => (extent.kind === "data" ? [[extent.compression, extent.storedBytes] as const] : []));
const codecs = (bench: Bench, inode: number): ReadonlyArray<number> => stored(bench, inode).map(([codec]) => codec);

describe("what is written", () => {
  it.each([
    ["none", Compression.zstd, Compression.none],
    ["zstd:3", Compression.none, Compression.zstd],
    ["adaptive:1", Compression.none, Compression.zstd],
  ])("is stored as the file says, %s, before the mount is asked", (words, mount, codec) =>
    onTables({ compression: mount }, (bench) =>
      Effect.gen(function* () {
        const { fs } = bench;
        const [told, untold] = [yield* file(fs, "told"), yield* file(fs, "untold")];
        yield* fs.setattr(told, { compression: own(words) });
        for (const inode of [told, untold]) yield* fs.write(inode, 0, TEXT);
        yield* fs.syncfs;
        expect(new Set(codecs(bench, told))).toEqual(new Set([codec]));
        expect(new Set(codecs(bench, untold))).toEqual(new Set([mount]));
        expect((yield* fs.getattr(told)).compression).toBe(own(words));
        expect(Buffer.compare(yield* fs.read(told, 0, TEXT.length), TEXT)).toBe(0);
      }),
    ),
  );

  it("heeds the level", () =>
    onTables({ compression: Compression.none }, (bench) =>
      Effect.gen(function* () {
        const { fs } = bench;
        const bytes = TEXT.slice(0, 5000).map((byte, at) => (at % 37 === 0 ? at & 127 : byte));
        const taken: Array<number> = [];
        for (const words of ["zstd:1", "zstd:19"]) {
          const inode = yield* file(fs, words);
          yield* fs.setattr(inode, { compression: own(words) });
          yield* fs.write(inode, 0, bytes);
          yield* fs.fsync(inode);
          taken.push(stored(bench, inode).reduce((sum, [, size]) => sum + size, 0));
        }
        expect(taken[1]).toBeLessThan(taken[0]!);
      }),
    ));

  it("stays as it is when the choice changes, and so do the collector's copies of it", () =>
    onTables({ compression: Compression.zstd }, (bench) =>
      Effect.gen(function* () {
        const { fs, core, services } = bench;
        const [plain, packedOne] = [yield* file(fs, "plain"), yield* file(fs, "packed")];
        yield* fs.setattr(plain, { compression: own("none") });
        for (const inode of [plain, packedOne]) yield* fs.write(inode, 0, TEXT);
        yield* fs.syncfs;
        yield* fs.setattr(plain, { compression: own("zstd:5") });
        yield* fs.setattr(packedOne, { compression: own("none") });
        const before = [codecs(bench, plain), codecs(bench, packedOne)];
        expect(before).toEqual([[Compression.none], [Compression.zstd]]);
        yield* core.collectBucket(0, 0, services.store.endBytes);
        expect([codecs(bench, plain), codecs(bench, packedOne)]).toEqual(before);
        for (const inode of [plain, packedOne]) {
          expect(Buffer.compare(yield* fs.read(inode, 0, TEXT.length), TEXT)).toBe(0);
        }
      }),
    ));
});

describe("a directory's choice", () => {
  it("is that of files and directories that are made in it, and of nothing else", () =>
    onTables({}, ({ fs }) =>
      Effect.gen(function* () {
        const directory = yield* fs.mkdir(ROOT_INODE, n("d"), 0o755, OWNER);
        const before = yield* fs.mknod(directory.inode, n("before"), FileType.regular, 0, OWNER);
        const choice = own("zstd:9");
        yield* fs.setattr(directory.inode, { compression: choice });
        const made = [
          yield* fs.mknod(directory.inode, n("file"), FileType.regular, 0, OWNER),
          yield* fs.mkdir(directory.inode, n("directory"), 0o755, OWNER),
          yield* fs.tmpfile(directory.inode, 0o600, OWNER),
          yield* fs.symlink(directory.inode, n("link"), n("file"), OWNER),
          yield* fs.mknod(directory.inode, n("fifo"), FileType.fifo, 0, OWNER),
        ];
        expect(made.map(({ compression }) => compression)).toEqual([choice, choice, choice, 0, 0]);
        expect((yield* fs.getattr(before.inode)).compression).toBe(0);
        yield* fs.rename(directory.inode, n("file"), ROOT_INODE, n("elsewhere"), "replace");
        expect((yield* fs.lookup(ROOT_INODE, n("elsewhere"))).compression).toBe(choice);
        expect((yield* fs.getattr(ROOT_INODE)).compression).toBe(0);
      }),
    ));
});

describe("the attribute varve.compression", () => {
  it("is the choice in words, listed where there is one, and lasts", () =>
    onTables({}, ({ services, fs }) =>
      Effect.gen(function* () {
        const inode = yield* file(fs, "f");
        expect(yield* refusal(fs.getxattr(inode, NAME))).toBe("NoAttribute");
        expect(yield* refusal(fs.removexattr(inode, NAME))).toBe("NoAttribute");
        expect(yield* refusal(fs.setxattr(inode, NAME, n("none"), "replace"))).toBe("NoAttribute");
        yield* fs.setxattr(inode, NAME, n("adaptive"), "create");
        expect(yield* refusal(fs.setxattr(inode, NAME, n("none"), "create"))).toBe("Exists");
        expect(yield* fs.getxattr(inode, NAME)).toEqual(n("adaptive:1"));
        yield* fs.setxattr(inode, n("user.a"), n("b"), "set");
        expect(yield* fs.listxattr(inode)).toEqual([n("user.a"), NAME]);
        yield* fs.write(inode, 0, TEXT);
        yield* fs.setattr(inode, { sizeBytes: 5000, mode: 0o600 });
        yield* fs.fsync(inode);
        const { filesystem } = yield* makeFilesystemCore(services);
        expect(unpacked((yield* filesystem.getattr(inode)).compression)).toEqual(parseCompression("adaptive:1"));
        yield* filesystem.setxattr(inode, NAME, n(""), "set");
        expect((yield* filesystem.getattr(inode)).compression).toBe(0);
        expect(yield* filesystem.listxattr(inode)).toEqual([n("user.a")]);
      }),
    ));

  it("takes no other words, and only what has data has one", () =>
    onTables({}, ({ fs }) =>
      Effect.gen(function* () {
        const inode = yield* file(fs, "f");
        const link = yield* fs.symlink(ROOT_INODE, n("l"), n("f"), OWNER);
        for (const words of ["lz4", "zstd:20", "zstd:0", "none:1", "zstd ", "zstd:1:1", "x".repeat(5000)]) {
          expect(yield* refusal(fs.setxattr(inode, NAME, n(words), "set"))).toBe("InvalidArgument");
        }
        expect(yield* refusal(fs.setxattr(link.inode, NAME, n("none"), "set"))).toBe("InvalidArgument");
        expect(yield* refusal(fs.setattr(link.inode, { compression: own("none") }))).toBe("InvalidArgument");
        for (const compression of [4, 2, 0x1402, 0x101, 2 ** 32]) {
          expect(yield* refusal(fs.setattr(inode, { compression }))).toBe("InvalidArgument");
          expect(yield* refusal(fs.setattr(inode, { compression, sizeBytes: 9 }))).toBe("InvalidArgument");
        }
        expect(yield* fs.getattr(inode)).toMatchObject({ compression: 0, sizeBytes: 0 });
      }),
    ));

  it("hides one of that name which an earlier version kept as any other", () =>
    onTables({}, ({ services, fs }) =>
      Effect.gen(function* () {
        const inode = yield* file(fs, "f");
        const head = { totalValueBytes: 4, name: NAME, bytes: n("gzip") };
        yield* services.transactor.transact<void, never>((tx) => {
          tx.put(Table.xattrs, inode, 0, SNAPSHOT_ROOT, xattrHeadBytes(head));
          encodeXattrHead(tx.out, tx.outAt, head);
        });
        expect(yield* fs.listxattr(inode)).toEqual([]);
        expect(yield* refusal(fs.getxattr(inode, NAME))).toBe("NoAttribute");
        yield* fs.setxattr(inode, NAME, n("none"), "create");
        expect(yield* fs.listxattr(inode)).toEqual([NAME]);
      }),
    ));
});
