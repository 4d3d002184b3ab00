/**
 * Tables in memory with the interface of the btree: what transactions promise, in the plainest way there is.
 *
 * For tests of everything above transactions. Rows are sorted arrays, a commit is atomic, a scan sees committed rows
 * alone, and nothing is ever durable or lost. `random` decides how often a body is abandoned at a read or after its
 * end and run again, and how often a caller is made to wait, so that a body that does more than stage is found out.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { PoolFailed } from "../actor.ts";
import { VALUE_BYTES_MAX } from "../format/tables.ts";
import { Abort, type Body, type Scan, type Transaction, type Transactor } from "./transaction.ts";

/** Staged data of one transaction, as the journal limits it. */
const STAGED_BYTES_MAX = 256 * 1024;
const KEY_BYTES = 24;
/** Restarts of one body: a long scan must come to its end some time. */
const RESTARTS_MAX = 3;

export interface ReferenceRow {
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly value: Uint8Array;
}

interface Staged {
  readonly table: number;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  /** Undefined for a removal. */
  readonly value: Uint8Array | undefined;
}

export interface ReferenceStoreOptions {
  /** A number in [0, 1); without it nothing is restarted and nobody waits. */
  readonly random?: () => number;
  /** Share of reads and ends of bodies at which the body starts again. */
  readonly restartShare?: number;
  /** Told of every row that a commit changes, in the same step: the place of triggers. */
  readonly changed?: (row: ReferenceChange) => void;
}

export interface ReferenceChange {
  readonly table: number;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
}

const RESTART: unique symbol = Symbol("run again");
const EMPTY: DataView = new DataView(new ArrayBuffer(0));
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const compare = (a: ReferenceRow, inode: number, offset: number, snapshot: number): number =>
  a.inode - inode || a.offset - offset || a.snapshot - snapshot;

