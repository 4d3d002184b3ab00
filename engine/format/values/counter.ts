/**
 * Value of the accounting table: one counter, as an absolute value, so that applying an update twice changes nothing.
 *
 * A malformed value throws: it comes from a node that verified.
 */
import { readU53, writeU53 } from "../codec.ts";
import { layout, u64 } from "../layout.ts";
import { Malformed } from "../malformed.ts";

/** Which counter a key's inode field names; on disk, so none ever changes its meaning. */
export const Counter = {
  /** Rows of the inodes table. */
  inodes: 0,
  /** Live bytes of all data buckets. */
  dataBytes: 1,
} as const;

export const CounterLayout = layout("counter", "Row of `accounting`.", [
  u64("value", "of counter 0: inodes; of counter 1: live bytes in data buckets"),
]);
export const COUNTER_BYTES = CounterLayout.bytes;

export function decodeCounter(view: DataView, at: number, length: number): number {
  if (length !== COUNTER_BYTES) throw new Malformed("malformed counter value");
  return readU53(view, at);
}

export function encodeCounter(view: DataView, at: number, value: number): void {
  writeU53(view, at, value);
}
