/**
 * Extended attributes inside transactions.
 *
 * An attribute takes a slot of its inode: a head row with its name and the beginning of the value, and as many further
 * rows as the value needs. Inodes have few attributes, so a name is found by looking through the heads. One attribute
 * has no slot: `compression-attribute.ts`.
 */
import type { Transaction } from "../btree/transaction.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import {
  decodeXattrChunk,
  decodeXattrHead,
  encodeXattrChunk,
  encodeXattrHead,
  XATTR_CHUNK_BYTES_MAX,
  XATTR_CHUNKS_MAX,
  type XattrHead,
  xattrHeadBytes,
  xattrHeadRoomBytes,
} from "../format/values/xattr.ts";
import type { InodeValue } from "../format/values/inode.ts";
import {
  COMPRESSION_ATTRIBUTE,
  compressionOfValue,
  compressionValue,
  isCompressionAttribute,
} from "./compression-attribute.ts";
import { isCompressible, loadInode, storeInode } from "./inode.ts";
import { sameName } from "./names.ts";
import { FsError, type Timestamp, XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX } from "./types.ts";

const encoder = new TextEncoder();

interface Slot {
  readonly slot: number;
  readonly head: XattrHead;
}

function heads(tx: Transaction, inode: number): Array<Slot> {
  const found: Array<Slot> = [];
  const scan = tx.scan(Table.xattrs, inode, 0, 0);
  while (scan.next() && scan.inode === inode) {
    if (scan.offset % XATTR_CHUNKS_MAX !== 0) continue;
    found.push({ slot: scan.offset / XATTR_CHUNKS_MAX, head: decodeXattrHead(scan.view, scan.at, scan.length) });
  }
  return found;
}

function rowsOf({ head }: Slot): number {
  const rest = head.totalValueBytes - head.bytes.length;
  return 1 + Math.ceil(rest / XATTR_CHUNK_BYTES_MAX);
}

function removeSlot(tx: Transaction, inode: number, slot: Slot): void {
  for (let chunk = 0; chunk < rowsOf(slot); chunk++) {
    tx.remove(Table.xattrs, inode, slot.slot * XATTR_CHUNKS_MAX + chunk, SNAPSHOT_ROOT);
  }
}

function putSlot(tx: Transaction, inode: number, slot: number, name: Uint8Array, value: Uint8Array): void {
  const room = Math.min(value.length, xattrHeadRoomBytes(name.length));
  const head = { totalValueBytes: value.length, name, bytes: value.subarray(0, room) };
  tx.put(Table.xattrs, inode, slot * XATTR_CHUNKS_MAX, SNAPSHOT_ROOT, xattrHeadBytes(head));
  encodeXattrHead(tx.out, tx.outAt, head);
  let chunk = 1;
  for (let at = room; at < value.length; at += XATTR_CHUNK_BYTES_MAX) {
    const bytes = value.subarray(at, at + XATTR_CHUNK_BYTES_MAX);
    tx.put(Table.xattrs, inode, slot * XATTR_CHUNKS_MAX + chunk++, SNAPSHOT_ROOT, bytes.length);
    encodeXattrChunk(tx.out, tx.outAt, bytes);
  }
}

export function xattrNameFault(name: Uint8Array): FsError | undefined {
  if (name.length === 0 || name.includes(0)) return new FsError("InvalidArgument", "attribute name");
  return name.length > XATTR_NAME_BYTES_MAX ? new FsError("ResultTooLarge", "attribute name") : undefined;
}

export function getXattr(tx: Transaction, inode: number, name: Uint8Array): Uint8Array | FsError {
  const row = loadInode(tx, inode);
  if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
  if (isCompressionAttribute(name)) return compressionValue(row.compression) ?? new FsError("NoAttribute");
  const slot = heads(tx, inode).find(({ head }) => sameName(head.name, name));
  if (slot === undefined) return new FsError("NoAttribute");
  const value = new Uint8Array(slot.head.totalValueBytes);
  value.set(slot.head.bytes);
  let at = slot.head.bytes.length;
  for (let chunk = 1; chunk < rowsOf(slot); chunk++) {
    const there = tx.find(Table.xattrs, inode, slot.slot * XATTR_CHUNKS_MAX + chunk, SNAPSHOT_ROOT);
    if (!there) return new FsError("InputOutput", "attribute is not whole");
    const bytes = decodeXattrChunk(tx.view, tx.at, tx.length);
    value.set(bytes, at);
    at += bytes.length;
  }
  return value;
}

export function listXattrs(tx: Transaction, inode: number): Array<Uint8Array> | FsError {
  const row = loadInode(tx, inode);
  if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
  // A version before this one took the name for any other.
  const names = heads(tx, inode).flatMap(({ head }) => (isCompressionAttribute(head.name) ? [] : [head.name]));
  return row.compression === 0 ? names : [...names, encoder.encode(COMPRESSION_ATTRIBUTE)];
}

export function setXattr(
  tx: Transaction,
  inode: number,
  name: Uint8Array,
  value: Uint8Array,
  mode: "set" | "create" | "replace",
  now: Timestamp,
): FsError | undefined {
  const row = loadInode(tx, inode);
  if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
  if (value.length > XATTR_VALUE_BYTES_MAX) return new FsError("ResultTooLarge", "attribute value");
  if (isCompressionAttribute(name)) return setCompression(tx, inode, row, value, mode, now);
  const slots = heads(tx, inode);
  const known = slots.find(({ head }) => sameName(head.name, name));
  if (known === undefined && mode === "replace") return new FsError("NoAttribute");
  if (known !== undefined && mode === "create") return new FsError("Exists");
  if (known !== undefined) removeSlot(tx, inode, known);
  let slot = 0;
  while (known === undefined && slots.some((other) => other.slot === slot)) slot++;
  putSlot(tx, inode, known?.slot ?? slot, name, value);
  storeInode(tx, inode, { ...row, changed: now });
  return undefined;
}

function setCompression(
  tx: Transaction,
  inode: number,
  row: InodeValue,
  value: Uint8Array,
  mode: "set" | "create" | "replace",
  now: Timestamp,
): FsError | undefined {
  const compression = compressionOfValue(value);
  if (compression === undefined || !isCompressible(row)) return new FsError("InvalidArgument", "compression");
  if (row.compression === 0 && mode === "replace") return new FsError("NoAttribute");
  if (row.compression !== 0 && mode === "create") return new FsError("Exists");
  storeInode(tx, inode, { ...row, compression, changed: now });
  return undefined;
}

export function removeXattr(tx: Transaction, inode: number, name: Uint8Array, now: Timestamp): FsError | undefined {
  const row = loadInode(tx, inode);
  if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
  if (isCompressionAttribute(name)) {
    if (row.compression === 0) return new FsError("NoAttribute");
    storeInode(tx, inode, { ...row, compression: 0, changed: now });
    return undefined;
  }
  const slot = heads(tx, inode).find(({ head }) => sameName(head.name, name));
  if (slot === undefined) return new FsError("NoAttribute");
  removeSlot(tx, inode, slot);
  storeInode(tx, inode, { ...row, changed: now });
  return undefined;
}
