import * as Effect from "effect/Effect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeExtent, extentLengthBytes } from "../format/values/extent.ts";
import { decodeInode } from "../format/values/inode.ts";
import { type FilesystemCore, makeFilesystemCore } from "../fs/core.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../fs/types.ts";
import { marks, resetMarks } from "../marks.ts";
import { makeReferenceServices, type ReferenceBench, type ReferenceOptions } from "./reference-services.ts";

const OWNER = { uid: 1, gid: 2 };
const FILE_BYTES = 400 * 1024;
const TO = 2 ** 50;

/** Places that the runs below must come to. */
const MARKS = [
  "clearing of many rows logged",
  "extent trimmed at its end",
  "extent trimmed at its front",
  "inline rows joined",
  "partly live extent collected",
  "writeback failed and kept its data",
];

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Bench {
  readonly services: ReferenceBench;
  readonly core: FilesystemCore;
  readonly fs: Filesystem;
}

const makeBench = (options: ReferenceOptions = {}): Effect.Effect<Bench, unknown> =>
  Effect.gen(function* () {
    const services = makeReferenceServices(options);
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    return { services, core, fs: core.filesystem };
  });

/** Deterministic noise: a small generator per seed. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** Bytes that compress or not, none of them zero, so that a hole shows. */
function content(seed: number, length: number): Uint8Array {
  const random = generator(seed);
  const noisy = seed % 2 === 0;
  const out = new Uint8Array(length);
  let value = 1;
  for (let at = 0; at < length; at++) {
    if (noisy || at % 64 === 0) value = 1 + Math.floor(random() * 255);
    out[at] = value;
  }
  return out;
}

/** What a file must read as. */
class Model {
  bytes = new Uint8Array(0);

  resize(size: number): void {
    const next = new Uint8Array(size);
    next.set(this.bytes.subarray(0, size));
    this.bytes = next;
  }
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (offset + bytes.length > this.bytes.length) this.resize(offset + bytes.length);
    this.bytes.set(bytes, offset);
  }
  clear(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }
}

type Step =
  | { kind: "write" | "append"; offset: number; length: number; seed: number }
  | { kind: "scatter"; offset: number; seed: number }
  | { kind: "truncate"; offset: number }
  | { kind: "punch" | "zero" | "allocate"; offset: number; length: number; keepSize: boolean }
  | { kind: "read"; offset: number; length: number }
  | { kind: "seek"; offset: number }
  | { kind: "writeback" | "fsync" | "collect" | "fail" };

const length = fc.oneof(fc.nat(20), fc.nat(3000), fc.nat(9000), fc.nat(150_000));
const offset = fc.oneof(
  fc.nat(30),
  fc.nat(3000),
  fc.nat(20_000),
  fc.nat(FILE_BYTES),
  fc.constantFrom(4096, 131072, 2048),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("write", "append"), offset, length, seed: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("scatter"), offset, seed: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate"), offset }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("punch", "zero", "allocate"),
      offset,
      length: length.map((n) => n + 1),
      keepSize: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read"), offset, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("seek"), offset }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom("writeback", "fsync", "collect", "fail") }) },
) as fc.Arbitrary<Step>;

function apply({ services, core, fs }: Bench, inode: number, model: Model, it: Step): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    switch (it.kind) {
      case "write": {
        const bytes = content(it.seed, it.length);
        yield* fs.write(inode, it.offset, bytes);
        model.write(it.offset, bytes);
        bytes.fill(0xee);
        return;
      }
      case "scatter":
        // More rows than one transaction takes out.
        for (let index = 0; index < 150; index++) {
          const at = it.offset + index * 1500;
          const bytes = content(it.seed + index, 300 + (index % 3) * 300);
          yield* fs.write(inode, at, bytes);
          model.write(at, bytes);
        }
        return;
      case "append": {
        const bytes = content(it.seed, it.length);
        expect(yield* fs.append(inode, bytes)).toBe(model.bytes.length);
        return model.write(model.bytes.length, bytes);
      }
      case "truncate":
        yield* fs.setattr(inode, { sizeBytes: it.offset });
        return model.resize(it.offset);
      case "punch":
        yield* fs.fallocate(inode, "punch", it.offset, it.length, true);
        return model.clear(it.offset, it.length);
      case "zero":
      case "allocate":
        yield* fs.fallocate(inode, it.kind, it.offset, it.length, it.keepSize);
        if (!it.keepSize) model.resize(Math.max(model.bytes.length, it.offset + it.length));
        return it.kind === "zero" ? model.clear(it.offset, it.length) : undefined;
      case "read": {
        const read = yield* fs.read(inode, it.offset, it.length);
        expect(Buffer.compare(read, model.bytes.subarray(it.offset, it.offset + it.length))).toBe(0);
        return;
      }
      case "seek":
        return yield* checkSeek(fs, inode, model, it.offset);
      case "writeback":
        return yield* core.writebackAll;
      case "fsync":
        return yield* fs.fsync(inode);
      case "collect":
        return yield* core.collectBucket(0, 0, services.store.endBytes);
      case "fail": {
        services.store.failing = "full";
        yield* Effect.ignore(core.writebackAll);
        services.store.failing = "no";
        yield* Effect.ignore(fs.fsync(inode));
      }
    }
  });
}

