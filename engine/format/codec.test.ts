import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FORMAT_VERSION,
  checksumOf,
  checksumOfRecord,
  Kind,
  openRecord,
  openRecordOfAnyVersion,
  Reader,
  readI54,
  readU53,
  RECORD_HEADER_BYTES,
  RecordHeader,
  sealRecord,
  varintBytes,
  viewOf,
  writeI54,
  Writer,
  writeU53,
} from "./codec.ts";

const u53 = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 49, 2 ** 53 - 1, 63, 64, 127, 128),
);
const i54 = fc.tuple(u53, fc.boolean()).map(([n, negative]) => (negative && n > 0 ? -n : n));
const uuid = Uint8Array.from({ length: 16 }, (_, k) => k + 1);

/** A record of `length` bytes at `at` of a larger, unaligned array. */
function sealed(length: number, at = 0, kind: number = Kind.nodeImage): Uint8Array {
  const data = new Uint8Array(new ArrayBuffer(length + at + 24), 3, length + at + 7);
  for (let k = 0; k < length; k++) data[at + k] = k * 31;
  sealRecord(data, viewOf(data), at, kind, length, uuid, 2 ** 40 + 5);
  return data;
}

describe("integers", () => {
  test("of 53 bits come back from two words", () => {
    const view = new DataView(new ArrayBuffer(11));
    fc.assert(
      fc.property(u53, fc.nat(3), (n, at) => {
        writeU53(view, at, n);
        return readU53(view, at) === n && view.getBigUint64(at, true) === BigInt(n);
      }),
    );
  });

  test("with a sign come back from two's complement", () => {
    const view = new DataView(new ArrayBuffer(8));
    fc.assert(
      fc.property(i54, (n) => {
        writeI54(view, 0, n);
        return readI54(view, 0) === n && view.getBigInt64(0, true) === BigInt(n);
      }),
    );
  });

  test("outside the range are refused on both ways", () => {
    const view = new DataView(new ArrayBuffer(8));
    for (const n of [2 ** 53, -1, 0.5, Number.NaN]) expect(() => writeU53(view, 0, n), String(n)).toThrow();
    for (const n of [2 ** 53, -(2 ** 53), 0.5]) expect(() => writeI54(view, 0, n), String(n)).toThrow();
    view.setBigUint64(0, 2n ** 53n, true);
    expect(() => readU53(view, 0)).toThrow("not below 2^53");
    expect(() => readI54(view, 0)).toThrow("not within 2^53");
    const writer = new Writer(view, 0);
    for (const write of [
      () => writer.u8(256),
      () => writer.u16(-1),
      () => writer.u32(2 ** 32),
      () => writer.varint(-1),
    ]) {
      expect(write).toThrow();
    }
  });
});

describe("cursors", () => {
  test("read back what was written, and stop where it ended", () => {
    const items = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constantFrom("varint" as const, "u53" as const), n: u53 }),
        fc.record({ kind: fc.constantFrom("signedVarint" as const, "i54" as const), n: i54 }),
        fc.record({ kind: fc.constant("u8" as const), n: fc.nat(255) }),
        fc.record({ kind: fc.constant("u16" as const), n: fc.nat(65_535) }),
        fc.record({ kind: fc.constant("u32" as const), n: fc.nat(2 ** 32 - 1) }),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(
        items,
        fc.uint8Array({ maxLength: 9 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (list, raw, big) => {
          const view = new DataView(new ArrayBuffer(300), 5);
          const writer = new Writer(view, 2);
          for (const { kind, n } of list) writer[kind](n);
          writer.bytes(raw);
          writer.u64big(big);
          writer.zeros(2);
          const reader = new Reader(view, 2, writer.at);
          for (const { kind, n } of list) expect(reader[kind]()).toBe(n);
          expect(reader.bytes(raw.length)).toEqual(raw);
          expect(reader.u64big()).toBe(big);
          reader.zeros(2);
          expect([reader.ok, reader.left]).toEqual([true, 0]);
          reader.u8();
          expect(reader.ok).toBe(false);
        },
      ),
    );
  });

  test("a varint takes as many bytes as foretold", () => {
    fc.assert(
      fc.property(u53, (n) => {
        const writer = new Writer(new DataView(new ArrayBuffer(16)), 0);
        writer.varint(n);
        return writer.at === varintBytes(n);
      }),
    );
  });

  test("whatever the bytes are, a reader ends, does not throw, and gives integers in range", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (data) => {
        for (const kind of ["varint", "signedVarint", "u53", "i54", "u32"] as const) {
          const reader = new Reader(viewOf(data), 0, data.length + 10);
          while (reader.ok) expect(Number.isSafeInteger(reader[kind]())).toBe(true);
        }
        const reader = new Reader(viewOf(data), 0, data.length);
        expect(reader.bytes(data.length + 1)).toEqual(new Uint8Array(0));
        expect(reader.ok).toBe(false);
      }),
    );
  });

  test("a varint of 2^53 and one that never ends are refused", () => {
    for (const data of [[128, 128, 128, 128, 128, 128, 128, 16], Array.from({ length: 30 }, () => 255)]) {
      const reader = new Reader(viewOf(Uint8Array.from(data)), 0, data.length);
      reader.varint();
      expect(reader.ok).toBe(false);
    }
  });
});

