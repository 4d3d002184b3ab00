/**
 * Changes of many rows of one file, a bounded number in each transaction: removal of an inode, filling of holes.
 */
import type { Transaction } from "../btree/transaction.ts";
import { putRow, rowsIn, ROWS_PER_TRANSACTION } from "../data/extent-map.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";

/** Removes rows of an inode that is going; true when the inode itself went too. */
export function removeRows(tx: Transaction, inode: number): boolean {
  let budget = ROWS_PER_TRANSACTION;
  const rows = rowsIn(tx, inode, 0, Number.MAX_SAFE_INTEGER, budget);
  for (const { end } of rows) tx.remove(Table.extents, inode, end, SNAPSHOT_ROOT);
  budget -= rows.length;
  const scan = tx.scan(Table.xattrs, inode, 0, 0);
  while (budget > 0 && scan.next() && scan.inode === inode) {
    tx.remove(Table.xattrs, inode, scan.offset, scan.snapshot);
    budget--;
  }
  if (budget === 0) return false;
  tx.remove(Table.inodes, inode, 0, SNAPSHOT_ROOT);
  for (const table of [Table.orphans, Table.loggedOperations]) {
    if (tx.find(table, inode, 0, SNAPSHOT_ROOT)) tx.remove(table, inode, 0, SNAPSHOT_ROOT);
  }
  return true;
}

/** Puts a row that reads as zeros. */
export function putUnwritten(tx: Transaction, inode: number, start: number, end: number): void {
  putRow(tx, inode, end, { kind: "unwritten", lengthBytes: end - start, reservedBytes: 0 });
}

/** Puts unwritten rows where [start, end) has none. */
export function fillHoles(
  tx: Transaction,
  inode: number,
  start: number,
  end: number,
): { readonly reached: number; readonly allocatedChange: number } {
  const rows = rowsIn(tx, inode, start, end, ROWS_PER_TRANSACTION);
  const done = rows.length < ROWS_PER_TRANSACTION ? end : Math.min(end, rows.at(-1)!.end);
  let at = start;
  let allocatedChange = 0;
  for (const row of rows) {
    if (row.start > at) {
      putUnwritten(tx, inode, at, row.start);
      allocatedChange += row.start - at;
    }
    at = Math.max(at, row.end);
  }
  if (at < done) {
    putUnwritten(tx, inode, at, done);
    allocatedChange += done - at;
  }
  return { reached: done, allocatedChange };
}
