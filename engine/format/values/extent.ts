/**
 * Value of the extents table: where `lengthBytes` bytes of a file before the key's end offset are.
 *
 * A data row shows a part, from `rawOffset` on, of something stored once as `storedBytes` bytes (`rawBytes` before
 * compression), so overwriting a part of it only changes rows. Inline rows hold the bytes themselves; unwritten rows
 * read as zeros and have space set aside. A malformed value throws: it comes from a node that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { checksum64, layout, u8, u16, u32, u64, variable } from "../layout.ts";
import { VALUE_BYTES_MAX } from "../tables.ts";
import { Malformed } from "../malformed.ts";

export const ExtentKind = { data: 1, inline: 2, unwritten: 3 } as const;
export const EXTENT_POINTERS_MAX = 32;
/** Longest stored extent before compression. */
export const EXTENT_RAW_BYTES_MAX = 1024 * 1024;

export interface ExtentPointer {
  readonly device: number;
  readonly generation: number;
  readonly addressBytes: number;
}

export interface DataExtent {
  readonly kind: "data";
  readonly lengthBytes: number;
  /** 0 none, 1 zstd. */
  readonly compression: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly rawOffset: number;
  /** Of the stored bytes. */
  readonly checksum: bigint;
  readonly pointers: ReadonlyArray<ExtentPointer>;
}

export interface InlineExtent {
  readonly kind: "inline";
  readonly bytes: Uint8Array;
}

export interface UnwrittenExtent {
  readonly kind: "unwritten";
  readonly lengthBytes: number;
  /** Space set aside for it. */
  readonly reservedBytes: number;
}

export type ExtentValue = DataExtent | InlineExtent | UnwrittenExtent;

export const DataExtentLayout = layout(
  "data extent",
  "Row of `extents` of kind 1.",
  [
    u8("kind", "1"),
    u8("compression", "0 none, 1 zstd"),
    u8("pointers", "count: 1 to 32"),
    u8("erasure", "0: every pointer is a replica"),
    u32("lengthBytes", "of the file that this row maps; it ends at the key's offset"),
    u32("storedBytes", "length on the device"),
    u32("rawBytes", "length after decompression, of which this row may show a part"),
    u32("rawOffset", "where that part begins"),
    checksum64("checksum", "xxh64 of the stored bytes"),
  ],
  [variable("pointers", "`pointers` times an extent pointer", "")],
);

export const ExtentPointerLayout = layout("extent pointer", "A place where the stored bytes are.", [
  u64("addressBytes", "byte address on the device"),
  u32("generation", "of the bucket when it was written; stale when the bucket has another by now"),
  u16("device", "index of the member"),
  u8("flags", "0"),
  u8("reserved", "0"),
]);

export const InlineExtentLayout = layout(
  "inline extent",
  "Row of `extents` of kind 2.",
  [u8("kind", "2")],
  [variable("bytes", "to the end of the row", "of the file; they end at the key's offset")],
);

export const UnwrittenExtentLayout = layout("unwritten extent", "Row of `extents` of kind 3.", [
  u8("kind", "3"),
  u8("reserved0", "0"),
  u16("reserved1", "0"),
  u64("lengthBytes", "of the file that reads as zeros; it ends at the key's offset"),
  u64("reservedBytes", "set aside for it"),
]);

/** Longest inline extent. */
export const INLINE_BYTES_MAX = VALUE_BYTES_MAX - InlineExtentLayout.bytes;

/** Bytes of the file that the row maps. */
export const extentLengthBytes = (extent: ExtentValue): number =>
  extent.kind === "inline" ? extent.bytes.length : extent.lengthBytes;

/** The share of the stored bytes that a row keeps alive, in each bucket that it points to. */
export function rowLiveBytes(extent: ExtentValue): number {
  if (extent.kind !== "data") return 0;
  return Math.max(1, Math.floor((extent.storedBytes * extent.lengthBytes) / extent.rawBytes));
}

