/**
 * Copying collection: moves what is live in a bucket elsewhere, found through the backpointers of its addresses.
 *
 * A row that shows a whole stored extent gets a copy of the stored bytes; one that shows a part gets just that part,
 * encoded anew, so that dead bytes are left behind. The row is changed only if it still points to the old place when
 * the copy is written: whatever was overwritten or removed meanwhile wins. Bytes that do not verify are left where they
 * are, and so is their bucket.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Placement } from "../allocator/write-point.ts";
import type { Transaction } from "../btree/transaction.ts";
import { Table } from "../format/tables.ts";
import { decodeBackpointer } from "../format/values/backpointer.ts";
import { type DataExtent, decodeExtent, encodeExtent, extentBytes } from "../format/values/extent.ts";
import { reached } from "../marks.ts";
import { encode } from "./encode.ts";
import type { Reader } from "./reader.ts";
import type { EngineServices } from "./services.ts";

/** Rows that are copied in one batch. */
const BATCH_ROWS = 32;

interface LiveRow {
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly addressBytes: number;
  readonly extent: DataExtent;
}

interface Copy {
  readonly row: LiveRow;
  readonly stored: Uint8Array;
  readonly extent: DataExtent;
}

export function collectExtents(
  services: EngineServices,
  reader: Reader,
  device: number,
  from: number,
  to: number,
): Effect.Effect<void, PoolFailed> {
  const { transactor, store } = services;
  return Effect.gen(function* () {
    let next: { address: number; rawOffset: number } = { address: from, rawOffset: 0 };
    for (;;) {
      const start = next;
      const rows = yield* transactor.transact<Array<LiveRow>, never>((tx) => liveRows(tx, device, start, to));
      const last = rows.at(-1);
      if (last === undefined) return;
      next = { address: last.addressBytes, rawOffset: last.extent.rawOffset + 1 };
      const copies: Array<Copy> = [];
      for (const row of rows) {
        const copy = yield* copyOf(services, reader, row);
        if (copy !== undefined) copies.push(copy);
      }
      const placed = yield* Effect.result(store.append("collected", copies.map(({ stored }) => stored)));
      if (placed._tag === "Failure") {
        if (placed.failure._tag === "PoolFailed") return yield* Effect.fail(placed.failure);
        reached("collection found no room");
        return;
      }
      const moves = Effect.forEach(copies, (copy, index) => moveRow(services, copy, placed.success[index]!), {
        discard: true,
      });
      yield* Effect.ensuring(moves, Effect.sync(() => store.release(placed.success)));
    }
  });
}

function liveRows(
  tx: Transaction,
  device: number,
  start: { readonly address: number; readonly rawOffset: number },
  to: number,
): Array<LiveRow> {
  const rows: Array<LiveRow> = [];
  const scan = tx.scan(Table.backpointers, device, start.address, start.rawOffset);
  while (rows.length < BATCH_ROWS && scan.next() && scan.inode === device && scan.offset < to) {
    const addressBytes = scan.offset;
    const { inode, offset, snapshot } = decodeBackpointer(scan.view, scan.at, scan.length);
    if (!tx.find(Table.extents, inode, offset, snapshot)) throw new Error("a backpointer leads to no extent");
    const extent = decodeExtent(tx.view, tx.at, tx.length);
    if (extent.kind !== "data") throw new Error("a backpointer leads to an extent without a pointer");
    rows.push({ inode, offset, snapshot, addressBytes, extent });
  }
  return rows;
}

function copyOf(services: EngineServices, reader: Reader, row: LiveRow): Effect.Effect<Copy | undefined> {
  const { extent } = row;
  return Effect.gen(function* () {
    const raw = yield* reader.readExtent(extent);
    if (raw === undefined) {
      reached("unreadable extent left by the collector");
      return undefined;
    }
    const part = raw.subarray(extent.rawOffset, extent.rawOffset + extent.lengthBytes);
    if (part.length < raw.length) reached("partly live extent collected");
    const encoded = encode(part, services.compression);
    const { stored, checksum, compression, rawBytes } = encoded;
    const moved = { ...extent, compression, checksum, rawBytes, rawOffset: 0, storedBytes: stored.length };
    return { row, stored, extent: moved };
  });
}

function moveRow(services: EngineServices, copy: Copy, placement: Placement): Effect.Effect<void, PoolFailed> {
  const { inode, offset, snapshot, extent: before } = copy.row;
  return services.transactor.transact<void, never>((tx) => {
    if (!stillThere(tx, copy.row, before)) {
      reached("collection raced with a write");
      return;
    }
    const extent = { ...copy.extent, pointers: [placement] };
    tx.put(Table.extents, inode, offset, snapshot, extentBytes(extent));
    encodeExtent(tx.out, tx.outAt, extent);
    tx.depend(placement.device, placement.addressBytes, extent.storedBytes, extent.checksum);
  });
}

/** Does the row still show the same part of the same stored bytes? */
function stillThere(tx: Transaction, { inode, offset, snapshot }: LiveRow, before: DataExtent): boolean {
  if (!tx.find(Table.extents, inode, offset, snapshot)) return false;
  const now = decodeExtent(tx.view, tx.at, tx.length);
  if (now.kind !== "data") return false;
  const [was, is] = [before.pointers[0]!, now.pointers[0]!];
  return (
    was.device === is.device &&
    was.addressBytes === is.addressBytes &&
    was.generation === is.generation &&
    now.rawOffset === before.rawOffset &&
    now.lengthBytes === before.lengthBytes
  );
}

