/**
 * Inode rows inside transactions: load, store, and what kind of inode a row is.
 */
import type { Transaction } from "../btree/transaction.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeInode, encodeInode, INODE_BYTES, type InodeValue } from "../format/values/inode.ts";
import { FileType, type Timestamp } from "../fs/types.ts";

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

export const later = (a: Timestamp, b: Timestamp): Timestamp =>
  a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds) ? a : b;
