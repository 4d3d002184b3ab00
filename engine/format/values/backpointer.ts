/**
 * Value of the backpointers table: which row points to the bytes at the key's address, so that they can be moved.
 *
 * One for each pointer of each row. A malformed value throws: it comes from a node that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { bytes, layout, u8, u32, u64 } from "../layout.ts";
import { TABLE_COUNT } from "../tables.ts";
import { Malformed } from "../malformed.ts";

/** Position of the row that points here. */
export interface BackpointerValue {
  readonly table: number;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
}

export const BackpointerLayout = layout("backpointer", "Row of `backpointers`.", [
  u64("inode", "of the key of the row that points here"),
  u64("offset", "of that key"),
  u32("snapshot", "of that key"),
  u8("table", "of that row"),
  bytes("reserved", 3, "0"),
]);
export const BACKPOINTER_BYTES = BackpointerLayout.bytes;

export function decodeBackpointer(view: DataView, at: number, length: number): BackpointerValue {
  const reader = new Reader(view, at, at + length);
  const inode = reader.u53();
  const offset = reader.u53();
  const snapshot = reader.u32();
  const table = reader.u8();
  reader.zeros(3);
  if (!reader.ok || reader.left !== 0 || table >= TABLE_COUNT) throw new Malformed("malformed backpointer value");
  return { table, inode, offset, snapshot };
}

export function encodeBackpointer(view: DataView, at: number, value: BackpointerValue): void {
  const writer = new Writer(view, at);
  writer.u53(value.inode);
  writer.u53(value.offset);
  writer.u32(value.snapshot);
  writer.u8(value.table);
  writer.zeros(3);
}
