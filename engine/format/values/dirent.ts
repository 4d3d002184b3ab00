/**
 * Value of the dirents table: all names of one directory that have the same hash, usually one.
 *
 * Each keeps a slot of its own among them, so that its cookie (hash * 16 + slot) stays the same while others come and
 * go. Sixteen of the longest names do not fit into one value: whoever adds a name asks `direntBytes` first. A malformed
 * value throws: it comes from a node that verified.
 */
import { Reader, varintBytes, Writer } from "../codec.ts";
import { layout, u8, variable } from "../layout.ts";
import { Malformed } from "../malformed.ts";

/** Names of one hash that a directory can hold. */
export const DIRENT_SLOTS = 16;
/** Where the type bits of a mode begin. */
const TYPE_SHIFT = 12;

export interface Dirent {
  readonly inode: number;
  /** Type bits of the mode. */
  readonly type: number;
  /** 0 to 15. */
  readonly slot: number;
  readonly name: Uint8Array;
}
export type DirentValue = ReadonlyArray<Dirent>;

export const DirentLayout = layout(
  "dirent",
  "Row of `dirents`.",
  [u8("count", "of names: 1 to 16")],
  [variable("names", "`count` times a name", "")],
);

export const DirentNameLayout = layout(
  "name",
  "A name of a directory.",
  [
    u8("typeAndSlot", "low half: type bits of the inode's mode >> 12; high half: slot, which makes the cookie"),
    u8("nameBytes", "length of the name"),
  ],
  [variable("inode", "varint", "what the name stands for"), variable("name", "`nameBytes` bytes", "")],
);

export function direntBytes(value: DirentValue): number {
  let bytes = DirentLayout.bytes;
  for (const { inode, name } of value) bytes += DirentNameLayout.bytes + varintBytes(inode) + name.length;
  return bytes;
}

export function decodeDirent(view: DataView, at: number, length: number): DirentValue {
  const reader = new Reader(view, at, at + length);
  const count = reader.u8();
  const value: Array<Dirent> = [];
  for (let k = 0; k < count && reader.ok; k++) {
    const typeAndSlot = reader.u8();
    const nameBytes = reader.u8();
    const inode = reader.varint();
    const name = reader.bytes(nameBytes);
    value.push({ inode, type: (typeAndSlot & 15) << TYPE_SHIFT, slot: typeAndSlot >> 4, name });
  }
  if (!reader.ok || reader.left !== 0 || count < 1 || count > DIRENT_SLOTS)
    throw new Malformed("malformed dirent value");
  return value;
}

export function encodeDirent(view: DataView, at: number, value: DirentValue): void {
  if (value.length < 1 || value.length > DIRENT_SLOTS) throw new Error(`dirent value of ${value.length} names`);
  const writer = new Writer(view, at);
  writer.u8(value.length);
  for (const { inode, type, slot, name } of value) {
    if (slot < 0 || slot >= DIRENT_SLOTS) throw new Error(`dirent slot ${slot}`);
    writer.u8((type >> TYPE_SHIFT) | (slot << 4));
    writer.u8(name.length);
    writer.varint(inode);
    writer.bytes(name);
  }
}
