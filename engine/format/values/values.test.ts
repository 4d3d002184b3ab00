import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VALUE_BYTES_MAX } from "../tables.ts";
import { ALLOC_BYTES, decodeAlloc, encodeAlloc } from "./alloc.ts";
import { BACKPOINTER_BYTES, decodeBackpointer, encodeBackpointer } from "./backpointer.ts";
import { COUNTER_BYTES, decodeCounter, encodeCounter } from "./counter.ts";
import { decodeDirent, type Dirent, DIRENT_SLOTS, direntBytes, type DirentValue, encodeDirent } from "./dirent.ts";
import {
  type DataExtent,
  DataExtentLayout,
  decodeExtent,
  encodeExtent,
  extentBytes,
  extentLengthBytes,
  type ExtentValue,
  INLINE_BYTES_MAX,
  rowLiveBytes,
} from "./extent.ts";
import { decodeInode, encodeInode, INODE_BYTES, type InodeValue } from "./inode.ts";
import { decodeLoggedOperation, encodeLoggedOperation, LOGGED_OPERATION_BYTES } from "./logged-operation.ts";
import { decodeOrphan, encodeOrphan, ORPHAN_BYTES } from "./orphan.ts";
import {
  decodeXattrChunk,
  decodeXattrHead,
  encodeXattrChunk,
  encodeXattrHead,
  xattrHeadBytes,
  xattrHeadRoomBytes,
} from "./xattr.ts";

const u32 = fc.oneof(fc.nat(9), fc.nat(2 ** 32 - 1), fc.constant(2 ** 32 - 1));
const u53 = fc.oneof(fc.maxSafeNat(), fc.nat(9), fc.constant(2 ** 53 - 1));
const time = fc.record({
  seconds: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-1, 0, -(2 ** 31), 2 ** 32)),
  nanoseconds: fc.nat(999_999_999),
});
const name = fc.uint8Array({ minLength: 1, maxLength: 255 });

const inode: fc.Arbitrary<InodeValue> = fc.record({
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  compression: fc.oneof(
    fc.constantFrom(0, 1),
    fc.tuple(fc.constantFrom(2, 3), fc.integer({ min: 1, max: 19 })).map(([way, level]) => way | (level << 8)),
  ),
  generation: u32,
  sizeBytes: u53,
  allocatedBytes: u53,
  parent: u53,
  accessed: time,
  modified: time,
  changed: time,
  born: time,
});
const dirents: fc.Arbitrary<DirentValue> = fc.array(
  fc.record<Dirent>({ inode: u53, type: fc.nat(15).map((type) => type << 12), slot: fc.nat(15), name }),
  { minLength: 1, maxLength: 4 },
);
const xattrHead = fc
  .record({ name, bytes: fc.uint8Array({ maxLength: 50 }), further: fc.nat(65_000) })
  .map((x) => ({ totalValueBytes: x.bytes.length + x.further, name: x.name, bytes: x.bytes }));
const dataExtent: fc.Arbitrary<DataExtent> = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 20 }), fc.nat(), fc.nat())
  .chain(([rawBytes, a, b]) => {
    const rawOffset = a % rawBytes;
    return fc.record({
      kind: fc.constant("data" as const),
      lengthBytes: fc.constant(1 + (b % (rawBytes - rawOffset))),
      compression: fc.nat(1),
      storedBytes: fc.integer({ min: 1, max: 2 ** 20 }),
      rawBytes: fc.constant(rawBytes),
      rawOffset: fc.constant(rawOffset),
      checksum: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      pointers: fc.array(fc.record({ device: fc.nat(65_535), generation: u32, addressBytes: u53 }), {
        minLength: 1,
        maxLength: 4,
      }),
    });
  });
const extent: fc.Arbitrary<ExtentValue> = fc.oneof(
  dataExtent,
  fc.record({ kind: fc.constant("inline" as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({ kind: fc.constant("unwritten" as const), lengthBytes: u53, reservedBytes: u53 }),
);
const alloc = fc.record({ generation: u32, bucketClass: fc.nat(3), liveBytes: u53 });
const backpointer = fc.record({ table: fc.nat(12), inode: u53, offset: u53, snapshot: u32 });
const orphan = fc.record({ kind: fc.nat(255) });
const operation = fc.record({ kind: fc.nat(255), inode: u53, fromBytes: u53, toBytes: u53 });

/** Checks of one value's codec; `entry` ties the types of its parts together. */
type Codec = readonly [what: string, check: () => void];

function entry<A>(
  what: string,
  values: fc.Arbitrary<A>,
  bytes: (value: A) => number,
  encode: (view: DataView, at: number, value: A) => void,
  decode: (view: DataView, at: number, length: number) => A,
): Codec {
  return [
    what,
    () => {
      fc.assert(
        fc.property(values, fc.nat(7), (value, at) => {
          const length = bytes(value);
          const data = new Uint8Array(at + length + 8).fill(0xee);
          const view = new DataView(data.buffer);
          encode(view, at, value);
          expect(data.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
          expect(data.subarray(at + length).every((byte) => byte === 0xee)).toBe(true);
          const decoded = decode(view, at, length);
          data.fill(0);
          expect(decoded).toEqual(value);
        }),
      );
      // What is not a value is refused with an error that says so, and never read past its end.
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120 }), (data) => {
          try {
            decode(new DataView(data.buffer), 0, data.length);
          } catch (error) {
            expect(String(error)).toMatch(/malformed|inode value of|2\^53/);
          }
        }),
      );
    },
  ];
}