/** Between where a hole is said to begin and where data is said to begin there are zeros. */
function checkSeek(fs: Filesystem, inode: number, model: Model, from: number): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    const size = model.bytes.length;
    const hole = yield* Effect.result(fs.seek(inode, from, "hole"));
    if (from >= size) return expect(hole._tag).toBe("Failure");
    const start = hole._tag === "Success" ? hole.success : -1;
    expect(start).toBeGreaterThanOrEqual(from);
    expect(start).toBeLessThanOrEqual(size);
    const data = yield* Effect.result(fs.seek(inode, Math.min(start, size - 1), "data"));
    const end = start === size ? size : data._tag === "Success" ? data.success : size;
    expect(model.bytes.subarray(start, end).every((byte) => byte === 0)).toBe(true);
  });
}

/** What must hold of the rows of a file that has nothing unwritten. */
function checkRows({ services }: Bench, inode: number, size: number): void {
  const row = services.transactor.get(Table.inodes, inode, 0, 0xffff_ffff)!;
  const value = decodeInode(viewOf(row), 0, row.length);
  expect(value.sizeBytes).toBe(size);
  let covered = 0;
  let end = 0;
  let live = 0;
  for (const extent of services.transactor.table(Table.extents)) {
    if (extent.inode !== inode) continue;
    const decoded = decodeExtent(viewOf(extent.value), 0, extent.value.length);
    const bytes = extentLengthBytes(decoded);
    expect(extent.offset - bytes).toBeGreaterThanOrEqual(end);
    end = extent.offset;
    covered += bytes;
    if (decoded.kind === "data") live++;
    if (decoded.kind !== "unwritten") expect(end).toBeLessThanOrEqual(size);
  }
  expect(value.allocatedBytes).toBe(covered);
  expect(services.transactor.table(Table.backpointers).length).toBe(live);
}

describe("the data of a file", () => {
  it("reads as what was written, whatever is written back, collected or restarted in between", async () => {
    const run = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30, size: "max" }),
      fc.nat(),
      async (steps, seed) => {
        const random = generator(seed);
        const cache = seed % 3 === 0 ? 1 << 20 : 0;
        await Effect.runPromise(
          Effect.gen(function* () {
            const bench = yield* makeBench({ random, readCacheBytes: cache, compression: seed % 2 });
            const { fs, core, services } = bench;
            const { inode } = yield* fs.mknod(ROOT_INODE, bytesOf("f"), FileType.regular | 0o644, 0, OWNER);
            const model = new Model();
            for (const each of steps) {
              yield* apply(bench, inode, model, each);
              expect((yield* fs.getattr(inode)).sizeBytes).toBe(model.bytes.length);
            }
            const before = yield* fs.read(inode, 0, TO);
            expect(Buffer.compare(before, model.bytes)).toBe(0);
            yield* core.writebackAll;
            expect(core.dirtyBytes()).toBe(0);
            expect(core.dirtyHeldBytes()).toBe(0);
            expect(services.space.reserved).toBe(0);
            expect(Buffer.compare(yield* fs.read(inode, 0, TO), model.bytes)).toBe(0);
            checkRows(bench, inode, model.bytes.length);
            yield* fs.unlink(ROOT_INODE, bytesOf("f"));
            expect(services.transactor.table(Table.extents).length).toBe(0);
            expect(services.liveBytes()).toBe(0);
            expect(services.store.held).toBe(0);
          }),
        );
      },
    );
    resetMarks();
    await fc.assert(run, {
      numRuns: Number(process.env["RUNS"] ?? 150),
      endOnFailure: process.env["QUICK"] !== undefined,
    });
    for (const mark of MARKS) expect(marks.get(mark) ?? 0, mark).toBeGreaterThan(0);
  }, 120_000);
});
