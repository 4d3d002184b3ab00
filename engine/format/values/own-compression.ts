/**
 * How the data of a file is to be compressed, as its row has it; of a directory, that of what is made in it.
 *
 * One number: the way in the low byte, the level of zstd in the next. 0 says nothing: the pool is opened with a choice
 * of its own. Only numbers that `isOwnCompression` knows are written, and no others are read. Pure.
 */
import { ZSTD_LEVEL_MAX } from "../zstd.ts";

/** The ways; `adaptive` is zstd for what looks as if it would shrink. */
export const OwnCompression = { unset: 0, none: 1, zstd: 2, adaptive: 3 } as const;

/** Of a way, and of a level if it is one of zstd. */
export const ownCompression = (way: number, level = 0): number => way | (level << 8);

export const wayOf = (own: number): number => own & 0xff;
export const levelOf = (own: number): number => own >>> 8;

export function isOwnCompression(own: number): boolean {
  const level = levelOf(own);
  if (wayOf(own) === OwnCompression.zstd || wayOf(own) === OwnCompression.adaptive) {
    return level >= 1 && level <= ZSTD_LEVEL_MAX;
  }
  return own === OwnCompression.unset || own === OwnCompression.none;
}