const codecs: ReadonlyArray<Codec> = [
  entry("inode", inode, () => INODE_BYTES, encodeInode, decodeInode),
  entry("dirent", dirents, direntBytes, encodeDirent, decodeDirent),
  entry("xattr head", xattrHead, xattrHeadBytes, encodeXattrHead, decodeXattrHead),
  entry("xattr chunk", fc.uint8Array({ maxLength: 50 }), (b) => b.length, encodeXattrChunk, decodeXattrChunk),
  entry("extent", extent, extentBytes, encodeExtent, decodeExtent),
  entry("alloc", alloc, () => ALLOC_BYTES, encodeAlloc, decodeAlloc),
  entry("backpointer", backpointer, () => BACKPOINTER_BYTES, encodeBackpointer, decodeBackpointer),
  entry("counter", u53, () => COUNTER_BYTES, encodeCounter, decodeCounter),
  entry("orphan", orphan, () => ORPHAN_BYTES, encodeOrphan, decodeOrphan),
  entry("logged operation", operation, () => LOGGED_OPERATION_BYTES, encodeLoggedOperation, decodeLoggedOperation),
];

describe("values", () => {
  test.each(codecs)("%s comes back, keeps within its bytes, and garbage is refused", (_what, check) => check());

  test("fifteen of the longest names of one hash fit into a row, sixteen do not", () => {
    const long = Array.from({ length: DIRENT_SLOTS }, (_, slot) => ({
      inode: 2 ** 53 - 1,
      type: 0o100000,
      slot,
      name: new Uint8Array(255),
    }));
    expect(direntBytes(long.slice(1))).toBeLessThanOrEqual(VALUE_BYTES_MAX);
    expect(direntBytes(long)).toBeGreaterThan(VALUE_BYTES_MAX);
  });

  test("a head with the longest name and as much value as fits is as long as a value may be", () => {
    const head = { totalValueBytes: 65_536, name: new Uint8Array(255), bytes: new Uint8Array(xattrHeadRoomBytes(255)) };
    expect(xattrHeadBytes(head)).toBe(VALUE_BYTES_MAX);
    const inline: ExtentValue = { kind: "inline", bytes: new Uint8Array(INLINE_BYTES_MAX) };
    expect(extentBytes(inline)).toBe(VALUE_BYTES_MAX);
  });

  test("what is not a value of the type is not encoded", () => {
    const view = new DataView(new ArrayBuffer(8000));
    const [sample] = fc.sample(dataExtent, { numRuns: 1, seed: 2 });
    const outside = { ...sample!, rawOffset: sample!.rawBytes };
    expect(() => encodeExtent(view, 0, outside)).toThrow("outside of what is stored");
    expect(() => encodeExtent(view, 0, { ...sample!, pointers: [] })).toThrow("0 pointers");
    expect(() => encodeDirent(view, 0, [])).toThrow("0 names");
    expect(() => encodeDirent(view, 0, [{ inode: 1, type: 0, slot: 16, name: Uint8Array.of(1) }])).toThrow("slot 16");
    const [anyInode] = fc.sample(inode, { numRuns: 1, seed: 2 });
    const odd = { ...anyInode!, born: { seconds: 0, nanoseconds: 1e9 } };
    expect(() => encodeInode(view, 0, odd)).toThrow("nanoseconds");
  });
});

test("an extent row that shows more than is stored is refused", () => {
  const view = new DataView(new ArrayBuffer(44));
  const [sample] = fc.sample(dataExtent, { numRuns: 1, seed: 2 });
  encodeExtent(view, 0, { ...sample!, pointers: sample!.pointers.slice(0, 1) });
  view.setUint32(DataExtentLayout.at.rawOffset, sample!.rawBytes - sample!.lengthBytes, true);
  expect(decodeExtent(view, 0, 44)).toMatchObject({ kind: "data" });
  view.setUint32(DataExtentLayout.at.rawOffset, sample!.rawBytes - sample!.lengthBytes + 1, true);
  expect(() => decodeExtent(view, 0, 44)).toThrow("malformed extent");
});

describe("live bytes of a row", () => {
  const stored: DataExtent = {
    kind: "data",
    lengthBytes: 131_072,
    compression: 1,
    storedBytes: 1000,
    rawBytes: 131_072,
    rawOffset: 0,
    checksum: 1n,
    pointers: [{ device: 0, generation: 1, addressBytes: 0 }],
  };

  test("are all of what is stored for a whole row, its share for a part, and at least one", () => {
    expect(rowLiveBytes(stored)).toBe(1000);
    expect(rowLiveBytes({ ...stored, lengthBytes: 65_535 })).toBe(499);
    expect(rowLiveBytes({ ...stored, lengthBytes: 1 })).toBe(1);
  });

  test("of disjoint parts do not add up to more than the parts and what is stored", () => {
    fc.assert(
      fc.property(dataExtent, fc.nat(), (whole, cut) => {
        const full = { ...whole, rawOffset: 0, lengthBytes: whole.rawBytes };
        const left = 1 + (cut % whole.rawBytes);
        const parts = [left, whole.rawBytes - left].filter((lengthBytes) => lengthBytes > 0);
        const sum = parts.reduce((total, lengthBytes) => total + rowLiveBytes({ ...full, lengthBytes }), 0);
        return rowLiveBytes(full) === whole.storedBytes && sum <= whole.storedBytes + parts.length;
      }),
    );
  });

  test("of rows that store nothing in buckets are none", () => {
    expect(rowLiveBytes({ kind: "inline", bytes: new Uint8Array(9) })).toBe(0);
    expect(rowLiveBytes({ kind: "unwritten", lengthBytes: 9, reservedBytes: 9 })).toBe(0);
    expect(extentLengthBytes({ kind: "inline", bytes: new Uint8Array(9) })).toBe(9);
    expect(extentLengthBytes(stored)).toBe(131_072);
  });
});
