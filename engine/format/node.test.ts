import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { framesTaken } from "../btree/frame.ts";
import { Leaf, LEAF_ROWS_MAX } from "../btree/leaf.ts";
import { checksumOf, checksumOfRecord, Kind, RECORD_HEADER_BYTES, viewOf, Writer } from "./codec.ts";
import {
  applyNodeDelta,
  decodeNodeImage,
  encodeNodeDelta,
  encodeNodeImage,
  inspectNode,
  NODE_BYTES_MAX,
  NodeBody,
} from "./node.ts";

const freshLeaf = () => new Leaf();
const uuid = new Uint8Array(16).fill(3);
const head = { table: 2, level: 1, low: { inode: 5, offset: 2 ** 40, snapshot: 0xffff_ffff } };
const body = RECORD_HEADER_BYTES + NodeBody.bytes;

function expectation(record: Uint8Array) {
  return { uuid, checksum: checksumOfRecord(record), table: head.table, level: head.level };
}

/** A leaf of rows (inode, offset, length) filled with compressible or random-looking bytes. */
function leafOf(rows: ReadonlyArray<readonly [number, number, number]>): Leaf {
  const leaf = new Leaf();
  const words = new Int32Array(1100);
  for (const [inode, offset, length] of rows) {
    words.fill(inode * 0x9e37_79b9 + offset);
    leaf.put(inode, offset, 0xffff_ffff, words, 0, length);
  }
  return leaf;
}

/** Replaces the rows and the payload of an image or delta, under a checksum that fits again. */
function forge(record: Uint8Array, rows: number, payload: Uint8Array, compressed = false): Uint8Array {
  const data = new Uint8Array(body + payload.length);
  data.set(record.subarray(0, body));
  data.set(payload, body);
  const view = viewOf(data);
  const at = (name: keyof typeof NodeBody.at) => RECORD_HEADER_BYTES + NodeBody.at[name];
  view.setUint16(at("flags"), compressed ? 1 : 0, true);
  view.setUint32(at("rows"), rows, true);
  view.setUint32(at("payloadBytes"), payload.length, true);
  view.setUint32(16, data.length, true);
  view.setBigUint64(0, checksumOf(data, 8, data.length), true);
  return data;
}

function payloadOf(write: (writer: Writer) => void): Uint8Array {
  const data = new Uint8Array(5000);
  const writer = new Writer(viewOf(data), 0);
  write(writer);
  return data.slice(0, writer.at);
}

const empty = new Leaf();
const image = encodeNodeImage(empty, head, uuid, 8);
const delta = encodeNodeDelta(empty, head, uuid, 9);

