/**
 * Records of btree nodes: an image holds all live rows in key order, a delta the changes since the record before it,
 * in the order in which they were made. Bytes out of rows in memory and back into them.
 *
 * What the rows look like is the business of the payload; here it is compressed when that makes it smaller, and put
 * under a header. Encoding seals the rows. Decoding answers everything that is not the record expected with undefined
 * or false, and throws for none.
 */
import { Kind, openRecord, Reader, RECORD_HEADER_BYTES, sealRecord, type Verified, viewOf, Writer } from "./codec.ts";
import { layout, u16, u32, u64, u8, variable } from "./layout.ts";
import {
  applyDeltaPayload,
  NODE_ROWS_MAX,
  type NodeRows,
  payload,
  PAYLOAD_BYTES_MAX,
  payloadView,
  readImagePayload,
  writeDeltaPayload,
  writeImagePayload,
} from "./node-payload.ts";
import { compressedBytesMax, compressInto, decompressInto } from "./zstd.ts";

export interface NodeHead {
  readonly table: number;
  readonly level: number;
  /** Lowest key that the node covers. */
  readonly low: { readonly inode: number; readonly offset: number; readonly snapshot: number };
}

/** What the pointer to a record says about it. */
export interface NodeExpectation {
  readonly uuid: Uint8Array;
  readonly checksum: bigint;
  readonly table: number;
  readonly level: number;
}

export const NodeBody = layout(
  "node record",
  "Follows the record header of kind 3 (image) or 4 (delta), whose sequence is that of the newest journal entry in it.",
  [
    u8("table", "id"),
    u8("level", "0: a leaf, whose values are the table's; above: an interior node, whose values are node pointers"),
    u16("flags", "bit 0: the payload is compressed with zstd"),
    u32("rows", "in the payload"),
    u32("payloadBytes", "of the payload before compression"),
    u32("reserved0", "0"),
    u64("lowInode", "of the lowest key that the node covers"),
    u64("lowOffset", "of that key"),
    u32("lowSnapshot", "of that key"),
    u32("reserved1", "0"),
  ],
  [variable("payload", "to the end of the record", "the rows")],
);

const FLAG_COMPRESSED = 1;
/** A payload up to this size is not worth compressing. */
const COMPRESS_FROM_BYTES = 512;
/** Of a record of a node, before its rows. */
export const NODE_HEAD_BYTES = RECORD_HEADER_BYTES + NodeBody.bytes;
/** Longest record of a node. */
export const NODE_BYTES_MAX = NODE_HEAD_BYTES + PAYLOAD_BYTES_MAX;

const compressed = new Uint8Array(compressedBytesMax(PAYLOAD_BYTES_MAX));

/** The record around the first `payloadBytes` of `payload`, which hold `count` rows. */
function encode(
  count: number,
  payloadBytes: number,
  kind: number,
  head: NodeHead,
  uuid: Uint8Array,
  sequence: number,
): Uint8Array {
  let body = payload.subarray(0, payloadBytes);
  let flags = 0;
  if (payloadBytes > COMPRESS_FROM_BYTES) {
    const bytes = compressInto(compressed, body);
    if (bytes < payloadBytes) {
      body = compressed.subarray(0, bytes);
      flags = FLAG_COMPRESSED;
    }
  }
  const data = new Uint8Array(NODE_HEAD_BYTES + body.length);
  const view = viewOf(data);
  const writer = new Writer(view, RECORD_HEADER_BYTES);
  writer.u8(head.table);
  writer.u8(head.level);
  writer.u16(flags);
  writer.u32(count);
  writer.u32(payloadBytes);
  writer.zeros(4);
  writer.u53(head.low.inode);
  writer.u53(head.low.offset);
  writer.u32(head.low.snapshot);
  writer.zeros(4);
  data.set(body, writer.at);
  sealRecord(data, view, 0, kind, data.length, uuid, sequence);
  return data;
}

