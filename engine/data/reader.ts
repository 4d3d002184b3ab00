/**
 * The way of a read: what the rows and memory say at one moment, then the device reads in parallel.
 *
 * The moment is a transaction body: it collects the extents of the range and a copy of the unwritten bytes over them
 * together, so that a read never mixes two states. The buckets of those extents are held until their bytes are read, so
 * what is moved or overwritten meanwhile can still be read where it was. Stored bytes are verified on every read from a
 * device; if they still do not when they are read again, they are lost and the read fails. Of a file that is read from
 * front to back what comes next is fetched before it is asked for.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { Abort, type Transaction } from "../btree/transaction.ts";
import type { DataExtent } from "../format/values/extent.ts";
import { loadRegular } from "./inode-rows.ts";
import { FsError } from "../fs/types.ts";
import { reached } from "../marks.ts";
import { addRange, type DirtyRange, isWithinOne } from "./dirty.ts";
import { type ExtentRow, rowsIn, visibleParts } from "./extent-map.ts";
import type { Files } from "./files.ts";
import { ReadAhead } from "./read-ahead.ts";
import { Pieces, type Raw } from "./read-memory.ts";
import type { EngineServices } from "./services.ts";
import { StoredExtents } from "./stored-extents.ts";

const READS_AT_ONCE = 8;
/** Share of the cache that one reader's next bytes may take. */
const AHEAD_SHARE = 0.25;
/** Pieces of an answer: a system takes about a thousand at once, and far fewer cost more than a copy. */
const PIECES_MAX = 256;

/** Held for the read. */
interface Part extends Raw {
  readonly at: number;
}

interface Found {
  /** Bytes that the read shows. */
  readonly length: number;
  /** Where the file ends. */
  readonly size: number;
  /** What is known of it already; nothing lies over another. Zeros are between them. */
  readonly parts: Array<Part>;
  /** What must be fetched. */
  readonly rows: ReadonlyArray<ExtentRow>;
  /** Unwritten bytes as they were, to be laid over what the device gives. */
  readonly over: ReadonlyArray<{ readonly at: number; readonly bytes: Uint8Array }>;
}

export class Reader {
  readonly stored: StoredExtents;
  private readonly services: EngineServices;
  private readonly files: Files;
  private readonly ahead = new ReadAhead();

  constructor(services: EngineServices, files: Files) {
    this.services = services;
    this.files = files;
    this.stored = new StoredExtents(services);
  }

  /** `length` bytes of a file at most, fewer at its end. `observe` runs at the moment that the read shows. */
  read(
    inode: number,
    offset: number,
    length: number,
    observe: () => void,
  ): Effect.Effect<Uint8Array, FsError | PoolFailed> {
    return Effect.map(this.find(inode, offset, length, observe), whole);
  }

  /** The same in pieces. */
  readPieces(
    inode: number,
    offset: number,
    length: number,
    observe: () => void,
  ): Effect.Effect<Pieces, FsError | PoolFailed> {
    return Effect.map(this.find(inode, offset, length, observe), piecesOf);
  }

  /** All that the read shows. */
  private find(
    inode: number,
    offset: number,
    length: number,
    observe: () => void,
  ): Effect.Effect<Found, FsError | PoolFailed> {
    const self = this;
    const { transactor } = this.services;
    return Effect.flatMap(
      transactor.transact<Found, FsError>((tx) => self.collect(tx, inode, offset, length, observe)),
      (found) => {
        this.readAhead(inode, offset, found);
        return found.rows.length === 0 ? Effect.succeed(found) : self.fetch(inode, offset, found);
      },
    );
  }

  /** Has what a reader will ask for next fetched in the background. */
  private readAhead(inode: number, start: number, { length, size }: Found): void {
    const end = start + length;
    if (end >= size) return;
    const limit = this.services.memory.readCacheBytes * AHEAD_SHARE;
    const range = this.ahead.next(inode, start, end, limit);
    if (range === undefined || this.stored.underWayBytes > limit) return;
    this.services.background("read ahead", Effect.ignore(this.prefetch(inode, range)));
  }

  private prefetch(inode: number, { start, end }: DirtyRange): Effect.Effect<void, PoolFailed> {
    const rows = this.services.transactor.transact<ReadonlyArray<ExtentRow>, never>((tx) => {
      const far = rowsIn(tx, inode, start, end, Number.POSITIVE_INFINITY).filter(
        ({ extent }) => extent.kind === "data" && !this.stored.isNear(extent),
      );
      tx.onCommit(() => this.hold(far));
      return far;
    });
    return Effect.flatMap(rows, (far) => {
      if (far.length > 0) reached("extents read ahead");
      return Effect.ensuring(
        this.stored.fetch(dataOf(far), true),
        Effect.sync(() => this.release(far)),
      );
    });
  }

  /** The same of what is in memory, in pieces; `undefined` if something must be read from a device. */
  readAtOnce(
    inode: number,
    offset: number,
    length: number,
    peek: <A>(body: (tx: Transaction) => A) => A | undefined,
  ): Pieces | FsError | undefined {
    const found = peek((tx) => this.collect(tx, inode, offset, length, () => {}));
    if (found instanceof Abort) return found.error;
    if (found === undefined) return undefined;
    if (found.rows.length > 0) {
      letGo(found);
      return undefined;
    }
    this.readAhead(inode, offset, found);
    return piecesOf(found);
  }

