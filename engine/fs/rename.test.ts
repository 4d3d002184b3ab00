import * as Effect from "effect/Effect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeReferenceServices, type ReferenceBench } from "../data/reference-services.ts";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeDirent } from "../format/values/dirent.ts";
import { decodeInode } from "../format/values/inode.ts";
import { makeFilesystemCore } from "./core.ts";
import { FileType, type Filesystem, type FsReason, type RenameMode, ROOT_INODE } from "./types.ts";

const OWNER = { uid: 0, gid: 0 };
const n = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Bench {
  readonly services: ReferenceBench;
  readonly fs: Filesystem;
}

const makeBench = (random?: () => number, directoryHashBits = 48): Effect.Effect<Bench, unknown> =>
  Effect.gen(function* () {
    const services = makeReferenceServices({ directoryHashBits, ...(random === undefined ? {} : { random }) });
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    return { services, fs: core.filesystem };
  });

/** Directory and last name of a path. */
function locate(fs: Filesystem, path: string): Effect.Effect<{ parent: number; name: Uint8Array }, unknown> {
  return Effect.gen(function* () {
    const parts = path.split("/");
    const last = parts.pop()!;
    let parent = ROOT_INODE;
    for (const part of parts) parent = (yield* fs.lookup(parent, n(part))).inode;
    return { parent, name: n(last) };
  });
}

const inodeOf = (fs: Filesystem, path: string): Effect.Effect<number | undefined> =>
  Effect.gen(function* () {
    const { parent, name } = yield* locate(fs, path);
    return (yield* fs.lookup(parent, name)).inode;
  }).pipe(Effect.catch(() => Effect.succeed(undefined)));

const rename = (fs: Filesystem, from: string, to: string, mode: RenameMode): Effect.Effect<FsReason | "ok", unknown> =>
  Effect.gen(function* () {
    const source = yield* locate(fs, from);
    const target = yield* locate(fs, to);
    const result = yield* Effect.result(fs.rename(source.parent, source.name, target.parent, target.name, mode));
    return result._tag === "Success" ? "ok" : result.failure.reason;
  });

/** d/ d/sub/ d/sub/deep/ e/ f g(=f linked) d/h full/ full/x */
const build = (fs: Filesystem): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const mkdir = (parent: number, name: string) =>
      Effect.map(fs.mkdir(parent, n(name), 0o755, OWNER), ({ inode }) => inode);
    const mknod = (parent: number, name: string) =>
      Effect.map(fs.mknod(parent, n(name), FileType.regular, 0, OWNER), ({ inode }) => inode);
    const d = yield* mkdir(ROOT_INODE, "d");
    const sub = yield* mkdir(d, "sub");
    yield* mkdir(sub, "deep");
    yield* mkdir(ROOT_INODE, "e");
    const f = yield* mknod(ROOT_INODE, "f");
    yield* fs.link(f, ROOT_INODE, n("g"));
    yield* mknod(d, "h");
    const full = yield* mkdir(ROOT_INODE, "full");
    yield* mknod(full, "x");
  });

