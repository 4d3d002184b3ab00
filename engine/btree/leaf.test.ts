import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyNodeDelta, decodeNodeImage, encodeNodeDelta, encodeNodeImage } from "../format/node.ts";
import { checksumOfRecord } from "../format/codec.ts";
import { FRAME_BYTES, framesHeld, framesTaken, giveFrame, takeFrame } from "./frame.ts";
import {
  isTombstone,
  Leaf,
  LEAF_ROOM_BYTES,
  LEAF_ROWS_MAX,
  LEAF_VALUE_BYTES_MAX,
  refLength,
  rowBytes,
} from "./leaf.ts";

type Key = readonly [inode: number, offset: number, snapshot: number];
const freshLeaf = () => new Leaf();
const uuid = new Uint8Array(16).fill(7);
const head = { table: 3, level: 0, low: { inode: 0, offset: 0, snapshot: 0 } };
const expectation = (record: Uint8Array) => ({ uuid, checksum: checksumOfRecord(record), table: 3, level: 0 });

const compare = (a: Key, b: Key): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];

/** Words holding the bytes, with rubbish behind them in the last word. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >> 2).fill(-1);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}

function valueOf(leaf: Leaf, ref: number): Uint8Array {
  const at = leaf.valueAt(ref);
  return leaf.bytes.slice(at, at + refLength(ref));
}

/** What a leaf must hold, as a plain map. */
class Model {
  readonly rows = new Map<string, { readonly key: Key; readonly value: Uint8Array }>();
  put(key: Key, value: Uint8Array): void {
    this.rows.set(key.join(), { key, value });
  }
  sorted() {
    return [...this.rows.values()].sort((a, b) => compare(a.key, b.key));
  }
}

function contentOf(leaf: Leaf) {
  const rows = [];
  for (let k = 0; k < leaf.n; k++) {
    const key = [leaf.inodeAt(k), leaf.offsetAt(k), leaf.snapshotAt(k)] as const;
    rows.push({ key, value: valueOf(leaf, leaf.refAt(k)) });
  }
  return rows;
}

const put = (leaf: Leaf, key: Key, value: Uint8Array) => leaf.put(...key, wordsOf(value), 0, value.length);

const keyArbitrary: fc.Arbitrary<Key> = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: fc.nat(5) }, fc.constantFrom(2 ** 32, 2 ** 53 - 1)),
  fc.oneof({ weight: 4, arbitrary: fc.nat(8) }, fc.constantFrom(2 ** 32 - 1, 2 ** 48 * 16 - 16, 2 ** 53 - 1)),
  fc.constantFrom(0, 1, 0xffff_ffff),
);
const valueArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ minLength: 8, maxLength: 8 }) },
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 4080, maxLength: LEAF_VALUE_BYTES_MAX }) },
);
const stepArbitrary = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("put" as const), key: keyArbitrary, value: valueArbitrary }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("del" as const), key: keyArbitrary }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delta" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("image" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reload" as const) }) },
);

/** The leaf as the records of a pointer would give it back. */
function load(records: ReadonlyArray<Uint8Array>): Leaf {
  const leaf = decodeNodeImage(records[0]!, expectation(records[0]!), freshLeaf)!;
  for (const delta of records.slice(1)) expect(applyNodeDelta(leaf, delta, expectation(delta))).toBe(true);
  return leaf;
}

