/**
 * The rows of one btree node in a 64 KiB frame: search, put, delete, split, and what changed since it was last written.
 *
 * Frame: permutation (u16 a row) | rows, growing up | free | value words, growing down. A row is 24 bytes: inode f64,
 * offset f64, snapshot u32, ref u32. Rows and values are kept in the order of their arrival and the permutation lists
 * the live rows in key order, so an insert appends and then moves two bytes for each later key. A removal appends a
 * tombstone, a row that the permutation does not list. So the rows since the last seal are, as they lie, the changes
 * since the last encoding. Nothing throws but on a broken precondition, and nothing allocates but `slice`.
 */
import { NODE_ROOM_BYTES, NODE_ROWS_MAX, NODE_VALUE_BYTES_MAX, type NodeRows } from "../format/node-payload.ts";
import { FRAME_BYTES, type Frame, giveFrame, takeFrame } from "./frame.ts";

const PERMUTATION_BYTES = NODE_ROWS_MAX * 2;
if (PERMUTATION_BYTES + NODE_ROOM_BYTES !== FRAME_BYTES) throw new Error("a node's rows do not make up a frame");
const ROW_BYTES = 24;
/** Length in a ref that marks a tombstone. */
const TOMBSTONE = 4095;
export const LEAF_VALUE_BYTES_MAX = NODE_VALUE_BYTES_MAX;
/** Rows that a leaf has room for, dead ones and tombstones included. */
export const LEAF_ROWS_MAX = NODE_ROWS_MAX;
/** Bytes for rows and values. */
export const LEAF_ROOM_BYTES = NODE_ROOM_BYTES;

/** A ref is `words from the end of the frame << 12 | length in bytes`; it is never negative. */
export const refLength = (ref: number): number => ref & 4095;
export const isTombstone = (ref: number): boolean => (ref & 4095) === TOMBSTONE;
const wordsOfLength = (length: number): number => (length + 3) >> 2;
const wordsOfRef = (ref: number): number => (isTombstone(ref) ? 0 : wordsOfLength(ref & 4095));
/** Bytes of a leaf that a row with such a value takes. */
export const rowBytes = (length: number): number => ROW_BYTES + wordsOfLength(length) * 4;

/** A loop over words moves 80 bytes in about 25 ns; `set` of a subarray takes 90. */
function copyWords(to: Int32Array, toWord: number, from: Int32Array, fromWord: number, count: number): void {
  for (let k = 0; k < count; k++) to[toWord + k] = from[fromWord + k]!;
}

export class Leaf implements NodeRows {
  /** Live rows. */
  n = 0;
  /** Rows in use, dead ones and tombstones included. */
  rows = 0;
  private words = 0;
  /** Bytes held by superseded rows and tombstones. */
  deadBytes = 0;
  private sealedRows = 0;
  private sealedWords = 0;
  /** It has been encoded as an image or decoded from one, so a delta of it has something to apply to. */
  hasBase = false;
  /** Values as words: those of a ref begin at `wordOf(ref)`. */
  readonly values: Int32Array;
  /** Values as bytes: those of a ref begin at `valueAt(ref)`. */
  readonly view: DataView;
  readonly bytes: Uint8Array;
  private frame: Frame | undefined;
  private readonly f64: Float64Array;
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly permutation: number;
  private readonly firstRow: number;
  private readonly top: number;

  constructor() {
    const frame = takeFrame();
    this.frame = frame;
    this.f64 = frame.f64;
    this.u32 = frame.u32;
    this.u16 = frame.u16;
    this.values = frame.i32;
    this.view = frame.view;
    this.bytes = frame.u8;
    this.permutation = frame.offsetBytes >> 1;
    this.firstRow = (frame.offsetBytes + PERMUTATION_BYTES) >> 3;
    this.top = (frame.offsetBytes + FRAME_BYTES) >> 2;
  }

  /** Gives the frame back; the leaf must not be used afterwards. */
  free(): void {
    if (this.frame === undefined) throw new Error("leaf freed twice");
    giveFrame(this.frame);
    this.frame = undefined;
  }

  get isFree(): boolean {
    return this.frame === undefined;
  }

  /** Is there room for one more row with a value of so many words? */
  fits(words: number): boolean {
    return this.rows < LEAF_ROWS_MAX && (this.rows + 1) * ROW_BYTES + (this.words + words) * 4 <= LEAF_ROOM_BYTES;
  }