const CASES: ReadonlyArray<readonly [from: string, to: string, mode: RenameMode, answer: FsReason | "ok"]> = [
  ["f", "new", "replace", "ok"],
  ["f", "d/new", "replace", "ok"],
  ["f", "d/new", "no-replace", "ok"],
  ["f", "d/h", "replace", "ok"],
  ["f", "d/h", "no-replace", "Exists"],
  ["f", "d/h", "exchange", "ok"],
  ["f", "none", "exchange", "NoEntry"],
  ["none", "f", "replace", "NoEntry"],
  ["none", "f", "no-replace", "NoEntry"],
  ["none", "f", "exchange", "NoEntry"],
  ["f", "f", "replace", "ok"],
  ["f", "f", "no-replace", "Exists"],
  ["f", "g", "replace", "ok"],
  ["f", "e", "replace", "IsDirectory"],
  ["e", "f", "replace", "NotDirectory"],
  ["f", "e", "exchange", "ok"],
  ["d", "f", "exchange", "ok"],
  ["d", "e", "replace", "ok"],
  ["d", "e", "no-replace", "Exists"],
  ["e", "full", "replace", "NotEmpty"],
  ["e", "full", "exchange", "ok"],
  ["f", "full", "replace", "IsDirectory"],
  ["d", "d/new", "replace", "InvalidArgument"],
  ["d", "d/sub/deep/new", "replace", "InvalidArgument"],
  ["d", "d/sub", "replace", "InvalidArgument"],
  ["d", "d/sub/deep", "exchange", "InvalidArgument"],
  ["d/sub/deep", "d", "replace", "NotEmpty"],
  ["d/sub/deep", "d", "exchange", "InvalidArgument"],
  ["d/sub", "d/sub", "replace", "ok"],
  ["d/sub", "up", "replace", "ok"],
  ["d/sub", "full/sub", "replace", "ok"],
  ["d/sub/deep", "e", "replace", "ok"],
  ["e", "d/sub/deep", "replace", "ok"],
  ["e", "d/sub/deep", "exchange", "ok"],
  ["full", "d/sub/deep", "exchange", "ok"],
];

const decoded = (services: ReferenceBench, inode: number) => {
  const row = services.transactor.get(Table.inodes, inode, 0, 0xffff_ffff)!;
  return decodeInode(viewOf(row), 0, row.length);
};

/** Link counts, directory sizes and parents are what the entries say, and every directory is reached once. */
function checkTree({ services }: Bench): void {
  const links = new Map<number, number>();
  const entries = new Map<number, number>();
  const subdirectories = new Map<number, number>();
  const reachedFrom = new Map<number, number>([[ROOT_INODE, ROOT_INODE]]);
  for (const row of services.transactor.table(Table.dirents)) {
    const slots = new Set<number>();
    for (const entry of decodeDirent(viewOf(row.value), 0, row.value.length)) {
      expect(slots.has(entry.slot)).toBe(false);
      slots.add(entry.slot);
      entries.set(row.inode, (entries.get(row.inode) ?? 0) + 1);
      expect(decoded(services, entry.inode).mode & FileType.mask).toBe(entry.type);
      if (entry.type === FileType.directory) {
        expect(reachedFrom.has(entry.inode)).toBe(false);
        reachedFrom.set(entry.inode, row.inode);
        subdirectories.set(row.inode, (subdirectories.get(row.inode) ?? 0) + 1);
      } else links.set(entry.inode, (links.get(entry.inode) ?? 0) + 1);
    }
  }
  for (const { inode } of services.transactor.table(Table.inodes)) {
    const value = decoded(services, inode);
    if ((value.mode & FileType.mask) !== FileType.directory) {
      expect([inode, value.links]).toEqual([inode, links.get(inode) ?? 0]);
      expect(value.links).toBeGreaterThan(0);
      continue;
    }
    expect([inode, value.links]).toEqual([inode, 2 + (subdirectories.get(inode) ?? 0)]);
    expect(value.sizeBytes).toBe(entries.get(inode) ?? 0);
    expect(value.parent).toBe(reachedFrom.get(inode));
    let at = inode;
    for (let depth = 0; at !== ROOT_INODE; depth++) {
      expect(depth).toBeLessThan(100);
      at = reachedFrom.get(at)!;
    }
  }
}