describe("node record", () => {
  test("tells its own head, and says nothing about other bytes", () => {
    const info = inspectNode(image, Kind.nodeImage, uuid)!;
    expect(info).toEqual({
      ...head,
      sequence: 8,
      lengthBytes: image.length,
      checksum: checksumOfRecord(image),
      rows: 0,
    });
    expect(inspectNode(image, Kind.nodeDelta, uuid)).toBeUndefined();
    expect(inspectNode(new Uint8Array(200), Kind.nodeImage, uuid)).toBeUndefined();
  });

  test("that is not the one its pointer means is refused", () => {
    const expect1 = expectation(image);
    const before = framesTaken();
    const leaf = decodeNodeImage(image, expect1, freshLeaf)!;
    expect(decodeNodeImage(image, { ...expect1, checksum: expect1.checksum ^ 1n }, freshLeaf)).toBeUndefined();
    expect(decodeNodeImage(image, { ...expect1, table: 3 }, freshLeaf)).toBeUndefined();
    expect(decodeNodeImage(image, { ...expect1, level: 0 }, freshLeaf)).toBeUndefined();
    expect(decodeNodeImage(image, { ...expect1, uuid: new Uint8Array(16) }, freshLeaf)).toBeUndefined();
    expect(decodeNodeImage(delta, expectation(delta), freshLeaf)).toBeUndefined();
    expect(applyNodeDelta(leaf, image, expect1)).toBe(false);
    expect(applyNodeDelta(leaf, delta, { ...expectation(delta), checksum: 0n })).toBe(false);
    expect(applyNodeDelta(leaf, delta, expectation(delta))).toBe(true);
    leaf.free();
    expect(framesTaken()).toBe(before);
  });

  test("is compressed when that makes it smaller, and only then", () => {
    const similar = leafOf(Array.from({ length: 300 }, (_, k) => [k, k, 80] as const));
    const packed = encodeNodeImage(similar, head, uuid, 1);
    expect(packed.length).toBeLessThan((300 * 80) / 8);
    const loaded = decodeNodeImage(packed, expectation(packed), freshLeaf)!;
    expect(loaded.n).toBe(300);
    const few = leafOf([[1, 1, 8]]);
    const small = encodeNodeImage(few, head, uuid, 1);
    // Shape, two keys of one byte each, the snapshot in five, the length in one, eight bytes of value.
    expect(small.length).toBe(body + 1 + 1 + 1 + 5 + 1 + 8);
    const noisy = new Leaf();
    const words = new Int32Array(256);
    for (let k = 0; k < words.length; k++) words[k] = Math.imul(k + 1, 0x9e37_79b9) ^ Math.imul(k + 7, 0x85eb_ca6b);
    noisy.put(1, 1, 0xffff_ffff, words, 0, 1024);
    expect(encodeNodeImage(noisy, head, uuid, 1).length).toBe(body + 1 + 1 + 1 + 5 + 2 + 1024);
    for (const leaf of [similar, loaded, few, noisy]) leaf.free();
  });

  test("is never longer than its limit, whatever the leaf is full of", () => {
    for (const length of [0, 1, 4, 5, 80, 4094]) {
      const leaf = new Leaf();
      const words = new Int32Array(1024);
      let state = 1;
      while (leaf.fitsValue(length)) {
        for (let k = 0; k < words.length; k++) words[k] = state = Math.imul(state, 0x2c92_77b5) + 1;
        // Keys far from each other, so that they take as many bytes as keys can.
        const inode = leaf.n % 2 === 0 ? 2 ** 53 - 1 - leaf.n : leaf.n;
        leaf.put(inode, 2 ** 53 - 1 - leaf.n, leaf.n % 2 === 0 ? 0xffff_ffff : 0, words, 0, length);
      }
      for (const encode of [encodeNodeImage, encodeNodeDelta]) {
        if (encode === encodeNodeDelta) {
          leaf.seal();
          const again = leaf.slice(0, leaf.n);
          again.hasBase = true;
          const record = encodeNodeDelta(again, head, uuid, 1);
          expect(record.length).toBeLessThanOrEqual(NODE_BYTES_MAX);
          const base = decodeNodeImage(image, expectation(image), freshLeaf)!;
          expect(applyNodeDelta(base, record, expectation(record))).toBe(true);
          expect(base.n).toBe(leaf.n);
          base.free();
          again.free();
          continue;
        }
        const record = encode(leaf, head, uuid, 1);
        expect(record.length).toBeLessThanOrEqual(NODE_BYTES_MAX);
        const loaded = decodeNodeImage(record, expectation(record), freshLeaf)!;
        expect(loaded.n).toBe(leaf.n);
        loaded.free();
      }
      leaf.free();
    }
  });

  test("lies at any alignment in the bytes that were read", () => {
    const leaf = leafOf(Array.from({ length: 200 }, (_, k) => [k * 7, 3, k % 50] as const));
    const record = encodeNodeImage(leaf, head, uuid, 1);
    const data = new Uint8Array(new ArrayBuffer(record.length + 9), 5, record.length);
    data.set(record);
    const loaded = decodeNodeImage(data, expectation(data), freshLeaf)!;
    expect(loaded.n).toBe(200);
    expect(loaded.liveBytes).toBe(leaf.liveBytes);
    loaded.free();
    leaf.free();
  });
});

