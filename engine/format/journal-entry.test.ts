import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checksumOf, RECORD_HEADER_BYTES, viewOf } from "./codec.ts";
import {
  decodeEntry,
  encodeEntry,
  EntryBody,
  entryBytes,
  type EntryHead,
  EPOCH_MAX,
  SEQUENCE_MAX,
  UpdateBuffer,
} from "./journal-entry.ts";
import { TABLE_COUNT, VALUE_BYTES_MAX } from "./tables.ts";

const uuid = new Uint8Array(16).fill(9);
const u53 = fc.oneof(fc.maxSafeNat(), fc.nat(9), fc.constant(2 ** 53 - 1));
const u32 = fc.oneof(fc.nat(9), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const record = fc.record({
  device: fc.nat(65_535),
  addressBytes: u53,
  lengthBytes: u32,
  generation: u32,
  checksum: u64,
});
const head: fc.Arbitrary<EntryHead> = fc.record({
  sequence: fc.oneof(
    fc.nat(9),
    fc.maxSafeNat().map((n) => Math.min(n, SEQUENCE_MAX)),
    fc.constant(SEQUENCE_MAX),
  ),
  epoch: fc.oneof(fc.nat(9), fc.constant(EPOCH_MAX)),
  epochStart: u53,
  flushedSequence: u53,
  oldestNeeded: u53,
  clean: fc.boolean(),
  previous: u64,
  roots: fc.uniqueArray(fc.nat(TABLE_COUNT - 1)).chain((ids) =>
    fc.tuple(
      ...ids
        .sort((a, b) => a - b)
        .map((table) =>
          fc.record({
            table: fc.constant(table),
            level: fc.nat(15),
            pointer: fc.record({ records: fc.array(record, { minLength: 1, maxLength: 4 }) }),
          }),
        ),
    ),
  ),
  refs: fc.array(fc.record({ device: fc.nat(65_535), addressBytes: u53, lengthBytes: u32, checksum: u64 }), {
    maxLength: 5,
  }),
});
const update = fc.record({
  table: fc.nat(TABLE_COUNT - 1),
  level: fc.nat(15),
  key: fc.tuple(u53, u53, u32),
  value: fc.option(
    fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ maxLength: 30 }) }, fc.constant(new Uint8Array(VALUE_BYTES_MAX))),
    { nil: undefined },
  ),
});
type Update = typeof update extends fc.Arbitrary<infer A> ? A : never;

const emptyHead: EntryHead = {
  sequence: 1,
  epoch: 1,
  epochStart: 1,
  flushedSequence: 0,
  previous: 0n,
  oldestNeeded: 1,
  clean: false,
  roots: [],
  refs: [],
};

function gather(updates: ReadonlyArray<Update>): UpdateBuffer {
  const buffer = new UpdateBuffer(64 * 1024);
  for (const { table, level, key, value } of updates) {
    if (value === undefined) {
      buffer.remove(table, level, ...key);
      continue;
    }
    // Rubbish in front of the value and in the rest of its last word.
    const words = new Int32Array(1 + ((value.length + 3) >> 2)).fill(-1);
    new Uint8Array(words.buffer).set(value, 4);
    buffer.put(table, level, ...key, words, 1, value.length);
  }
  return buffer;
}

