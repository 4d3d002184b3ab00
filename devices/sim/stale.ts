/**
 * What a stale read gives: pages of a range as they were one life earlier, as when a device finds an old place of theirs
 * in its tables. By the key all of the range is stale, or each page is or is not. Pure.
 */
import { mix32 } from "./keyed-hash.ts";
import { type Media, PAGE_BYTES } from "./media.ts";

const PAGE_STREAM = 0x7374616c;

export function staleBytes(
  live: Media,
  earlier: Media,
  offsetBytes: number,
  lengthBytes: number,
  key: number,
): Uint8Array {
  if ((key & 1) === 0) return earlier.read(offsetBytes, lengthBytes);
  const mixed = live.read(offsetBytes, lengthBytes).slice();
  const end = offsetBytes + lengthBytes;
  for (let at = offsetBytes; at < end;) {
    const part = Math.min(end - at, PAGE_BYTES - (at % PAGE_BYTES));
    if ((mix32(key, PAGE_STREAM, Math.floor(at / PAGE_BYTES)) & 1) === 0) {
      mixed.set(earlier.read(at, part), at - offsetBytes);
    }
    at += part;
  }
  return mixed;
}