describe("leaf", () => {
  test("holds what a map holds, in key order, through images, deltas and reloads", () => {
    const framesBefore = framesTaken();
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 120 }), (steps) => {
        const model = new Model();
        let leaf = new Leaf();
        let records: Array<Uint8Array> = [encodeNodeImage(leaf, head, uuid, 1)];
        const replace = (next: Leaf): void => {
          leaf.free();
          leaf = next;
        };
        for (const step of steps) {
          const words = step.do === "put" ? (step.value.length + 3) >> 2 : 0;
          if (!leaf.fits(words)) {
            replace(leaf.slice(0, leaf.n));
            records = [encodeNodeImage(leaf, head, uuid, 1)];
            if (!leaf.fits(words)) continue;
          }
          if (step.do === "put") {
            put(leaf, step.key, step.value);
            model.put(step.key, step.value);
          } else if (step.do === "del") {
            expect(leaf.del(...step.key)).toBe(model.rows.delete(step.key.join()));
          } else if (step.do === "delta") {
            records.push(encodeNodeDelta(leaf, head, uuid, 2));
          } else if (step.do === "image") {
            records = [encodeNodeImage(leaf, head, uuid, 3)];
          } else {
            records.push(encodeNodeDelta(leaf, head, uuid, 2));
            replace(load(records));
          }
          if (step.do === "put" || step.do === "del") {
            const ref = leaf.get(...step.key);
            const wanted = model.rows.get(step.key.join());
            expect(ref < 0 ? undefined : valueOf(leaf, ref)).toEqual(wanted?.value);
          }
        }
        expect(contentOf(leaf)).toEqual(model.sorted());
        const liveBytes = model.sorted().reduce((total, { value }) => total + rowBytes(value.length), 0);
        expect(leaf.liveBytes).toBe(liveBytes);
        records.push(encodeNodeDelta(leaf, head, uuid, 2));
        const loaded = load(records);
        expect(contentOf(loaded)).toEqual(model.sorted());
        expect(loaded.liveBytes).toBe(leaf.liveBytes);
        loaded.free();
        leaf.free();
      }),
      { numRuns: 300 },
    );
    expect(framesTaken()).toBe(framesBefore);
  });

  test("a value changed before the seal is overwritten where it is, one changed after it is appended", () => {
    const leaf = new Leaf();
    const key: Key = [1, 2, 3];
    put(leaf, key, Uint8Array.of(1, 2, 3, 4));
    put(leaf, key, Uint8Array.of(5, 6, 7, 8));
    expect([leaf.rows, leaf.deadBytes]).toEqual([1, 0]);
    leaf.seal();
    put(leaf, key, Uint8Array.of(9, 9, 9, 9));
    expect([leaf.n, leaf.rows, leaf.deadBytes, leaf.rowsSinceSeal, leaf.bytesSinceSeal]).toEqual([1, 2, 28, 1, 28]);
    expect(valueOf(leaf, leaf.get(...key))).toEqual(Uint8Array.of(9, 9, 9, 9));
    leaf.free();
  });

  test("a key that is put and removed between two seals is gone for whoever reads the delta", () => {
    const leaf = new Leaf();
    put(leaf, [1, 1, 1], Uint8Array.of(1));
    const image = encodeNodeImage(leaf, head, uuid, 1);
    put(leaf, [1, 1, 1], Uint8Array.of(2, 2));
    leaf.del(1, 1, 1);
    put(leaf, [2, 2, 2], Uint8Array.of(3));
    leaf.del(2, 2, 2);
    put(leaf, [3, 3, 3], Uint8Array.of(4));
    const delta = encodeNodeDelta(leaf, head, uuid, 2);
    const loaded = load([image, delta]);
    expect(contentOf(loaded)).toEqual([{ key: [3, 3, 3], value: Uint8Array.of(4) }]);
    expect(loaded.rowsSinceSeal).toBe(0);
    loaded.free();
    leaf.free();
  });

  test("takes rows until rows or bytes run out, and asserts that it is not asked for more", () => {
    const small = new Leaf();
    let count = 0;
    while (small.fits(0)) put(small, [count++, 0, 0], new Uint8Array(0));
    expect(count).toBe(LEAF_ROWS_MAX);
    expect(() => put(small, [count, 0, 0], new Uint8Array(0))).toThrow("leaf overrun");
    const image = encodeNodeImage(small, head, uuid, 1);
    const loaded = load([image]);
    expect(loaded.n).toBe(LEAF_ROWS_MAX);
    loaded.free();
    small.free();

    const large = new Leaf();
    const value = new Uint8Array(LEAF_VALUE_BYTES_MAX);
    count = 0;
    while (large.fitsValue(value.length)) put(large, [count++, 0, 0], value);
    expect(count).toBe(Math.floor(LEAF_ROOM_BYTES / (24 + 4096)));
    expect(() => put(large, [count, 0, 0], value)).toThrow("leaf overrun");
    expect(() => put(large, [0, 0, 0], new Uint8Array(LEAF_VALUE_BYTES_MAX + 1))).toThrow("value of 4095 bytes");
    large.free();
  });

  test("a slice holds the live rows of its range and nothing else, and has no base", () => {
    const leaf = new Leaf();
    for (let k = 0; k < 100; k++) put(leaf, [(k * 37) % 100, k, 5], Uint8Array.of(k, k + 1, k + 2));
    for (let k = 0; k < 100; k += 2) leaf.del(k, leaf.offsetAt(leaf.lower(k, 0, 0)), 5);
    leaf.seal();
    const slice = leaf.slice(10, 20);
    expect(contentOf(slice)).toEqual(contentOf(leaf).slice(10, 20));
    expect([slice.n, slice.rows, slice.deadBytes, slice.hasBase]).toEqual([10, 10, 0, false]);
    expect(() => encodeNodeDelta(slice, head, uuid, 1)).toThrow("a delta needs an image");
    const joined = leaf.slice(0, 10);
    joined.appendAll(slice);
    expect(contentOf(joined)).toEqual(contentOf(leaf).slice(0, 20));
    for (const each of [leaf, slice, joined]) each.free();
  });

  test("rows in order of arrival name the tombstones among them", () => {
    const leaf = new Leaf();
    put(leaf, [1, 0, 0], Uint8Array.of(1));
    leaf.seal();
    put(leaf, [2, 0, 0], Uint8Array.of(2));
    leaf.del(1, 0, 0);
    const rows = [];
    for (let row = leaf.firstUnsealedRow; row < leaf.rows; row++) {
      rows.push([leaf.rowInode(row), isTombstone(leaf.rowRef(row))]);
    }
    expect(rows).toEqual([
      [2, false],
      [1, true],
    ]);
    leaf.free();
  });

  test("tells its own values from others, whatever stands behind their ends", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(), fc.nat(), (value, padding, place) => {
        const leaf = new Leaf();
        put(leaf, [1, 0, 0], value);
        const ref = leaf.get(1, 0, 0);
        const holds = (bytes: Uint8Array): boolean => {
          const words = new Int32Array(1 + ((bytes.length + 3) >> 2)).fill(padding);
          new Uint8Array(words.buffer, 4).set(bytes);
          return leaf.holds(ref, words, 1, bytes.length);
        };
        expect(holds(value)).toBe(true);
        expect(holds(value.subarray(1))).toBe(false);
        const other = value.slice();
        other[place % value.length]! ^= 1 << (place % 8);
        expect(holds(other)).toBe(false);
        leaf.free();
      }),
    );
  });

  test("a leaf cannot be freed twice", () => {
    const leaf = new Leaf();
    leaf.free();
    expect(leaf.isFree).toBe(true);
    expect(() => leaf.free()).toThrow("leaf freed twice");
  });
});