/** All live rows. Seals the rows. The record is the caller's; it is not padded. */
export function encodeNodeImage(rows: NodeRows, head: NodeHead, uuid: Uint8Array, sequence: number): Uint8Array {
  const record = encode(rows.n, writeImagePayload(rows), Kind.nodeImage, head, uuid, sequence);
  rows.seal();
  return record;
}

/** The rows since the last seal, in the order of their arrival. Seals the rows. */
export function encodeNodeDelta(rows: NodeRows, head: NodeHead, uuid: Uint8Array, sequence: number): Uint8Array {
  if (!rows.hasBase) throw new Error("a delta needs an image before it");
  const record = encode(rows.rowsSinceSeal, writeDeltaPayload(rows), Kind.nodeDelta, head, uuid, sequence);
  rows.seal();
  return record;
}

/** A record's own account of itself. */
export interface NodeRecordInfo extends NodeHead {
  readonly sequence: number;
  readonly lengthBytes: number;
  readonly checksum: bigint;
  readonly rows: number;
}

interface Opened {
  readonly info: NodeRecordInfo;
  /** Over the payload, compressed or not. */
  readonly body: Reader;
}

function openBody(data: Uint8Array, record: Verified): Opened | undefined {
  const reader = record.body();
  const table = reader.u8();
  const level = reader.u8();
  const flags = reader.u16();
  const rows = reader.u32();
  const payloadBytes = reader.u32();
  reader.zeros(4);
  const inode = reader.u53();
  const offset = reader.u53();
  const snapshot = reader.u32();
  reader.zeros(4);
  if (!reader.ok || (flags & ~FLAG_COMPRESSED) !== 0) return undefined;
  if (rows > NODE_ROWS_MAX || payloadBytes > PAYLOAD_BYTES_MAX) return undefined;
  const { sequence, lengthBytes, checksum } = record;
  const info = { table, level, low: { inode, offset, snapshot }, sequence, lengthBytes, checksum, rows };
  if ((flags & FLAG_COMPRESSED) === 0) {
    return reader.left === payloadBytes ? { info, body: reader } : undefined;
  }
  const stored = data.subarray(reader.at, reader.end);
  if (decompressInto(payload.subarray(0, payloadBytes), stored) !== payloadBytes) return undefined;
  return { info, body: new Reader(payloadView, 0, payloadBytes) };
}

function open(data: Uint8Array, kind: number, expect: NodeExpectation): Opened | undefined {
  const record = openRecord(data, 0, kind, expect.uuid, NODE_BYTES_MAX);
  if (record === undefined || record.checksum !== expect.checksum) return undefined;
  const opened = openBody(data, record);
  if (opened === undefined || opened.info.table !== expect.table || opened.info.level !== expect.level)
    return undefined;
  return opened;
}

/** What kind of node record the bytes are and what it says about itself; for whoever looks at a device from outside. */
export function inspectNode(data: Uint8Array, kind: number, uuid: Uint8Array | undefined): NodeRecordInfo | undefined {
  const record = openRecord(data, 0, kind, uuid, NODE_BYTES_MAX);
  return record === undefined ? undefined : openBody(data, record)?.info;
}

/** The image's rows in `fresh()`, sealed; undefined if the bytes are not the image that is expected. */
export function decodeNodeImage<Rows extends NodeRows>(
  data: Uint8Array,
  expect: NodeExpectation,
  fresh: () => Rows,
): Rows | undefined {
  const opened = open(data, Kind.nodeImage, expect);
  const rows = opened === undefined ? undefined : readImagePayload(opened.body, opened.info.rows, fresh);
  rows?.seal();
  return rows;
}

/**
 * Applies the delta to the rows that its predecessors made, and seals it; false if it is not what is expected, or does
 * not apply, in which case the rows are of no use any more.
 */
export function applyNodeDelta(rows: NodeRows, data: Uint8Array, expect: NodeExpectation): boolean {
  const opened = open(data, Kind.nodeDelta, expect);
  if (opened === undefined || !applyDeltaPayload(rows, opened.body, opened.info.rows)) return false;
  rows.seal();
  return true;
}
