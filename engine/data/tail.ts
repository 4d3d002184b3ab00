/**
 * How long the next extent should be, so that buckets are filled to their ends.
 *
 * An extent never crosses a bucket. Whoever cuts data into extents guesses how much of the open bucket is left and makes
 * one that fits: all there is if that shrinks to what is left, else about as much as shrinks to it. A wrong guess costs
 * the rest of a bucket, never more.
 */
import { reached } from "../marks.ts";
import type { CompressionChoice, CompressionHistory } from "./compression.ts";
import { encode, type Encoded, EXTENT_BYTES_MAX, looksPromising, shrink, type Shrunk } from "./encode.ts";

/** A rest shorter than this is left unused. */
const TAIL_BYTES_MIN = 4 * 1024;
/** Extents that are cut end at a page, if they can. */
const PAGE_BYTES = 4096;
/** Of what should shrink to the rest of a bucket, the share that is taken: not all parts of it shrink alike. */
const CAUTION = 15 / 16;

export class Tail {
  private bytes: number;
  private readonly bucketBytes: number;

  /** `bytes` are left in the open bucket now, and `bucketBytes` fit into the next one. */
  constructor(bytes: number, bucketBytes: number) {
    this.bytes = bytes;
    this.bucketBytes = bucketBytes;
  }

  /** Bytes that may be stored next: what is left, or a whole extent if that is too little. */
  limit(): number {
    return this.bytes >= TAIL_BYTES_MIN ? Math.min(EXTENT_BYTES_MAX, this.bytes) : EXTENT_BYTES_MAX;
  }

  /** So many bytes will be stored next. */
  take(storedBytes: number): void {
    this.bytes = storedBytes <= this.bytes ? this.bytes - storedBytes : this.bucketBytes - storedBytes;
  }

  /**
   * Encodes the front of the bytes, which are an extent's at most, as far as it fits: `rawBytes` says how far that is.
   * `shrunk` as in `encode`, of all the bytes.
   */
  encodeFront(bytes: Uint8Array, choice: CompressionChoice, history?: CompressionHistory, shrunk?: Shrunk): Encoded {
    const encoded = this.fitting(bytes, choice, history, shrunk);
    this.take(encoded.stored.length);
    return encoded;
  }

  private fitting(
    bytes: Uint8Array,
    choice: CompressionChoice,
    history: CompressionHistory | undefined,
    shrunk: Shrunk | undefined,
  ): Encoded {
    const limit = this.limit();
    if (bytes.length <= limit) return encode(bytes, choice, history, shrunk);
    if (looksPromising(bytes, choice, history)) {
      const whole = shrunk ?? shrink(bytes, choice.level);
      const wanted = whole.stored?.length ?? bytes.length;
      if (wanted <= limit) return encode(bytes, choice, history, whole);
      const part = Math.floor((bytes.length * CAUTION * (limit / wanted)) / PAGE_BYTES) * PAGE_BYTES;
      if (part > limit) {
        const encoded = encode(bytes.subarray(0, part), choice, history);
        if (encoded.stored.length <= limit) {
          reached("extent cut by what it shrinks to");
          return encoded;
        }
      }
    }
    return encode(bytes.subarray(0, limit), choice, history);
  }
}
