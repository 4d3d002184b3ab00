/**
 * The way of a read: what the rows and memory say at one moment, then the device reads in parallel.
 *
 * The moment is a transaction body: it collects the extents of the range and a copy of the unwritten bytes over them
 * together, so that a read never mixes two states. The buckets of those extents are held until their bytes are read, so
 * what is moved or overwritten meanwhile can still be read where it was. Stored bytes are verified on every read from a
 * device; if they still do not when they are read again, they are lost and the read fails.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import { Abort, type Transaction } from "../btree/transaction.ts";
import type { DataExtent } from "../format/values/extent.ts";
import { loadRegular } from "./inode-rows.ts";
import { FsError } from "../fs/types.ts";
import { reached } from "../marks.ts";
import { addRange, isWithinOne } from "./dirty.ts";
import { decode } from "./encode.ts";
import { type ExtentRow, rowsIn, visibleParts } from "./extent-map.ts";
import type { Files } from "./files.ts";
import { ReadCache } from "./read-cache.ts";
import type { EngineServices } from "./services.ts";

const READS_AT_ONCE = 8;

interface Found {
  readonly out: Uint8Array;
  readonly rows: ReadonlyArray<ExtentRow>;
  /** Unwritten bytes as they were, to be laid over what the device gives. */
  readonly over: ReadonlyArray<{ readonly at: number; readonly bytes: Uint8Array }>;
}

const keyOf = ({ pointers }: DataExtent): string => {
  const { device, addressBytes, generation } = pointers[0]!;
  return `${device}:${addressBytes}:${generation}`;
};

export class Reader {
  readonly cache: ReadCache;
  private readonly services: EngineServices;
  private readonly files: Files;

  constructor(services: EngineServices, files: Files) {
    this.services = services;
    this.files = files;
    this.cache = new ReadCache(services.memory);
  }

  /** The decoded bytes of a stored extent, verified. */
  readExtent(extent: DataExtent): Effect.Effect<Uint8Array | undefined> {
    const key = keyOf(extent);
    const cached = this.cache.get(key);
    if (cached !== undefined) return Effect.succeed(cached);
    return Effect.map(this.readStored(extent, 1), (raw) => {
      if (raw !== undefined) this.cache.put(key, raw);
      return raw;
    });
  }

  private readStored(extent: DataExtent, tries: number): Effect.Effect<Uint8Array | undefined> {
    const { device, addressBytes } = extent.pointers[0]!;
    return Effect.flatMap(Effect.result(this.services.store.read(device, addressBytes, extent.storedBytes)), (read) => {
      if (read._tag === "Failure") return Effect.succeed(undefined);
      const raw = decode(read.success, extent);
      if (raw !== undefined || tries >= VERIFY_TRIES_MAX) return Effect.succeed(raw);
      reached("extent that did not verify read again");
      return this.readStored(extent, tries + 1);
    });
  }

  /** `length` bytes of a file at most, fewer at its end. `observe` runs at the moment that the read shows. */
  read(
    inode: number,
    offset: number,
    length: number,
    observe: () => void,
  ): Effect.Effect<Uint8Array, FsError | PoolFailed> {
    const self = this;
    const { transactor } = this.services;
    return Effect.flatMap(
      transactor.transact<Found, FsError>((tx) => self.collect(tx, inode, offset, length, observe)),
      (found) => (found.rows.length === 0 ? Effect.succeed(finish(found)) : self.fetch(inode, offset, found)),
    );
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
    const out = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    // What is newer in memory covers what the rows show; only rows that show something of it are read.
    const over: Array<{ at: number; bytes: Uint8Array }> = [];
    const covered: Array<number> = [];
    if (state?.unwritten === true && out.length > 0) {
      for (const layer of [state.writing, state.dirty]) {
        for (const range of layer?.within(offset, offset + out.length) ?? []) {
          over.push({ at: range.start - offset, bytes: layer!.copy(range) });
          addRange(covered, range.start, range.end);
        }
      }
    }
    const rows: Array<ExtentRow> = [];
    if (out.length > 0) {
      const all = rowsIn(tx, inode, offset, offset + out.length, Number.POSITIVE_INFINITY);
      for (const found of visibleParts(all, state?.hidden)) {
        // What is left of a row beside a hidden range may lie beside what is asked for.
        if (found.start >= offset + out.length || found.end <= offset) continue;
        if (isWithinOne(covered, Math.max(offset, found.start), Math.min(offset + out.length, found.end))) continue;
        if (found.extent.kind === "data") {
          const cached = this.cache.get(keyOf(found.extent));
          if (cached === undefined) rows.push(found);
          else place(out, offset, found, cached);
        } else if (found.extent.kind === "inline") place(out, offset, found, found.extent.bytes);
      }
    }
    tx.onCommit(() => {
      this.hold(rows);
      observe();
    });
    return { out, rows, over };
  }

  private fetch(inode: number, offset: number, found: Found): Effect.Effect<Uint8Array, FsError> {
    const self = this;
    const bad: Array<ExtentRow> = [];
    const each = (row: ExtentRow): Effect.Effect<void> =>
      Effect.map(self.readExtent(row.extent as DataExtent), (raw) => {
        if (raw === undefined) bad.push(row);
        else place(found.out, offset, row, raw);
      });
    const all =
      found.rows.length === 1
        ? each(found.rows[0]!)
        : Effect.forEach(found.rows, each, { concurrency: READS_AT_ONCE, discard: true });
    return Effect.flatMap(
      Effect.ensuring(
        all,
        Effect.sync(() => this.release(found)),
      ),
      () => {
        const lost = bad[0];
        if (lost === undefined) return Effect.succeed(finish(found));
        reached("extent unreadable");
        return Effect.fail(new FsError("InputOutput", `inode ${inode}, bytes ${lost.start} to ${lost.end}`));
      },
    );
  }

  /** Until the bytes are read their buckets must not be reset, whatever happens to the rows. */
  private hold(rows: ReadonlyArray<ExtentRow>): void {
    for (const { extent } of rows) if (extent.kind === "data") this.services.store.hold(extent.pointers);
  }

  private release({ rows }: Found): void {
    for (const { extent } of rows) if (extent.kind === "data") this.services.store.release(extent.pointers);
  }
}

function finish({ out, over }: Found): Uint8Array {
  for (const { at, bytes } of over) out.set(bytes, at);
  return out;
}

/** Copies what `out`, which begins at `offset`, shows of a row; `raw` is what the whole extent or row decodes to. */
function place(out: Uint8Array, offset: number, row: ExtentRow, raw: Uint8Array): void {
  const from = Math.max(row.start, offset);
  const to = Math.min(row.end, offset + out.length);
  const base = row.extent.kind === "data" ? row.extent.rawOffset : 0;
  const at = base + from - row.start;
  out.set(raw.subarray(at, at + to - from), from - offset);
}