export function extentBytes(extent: ExtentValue): number {
  switch (extent.kind) {
    case "data":
      return DataExtentLayout.bytes + extent.pointers.length * ExtentPointerLayout.bytes;
    case "inline":
      return InlineExtentLayout.bytes + extent.bytes.length;
    case "unwritten":
      return UnwrittenExtentLayout.bytes;
  }
}

function decodeData(reader: Reader): DataExtent {
  const compression = reader.u8();
  const pointerCount = reader.u8();
  reader.zeros(1);
  const lengthBytes = reader.u32();
  const storedBytes = reader.u32();
  const rawBytes = reader.u32();
  const rawOffset = reader.u32();
  const checksum = reader.u64big();
  const pointers: Array<ExtentPointer> = [];
  for (let k = 0; k < pointerCount && reader.ok; k++) {
    const addressBytes = reader.u53();
    const generation = reader.u32();
    const device = reader.u16();
    reader.zeros(2);
    pointers.push({ device, generation, addressBytes });
  }
  const sane = pointerCount >= 1 && pointerCount <= EXTENT_POINTERS_MAX && lengthBytes >= 1 && storedBytes >= 1;
  const bounded = rawBytes <= EXTENT_RAW_BYTES_MAX && storedBytes <= EXTENT_RAW_BYTES_MAX;
  if (!sane || !bounded || rawOffset + lengthBytes > rawBytes) reader.ok = false;
  return { kind: "data", lengthBytes, compression, storedBytes, rawBytes, rawOffset, checksum, pointers };
}

function decodeUnwritten(reader: Reader): UnwrittenExtent {
  reader.zeros(3);
  return { kind: "unwritten", lengthBytes: reader.u53(), reservedBytes: reader.u53() };
}

function decodeKind(reader: Reader): ExtentValue | undefined {
  switch (reader.u8()) {
    case ExtentKind.data:
      return decodeData(reader);
    case ExtentKind.inline:
      return { kind: "inline", bytes: reader.bytes(reader.left) };
    case ExtentKind.unwritten:
      return decodeUnwritten(reader);
    default:
      return undefined;
  }
}

export function decodeExtent(view: DataView, at: number, length: number): ExtentValue {
  const reader = new Reader(view, at, at + length);
  const extent = decodeKind(reader);
  if (extent === undefined || !reader.ok || reader.left !== 0) throw new Malformed("malformed extent value");
  return extent;
}

function encodeData(writer: Writer, extent: DataExtent): void {
  const { pointers, rawOffset, lengthBytes, rawBytes } = extent;
  if (pointers.length < 1 || pointers.length > EXTENT_POINTERS_MAX) throw new Error(`${pointers.length} pointers`);
  if (lengthBytes < 1 || rawOffset + lengthBytes > rawBytes) throw new Error("extent row outside of what is stored");
  writer.u8(ExtentKind.data);
  writer.u8(extent.compression);
  writer.u8(pointers.length);
  writer.zeros(1);
  writer.u32(lengthBytes);
  writer.u32(extent.storedBytes);
  writer.u32(rawBytes);
  writer.u32(rawOffset);
  writer.u64big(extent.checksum);
  for (const { device, generation, addressBytes } of pointers) {
    writer.u53(addressBytes);
    writer.u32(generation);
    writer.u16(device);
    writer.zeros(2);
  }
}

export function encodeExtent(view: DataView, at: number, extent: ExtentValue): void {
  const writer = new Writer(view, at);
  switch (extent.kind) {
    case "data":
      encodeData(writer, extent);
      break;
    case "inline":
      writer.u8(ExtentKind.inline);
      writer.bytes(extent.bytes);
      break;
    case "unwritten":
      writer.u8(ExtentKind.unwritten);
      writer.zeros(3);
      writer.u53(extent.lengthBytes);
      writer.u53(extent.reservedBytes);
      break;
  }
}