/** Index of the first row at or behind the position. */
function lower(rows: ReadonlyArray<ReferenceRow>, inode: number, offset: number, snapshot: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(rows[middle]!, inode, offset, snapshot) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

class Run implements Transaction {
  view: DataView = EMPTY;
  at = 0;
  length = 0;
  out: DataView = EMPTY;
  readonly outAt = 0;
  readonly staged: Map<string, Staged> = new Map();
  readonly hooks: Array<() => void> = [];
  depends = 0;
  private readonly store: ReferenceStore;

  constructor(store: ReferenceStore) {
    this.store = store;
  }

  find(table: number, inode: number, offset: number, snapshot: number): boolean {
    this.store.perhapsRestart();
    const staged = this.staged.get(`${table}:${inode}:${offset}:${snapshot}`);
    const value = staged === undefined ? this.store.get(table, inode, offset, snapshot) : staged.value;
    if (value === undefined) return false;
    this.view = viewOf(value);
    this.length = value.length;
    return true;
  }

  scan(table: number, inode: number, offset: number, snapshot: number): Scan {
    return new RowScan(this.store, this.store.table(table), inode, offset, snapshot);
  }

  put(table: number, inode: number, offset: number, snapshot: number, length: number): void {
    if (length > VALUE_BYTES_MAX) throw new Error(`value of ${length} bytes is over the limit`);
    for (const part of [inode, offset, snapshot]) {
      if (!(Number.isSafeInteger(part) && part >= 0)) throw new Error(`${part} is not a part of a key`);
    }
    const value = new Uint8Array(length).fill(0xa5);
    this.staged.set(`${table}:${inode}:${offset}:${snapshot}`, { table, inode, offset, snapshot, value });
    this.out = viewOf(value);
  }

  remove(table: number, inode: number, offset: number, snapshot: number): void {
    this.staged.set(`${table}:${inode}:${offset}:${snapshot}`, { table, inode, offset, snapshot, value: undefined });
  }

  depend(): void {
    this.depends++;
  }

  onCommit(effect: () => void): void {
    this.hooks.push(effect);
  }
}

class RowScan implements Scan {
  inode: number;
  offset: number;
  snapshot: number;
  view: DataView = EMPTY;
  readonly at = 0;
  length = 0;
  private readonly store: ReferenceStore;
  private readonly rows: ReadonlyArray<ReferenceRow>;
  private index: number;

  constructor(
    store: ReferenceStore,
    rows: ReadonlyArray<ReferenceRow>,
    inode: number,
    offset: number,
    snapshot: number,
  ) {
    this.store = store;
    this.rows = rows;
    this.inode = inode;
    this.offset = offset;
    this.snapshot = snapshot;
    this.index = lower(rows, inode, offset, snapshot);
  }

  next(): boolean {
    this.store.perhapsRestart();
    const row = this.rows[this.index++];
    if (row === undefined) return false;
    this.inode = row.inode;
    this.offset = row.offset;
    this.snapshot = row.snapshot;
    this.view = viewOf(row.value);
    this.length = row.value.length;
    return true;
  }
}

export class ReferenceStore implements Transactor {
  commits = 0;
  restarts = 0;
  syncs = 0;
  private restartsOfBody = 0;
  private readonly tables: Map<number, Array<ReferenceRow>> = new Map();
  private readonly random: (() => number) | undefined;
  private readonly restartShare: number;
  private readonly changed: ((row: ReferenceChange) => void) | undefined;

  constructor(options: ReferenceStoreOptions = {}) {
    this.random = options.random;
    this.restartShare = options.restartShare ?? 0.02;
    this.changed = options.changed;
  }

  readonly sync: Effect.Effect<void, PoolFailed> = Effect.suspend(() => {
    this.syncs++;
    return this.pause;
  });

  /** Committed rows of a table, in key order. */
  table(id: number): Array<ReferenceRow> {
    let rows = this.tables.get(id);
    if (rows === undefined) this.tables.set(id, (rows = []));
    return rows;
  }

  get(table: number, inode: number, offset: number, snapshot: number): Uint8Array | undefined {
    const rows = this.table(table);
    const row = rows[lower(rows, inode, offset, snapshot)];
    return row !== undefined && compare(row, inode, offset, snapshot) === 0 ? row.value : undefined;
  }

  /** Puts a row, or removes it, outside of any transaction. */
  set(table: number, inode: number, offset: number, snapshot: number, value: Uint8Array | undefined): void {
    const rows = this.table(table);
    const index = lower(rows, inode, offset, snapshot);
    const there = rows[index] !== undefined && compare(rows[index], inode, offset, snapshot) === 0 ? 1 : 0;
    if (value === undefined) rows.splice(index, there);
    else rows.splice(index, there, { inode, offset, snapshot, value });
  }

  perhapsRestart(): void {
    if (this.random === undefined || this.restartsOfBody >= RESTARTS_MAX) return;
    if (this.random() < this.restartShare) throw RESTART;
  }

  /** Lets others go first, now and then. */
  get pause(): Effect.Effect<void> {
    return this.random !== undefined && this.random() < 0.5 ? Effect.yieldNow : Effect.void;
  }

  transact<A, E>(body: Body<A, E>): Effect.Effect<A, E | PoolFailed> {
    const run = Effect.suspend(() => this.attempt(body));
    return this.random === undefined
      ? run
      : Effect.andThen(
          Effect.suspend(() => this.pause),
          run,
        );
  }

  private attempt<A, E>(body: Body<A, E>): Exit.Exit<A, E> {
    for (this.restartsOfBody = 0; ; this.restartsOfBody++) {
      const run = new Run(this);
      try {
        const answer = body(run);
        if (answer instanceof Abort) return Exit.fail(answer.error);
        this.perhapsRestart();
        this.commit(run);
        return Exit.succeed(answer);
      } catch (reason) {
        if (reason !== RESTART) throw reason;
        this.restarts++;
      }
    }
  }

  private commit(run: Run): void {
    let bytes = 0;
    for (const { value } of run.staged.values()) bytes += KEY_BYTES + (value?.length ?? 0);
    if (bytes > STAGED_BYTES_MAX) throw new Error(`${bytes} bytes staged in one transaction`);
    for (const { table, inode, offset, snapshot, value } of run.staged.values()) {
      const before = this.get(table, inode, offset, snapshot);
      this.set(table, inode, offset, snapshot, value);
      this.changed?.({ table, inode, offset, snapshot, before, after: value });
    }
    if (run.staged.size > 0) this.commits++;
    for (const hook of run.hooks) hook();
  }
}
