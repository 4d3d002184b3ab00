/**
 * Somebody who compresses beside whoever writes: on other processors, if there are some. Nothing here has behaviour.
 *
 * A pool works without. What is stored does not depend on who compressed it, nor on when that was.
 */
import type { Effect } from "effect/Effect";
import type { Shrunk } from "./encode.ts";

export interface Compressor {
  /** Fewer bytes than these are compressed sooner than they are handed over. */
  readonly bytesMin: number;
  /** Takes a copy of the bytes, at most `EXTENT_BYTES_MAX`, to be compressed; undefined if there is no room for it now. */
  readonly begin: (bytes: Uint8Array, level: number) => Compressing | undefined;
}

/** Bytes that are being compressed. They take room until `withdraw` has given true, or `end` was called: once, either. */
export interface Compressing {
  readonly isDone: () => boolean;
  /** Takes them back; false if somebody has begun, and then nothing has changed. */
  readonly withdraw: () => boolean;
  /** Waits until they are done. */
  readonly result: Effect<Shrunk>;
  /** Nobody wants them any more, done or not. */
  readonly end: () => void;
}
