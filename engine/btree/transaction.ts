/**
 * The interface of transactions: what a body may do, and what it gets.
 *
 * A body is synchronous and restartable. It reads committed rows (and its own staged ones through `find`), stages
 * puts and removals, and returns a value or an `Abort`. When it needs a node that is not in memory it is abandoned and
 * run again from the start once the node is there, so it must do nothing else than stage. What it staged becomes
 * visible and journalled in one step, or not at all. Staged data of one transaction is limited; long work is split.
 */
import type { Effect } from "effect/Effect";
import type { PoolFailed } from "../actor.ts";

/** Rows of one table in key order, committed state only. Valid until the body ends. */
export interface Scan {
  /** Moves to the next row; false at the end of the table. */
  next(): boolean;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
}

export interface Transaction {
  /** Looks a key up, own staged writes included. On true, `view`, `at` and `length` give the value until the next call. */
  find(table: number, inode: number, offset: number, snapshot: number): boolean;
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
  /** Rows whose key is at or behind the position; staged writes of this transaction are not seen. */
  scan(table: number, inode: number, offset: number, snapshot: number): Scan;
  /** Stages a put: the caller fills `length` bytes of `out` at `outAt` before the next call. The last put of a key wins. */
  put(table: number, inode: number, offset: number, snapshot: number, length: number): void;
  readonly out: DataView;
  readonly outAt: number;
  remove(table: number, inode: number, offset: number, snapshot: number): void;
  /** The commit relies on these bytes of a device: recovery checks them when it cannot know them flushed. */
  depend(device: number, addressBytes: number, lengthBytes: number, checksum: bigint): void;
  /** Runs in the same synchronous step as the commit, right behind it; not at all when the body aborts. */
  onCommit(effect: () => void): void;
}

/** What a body returns to leave no trace. */
export class Abort<E> {
  readonly error: E;
  constructor(error: E) {
    this.error = error;
  }
}

export type Body<A, E> = (tx: Transaction) => A | Abort<E>;

export interface Transactor {
  /** Runs a body to its commit. */
  transact<A, E>(body: Body<A, E>): Effect<A, E | PoolFailed>;
  /** Runs a body that only reads, at once; `undefined` where it would have to wait, or something is wrong. */
  peek?<A>(body: (tx: Transaction) => A): A | undefined;
  /** Makes every commit so far durable. */
  readonly sync: Effect<void, PoolFailed>;
}
