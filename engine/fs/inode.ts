/**
 * Inode rows inside transactions, and how attributes follow from a row and the file's state in memory.
 */
import type { Transaction } from "../btree/transaction.ts";
import type { FileState } from "../data/files.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeInode, encodeInode, INODE_BYTES, type InodeValue } from "../format/values/inode.ts";
import { type Attributes, FileType, type Owner, type Timestamp } from "./types.ts";

export const typeOf = (mode: number): number => mode & FileType.mask;
export const isDirectory = (inode: InodeValue): boolean => typeOf(inode.mode) === FileType.directory;
export const isRegular = (inode: InodeValue): boolean => typeOf(inode.mode) === FileType.regular;

export function loadInode(tx: Transaction, inode: number): InodeValue | undefined {
  if (!tx.find(Table.inodes, inode, 0, SNAPSHOT_ROOT)) return undefined;
  return decodeInode(tx.view, tx.at, tx.length);
}

export function storeInode(tx: Transaction, inode: number, value: InodeValue): void {
  tx.put(Table.inodes, inode, 0, SNAPSHOT_ROOT, INODE_BYTES);
  encodeInode(tx.out, tx.outAt, value);
}

export function newInode(mode: number, owner: Owner, rdev: number, now: Timestamp, links = 1, parent = 0): InodeValue {
  return {
    mode,
    links,
    uid: owner.uid,
    gid: owner.gid,
    rdev,
    flags: 0,
    generation: 0,
    sizeBytes: 0,
    allocatedBytes: 0,
    parent,
    accessed: now,
    modified: now,
    changed: now,
    born: now,
  };
}

export const later = (a: Timestamp, b: Timestamp): Timestamp =>
  a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds) ? a : b;

export function attributesOf(inode: number, row: InodeValue, state: FileState | undefined): Attributes {
  const pending = state?.modified;
  return {
    inode,
    mode: row.mode,
    links: row.links,
    uid: row.uid,
    gid: row.gid,
    rdev: row.rdev,
    sizeBytes: state?.regular === true ? state.size : row.sizeBytes,
    allocatedBytes: row.allocatedBytes,
    accessed: row.accessed,
    modified: pending ?? row.modified,
    changed: pending === undefined ? row.changed : later(row.changed, pending),
    born: row.born,
  };
}