describe("rename", () => {
  for (const [from, to, mode, answer] of CASES) {
    it(`${mode}: ${from} to ${to} is ${answer}`, () =>
      Effect.runPromise(
        Effect.gen(function* () {
          const bench = yield* makeBench();
          const { fs } = bench;
          yield* build(fs);
          const source = yield* inodeOf(fs, from);
          const target = yield* inodeOf(fs, to);
          expect(yield* rename(fs, from, to, mode)).toBe(answer);
          checkTree(bench);
          // From a path below itself nothing is reached any more, so only what stays in place is looked at.
          if (answer !== "ok" || source === target) {
            expect(yield* inodeOf(fs, from)).toBe(source);
            expect(yield* inodeOf(fs, to)).toBe(target);
          } else if (mode === "exchange") {
            expect(yield* inodeOf(fs, from)).toBe(target);
            expect(yield* inodeOf(fs, to)).toBe(source);
          } else {
            expect(yield* inodeOf(fs, from)).toBeUndefined();
            expect(yield* inodeOf(fs, to)).toBe(source);
          }
        }) as Effect.Effect<void>,
      ));
  }

  it("keeps the tree a tree, with right counts, over any sequence of operations", async () => {
    const path = fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join("/"));
    const operation = fc.record({
      kind: fc.constantFrom("mkdir", "mknod", "link", "unlink", "rmdir", "rename", "rename", "rename"),
      from: path,
      to: path,
      mode: fc.constantFrom<RenameMode>("replace", "no-replace", "exchange"),
    });
    const run = fc.asyncProperty(
      fc.array(operation, { maxLength: 60, size: "max" }),
      fc.constantFrom(1, 48),
      async (steps, bits) => {
        let draws = 0;
        const random = (): number => ((draws++ * 7919) % 101) / 101;
        const bench = await Effect.runPromise(makeBench(random, bits) as Effect.Effect<Bench>);
        const { fs } = bench;
        for (const { kind, from, to, mode } of steps) {
          const work = Effect.gen(function* () {
            const { parent, name } = yield* locate(fs, from);
            if (kind === "mkdir") yield* fs.mkdir(parent, name, 0o755, OWNER);
            else if (kind === "mknod") yield* fs.mknod(parent, name, FileType.regular, 0, OWNER);
            else if (kind === "unlink") yield* fs.unlink(parent, name);
            else if (kind === "rmdir") yield* fs.rmdir(parent, name);
            else if (kind === "rename") yield* rename(fs, from, to, mode);
            else {
              const target = yield* locate(fs, to);
              yield* fs.link((yield* fs.lookup(parent, name)).inode, target.parent, target.name);
            }
          });
          await Effect.runPromise(Effect.ignore(work));
          checkTree(bench);
        }
      },
    );
    await fc.assert(run, { numRuns: Number(process.env["RUNS"] ?? 60) });
  }, 60_000);

  it("writes the data of a file before the file takes another's place", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { fs, services } = yield* makeBench();
        const old = yield* fs.mknod(ROOT_INODE, n("f"), FileType.regular, 0, OWNER);
        yield* fs.write(old.inode, 0, new Uint8Array(5000).fill(1));
        yield* fs.fsync(old.inode);
        const fresh = yield* fs.mknod(ROOT_INODE, n("f.new"), FileType.regular, 0, OWNER);
        yield* fs.write(fresh.inode, 0, new Uint8Array(7000).fill(2));
        expect(decoded(services, fresh.inode).sizeBytes).toBe(0);
        yield* fs.rename(ROOT_INODE, n("f.new"), ROOT_INODE, n("f"), "replace");
        expect(decoded(services, fresh.inode)).toMatchObject({ sizeBytes: 7000, allocatedBytes: 7000 });
        expect((yield* fs.lookup(ROOT_INODE, n("f"))).inode).toBe(fresh.inode);
      }) as Effect.Effect<void>,
    ));

  it("changes nothing when that data cannot be written", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { fs, services } = yield* makeBench();
        const old = yield* fs.mknod(ROOT_INODE, n("f"), FileType.regular, 0, OWNER);
        const fresh = yield* fs.mknod(ROOT_INODE, n("f.new"), FileType.regular, 0, OWNER);
        yield* fs.write(fresh.inode, 0, new Uint8Array(7000).fill(2));
        services.store.failing = "full";
        expect(yield* rename(fs, "f.new", "f", "replace")).toBe("NoSpace");
        expect(yield* rename(fs, "f.new", "f", "no-replace")).toBe("Exists");
        expect((yield* fs.lookup(ROOT_INODE, n("f"))).inode).toBe(old.inode);
        services.store.failing = "no";
        expect(yield* rename(fs, "f.new", "f", "replace")).toBe("ok");
        expect((yield* fs.read(fresh.inode, 0, 7000)).every((byte) => byte === 2)).toBe(true);
      }) as Effect.Effect<void>,
    ));
});
