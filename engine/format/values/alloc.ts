/**
 * Value of the alloc table: what a bucket is used for, how much of it is alive, and how often it has been reset.
 *
 * Absolute values, so that applying an update twice changes nothing. A bucket without a row has never been used. A
 * malformed value throws: it comes from a node that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { bytes, layout, u8, u32, u64 } from "../layout.ts";
import { Malformed } from "../malformed.ts";

export const BucketClass = { none: 0, btree: 1, data: 2, collected: 3 } as const;

export interface AllocValue {
  /** Rises with every reset. */
  readonly generation: number;
  /** One of `BucketClass`. */
  readonly bucketClass: number;
  readonly liveBytes: number;
}

export const AllocLayout = layout("alloc", "Row of `alloc`.", [
  u32("generation", "rises with every reset of the bucket"),
  u8("bucketClass", "0 none, 1 btree, 2 data, 3 collected data"),
  bytes("reserved", 3, "0"),
  u64("liveBytes", "of what rows point to"),
]);
export const ALLOC_BYTES = AllocLayout.bytes;

export function decodeAlloc(view: DataView, at: number, length: number): AllocValue {
  const reader = new Reader(view, at, at + length);
  const generation = reader.u32();
  const bucketClass = reader.u8();
  reader.zeros(3);
  const liveBytes = reader.u53();
  if (!reader.ok || reader.left !== 0 || bucketClass > BucketClass.collected)
    throw new Malformed("malformed alloc value");
  return { generation, bucketClass, liveBytes };
}

export function encodeAlloc(view: DataView, at: number, value: AllocValue): void {
  const writer = new Writer(view, at);
  writer.u32(value.generation);
  writer.u8(value.bucketClass);
  writer.zeros(3);
  writer.u53(value.liveBytes);
}
