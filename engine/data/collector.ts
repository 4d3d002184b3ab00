/**
 * Copying collection: moves what is live in a bucket elsewhere, found through the backpointers of its addresses.
 *
 * A row that shows a whole stored extent gets all of its bytes, one that shows a part just that part, so that dead bytes
 * are left behind. They are encoded anew, and as they were: what was compressed is again, what was not is left alone,
 * whatever the mount or the file says by now. The row is changed only if it still points to the old place when
 * the copy is written: whatever was overwritten or removed meanwhile wins. Bytes that do not verify are left where they
 * are, and so is their bucket.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Placement } from "../allocator/write-point.ts";
import type { Transaction } from "../btree/transaction.ts";
import { Compression } from "../format/superblock.ts";
import { Table } from "../format/tables.ts";
import { decodeBackpointer } from "../format/values/backpointer.ts";
import { type DataExtent, decodeExtent, encodeExtent, extentBytes } from "../format/values/extent.ts";
import { reached } from "../marks.ts";
import { type CompressionChoice, uncompressed, unpacked } from "./compression.ts";
import type { Encoded } from "./encode.ts";
import { loadInode } from "./inode-rows.ts";
import type { Reader } from "./reader.ts";
import type { EngineServices } from "./services.ts";
import { Tail } from "./tail.ts";
import { Malformed } from "../format/malformed.ts";

/** Rows that are copied in one batch. */
const BATCH_ROWS = 32;

interface LiveRow {
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly addressBytes: number;
  readonly extent: DataExtent;
  /** How it is to be encoded. */
  readonly choice: CompressionChoice;
}

/** A row's bytes, encoded anew: in several pieces where one would not fit into the open bucket. */
interface Copy {
  readonly row: LiveRow;
  readonly pieces: ReadonlyArray<Encoded>;
}

/** Moves all that is live between two addresses; returns in how many commits. */
export function collectExtents(
  services: EngineServices,
  reader: Reader,
  device: number,
  from: number,
  to: number,
): Effect.Effect<number, PoolFailed> {
  const { transactor, store } = services;
  return Effect.gen(function* () {
    let commits = 0;
    let next: { address: number; rawOffset: number } = { address: from, rawOffset: 0 };
    for (;;) {
      const start = next;
      const rows = yield* transactor.transact<Array<LiveRow>, never>((tx) =>
        liveRows(tx, device, start, to, services.compression),
      );
      const last = rows.at(-1);
      if (last === undefined) return commits;
      next = { address: last.addressBytes, rawOffset: last.extent.rawOffset + 1 };
      const copies: Array<Copy> = [];
      const tail = new Tail(store.tailBytes("collected"), store.bucketBytes);
      for (const row of rows) {
        const copy = yield* copyOf(reader, row, tail);
        if (copy !== undefined) copies.push(copy);
      }
      const stored = copies.flatMap(({ pieces }) => pieces.map((piece) => piece.stored));
      const placed = yield* Effect.result(store.append("collected", stored));
      if (placed._tag === "Failure") {
        if (placed.failure._tag === "PoolFailed") return yield* Effect.fail(placed.failure);
        reached("collection found no room");
        return commits;
      }
      const moves = Effect.gen(function* () {
        let first = 0;
        for (const copy of copies) {
          if (yield* moveRow(services, copy, placed.success.slice(first, first + copy.pieces.length))) commits++;
          first += copy.pieces.length;
        }
      });
      yield* Effect.ensuring(
        moves,
        Effect.sync(() => store.release(placed.success)),
      );
    }
  });
}

function liveRows(
  tx: Transaction,
  device: number,
  start: { readonly address: number; readonly rawOffset: number },
  to: number,
  compression: CompressionChoice,
): Array<LiveRow> {
  const rows: Array<LiveRow> = [];
  const scan = tx.scan(Table.backpointers, device, start.address, start.rawOffset);
  while (rows.length < BATCH_ROWS && scan.next() && scan.inode === device && scan.offset < to) {
    const addressBytes = scan.offset;
    const { inode, offset, snapshot } = decodeBackpointer(scan.view, scan.at, scan.length);
    if (!tx.find(Table.extents, inode, offset, snapshot)) throw new Malformed("a backpointer leads to no extent");
    const extent = decodeExtent(tx.view, tx.at, tx.length);
    if (extent.kind !== "data") throw new Malformed("a backpointer leads to an extent without a pointer");
    const choice = extent.compression === Compression.none ? uncompressed : againAs(tx, inode, compression);
    rows.push({ inode, offset, snapshot, addressBytes, extent, choice });
  }
  return rows;
}

/** What was compressed pays again, at the level of whoever says one. */
function againAs(tx: Transaction, inode: number, otherwise: CompressionChoice): CompressionChoice {
  const { level } = unpacked(loadInode(tx, inode)?.compression ?? 0) ?? otherwise;
  return { codec: Compression.zstd, level, adaptive: false };
}

function copyOf(reader: Reader, row: LiveRow, tail: Tail): Effect.Effect<Copy | undefined> {
  const { extent, choice } = row;
  return Effect.gen(function* () {
    // Never released: pieces of it may be under way to a device until the bucket is through.
    const read = yield* reader.stored.read(extent);
    if (read === undefined) {
      reached("unreadable extent left by the collector");
      return undefined;
    }
    const raw = read.bytes;
    const part = raw.subarray(extent.rawOffset, extent.rawOffset + extent.lengthBytes);
    if (part.length < raw.length) reached("partly live extent collected");
    const pieces: Array<Encoded> = [];
    let at = 0;
    while (at < part.length) {
      const piece = tail.encodeFront(part.subarray(at), choice);
      pieces.push(piece);
      at += piece.rawBytes;
    }
    return { row, pieces };
  });
}

/** Lets a row point to its copy, if it still shows what was copied. */
function moveRow(
  services: EngineServices,
  { row, pieces }: Copy,
  placements: ReadonlyArray<Placement>,
): Effect.Effect<boolean, PoolFailed> {
  const { inode, offset, snapshot, extent: before } = row;
  return services.transactor.transact<boolean, never>((tx) => {
    if (!stillThere(tx, row, before)) {
      reached("collection raced with a write");
      return false;
    }
    if (pieces.length > 1) reached("extent divided by the collector");
    let end = offset - before.lengthBytes;
    pieces.forEach(({ stored, checksum, compression, rawBytes }, index) => {
      const placement = placements[index]!;
      end += rawBytes;
      const extent = { ...before, lengthBytes: rawBytes, compression, checksum, rawBytes, rawOffset: 0 };
      const moved = { ...extent, storedBytes: stored.length, pointers: [placement] };
      tx.put(Table.extents, inode, end, snapshot, extentBytes(moved));
      encodeExtent(tx.out, tx.outAt, moved);
      tx.depend(placement.device, placement.addressBytes, stored.length, checksum);
    });
    return true;
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
