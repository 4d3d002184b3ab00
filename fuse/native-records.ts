/**
 * Answers in the shape that the C code of `fuse-native` wants: arrays of 32-bit words, times in milliseconds.
 *
 * Words are the low 32 bits of what they hold; two follow each other where a number may be larger. Times before 1970
 * cannot be told and become 1970. Pure.
 */
import type { Attributes, FilesystemStatistics, Timestamp } from "../engine/fs/types.ts";

const WORD = 0x1_0000_0000;
const STAT_WORDS = 18;
const STATFS_WORDS = 11;
const BLOCK_BYTES = 4096;
/** Unit of a stat's block count, whatever the block size. */
const SECTOR_BYTES = 512;

export const NO_STAT: Uint32Array = new Uint32Array(STAT_WORDS);
export const NO_STATFS: Uint32Array = new Uint32Array(STATFS_WORDS);

function putWide(words: Uint32Array, at: number, value: number): void {
  words[at] = value % WORD;
  words[at + 1] = Math.floor(value / WORD);
}

const milliseconds = ({ seconds, nanoseconds }: Timestamp): number =>
  Math.max(0, seconds * 1000 + Math.floor(nanoseconds / 1e6));

export function timestampOf(milliseconds: number): Timestamp {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1e6 };
}

export function statOf(attributes: Attributes): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  words[0] = attributes.mode;
  words[1] = attributes.uid;
  words[2] = attributes.gid;
  putWide(words, 3, attributes.sizeBytes);
  words[6] = attributes.links;
  words[7] = attributes.inode % WORD;
  words[8] = attributes.rdev;
  words[9] = BLOCK_BYTES;
  putWide(words, 10, Math.ceil(attributes.allocatedBytes / SECTOR_BYTES));
  putWide(words, 12, milliseconds(attributes.accessed));
  putWide(words, 14, milliseconds(attributes.modified));
  putWide(words, 16, milliseconds(attributes.changed));
  return words;
}

/** What a listing tells of an entry: its type and its inode number. */
export function entryStatOf(inode: number, type: number): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  words[0] = type;
  words[7] = inode % WORD;
  return words;
}

/** The counts of blocks have 32 bits, so that the block grows with the pool. */
export function statfsOf(statistics: FilesystemStatistics): Uint32Array {
  let blockBytes = statistics.blockBytes;
  while (statistics.totalBytes / blockBytes >= WORD) blockBytes *= 2;
  const words = new Uint32Array(STATFS_WORDS);
  words[0] = blockBytes;
  words[1] = blockBytes;
  words[2] = Math.floor(statistics.totalBytes / blockBytes);
  words[3] = Math.floor(statistics.freeBytes / blockBytes);
  words[4] = Math.floor(statistics.availableBytes / blockBytes);
  // Inodes are made as they are needed: what is free is as many as there is room for at one block each.
  const spare = Math.min(words[3], WORD - 1 - Math.min(statistics.inodes, WORD - 1));
  words[5] = Math.min(statistics.inodes, WORD - 1) + spare;
  words[6] = spare;
  words[7] = spare;
  words[10] = statistics.nameBytesMax;
  return words;
}

/** A 64-bit number that came as two words. */
export const wide = (low: number, high: number): number => low + high * WORD;

/** The same for a number that may be negative. */
export const wideSigned = (low: number, high: number): number => low + (high | 0) * WORD;