  fitsValue(lengthBytes: number): boolean {
    return this.fits(wordsOfLength(lengthBytes));
  }

  /** Bytes of rows and values in use, dead ones included. */
  get usedBytes(): number {
    return this.rows * ROW_BYTES + this.words * 4;
  }

  get liveBytes(): number {
    return this.usedBytes - this.deadBytes;
  }

  get rowsSinceSeal(): number {
    return this.rows - this.sealedRows;
  }

  /** Bytes of the rows and values since the last seal. */
  get bytesSinceSeal(): number {
    return this.rowsSinceSeal * ROW_BYTES + (this.words - this.sealedWords) * 4;
  }

  /** Where the live row at this position of the key order lies among all rows. */
  rowAt(position: number): number {
    return this.u16[this.permutation + position]!;
  }

  /** First of the rows since the last seal. */
  get firstUnsealedRow(): number {
    return this.sealedRows;
  }

  rowInode(row: number): number {
    return this.f64[this.firstRow + 3 * row]!;
  }

  rowOffset(row: number): number {
    return this.f64[this.firstRow + 3 * row + 1]!;
  }

  rowSnapshot(row: number): number {
    return this.u32[((this.firstRow + 3 * row) << 1) + 4]!;
  }

  rowRef(row: number): number {
    return this.u32[((this.firstRow + 3 * row) << 1) + 5]!;
  }

  /** Length of the row's value; -1 for a tombstone. */
  rowLength(row: number): number {
    const length = this.rowRef(row) & 4095;
    return length === TOMBSTONE ? -1 : length;
  }

  /** Offset in `view` and `bytes` of the row's value. */
  rowValueAt(row: number): number {
    return this.valueAt(this.rowRef(row));
  }

  inodeAt(position: number): number {
    return this.rowInode(this.rowAt(position));
  }

  offsetAt(position: number): number {
    return this.rowOffset(this.rowAt(position));
  }

  snapshotAt(position: number): number {
    return this.rowSnapshot(this.rowAt(position));
  }

  refAt(position: number): number {
    return this.rowRef(this.rowAt(position));
  }

  /** Index in `values` of the first word of a ref's value. */
  wordOf(ref: number): number {
    return this.top - (ref >>> 12);
  }

  /** Offset in `view` and `bytes` of a ref's value. */
  valueAt(ref: number): number {
    return (this.top - (ref >>> 12)) << 2;
  }

