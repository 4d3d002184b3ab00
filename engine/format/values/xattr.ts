/**
 * Values of the xattrs table: an attribute lies in chunks at offsets slot * 32 + chunk, the first of them with its name.
 *
 * Chunk 0 is the head: name, length of the whole value, and its first bytes; the further ones are bytes and nothing
 * else. All chunks but the last are as long as a value of a row may be. A malformed value throws: it comes from a node
 * that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { layout, u8, u32, variable } from "../layout.ts";
import { VALUE_BYTES_MAX } from "../tables.ts";
import { Malformed } from "../malformed.ts";

/** Rows set aside for each attribute. */
export const XATTR_CHUNKS_MAX = 32;

export interface XattrHead {
  /** Of the value over all chunks. */
  readonly totalValueBytes: number;
  readonly name: Uint8Array;
  /** The beginning of the value. */
  readonly bytes: Uint8Array;
}

export const XattrHeadLayout = layout(
  "xattr head",
  "Row of `xattrs` with chunk 0; the value's further bytes are the rows with chunk 1, 2, ..., as they are.",
  [u32("totalValueBytes", "length of the attribute's value over all chunks"), u8("nameBytes", "length of the name")],
  [variable("name", "`nameBytes` bytes", ""), variable("value", "to the end of the row", "its first bytes")],
);

export const XATTR_CHUNK_BYTES_MAX = VALUE_BYTES_MAX;
/** Bytes of the value that the head has room for. */
export const xattrHeadRoomBytes = (nameBytes: number): number => VALUE_BYTES_MAX - XattrHeadLayout.bytes - nameBytes;
export const xattrHeadBytes = (head: XattrHead): number => XattrHeadLayout.bytes + head.name.length + head.bytes.length;

export function decodeXattrHead(view: DataView, at: number, length: number): XattrHead {
  const reader = new Reader(view, at, at + length);
  const totalValueBytes = reader.u32();
  const nameBytes = reader.u8();
  const name = reader.bytes(nameBytes);
  const bytes = reader.bytes(reader.left);
  if (!reader.ok || bytes.length > totalValueBytes) throw new Malformed("malformed xattr head");
  return { totalValueBytes, name, bytes };
}

export function encodeXattrHead(view: DataView, at: number, head: XattrHead): void {
  const writer = new Writer(view, at);
  writer.u32(head.totalValueBytes);
  writer.u8(head.name.length);
  writer.bytes(head.name);
  writer.bytes(head.bytes);
}

export const xattrChunkBytes = (bytes: Uint8Array): number => bytes.length;

export function decodeXattrChunk(view: DataView, at: number, length: number): Uint8Array {
  return new Reader(view, at, at + length).bytes(length);
}

export function encodeXattrChunk(view: DataView, at: number, bytes: Uint8Array): void {
  new Writer(view, at).bytes(bytes);
}
