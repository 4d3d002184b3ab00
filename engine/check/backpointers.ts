/**
 * The pass over backpointers against extents, in both directions, and of what is stored against its neighbours.
 *
 * Each backpointer must lead to a row that points back to the very place. No two can lead to the same pointer of a row,
 * since its place is their key; so if there are as many as the extents have pointers, none is missing. Only if there
 * are not are the extents gone through, to say which. Stored extents of a device must not overlap.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { reading } from "../btree/reading.ts";
import type { Transaction } from "../btree/transaction.ts";
import { Table } from "../format/tables.ts";
import { type BackpointerValue, decodeBackpointer } from "../format/values/backpointer.ts";
import { decodeExtent, type ExtentValue } from "../format/values/extent.ts";
import { eachSlice, keyText, type Row } from "./rows.ts";
import type { CheckState } from "./state.ts";

const PASS = "backpointers";
/** Look-ups of one transaction: each may miss a node, and start it over. */
const LOOKUPS_MAX = 64;

function* chunks<A>(all: ReadonlyArray<A>): Generator<ReadonlyArray<A>> {
  for (let at = 0; at < all.length; at += LOOKUPS_MAX) yield all.slice(at, at + LOOKUPS_MAX);
}

/** Values of rows, each decoded or undefined when it is not there or malformed. */
function lookUp<A, Q>(
  state: CheckState,
  questions: ReadonlyArray<Q>,
  find: (tx: Transaction, question: Q) => boolean,
  decode: (view: DataView, at: number, length: number) => A,
): Effect.Effect<Array<A | undefined>, PoolFailed> {
  return reading(state.transactor, (tx) =>
    questions.map((question) => {
      if (!find(tx, question)) return undefined;
      try {
        return decode(tx.view, tx.at, tx.length);
      } catch {
        // The pass over that table reports it.
        return undefined;
      }
    }),
  );
}

interface Stored {
  readonly device: number;
  readonly addressBytes: number;
  readonly endBytes: number;
}

/** Does the row point to the place that the backpointer is of? */
function fault(row: Row, value: BackpointerValue, extent: ExtentValue | undefined): string | undefined {
  const what = `row (${value.inode}, ${value.offset}, ${value.snapshot})`;
  if (value.table !== Table.extents) return `is of table ${value.table}`;
  if (extent === undefined) return `leads to ${what}, which does not exist`;
  if (extent.kind !== "data") return `leads to ${what}, which stores nothing`;
  const points = extent.pointers.some(
    ({ device, addressBytes }) => device === row.inode && addressBytes === row.offset,
  );
  return points && extent.rawOffset === row.snapshot ? undefined : `leads to ${what}, which does not point back`;
}

const checkRows = Effect.fnUntraced(function* (
  state: CheckState,
  rows: ReadonlyArray<Row>,
  last: { stored: Stored | undefined },
): Effect.fn.Return<void, PoolFailed> {
  const { findings } = state;
  for (const chunk of chunks(rows)) {
    const known: Array<{ row: Row; value: BackpointerValue }> = [];
    for (const row of chunk) {
      findings.count("backpointers");
      const decode = (): BackpointerValue => decodeBackpointer(row.view, row.at, row.length);
      const value = findings.decoded(PASS, `backpointer ${keyText(row)}`, decode);
      if (value !== undefined) known.push({ row, value });
    }
    const find = (tx: Transaction, { value }: { value: BackpointerValue }): boolean =>
      tx.find(Table.extents, value.inode, value.offset, value.snapshot);
    const extents = yield* lookUp(state, known, find, decodeExtent);
    known.forEach(({ row, value }, index) => {
      const extent = extents[index];
      const wrong = fault(row, value, extent);
      if (wrong !== undefined) findings.found(PASS, `backpointer ${keyText(row)} ${wrong}`);
      else if (extent?.kind === "data") checkNeighbour(state, row, extent.storedBytes, last);
    });
  }
});

function checkNeighbour(
  { findings }: CheckState,
  row: Row,
  storedBytes: number,
  last: { stored: Stored | undefined },
): void {
  const before = last.stored;
  const stored = { device: row.inode, addressBytes: row.offset, endBytes: row.offset + storedBytes };
  last.stored = stored;
  if (before === undefined || before.device !== stored.device || before.endBytes <= stored.addressBytes) return;
  // Several rows may show parts of the same stored extent.
  if (before.addressBytes === stored.addressBytes && before.endBytes === stored.endBytes) return;
  findings.found(
    PASS,
    `what is stored at byte ${stored.addressBytes} of device ${stored.device} overlaps what is at ${before.addressBytes}`,
  );
}

interface Pointing {
  readonly from: string;
  readonly device: number;
  readonly addressBytes: number;
  readonly rawOffset: number;
}

/** The pointers of the extents that can be decoded; the others are found by the pass over extents. */
function pointersOf(rows: ReadonlyArray<Row>): Array<Pointing> {
  const pointers: Array<Pointing> = [];
  for (const row of rows) {
    let extent: ExtentValue;
    try {
      extent = decodeExtent(row.view, row.at, row.length);
    } catch {
      continue;
    }
    if (extent.kind !== "data") continue;
    const { rawOffset } = extent;
    for (const { device, addressBytes } of extent.pointers) {
      pointers.push({ from: keyText(row), device, addressBytes, rawOffset });
    }
  }
  return pointers;
}

/** Every pointer of these extents must have a backpointer. */
const checkForward = Effect.fnUntraced(function* (
  state: CheckState,
  rows: ReadonlyArray<Row>,
): Effect.fn.Return<void, PoolFailed> {
  const { findings } = state;
  const pointers = pointersOf(rows);
  for (const chunk of chunks(pointers)) {
    const find = (tx: Transaction, { device, addressBytes, rawOffset }: Pointing): boolean =>
      tx.find(Table.backpointers, device, addressBytes, rawOffset);
    const values = yield* lookUp(state, chunk, find, decodeBackpointer);
    chunk.forEach(({ from, device, addressBytes }, index) => {
      if (values[index] !== undefined) return;
      findings.found(PASS, `extent ${from} has no backpointer at byte ${addressBytes} of device ${device}`);
    });
  }
});

export const checkBackpointers = Effect.fnUntraced(function* (state: CheckState): Effect.fn.Return<void, PoolFailed> {
  const last: { stored: Stored | undefined } = { stored: undefined };
  let count = 0;
  yield* eachSlice(state.transactor, Table.backpointers, (rows) => {
    count += rows.length;
    return checkRows(state, rows, last);
  });
  if (count === state.pointers) return;
  state.findings.found(PASS, `there are ${count} backpointers for ${state.pointers} pointers`);
  yield* eachSlice(state.transactor, Table.extents, (rows) => checkForward(state, rows));
});
