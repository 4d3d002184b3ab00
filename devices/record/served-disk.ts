/**
 * A disk that is served to somebody who sends requests one after another: the four verbs, without waiting.
 *
 * Offsets and lengths are in bytes and inside the disk; any alignment is taken. A write owns its bytes only while it
 * runs. A flush says that whoever sent it relies on all that came before. What is discarded reads as zeros.
 */
export interface ServedDisk {
  readonly sizeBytes: number;
  readonly read: (offsetBytes: number, lengthBytes: number) => Uint8Array;
  readonly write: (offsetBytes: number, bytes: Uint8Array) => void;
  readonly discard: (offsetBytes: number, lengthBytes: number) => void;
  readonly flush: () => void;
}