describe("a payload that no leaf makes", () => {
  const columns = (inodes: Array<number>, offsets: Array<number>, rest: (writer: Writer) => void, shape = 3) =>
    payloadOf((writer) => {
      writer.u8(shape);
      for (const n of inodes) writer.signedVarint(n);
      for (const n of offsets) writer.signedVarint(n);
      rest(writer);
    });
  const plain = (writer: Writer) => {
    writer.varint(7);
    writer.varint(0);
  };
  const bad: ReadonlyArray<readonly [string, number, Uint8Array]> = [
    ["keys out of order", 2, columns([5, -1], [0, 0], plain)],
    ["a key twice", 2, columns([5, 0], [0, 0], plain)],
    ["a negative inode", 1, columns([-1], [0], plain)],
    ["an offset over 2^53", 2, columns([1, 0], [2 ** 53 - 1, 1], plain)],
    ["a snapshot over 32 bits", 1, columns([1], [1], (w) => (w.varint(2 ** 32), w.varint(0)))],
    ["an unknown shape", 1, columns([1], [1], plain, 8 + 3)],
    ["a removal in an image", 1, columns([1], [1], (w) => (w.varint(7), w.u8(1), w.varint(0)), 7)],
    ["a value that is too long", 1, columns([1], [1], (w) => (w.varint(7), w.varint(4095), w.zeros(4095)))],
    ["a value that is cut off", 1, columns([1], [1], (w) => (w.varint(7), w.varint(3), w.u8(1)))],
    ["bytes left over", 1, columns([1], [1], (w) => (plain(w), w.u8(1)))],
    ["more rows than a leaf holds", LEAF_ROWS_MAX + 1, columns([], [], plain)],
    ["fewer rows than it says", 50, columns([1], [1], plain)],
    ["nothing at all", 0, new Uint8Array(0)],
  ];

  test.each(bad)("is refused: %s", (_what, rows, payload) => {
    const before = framesTaken();
    const forged = forge(image, rows, payload);
    expect(decodeNodeImage(forged, expectation(forged), freshLeaf)).toBeUndefined();
    expect(framesTaken()).toBe(before);
  });

  test("is accepted where it is a leaf's, so that the cases above fail for their own reasons", () => {
    const forged = forge(image, 2, columns([5, 1], [0, 0], plain));
    const leaf = decodeNodeImage(forged, expectation(forged), freshLeaf)!;
    expect([leaf.n, leaf.inodeAt(1), leaf.snapshotAt(1)]).toEqual([2, 6, 7]);
    leaf.free();
  });

  test("of rows that fit no leaf gives its frame back", () => {
    const before = framesTaken();
    const count = 40;
    const payload = new Uint8Array(count * 1500 + 200);
    const writer = new Writer(viewOf(payload), 0);
    writer.u8(3);
    for (let k = 0; k < count; k++) writer.signedVarint(1);
    for (let k = 0; k < count; k++) writer.signedVarint(0);
    writer.varint(0);
    writer.varint(1500);
    const forged = forge(image, count, payload.slice(0, writer.at + count * 1500));
    const fits = decodeNodeImage(forged, expectation(forged), freshLeaf)!;
    expect(fits.n).toBe(count);
    // The same rows once more as a delta of other keys do not fit any longer.
    const shifted = forged.slice();
    shifted[body + 1] = 60;
    const second = forge(delta, count, shifted.subarray(body));
    expect(applyNodeDelta(fits, second, expectation(second))).toBe(false);
    fits.free();
    const large = new Uint8Array(1 + 16 + 16 + 1 + 2 + 16 * 4000);
    const largeWriter = new Writer(viewOf(large), 0);
    largeWriter.u8(3);
    for (let k = 0; k < 16; k++) largeWriter.signedVarint(1);
    for (let k = 0; k < 16; k++) largeWriter.signedVarint(0);
    largeWriter.varint(0);
    largeWriter.varint(4000);
    expect(largeWriter.at + 16 * 4000).toBe(large.length);
    const overfull = forge(image, 16, large);
    expect(decodeNodeImage(overfull, expectation(overfull), freshLeaf)).toBeUndefined();
    expect(framesTaken()).toBe(before);
  });

  test("of any bytes at all ends in a leaf in order or in none", () => {
    const before = framesTaken();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(20), fc.boolean(), (payload, rows, compressed) => {
        const forged = forge(image, rows, payload, compressed);
        const leaf = decodeNodeImage(forged, expectation(forged), freshLeaf);
        for (let k = 1; leaf !== undefined && k < leaf.n; k++) {
          expect(leaf.lower(leaf.inodeAt(k), leaf.offsetAt(k), leaf.snapshotAt(k))).toBe(k);
        }
        leaf?.free();
        const target = new Leaf();
        const change = forge(delta, rows, payload, compressed);
        applyNodeDelta(target, change, expectation(change));
        target.free();
      }),
      { numRuns: 3000 },
    );
    expect(framesTaken()).toBe(before);
  });
});
