/**
 * All rows of a table, one after another, through transactions that read a slice each.
 *
 * What is in memory is read at once. A body may run again, so it only copies; rows are looked at outside of it. Memory is that of one slice, whatever the
 * table's size. The rows of a slice belong together; between slices nothing may change, so this is for pools at rest.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { reading } from "../btree/reading.ts";
import type { Transaction, Transactor } from "../btree/transaction.ts";

/** Rows and bytes after which a slice ends. */
const SLICE_ROWS_MAX = 512;
const SLICE_BYTES_MAX = 128 * 1024;
/** Slices that nobody else gets a turn between. */
const SLICES_AT_ONCE_MAX = 8;

export interface Key {
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
}

export interface Row extends Key {
  /** The value: `length` bytes of `view` at `at`, until the visit ends. */
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
}

interface Slice {
  readonly rows: ReadonlyArray<Row>;
  /** Where the next slice begins; undefined at the end of the table. */
  readonly next: Key | undefined;
}

export const keyText = ({ inode, offset, snapshot }: Key): string => `(${inode}, ${offset}, ${snapshot})`;

export const isBefore = (a: Key, b: Key): boolean =>
  a.inode < b.inode ||
  (a.inode === b.inode && (a.offset < b.offset || (a.offset === b.offset && a.snapshot < b.snapshot)));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const START: Key = { inode: 0, offset: 0, snapshot: 0 };
const EMPTY = new DataView(new ArrayBuffer(0));
/** Bytes that a slice is first given; it takes more as rows come. */
const SLICE_BYTES_START = 2048;

/** Values of the rows of one slice, one behind the other. */
class Values {
  used = 0;
  private bytes = new Uint8Array(SLICE_BYTES_START);

  get view(): DataView {
    return new DataView(this.bytes.buffer);
  }

  /** Copies a value in; returns where it stands. */
  take(view: DataView, at: number, length: number): number {
    if (this.used + length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.used + length));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    const start = this.used;
    this.bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, length), start);
    // Values are looked at in words.
    this.used = (start + length + 7) & ~7;
    return start;
  }
}

const sliceFrom =
  (table: number, from: Key) =>
  (tx: Transaction): Slice => {
    const rows: Array<Mutable<Row>> = [];
    let values: Values | undefined;
    let next: Key | undefined;
    const scan = tx.scan(table, from.inode, from.offset, from.snapshot);
    while (scan.next()) {
      const { inode, offset, snapshot, length } = scan;
      values ??= new Values();
      rows.push({ inode, offset, snapshot, view: EMPTY, at: values.take(scan.view, scan.at, length), length });
      if (rows.length < SLICE_ROWS_MAX && values.used < SLICE_BYTES_MAX) continue;
      next = { inode, offset, snapshot: snapshot + 1 };
      break;
    }
    const view = values?.view ?? EMPTY;
    for (const row of rows) row.view = view;
    return { rows, next };
  };

/** Visits the first rows as long as they are in memory; returns where it goes on, undefined at the end of the table. */
function eachInMemory(
  transactor: Transactor,
  table: number,
  start: Key,
  visit: (rows: ReadonlyArray<Row>) => void,
): Key | undefined {
  let from = start;
  for (let slices = 0; slices < SLICES_AT_ONCE_MAX; slices++) {
    const slice = transactor.peek?.(sliceFrom(table, from));
    if (slice === undefined) return from;
    visit(slice.rows);
    if (slice.next === undefined) return undefined;
    from = slice.next;
  }
  return from;
}

/** Visits slices of rows in key order; `visit` may itself look things up. */
export const eachSlice = Effect.fnUntraced(function* (
  transactor: Transactor,
  table: number,
  visit: (rows: ReadonlyArray<Row>) => Effect.Effect<void, PoolFailed>,
  start: Key = START,
) {
  let from: Key | undefined = start;
  while (from !== undefined) {
    const slice: Slice = yield* reading(transactor, sliceFrom(table, from));
    yield* visit(slice.rows);
    from = slice.next;
  }
});

/** Visits all rows of a table in key order. */
export function eachRow(
  transactor: Transactor,
  table: number,
  visit: (row: Row) => void,
): Effect.Effect<void, PoolFailed> {
  const each = (rows: ReadonlyArray<Row>): void => {
    for (const row of rows) visit(row);
  };
  return Effect.suspend(() => {
    const left = eachInMemory(transactor, table, START, each);
    if (left === undefined) return Effect.void;
    return eachSlice(transactor, table, (rows) => Effect.sync(() => each(rows)), left);
  });
}