describe("journal entry", () => {
  test("comes back with its head and its updates in order, wherever it lies, padded with zeros", () => {
    fc.assert(
      fc.property(
        head,
        fc.array(update, { maxLength: 12 }),
        fc.constantFrom(512, 4096),
        (wanted, updates, blockBytes) => {
          const buffer = gather(updates);
          const encoded = encodeEntry(wanted, buffer, uuid, blockBytes);
          const lengthBytes = entryBytes(wanted, buffer);
          expect(encoded.length).toBe(Math.ceil(lengthBytes / blockBytes) * blockBytes);
          expect(encoded.subarray(lengthBytes).every((byte) => byte === 0)).toBe(true);
          const data = new Uint8Array(encoded.length + 6);
          data.set(encoded, 5);
          const entry = decodeEntry(data, 5, uuid)!;
          const { sequence, epoch, epochStart, flushedSequence, oldestNeeded, clean, previous, roots, refs } = entry;
          const decoded = { sequence, epoch, epochStart, flushedSequence, oldestNeeded, clean, previous, roots, refs };
          expect(decoded).toEqual(wanted);
          expect(entry.lengthBytes).toBe(lengthBytes);
          data.fill(0);
          const found: Array<Update> = [];
          entry.forEach((table, level, inode, offset, snapshot, words, word, length) => {
            const value = length < 0 ? undefined : new Uint8Array(words.buffer).slice(word * 4, word * 4 + length);
            found.push({ table, level, key: [inode, offset, snapshot], value });
          });
          expect(found).toEqual(updates);
        },
      ),
    );
  });

  test("rubbish behind a value in its last word does not get to disk", () => {
    const clean = gather([{ table: 1, level: 0, key: [1, 2, 3], value: Uint8Array.of(1) }]);
    expect([...clean.bytes().subarray(24)]).toEqual([1, 0, 0, 0]);
  });

  test("of another pool is none", () => {
    const encoded = encodeEntry(emptyHead, new UpdateBuffer(0), uuid, 512);
    expect(decodeEntry(encoded, 0, uuid)).toBeDefined();
    expect(decodeEntry(encoded, 0, new Uint8Array(16))).toBeUndefined();
  });

  test("with a number behind which there is no room is none", () => {
    const entry = (head: Partial<EntryHead>) =>
      decodeEntry(encodeEntry({ ...emptyHead, ...head }, new UpdateBuffer(0), uuid, 512), 0, uuid);
    expect(entry({ sequence: SEQUENCE_MAX, epoch: EPOCH_MAX })).toBeDefined();
    expect(entry({ sequence: SEQUENCE_MAX + 1 })).toBeUndefined();
    expect(entry({ epoch: EPOCH_MAX + 1 })).toBeUndefined();
  });

  test("that ends in the middle of an update is none, though its checksum fits", () => {
    const buffer = gather([{ table: 1, level: 0, key: [1, 2, 3], value: Uint8Array.of(1, 2, 3, 4, 5) }]);
    const good = encodeEntry(emptyHead, buffer, uuid, 512);
    const lengthBytes = entryBytes(emptyHead, buffer);
    const body = RECORD_HEADER_BYTES;
    const spoil = (change: (view: DataView) => number) => {
      const data = good.slice();
      const view = viewOf(data);
      const length = change(view);
      view.setUint32(16, length, true);
      view.setBigUint64(0, checksumOf(data, 8, length), true);
      return decodeEntry(data, 0, uuid);
    };
    expect(spoil(() => lengthBytes)).toBeDefined();
    const words = body + EntryBody.at.updateWords;
    for (let cut = 1; cut < buffer.wordsUsed; cut++) {
      const entry = spoil((view) => {
        view.setUint32(words, buffer.wordsUsed - cut, true);
        return lengthBytes - 4 * cut;
      });
      expect(entry).toBeUndefined();
    }
    expect(spoil((view) => (view.setUint32(words, buffer.wordsUsed - 1, true), lengthBytes))).toBeUndefined();
    const at = lengthBytes - buffer.wordsUsed * 4;
    expect(spoil((view) => (view.setUint8(at, TABLE_COUNT), lengthBytes))).toBeUndefined();
    expect(spoil((view) => (view.setUint8(at + 1, 16), lengthBytes))).toBeUndefined();
    expect(spoil((view) => (view.setUint16(at + 2, 60_000, true), lengthBytes))).toBeUndefined();
    expect(spoil((view) => (view.setUint32(at + 8, 0x20_0000, true), lengthBytes))).toBeUndefined();
    expect(spoil((view) => (view.setUint32(body + EntryBody.at.flags, 2, true), lengthBytes))).toBeUndefined();
    expect(spoil((view) => (view.setUint32(body + EntryBody.at.refs, 2 ** 32 - 1, true), lengthBytes))).toBeUndefined();
  });

  test("with a value that is longer than values may be is none", () => {
    const buffer = new UpdateBuffer(8192);
    buffer.put(1, 0, 1, 2, 3, new Int32Array(1008), 0, VALUE_BYTES_MAX);
    buffer.remove(1, 0, 1, 2, 3);
    const data = encodeEntry(emptyHead, buffer, uuid, 512);
    const lengthBytes = entryBytes(emptyHead, buffer);
    const view = viewOf(data);
    view.setUint16(lengthBytes - buffer.wordsUsed * 4 + 2, VALUE_BYTES_MAX + 24, true);
    view.setBigUint64(0, checksumOf(data, 8, lengthBytes), true);
    expect(decodeEntry(data, 0, uuid)).toBeUndefined();
  });

  test("any bytes under a fitting checksum are an entry or none, without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 200 }), (body) => {
        const data = encodeEntry(emptyHead, new UpdateBuffer(0), uuid, 512);
        data.set(body, RECORD_HEADER_BYTES);
        const view = viewOf(data);
        view.setUint32(16, RECORD_HEADER_BYTES + body.length, true);
        view.setBigUint64(0, checksumOf(data, 8, RECORD_HEADER_BYTES + body.length), true);
        decodeEntry(data, 0, uuid)?.forEach(() => {});
      }),
    );
  });
});

describe("update buffer", () => {
  test("says how much room is left, and asserts that nobody takes more", () => {
    const buffer = new UpdateBuffer(4 * 14);
    buffer.put(0, 0, 1, 2, 3, new Int32Array(2), 0, 5);
    expect([buffer.wordsUsed, buffer.remainingWords]).toEqual([8, 6]);
    expect(() => buffer.put(0, 0, 1, 2, 3, new Int32Array(2), 0, 1)).toThrow("overrun");
    buffer.remove(0, 0, 1, 2, 3);
    expect(() => buffer.remove(0, 0, 1, 2, 3)).toThrow("overrun");
    buffer.reset();
    expect(buffer.remainingWords).toBe(14);
    expect(() => buffer.put(0, 0, 1, 2, 3, new Int32Array(2000), 0, VALUE_BYTES_MAX + 1)).toThrow("value of");
  });
});
