/**
 * The extent rows of a file, inside transactions: look ranges up, lay an extent over a range, take a range out.
 *
 * Rows of a file never overlap; a row ends at its key's offset. Laying over splits and trims what was there: parts of
 * a stored extent stay referred to by as many rows as are left of it. One call changes a bounded number of rows and
 * says how far it got, so that no transaction grows without limit.
 */
import { Malformed } from "../format/malformed.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import {
  decodeExtent,
  encodeExtent,
  extentBytes,
  extentLengthBytes,
  type ExtentValue,
} from "../format/values/extent.ts";
import { reached } from "../marks.ts";
import type { Transaction } from "../btree/transaction.ts";
import type { DirtyRange } from "./dirty.ts";

/** Rows that one call may take out. */
export const ROWS_PER_TRANSACTION = 64;

export interface ExtentRow {
  readonly start: number;
  readonly end: number;
  readonly extent: ExtentValue;
}

/** Rows that overlap [start, end), ascending, at most `rowsMax`. */
export function rowsIn(tx: Transaction, inode: number, start: number, end: number, rowsMax: number): Array<ExtentRow> {
  const rows: Array<ExtentRow> = [];
  const scan = tx.scan(Table.extents, inode, start + 1, 0);
  let before = 0;
  while (rows.length < rowsMax && scan.next() && scan.inode === inode) {
    const extent = decodeExtent(scan.view, scan.at, scan.length);
    const rowEnd = scan.offset;
    const rowStart = rowEnd - extentLengthBytes(extent);
    if (rowStart < before) throw new Malformed(`extents of inode ${inode} overlap before byte ${rowEnd}`);
    if (rowStart >= end) break;
    rows.push({ start: rowStart, end: rowEnd, extent });
    before = rowEnd;
  }
  return rows;
}

/** Those rows, and parts of rows, that do not lie in the hidden range. */
export function visibleParts(rows: Array<ExtentRow>, hidden: DirtyRange | undefined): Array<ExtentRow> {
  if (hidden === undefined) return rows;
  reached("rows hidden that are being taken out");
  return rows.flatMap((row) => {
    const before = { start: row.start, end: Math.min(row.end, hidden.start) };
    const behind = { start: Math.max(row.start, hidden.end), end: row.end };
    return [before, behind]
      .filter(({ start, end }) => start < end)
      .map(({ start, end }) => ({ start, end, extent: partOf(row, start, end) }));
  });
}

/** The part [start, end) of a row. */
export function partOf(row: ExtentRow, start: number, end: number): ExtentValue {
  const { extent } = row;
  switch (extent.kind) {
    case "data":
      return { ...extent, rawOffset: extent.rawOffset + (start - row.start), lengthBytes: end - start };
    case "inline":
      return { kind: "inline", bytes: extent.bytes.slice(start - row.start, end - row.start) };
    case "unwritten":
      return { ...extent, lengthBytes: end - start };
  }
}

export function putRow(tx: Transaction, inode: number, end: number, extent: ExtentValue): void {
  tx.put(Table.extents, inode, end, SNAPSHOT_ROOT, extentBytes(extent));
  encodeExtent(tx.out, tx.outAt, extent);
}

export interface Replaced {
  /** The range is done up to here. */
  readonly reached: number;
  /** Change of the bytes that rows cover. */
  readonly allocatedChange: number;
}

/** Takes [start, end) out of the rows, as far as the limit of one transaction allows. */
export function clearRange(
  tx: Transaction,
  inode: number,
  start: number,
  end: number,
  rowsMax = ROWS_PER_TRANSACTION,
): Replaced {
  const rows = rowsIn(tx, inode, start, end, rowsMax);
  let allocatedChange = 0;
  for (const row of rows) {
    const from = Math.max(start, row.start);
    const to = Math.min(end, row.end);
    allocatedChange -= to - from;
    // A part that stays at the end keeps the row's key, so it replaces the row.
    if (to < row.end) {
      reached("extent trimmed at its front");
      putRow(tx, inode, row.end, partOf(row, to, row.end));
    } else tx.remove(Table.extents, inode, row.end, SNAPSHOT_ROOT);
    if (row.start < from) {
      reached("extent trimmed at its end");
      putRow(tx, inode, from, partOf(row, row.start, from));
    }
  }
  const last = rows.at(-1);
  const done = rows.length < rowsMax || last!.end >= end ? end : last!.end;
  return { reached: done, allocatedChange };
}

/** Lays an extent over [start, end); when that takes too many rows out, only its beginning, up to `reached`. */
export function layOver(tx: Transaction, inode: number, start: number, end: number, extent: ExtentValue): Replaced {
  const cleared = clearRange(tx, inode, start, end);
  if (cleared.reached < end) reached("extent laid over in several transactions");
  putRow(tx, inode, cleared.reached, partOf({ start, end, extent }, start, cleared.reached));
  return {
    reached: cleared.reached,
    allocatedChange: cleared.allocatedChange + (cleared.reached - start),
  };
}
