/**
 * What the medium was at some instant: how full each bucket, by whom it was written, how often it was emptied.
 *
 * Follows the changes in their order from the beginning; what the device was asked to do is taken as done. Pure.
 */
import type { BucketShape, MediumChange } from "../report-data.ts";

export const HEAT_BLOCK_BYTES = 4096;

export interface BucketState {
  filledBytes: number;
  /** Lane of who wrote to it last; -1: nobody. */
  writer: number;
  /** Times that it was discarded or reset. */
  emptied: number;
  finished: boolean;
  /** Change that was the latest to it; -1: none. */
  latest: number;
}

/** The buckets behind the first `count` changes. */
export function bucketsAfter(
  shape: BucketShape,
  changes: ReadonlyArray<MediumChange>,
  count: number,
): ReadonlyArray<BucketState> {
  const buckets = Array.from({ length: shape.count }, (): BucketState => ({
    ...{ filledBytes: 0, writer: -1, emptied: 0, finished: false, latest: -1 },
  }));
  for (let index = 0; index < count; index++) {
    const [, , kind, offset, length, lane] = changes[index]!;
    const last = Math.floor((offset + Math.max(1, length) - 1) / shape.bucketBytes);
    for (let at = Math.floor(offset / shape.bucketBytes); at <= last; at++) {
      const bucket = buckets[at];
      if (bucket === undefined) continue;
      bucket.latest = index;
      const from = Math.max(offset, at * shape.bucketBytes);
      const bytes = Math.min(offset + length, (at + 1) * shape.bucketBytes) - from;
      changeBucket(bucket, kind, bytes, shape.usableBytes, lane);
    }
  }
  return buckets;
}

function changeBucket(
  bucket: BucketState,
  kind: MediumChange[2],
  bytes: number,
  usableBytes: number,
  lane: number,
): void {
  switch (kind) {
    case "write":
      bucket.filledBytes = Math.min(usableBytes, bucket.filledBytes + bytes);
      bucket.writer = lane;
      break;
    case "discard":
    case "reset":
      if (kind === "reset" || bytes >= usableBytes) bucket.filledBytes = 0;
      bucket.emptied++;
      bucket.finished = false;
      break;
    case "finish":
      bucket.finished = true;
      break;
  }
}

/** Writes of 4 KiB blocks, by address and by time. */
export function heatByTime(
  shape: BucketShape,
  changes: ReadonlyArray<MediumChange>,
  columns: number,
  rows: number,
): { readonly cells: ReadonlyArray<readonly [number, number, number]>; readonly endMs: number } {
  const endMs = Math.max(1e-3, changes.at(-1)?.[1] ?? 0);
  const blocks = Math.max(1, Math.ceil(shape.capacityBytes / HEAT_BLOCK_BYTES));
  const counts = new Map<number, number>();
  for (const [, ms, kind, offset, length] of changes) {
    if (kind !== "write") continue;
    const column = Math.min(columns - 1, Math.floor((ms / endMs) * columns));
    for (let block = Math.floor(offset / HEAT_BLOCK_BYTES); block * HEAT_BLOCK_BYTES < offset + length; block++) {
      const key = column * rows + Math.min(rows - 1, Math.floor((block / blocks) * rows));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const cells = [...counts].map(([key, count]) => [Math.floor(key / rows), key % rows, count] as const);
  return { cells, endMs };
}

/** Writes of each 4 KiB block, laid out in rows; where there are more blocks than cells, the most written of several. */
export function heatByBlock(
  shape: BucketShape,
  changes: ReadonlyArray<MediumChange>,
  columns: number,
  cellsMax: number,
): { readonly cells: ReadonlyArray<readonly [number, number, number]>; readonly blocksPerCell: number } {
  const blocks = Math.ceil(shape.capacityBytes / HEAT_BLOCK_BYTES);
  const counts = new Uint32Array(blocks);
  for (const [, , kind, offset, length] of changes) {
    if (kind !== "write") continue;
    for (let block = Math.floor(offset / HEAT_BLOCK_BYTES); block * HEAT_BLOCK_BYTES < offset + length; block++) {
      counts[block] = (counts[block] ?? 0) + 1;
    }
  }
  const blocksPerCell = Math.max(1, Math.ceil(blocks / cellsMax));
  const cells: Array<readonly [number, number, number]> = [];
  for (let cell = 0; cell * blocksPerCell < blocks; cell++) {
    const most = counts.subarray(cell * blocksPerCell, (cell + 1) * blocksPerCell).reduce((a, b) => Math.max(a, b), 0);
    if (most > 0) cells.push([cell % columns, Math.floor(cell / columns), most]);
  }
  return { cells, blocksPerCell };
}
