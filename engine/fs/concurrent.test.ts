/**
 * Several clients at once on one file: each operation must look as if it happened at the moment that it names.
 *
 * A client's observer applies the pending operation to a plain model at `linearized`; what the operation then returns
 * must be what the model said at that moment.
 */
import * as Effect from "effect/Effect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { decodeExtent, extentLengthBytes } from "../format/values/extent.ts";
import { makeReferenceServices, type ReferenceBench } from "../data/reference-services.ts";
import { marks, resetMarks } from "../marks.ts";
import { makeFilesystemCore } from "./core.ts";
import { FileType, type Filesystem, type Fs, ROOT_INODE } from "./types.ts";

const NAME = new TextEncoder().encode("f");
const SPAN = 160 * 1024;

function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Model {
  bytes = new Uint8Array(0);
  resize(size: number): void {
    const next = new Uint8Array(size);
    next.set(this.bytes.subarray(0, size));
    this.bytes = next;
  }
  write(at: number, bytes: Uint8Array): number {
    if (at + bytes.length > this.bytes.length) this.resize(at + bytes.length);
    this.bytes.set(bytes, at);
    return at;
  }
}

class Client {
  private pending: (() => unknown) | undefined;
  private expected: unknown;
  readonly fs: Filesystem;

  constructor(filesystemFor: (observer: { linearized(): void }) => Filesystem) {
    this.fs = filesystemFor({
      linearized: () => {
        if (this.pending === undefined) throw new Error("an operation took effect twice");
        this.expected = this.pending();
        this.pending = undefined;
      },
    });
  }

  run<A>(
    operation: Fs<A>,
    model: () => unknown,
    compare: (answer: A, expected: unknown) => void,
  ): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      this.pending = model;
      return Effect.map(operation, (answer) => {
        expect(this.pending).toBeUndefined();
        compare(answer, this.expected);
      });
    });
  }
}

const nothing = (): void => {};
const same = (answer: unknown, expected: unknown): void => expect(answer).toBe(expected);

function act(client: Client, inode: number, model: Model, random: () => number): Effect.Effect<void, unknown> {
  const { fs } = client;
  const at = Math.floor(random() * SPAN);
  const length = 1 + Math.floor(random() * (random() < 0.5 ? 700 : 40_000));
  const dice = Math.floor(random() * 13);
  if (dice < 3) {
    const bytes = new Uint8Array(length).fill(1 + Math.floor(random() * 255));
    return client.run(fs.write(inode, at, bytes), () => model.write(at, bytes), nothing);
  }
  if (dice === 3) {
    const bytes = new Uint8Array(length % 5000).fill(7);
    if (bytes.length === 0) return Effect.void;
    return client.run(fs.append(inode, bytes), () => model.write(model.bytes.length, bytes), same);
  }
  if (dice === 4)
    return client.run(
      fs.setattr(inode, { sizeBytes: at }),
      () => model.resize(at),
      (answer) => same(answer.sizeBytes, at),
    );
  if (dice === 5)
    return client.run(
      fs.fallocate(inode, "punch", at, length, true),
      () => model.bytes.fill(0, at, at + length),
      nothing,
    );
  if (dice === 6) {
    const grow = (): void => {
      model.resize(Math.max(model.bytes.length, at + length));
      model.bytes.fill(0, at, at + length);
    };
    return client.run(fs.fallocate(inode, "zero", at, length, false), grow, nothing);
  }
  if (dice === 12) {
    const grow = (): void => model.resize(Math.max(model.bytes.length, at + length));
    return client.run(fs.fallocate(inode, "allocate", at, length, false), grow, nothing);
  }
  if (dice === 7) return client.run(fs.fsync(inode), nothing, nothing);
  if (dice === 8)
    return client.run(
      fs.getattr(inode),
      () => model.bytes.length,
      (answer, size) => same(answer.sizeBytes, size),
    );
  const slice = (): Uint8Array => model.bytes.slice(at, at + length * 4);
  return client.run(fs.read(inode, at, length * 4), slice, (answer, expected) => {
    expect(Buffer.compare(answer, expected as Uint8Array)).toBe(0);
  });
}

/** Bytes that the rows of the only file cover. */
function coveredBytes({ transactor }: ReferenceBench): number {
  let covered = 0;
  for (const { value } of transactor.table(Table.extents)) {
    covered += extentLengthBytes(decodeExtent(viewOf(value), 0, value.length));
  }
  return covered;
}

/** Many rows, so that a truncate or a punch takes several transactions. */
const scatter = (fs: Filesystem, inode: number, model: Model): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    for (let index = 0; index < 220; index++) {
      const bytes = new Uint8Array(600).fill(1 + (index % 200));
      yield* fs.write(inode, index * 700, bytes);
      model.write(index * 700, bytes);
    }
    yield* fs.fsync(inode);
  });

function scenario(seed: number): Effect.Effect<void, unknown> {
  const random = generator(seed);
  return Effect.gen(function* () {
    const services = makeReferenceServices({ random, readCacheBytes: seed % 2 === 0 ? 1 << 20 : 0 });
    services.store.before = Effect.suspend(() => services.transactor.pause);
    const core = yield* makeFilesystemCore(services);
    yield* core.initialiseRoot;
    const { inode } = yield* core.filesystem.mknod(ROOT_INODE, NAME, FileType.regular, 0, { uid: 0, gid: 0 });
    const model = new Model();
    if (seed % 4 !== 0) yield* scatter(core.filesystem, inode, model);
    const clients = Array.from({ length: 4 }, () =>
      Effect.gen(function* () {
        const client = new Client(core.filesystemFor);
        for (let step = 0; step < 25; step++) {
          yield* act(client, inode, model, random);
          if (random() < 0.3) yield* Effect.yieldNow;
        }
      }),
    );
    const background = Effect.gen(function* () {
      for (let step = 0; step < 8; step++) {
        yield* core.writebackAll;
        yield* core.collectBucket(0, 0, services.store.endBytes);
        yield* Effect.yieldNow;
      }
    });
    yield* Effect.all([...clients, background], { concurrency: "unbounded" });
    yield* core.writebackAll;
    expect(Buffer.compare(yield* core.filesystem.read(inode, 0, 2 ** 40), model.bytes)).toBe(0);
    expect(core.dirtyBytes()).toBe(0);
    expect(services.space.reserved).toBe(0);
    expect(services.store.held).toBe(0);
    const { allocatedBytes } = yield* core.filesystem.getattr(inode);
    expect(allocatedBytes).toBe(coveredBytes(services));
    yield* core.filesystem.unlink(ROOT_INODE, NAME);
    for (const table of [Table.extents, Table.orphans, Table.loggedOperations]) {
      expect(services.transactor.table(table).length).toBe(0);
    }
  });
}

describe("concurrent clients of one file", () => {
  it("see every operation happen at one moment", async () => {
    resetMarks();
    const run = fc.asyncProperty(fc.nat(1_000_000), (seed) => Effect.runPromise(scenario(seed)));
    await fc.assert(run, { numRuns: Number(process.env["RUNS"] ?? 60) });
    expect(marks.get("collection raced with a write") ?? 0).toBeGreaterThan(0);
  }, 120_000);
});