  private collect(
    tx: Transaction,
    inode: number,
    offset: number,
    length: number,
    observe: () => void,
  ): Found | Abort<FsError> {
    const state = this.files.get(inode);
    const row = loadRegular(tx, inode, state);
    if (row instanceof FsError) {
      observe();
      return new Abort(row);
    }
    const size = state?.size ?? row.sizeBytes;
    const end = Math.max(offset, Math.min(offset + length, size));
    // What is newer in memory covers what the rows show; only rows that show something of it are read.
    const over: Array<{ at: number; bytes: Uint8Array }> = [];
    const covered: Array<number> = [];
    if (state?.unwritten === true && end > offset) {
      for (const layer of [state.writing, state.dirty]) {
        for (const range of layer?.within(offset, end) ?? []) {
          over.push({ at: range.start - offset, bytes: layer!.copy(range) });
          addRange(covered, range.start, range.end);
        }
      }
    }
    const rows: Array<ExtentRow> = [];
    const parts: Array<Part> = [];
    if (end > offset) {
      const all = rowsIn(tx, inode, offset, end, Number.POSITIVE_INFINITY);
      for (const found of visibleParts(all, state?.hidden)) {
        // What is left of a row beside a hidden range may lie beside what is asked for.
        if (found.start >= end || found.end <= offset) continue;
        if (isWithinOne(covered, Math.max(offset, found.start), Math.min(end, found.end))) continue;
        if (found.extent.kind === "data") {
          const near = this.stored.atHand(found.extent);
          if (near === undefined) rows.push(found);
          else parts.push(partOf(offset, end, found, near));
        } else if (found.extent.kind === "inline") {
          parts.push(partOf(offset, end, found, { bytes: found.extent.bytes, memory: undefined }));
        }
      }
    }
    tx.onCommit(() => {
      this.hold(rows);
      observe();
    });
    return { length: end - offset, size, parts, rows, over };
  }

  private fetch(inode: number, offset: number, found: Found): Effect.Effect<Found, FsError> {
    const self = this;
    const bad: Array<ExtentRow> = [];
    const each = (row: ExtentRow): Effect.Effect<void> =>
      Effect.map(self.stored.read(row.extent as DataExtent), (raw) => {
        if (raw === undefined) bad.push(row);
        else found.parts.push(partOf(offset, offset + found.length, row, raw));
      });
    const all =
      found.rows.length === 1
        ? each(found.rows[0]!)
        : this.stored.fetch(
            dataOf(found.rows),
            false,
            Effect.forEach(found.rows, each, { concurrency: READS_AT_ONCE, discard: true }),
          );
    return Effect.flatMap(
      Effect.ensuring(
        all,
        Effect.sync(() => this.release(found.rows)),
      ),
      () => {
        const lost = bad[0];
        if (lost === undefined) return Effect.succeed(found);
        reached("extent unreadable");
        return Effect.fail(new FsError("InputOutput", `inode ${inode}, bytes ${lost.start} to ${lost.end}`));
      },
    );
  }

  /** Until the bytes are read their buckets must not be reset, whatever happens to the rows. */
  private hold(rows: ReadonlyArray<ExtentRow>): void {
    for (const { extent } of rows) if (extent.kind === "data") this.services.store.hold(extent.pointers);
  }

  private release(rows: ReadonlyArray<ExtentRow>): void {
    for (const { extent } of rows) if (extent.kind === "data") this.services.store.release(extent.pointers);
  }
}

const dataOf = (rows: ReadonlyArray<ExtentRow>): ReadonlyArray<DataExtent> =>
  rows.map(({ extent }) => extent).filter((extent) => extent.kind === "data");

/** What [offset, end) shows of a row; `raw` is what the whole extent or row decodes to, held for this. */
function partOf(offset: number, end: number, row: ExtentRow, { bytes, memory }: Raw): Part {
  const from = Math.max(row.start, offset);
  const base = row.extent.kind === "data" ? row.extent.rawOffset : 0;
  const at = base + from - row.start;
  return { at: from - offset, bytes: bytes.subarray(at, at + Math.min(row.end, end) - from), memory };
}

/** What holes read as: the same bytes for everybody. */
const ZEROS = new Uint8Array(128 * 1024);

/** The bytes behind one another: as they lie in memory, or put together if there are too many or some lie over others. */
function piecesOf(found: Found): Pieces {
  const { length, over, parts } = found;
  if (over.length > 0 || parts.length > PIECES_MAX) return new Pieces([joined(found)], []);
  const pieces: Array<Uint8Array> = [];
  let end = 0;
  const holeTo = (to: number): void => {
    for (; end < to; end += pieces.at(-1)!.length) pieces.push(ZEROS.subarray(0, to - end));
  };
  for (const { at, bytes } of parts.sort((one, other) => one.at - other.at)) {
    holeTo(at);
    end += bytes.length;
    pieces.push(bytes);
  }
  holeTo(length);
  return new Pieces(pieces, parts);
}

/** A single piece stays as it is, and is never let go of. */
function whole(found: Found): Uint8Array {
  const { parts, over, length } = found;
  const [only] = parts;
  return parts.length === 1 && over.length === 0 && only!.bytes.length === length ? only!.bytes : joined(found);
}

function letGo({ parts }: Found): void {
  for (const { memory } of parts) memory?.release();
}

/** A copy of its own. */
function joined(found: Found): Uint8Array {
  const { length, parts, over } = found;
  const out = new Uint8Array(length);
  for (const { at, bytes } of parts) out.set(bytes, at);
  for (const { at, bytes } of over) out.set(bytes, at);
  letGo(found);
  return out;
}
