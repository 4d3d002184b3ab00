/**
 * A pointer to a btree node: its base record and up to three delta records, each with its place and its checksum.
 *
 * It is the value of an interior row and part of a journal entry's roots. The records apply in order; the first is an
 * image, all others are deltas. Bytes in and plain data out; keeps nothing.
 */
import { Reader, Writer } from "./codec.ts";
import { checksum64, layout, u8, u16, u32, u64, variable } from "./layout.ts";
import { Malformed } from "./malformed.ts";

export const POINTER_RECORDS_MAX = 4;

export interface NodeRecord {
  readonly device: number;
  readonly addressBytes: number;
  readonly lengthBytes: number;
  readonly generation: number;
  readonly checksum: bigint;
}

export interface NodePointer {
  readonly records: ReadonlyArray<NodeRecord>;
}

export const PointerHeader = layout(
  "node pointer",
  "Value of an interior row, and part of a root in a journal entry.",
  [u8("count", "records: 1 to 4"), u8("reserved0", "0"), u16("reserved1", "0")],
  [variable("records", "`count` times a node record reference", "the image, then its deltas in order")],
);

export const PointerRecord = layout("node record reference", "One record of a node pointer.", [
  u64("addressBytes", "byte address on the device"),
  checksum64("checksum", "that the record's header must hold"),
  u32("lengthBytes", "of the record"),
  u32("generation", "of the bucket when it was written"),
  u16("device", "index of the member"),
  u16("reserved", "0"),
]);

/** Longest encoded pointer. */
export const POINTER_BYTES_MAX = PointerHeader.bytes + POINTER_RECORDS_MAX * PointerRecord.bytes;

export const pointerBytes = (pointer: NodePointer): number =>
  PointerHeader.bytes + pointer.records.length * PointerRecord.bytes;

/** Do both lead to the same records? */
export function samePointer(a: NodePointer | undefined, b: NodePointer | undefined): boolean {
  if (a === undefined || b === undefined || a.records.length !== b.records.length) return false;
  return a.records.every(({ device, addressBytes, generation, checksum }, index) => {
    const other = b.records[index]!;
    return (
      device === other.device &&
      addressBytes === other.addressBytes &&
      generation === other.generation &&
      checksum === other.checksum
    );
  });
}

export function encodePointer(view: DataView, at: number, pointer: NodePointer): void {
  const count = pointer.records.length;
  if (count < 1 || count > POINTER_RECORDS_MAX) throw new Error(`node pointer with ${count} records`);
  const writer = new Writer(view, at);
  writer.u8(count);
  writer.zeros(3);
  for (const record of pointer.records) {
    writer.u53(record.addressBytes);
    writer.u64big(record.checksum);
    writer.u32(record.lengthBytes);
    writer.u32(record.generation);
    writer.u16(record.device);
    writer.zeros(2);
  }
}

/** The pointer that the cursor stands before, or undefined if there is none. */
export function readPointer(reader: Reader): NodePointer | undefined {
  const count = reader.u8();
  reader.zeros(3);
  if (!reader.ok || count < 1 || count > POINTER_RECORDS_MAX) return undefined;
  const records: Array<NodeRecord> = [];
  for (let k = 0; k < count; k++) {
    const addressBytes = reader.u53();
    const checksum = reader.u64big();
    const lengthBytes = reader.u32();
    const generation = reader.u32();
    const device = reader.u16();
    reader.zeros(2);
    records.push({ device, addressBytes, lengthBytes, generation, checksum });
  }
  return reader.ok ? { records } : undefined;
}

/** Throws when the bytes are not a pointer: they come from a node whose checksum was right. */
export function decodePointer(view: DataView, at: number, length: number): NodePointer {
  const reader = new Reader(view, at, at + length);
  const pointer = readPointer(reader);
  if (pointer === undefined || reader.left !== 0) throw new Malformed("malformed node pointer");
  return pointer;
}