  /** First position whose key is at or behind (inode, offset, snapshot); `n` if there is none. */
  lower(inode: number, offset: number, snapshot: number): number {
    const { f64, u32, u16, permutation, firstRow } = this;
    let low = 0;
    let high = this.n;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const x = firstRow + 3 * u16[permutation + middle]!;
      const a = f64[x]!;
      const before =
        a < inode ||
        (a === inode && (f64[x + 1]! < offset || (f64[x + 1] === offset && u32[(x << 1) + 4]! < snapshot)));
      if (before) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private isAt(position: number, inode: number, offset: number, snapshot: number): boolean {
    if (position >= this.n) return false;
    const x = this.firstRow + 3 * this.rowAt(position);
    return this.f64[x] === inode && this.f64[x + 1] === offset && this.u32[(x << 1) + 4] === snapshot;
  }

  /** Ref of the key's value, or -1. Valid until the next change of the leaf. */
  get(inode: number, offset: number, snapshot: number): number {
    const position = this.lower(inode, offset, snapshot);
    return this.isAt(position, inode, offset, snapshot) ? this.refAt(position) : -1;
  }

  /** Is this the value of a row that `get` found? */
  holds(ref: number, source: Int32Array, sourceWord: number, length: number): boolean {
    if (refLength(ref) !== length) return false;
    const word = this.wordOf(ref);
    const whole = length >> 2;
    for (let k = 0; k < whole; k++) if (this.values[word + k] !== source[sourceWord + k]) return false;
    // Behind the end of a value stands whatever was there before.
    const bits = (length & 3) * 8;
    return bits === 0 || (this.values[word + whole]! ^ source[sourceWord + whole]!) << (32 - bits) === 0;
  }

  private append(inode: number, offset: number, snapshot: number, length: number, words: number): number {
    if (!this.fits(words)) throw new Error("leaf overrun");
    const row = this.rows++;
    const x = this.firstRow + 3 * row;
    this.words += words;
    this.f64[x] = inode;
    this.f64[x + 1] = offset;
    this.u32[(x << 1) + 4] = snapshot;
    this.u32[(x << 1) + 5] = (this.words << 12) | length;
    return row;
  }

  /** Is the key behind all live ones? */
  private isBehindAll(inode: number, offset: number, snapshot: number): boolean {
    if (this.n === 0) return true;
    const x = this.firstRow + 3 * this.rowAt(this.n - 1);
    const a = this.f64[x]!;
    if (a !== inode) return a < inode;
    const b = this.f64[x + 1]!;
    return b === offset ? this.u32[(x << 1) + 4]! < snapshot : b < offset;
  }

  /** Inserts or replaces; the caller has made sure that it fits. */
  put(inode: number, offset: number, snapshot: number, source: Int32Array, sourceWord: number, length: number): void {
    if (length > LEAF_VALUE_BYTES_MAX) throw new Error(`value of ${length} bytes`);
    const words = wordsOfLength(length);
    const { u16, permutation, n } = this;
    // Appending behind the last key is the common case.
    const position = this.isBehindAll(inode, offset, snapshot) ? n : this.lower(inode, offset, snapshot);
    if (this.isAt(position, inode, offset, snapshot)) {
      const old = u16[permutation + position]!;
      const ref = this.rowRef(old);
      if (old >= this.sealedRows && refLength(ref) === length) {
        copyWords(this.values, this.wordOf(ref), source, sourceWord, words);
        return;
      }
      u16[permutation + position] = this.append(inode, offset, snapshot, length, words);
      this.deadBytes += ROW_BYTES + wordsOfRef(ref) * 4;
    } else {
      const row = this.append(inode, offset, snapshot, length, words);
      if (position < n) {
        u16.copyWithin(permutation + position + 1, permutation + position, permutation + n);
      }
      u16[permutation + position] = row;
      this.n = n + 1;
    }
    copyWords(this.values, this.top - this.words, source, sourceWord, words);
  }

  /** Removes the key; false if it is not there. The caller has made sure that a row without a value fits. */
  del(inode: number, offset: number, snapshot: number): boolean {
    const position = this.lower(inode, offset, snapshot);
    if (!this.isAt(position, inode, offset, snapshot)) return false;
    const { u16, permutation, n } = this;
    const ref = this.refAt(position);
    this.append(inode, offset, snapshot, TOMBSTONE, 0);
    this.deadBytes += 2 * ROW_BYTES + wordsOfRef(ref) * 4;
    if (position + 1 < n) {
      u16.copyWithin(permutation + position, permutation + position + 1, permutation + n);
    }
    this.n = n - 1;
    return true;
  }

  /**
   * Adds a row behind the last key and returns where in `bytes` its value goes, which the caller fills. The caller has
   * made sure that the key is behind all others and that it fits.
   */
  push(inode: number, offset: number, snapshot: number, length: number): number {
    const row = this.append(inode, offset, snapshot, length, wordsOfLength(length));
    this.u16[this.permutation + this.n++] = row;
    return (this.top - this.words) << 2;
  }

  /** Adds the rows of another leaf at positions [from, to), all of them behind the last key of this one. */
  pushFrom(other: Leaf, from: number, to: number): void {
    for (let position = from; position < to; position++) {
      const row = other.rowAt(position);
      const ref = other.rowRef(row);
      const at = this.push(other.rowInode(row), other.rowOffset(row), other.rowSnapshot(row), refLength(ref));
      copyWords(this.values, at >> 2, other.values, other.wordOf(ref), wordsOfRef(ref));
    }
  }

  /** Adds all rows of another leaf, all of them behind the last key of this one. */
  appendAll(other: Leaf): void {
    this.pushFrom(other, 0, other.n);
  }

  /** The rows at positions [from, to) in a leaf of its own, in key order, with nothing dead and without a base. */
  slice(from: number, to: number): Leaf {
    const leaf = new Leaf();
    leaf.pushFrom(this, from, to);
    return leaf;
  }

  /** Everything so far is encoded: from here on changes append. Should writing it fail, write an image. */
  seal(): void {
    this.sealedRows = this.rows;
    this.sealedWords = this.words;
    this.hasBase = true;
  }
}
