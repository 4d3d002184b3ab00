/**
 * Inode rows inside transactions: load, store, what kind of inode a row is, and whether anybody can reach it.
 */
import type { Transaction } from "../btree/transaction.ts";
import { Malformed } from "../format/malformed.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeInode, encodeInode, INODE_BYTES, type InodeValue } from "../format/values/inode.ts";
import { FileType, FsError, type Timestamp } from "../fs/types.ts";
import type { FileState } from "./files.ts";

export const typeOf = (mode: number): number => mode & FileType.mask;
export const isDirectory = (inode: InodeValue): boolean => typeOf(inode.mode) === FileType.directory;
export const isRegular = (inode: InodeValue): boolean => typeOf(inode.mode) === FileType.regular;

export function loadInode(tx: Transaction, inode: number): InodeValue | undefined {
  if (!tx.find(Table.inodes, inode, 0, SNAPSHOT_ROOT)) return undefined;
  return decodeInode(tx.view, tx.at, tx.length);
}

/** The row of an inode that something refers to. */
export function inodeThere(tx: Transaction, inode: number): InodeValue {
  const row = loadInode(tx, inode);
  if (row === undefined) throw new Malformed(`inode ${inode} is referred to and has no row`);
  return row;
}

/** The row of an inode that can be reached; without a name and not open, it only waits to be removed. */
export function loadLive(tx: Transaction, inode: number, state: FileState | undefined): InodeValue | FsError {
  const row = loadInode(tx, inode);
  const live = row !== undefined && (row.links > 0 || (state !== undefined && state.opens > 0));
  return live ? row : new FsError("NoEntry", `inode ${inode}`);
}

/** The row of a regular file, or why it cannot be used as one. */
export function loadRegular(tx: Transaction, inode: number, state: FileState | undefined): InodeValue | FsError {
  const row = loadLive(tx, inode, state);
  if (row instanceof FsError || isRegular(row)) return row;
  return isDirectory(row) ? new FsError("IsDirectory") : new FsError("InvalidArgument", "not a regular file");
}

export function storeInode(tx: Transaction, inode: number, value: InodeValue): void {
  tx.put(Table.inodes, inode, 0, SNAPSHOT_ROOT, INODE_BYTES);
  encodeInode(tx.out, tx.outAt, value);
}

export const later = (a: Timestamp, b: Timestamp): Timestamp =>
  a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds) ? a : b;
