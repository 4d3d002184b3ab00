import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checksumOf, FORMAT_VERSION, RECORD_HEADER_BYTES, RecordHeader, viewOf } from "./codec.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  type Superblock,
  SUPERBLOCK_BYTES_MAX,
  SuperblockBody,
} from "./superblock.ts";

const u32 = fc.oneof(fc.nat(9), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const u53 = fc.oneof(fc.maxSafeNat(), fc.nat(9));
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 });
const label = fc
  .string({ unit: "grapheme", maxLength: 64 })
  .filter((text) => new TextEncoder().encode(text).length <= 64);

const superblock: fc.Arbitrary<Superblock> = fc
  .array(fc.record({ uuid, capacityBytes: u53, buckets: u32, state: fc.integer({ min: 1, max: 4 }), label }), {
    minLength: 1,
    maxLength: 5,
  })
  .chain((members) =>
    fc.record({
      uuid,
      version: fc.constant(FORMAT_VERSION),
      label,
      sequence: u53,
      bucketBytes: fc.constantFrom(131_072, 2 ** 31),
      blockBytes: fc.constantFrom(512, 4096),
      members: fc.constant(members),
      deviceIndex: fc.nat(members.length - 1),
      journalBuckets: fc.array(fc.record({ device: fc.nat(members.length - 1), bucket: u32 }), { maxLength: 9 }),
      journalEnd: fc.record({ sequence: u53, epoch: u53 }),
      directoryHashBits: fc.integer({ min: 1, max: 48 }),
      hashSeed: fc.tuple(u32, u32),
      compression: fc.nat(1),
      createdAtSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    }),
  );

const sample = fc.sample(superblock, { numRuns: 1, seed: 1 })[0]!;

/** The record after a change of its bytes, under a checksum that fits again. */
function changed(change: (view: DataView) => void): Uint8Array {
  const data = encodeSuperblock(sample);
  change(viewOf(data));
  viewOf(data).setBigUint64(0, checksumOf(data, 8, data.length), true);
  return data;
}

describe("superblock", () => {
  test("comes back from a padded, unaligned place", () => {
    fc.assert(
      fc.property(superblock, (wanted) => {
        const encoded = encodeSuperblock(wanted);
        const data = new Uint8Array(new ArrayBuffer(SUPERBLOCK_BYTES_MAX + 1), 1);
        data.set(encoded);
        expect(decodeSuperblock(data)).toEqual({ ok: wanted });
      }),
    );
  });

  test("a label that begins with a byte order mark keeps it", () => {
    const label = "\uFEFFpool";
    expect(decodeSuperblock(encodeSuperblock({ ...sample, label })).ok?.label).toBe(label);
  });

  test("a device that holds something else holds no pool", () => {
    expect(decodeSuperblock(new Uint8Array(8192))).toEqual({ bad: "not a pool" });
    expect(decodeSuperblock(new Uint8Array(0))).toEqual({ bad: "not a pool" });
    expect(decodeSuperblock(new TextEncoder().encode("some text that is long enough for a header and more"))).toEqual({
      bad: "not a pool",
    });
  });

  test("one of a later version is not called damaged, and a damaged one not a later version", () => {
    const setVersion = (view: DataView) => view.setUint16(RecordHeader.at.version, FORMAT_VERSION + 1, true);
    expect(decodeSuperblock(changed(setVersion))).toEqual({ bad: "unsupported version" });
    const torn = encodeSuperblock(sample);
    setVersion(viewOf(torn));
    expect(decodeSuperblock(torn)).toEqual({ bad: "damaged" });
  });

  test("a torn one is damaged", () => {
    const torn = encodeSuperblock(sample);
    torn.fill(0, torn.length - 8);
    expect(decodeSuperblock(torn)).toEqual({ bad: "damaged" });
    expect(decodeSuperblock(encodeSuperblock(sample).subarray(0, 60))).toEqual({ bad: "damaged" });
  });

  test("one with fields out of range is damaged, though its checksum fits", () => {
    const at = (name: keyof typeof SuperblockBody.at) => RECORD_HEADER_BYTES + SuperblockBody.at[name];
    expect(decodeSuperblock(changed(() => {})).ok).toBeDefined();
    const spoil: Array<(view: DataView) => void> = [
      (view) => view.setUint32(at("bucketBytes"), 0, true),
      (view) => view.setUint32(at("blockBytes"), 0, true),
      (view) => view.setUint8(at("directoryHashBits"), 49),
      (view) => view.setUint8(at("directoryHashBits"), 0),
      (view) => view.setUint8(at("compression"), 2),
      (view) => view.setUint16(at("deviceIndex"), 60_000, true),
      (view) => view.setUint16(at("members"), 60_000, true),
      (view) => view.setUint16(at("labelBytes"), 65, true),
      (view) => view.setUint32(at("journalBuckets"), 2 ** 32 - 1, true),
    ];
    for (const change of spoil) expect(decodeSuperblock(changed(change)), String(change)).toEqual({ bad: "damaged" });
  });

  test("one with a label over its limit, or a journal bucket of no member, is damaged", () => {
    const { label: _, ...rest } = sample;
    const bare = encodeSuperblock({ ...rest, label: "", journalBuckets: [{ device: 0, bucket: 5 }] });
    const withLabel = (labelBytes: number) => {
      const data = new Uint8Array(bare.length + labelBytes);
      const at = RECORD_HEADER_BYTES + SuperblockBody.bytes;
      data.set(bare.subarray(0, at));
      data.fill(0x61, at, at + labelBytes);
      data.set(bare.subarray(at), at + labelBytes);
      viewOf(data).setUint16(RECORD_HEADER_BYTES + SuperblockBody.at.labelBytes, labelBytes, true);
      return data;
    };
    const sealAgain = (data: Uint8Array) => {
      viewOf(data).setUint32(RecordHeader.at.lengthBytes, data.length, true);
      viewOf(data).setBigUint64(0, checksumOf(data, 8, data.length), true);
      return decodeSuperblock(data);
    };
    expect(sealAgain(withLabel(64)).ok?.label).toBe("a".repeat(64));
    expect(sealAgain(withLabel(65))).toEqual({ bad: "damaged" });
    const strange = bare.slice();
    viewOf(strange).setUint16(strange.length - 4, sample.members.length, true);
    expect(sealAgain(strange)).toEqual({ bad: "damaged" });
  });

  test("any bytes under a fitting checksum are a superblock or damaged, without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 44, maxLength: 150 }), (body) => {
        const data = new Uint8Array(RECORD_HEADER_BYTES + body.length);
        data.set(encodeSuperblock(sample).subarray(0, RECORD_HEADER_BYTES));
        data.set(body, RECORD_HEADER_BYTES);
        viewOf(data).setUint32(RecordHeader.at.lengthBytes, data.length, true);
        viewOf(data).setBigUint64(0, checksumOf(data, 8, data.length), true);
        const { ok, bad } = decodeSuperblock(data);
        expect(ok !== undefined || bad === "damaged").toBe(true);
      }),
    );
  });

  test("is not written with labels or lists that are too long, or as another version", () => {
    expect(() => encodeSuperblock({ ...sample, label: "ä".repeat(33) })).toThrow("at most 64 bytes");
    const journalBuckets = Array.from({ length: 1100 }, (_, bucket) => ({ device: 0, bucket }));
    expect(() => encodeSuperblock({ ...sample, journalBuckets })).toThrow("superblock of");
    expect(() => encodeSuperblock({ ...sample, version: FORMAT_VERSION + 1 })).toThrow(
      `cannot write version ${FORMAT_VERSION + 1}`,
    );
  });
});
