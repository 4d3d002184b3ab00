/**
 * How long the next extent should be, so that buckets are filled to their ends.
 *
 * An extent never crosses a bucket. Whoever cuts data into extents guesses how much of the open bucket is left and makes
 * one that fits; a wrong guess costs the rest of a bucket, never more.
 */
import { EXTENT_BYTES_MAX } from "./encode.ts";

/** A rest shorter than this is left unused. */
const TAIL_BYTES_MIN = 4 * 1024;

export class Tail {
  private bytes: number;

  /** `bytes` are left in the open bucket now. */
  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** Longest extent to make now. */
  limit(): number {
    return this.bytes >= TAIL_BYTES_MIN ? Math.min(EXTENT_BYTES_MAX, this.bytes) : EXTENT_BYTES_MAX;
  }

  /** So many bytes will be stored next. */
  take(storedBytes: number): void {
    // A new bucket is at least as long as an extent; beyond that the next guess starts from the truth again.
    this.bytes = storedBytes <= this.bytes ? this.bytes - storedBytes : EXTENT_BYTES_MAX - storedBytes;
  }
}
