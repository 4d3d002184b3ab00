/**
 * Whether to compress what is written, and how hard: what a mount asks for, and what the file's own past says.
 *
 * Adaptive compression tries what looks as if it would shrink, and learns: of a file whose extents were tried and gave
 * too little, the next ones are stored as they are, twice as many each time, before one is tried again. What a reader
 * needs stands in each extent, so the choice may differ from mount to mount, and from file to file: a file's own, in its
 * row, comes before the mount's. Pure.
 */
import { Compression } from "../format/superblock.ts";
import { levelOf, OwnCompression, ownCompression, wayOf } from "../format/values/own-compression.ts";
import { ZSTD_LEVEL, ZSTD_LEVEL_MAX } from "../format/zstd.ts";
import { reached } from "../marks.ts";

export interface CompressionChoice {
  /** One of `Compression`. */
  readonly codec: number;
  /** Of zstd: 1 is fast, 19 is small. */
  readonly level: number;
  /** Leaves alone what does not look as if it would shrink; otherwise everything is tried. */
  readonly adaptive: boolean;
}

export const LEVEL_MAX = ZSTD_LEVEL_MAX;

export const uncompressed: CompressionChoice = { codec: Compression.none, level: ZSTD_LEVEL, adaptive: false };

/** What a pool asks for when a mount does not. */
export const choiceOf = (codec: number): CompressionChoice =>
  codec === Compression.none ? uncompressed : { codec, level: ZSTD_LEVEL, adaptive: true };

/** A choice as rows of inodes have it. */
export function packed({ codec, level, adaptive }: CompressionChoice): number {
  if (codec === Compression.none) return OwnCompression.none;
  return ownCompression(adaptive ? OwnCompression.adaptive : OwnCompression.zstd, level);
}

/** What a row says; undefined if it leaves the choice to the mount. */
export function unpacked(own: number): CompressionChoice | undefined {
  if (own === OwnCompression.unset) return undefined;
  if (own === OwnCompression.none) return uncompressed;
  return { codec: Compression.zstd, level: levelOf(own), adaptive: wayOf(own) === OwnCompression.adaptive };
}

/** Extents in a row that gave too little before the next is left alone. */
const DISAPPOINTMENTS_MAX = 2;
const PAUSE_EXTENTS_MAX = 32;

/** What came of compressing a file's extents, as long as the file is in memory. */
export class CompressionHistory {
  private disappointments = 0;
  private pauseExtents = 1;
  private leftAlone = 0;

  /** Nothing speaks against trying, so far. */
  get hopeful(): boolean {
    return this.disappointments < DISAPPOINTMENTS_MAX;
  }

  /** Is the next extent worth trying? To be asked once for each. */
  get worthTrying(): boolean {
    if (this.hopeful) return true;
    if (this.leftAlone < this.pauseExtents) {
      this.leftAlone++;
      reached("extent left alone for its file's past");
      return false;
    }
    this.leftAlone = 0;
    this.pauseExtents = Math.min(PAUSE_EXTENTS_MAX, this.pauseExtents * 2);
    return true;
  }

  /** An extent was tried. */
  tried(shrank: boolean): void {
    if (shrank) {
      this.disappointments = 0;
      this.pauseExtents = 1;
    } else this.disappointments++;
  }
}