describe("frames", () => {
  test("are disjoint, and come back into use", () => {
    const before = framesTaken();
    const frames = Array.from({ length: 60 }, takeFrame);
    expect(framesTaken()).toBe(before + 60);
    const places = new Map<unknown, Set<number>>();
    for (const frame of frames) {
      const taken = places.get(frame.f64.buffer) ?? new Set();
      expect(frame.offsetBytes % FRAME_BYTES).toBe(0);
      expect(taken.has(frame.offsetBytes)).toBe(false);
      places.set(frame.f64.buffer, taken.add(frame.offsetBytes));
    }
    for (const frame of frames) giveFrame(frame);
    expect(framesTaken()).toBe(before);
    expect(() => giveFrame(frames[0]!)).toThrow("frame given back twice");
    const again = takeFrame();
    expect(frames).toContain(again);
    giveFrame(again);
  });

  test("are given back to the system when few of many are needed, and come from few slabs then", () => {
    const before = framesHeld();
    const frames = Array.from({ length: 4000 }, takeFrame);
    expect(framesHeld()).toBeGreaterThanOrEqual(4000);
    // One of ten is kept, all over the slabs: hardly one becomes empty.
    for (const [index, frame] of frames.entries()) if (index % 10 !== 0) giveFrame(frame);
    const scattered = frames.filter(({ taken }) => taken);
    const sparse = framesHeld();
    expect(sparse).toBeGreaterThan(3000);
    // As nodes come and go they gather in the oldest ones.
    for (const [index, frame] of scattered.entries()) {
      giveFrame(frame);
      scattered[index] = takeFrame();
    }
    expect(framesHeld()).toBeLessThan(1000);
    expect(new Set(scattered.map(({ slab }) => slab)).size).toBeLessThan(60);
    for (const frame of scattered) giveFrame(frame);
    expect(framesTaken()).toBe(0);
    expect(framesHeld()).toBeLessThanOrEqual(Math.max(before, 272));
  });
});