describe("records", () => {
  test("open where they were sealed, at any alignment", () => {
    const data = sealed(77, 13);
    const record = openRecord(data, 13, Kind.nodeImage, uuid, 77)!;
    expect([record.at, record.lengthBytes, record.sequence]).toEqual([13, 77, 2 ** 40 + 5]);
    expect(record.checksum).toBe(checksumOf(data, 13 + 8, 13 + 77));
    expect(record.uuid()).toEqual(uuid);
    expect(record.body().left).toBe(77 - RECORD_HEADER_BYTES);
    expect(checksumOfRecord(data.subarray(13))).toBe(record.checksum);
    expect(openRecord(data, 13, Kind.nodeImage, undefined, 1000)).toBeDefined();
  });

  test("of another kind, another pool, a greater length or another place do not open", () => {
    const data = sealed(77);
    expect(openRecord(data, 0, Kind.nodeDelta, uuid, 77)).toBeUndefined();
    expect(openRecord(data, 0, Kind.nodeImage, new Uint8Array(16), 77)).toBeUndefined();
    expect(openRecord(data, 0, Kind.nodeImage, uuid, 76)).toBeUndefined();
    expect(openRecord(data, 1, Kind.nodeImage, uuid, 77)).toBeUndefined();
    expect(openRecord(data, -1, Kind.nodeImage, uuid, 77)).toBeUndefined();
    expect(openRecord(data.subarray(0, 76), 0, Kind.nodeImage, uuid, 77)).toBeUndefined();
    expect(openRecord(data.subarray(0, 20), 0, Kind.nodeImage, uuid, 77)).toBeUndefined();
  });

  test("of another version are told apart from damage, and refused by those that must read them", () => {
    const data = sealed(77);
    const view = viewOf(data);
    view.setUint16(RecordHeader.at.version, FORMAT_VERSION + 1, true);
    expect(openRecordOfAnyVersion(data, 0, Kind.nodeImage, uuid, 77)).toBeUndefined();
    view.setBigUint64(0, checksumOf(data, 8, 77), true);
    expect(openRecordOfAnyVersion(data, 0, Kind.nodeImage, uuid, 77)?.version).toBe(FORMAT_VERSION + 1);
    expect(openRecord(data, 0, Kind.nodeImage, uuid, 77)).toBeUndefined();
  });

  test("whose reserved field is not zero do not open, though the checksum fits", () => {
    const data = sealed(77);
    viewOf(data).setUint32(RecordHeader.at.reserved, 1, true);
    viewOf(data).setBigUint64(0, checksumOf(data, 8, 77), true);
    expect(openRecord(data, 0, Kind.nodeImage, uuid, 77)).toBeUndefined();
  });

  test("are not sealed over the end of their array", () => {
    const data = new Uint8Array(64);
    expect(() => sealRecord(data, viewOf(data), 0, Kind.nodeImage, 65, uuid, 1)).toThrow("record of 65 bytes");
    expect(() => sealRecord(data, viewOf(data), 0, Kind.nodeImage, 64, new Uint8Array(15), 1)).toThrow("uuid");
  });
});
