/**
 * How often the kernel was told of each inode and has not forgotten it: while that is not 0, it refers to the inode.
 *
 * Open addressing with linear probing over two arrays of words, eight bytes a place, from three eighths to three quarters
 * of them taken: a million inodes take 17 MB. An inode number above 2^32 or a count above 2^31 is seldom, and kept in a
 * map beside. Inode numbers are never used twice, so what is forgotten late is never mistaken for a later inode.
 */

const PLACES_MIN = 1024;
const WORD = 0x1_0000_0000;
const COUNT_MAX = 0x8000_0000;

export class LookupCounts {
  /** 0: nobody. */
  private inodes = new Uint32Array(PLACES_MIN);
  private counts = new Uint32Array(PLACES_MIN);
  private taken = 0;
  private readonly seldom: Map<number, number> = new Map();

  /** Inodes that the kernel knows. */
  get size(): number {
    return this.taken + this.seldom.size;
  }

  /** Bytes of the table. */
  get bytes(): number {
    return this.inodes.byteLength + this.counts.byteLength;
  }

  has(inode: number): boolean {
    if (inode < WORD && this.inodes[this.placeOf(inode)] === inode) return true;
    return this.seldom.has(inode);
  }

  add(inode: number, times = 1): void {
    const before = this.seldom.get(inode);
    if (before !== undefined || inode >= WORD) {
      this.seldom.set(inode, (before ?? 0) + times);
      return;
    }
    const place = this.placeOf(inode);
    const count = this.inodes[place] === inode ? this.counts[place]! + times : times;
    if (count > COUNT_MAX) {
      if (this.inodes[place] === inode) this.empty(place);
      this.seldom.set(inode, count);
      return;
    }
    if (this.inodes[place] !== inode) {
      this.inodes[place] = inode;
      this.taken++;
    }
    this.counts[place] = count;
    if (this.taken * 4 > this.inodes.length * 3) this.resize(this.inodes.length * 2);
  }

  /** The kernel forgets an inode that often; true if that was the last of it. */
  subtract(inode: number, times: number): boolean {
    const before = this.seldom.get(inode);
    if (before !== undefined) {
      if (before > times) this.seldom.set(inode, before - times);
      else this.seldom.delete(inode);
      return before <= times;
    }
    const place = inode < WORD ? this.placeOf(inode) : 0;
    if (inode >= WORD || this.inodes[place] !== inode) return false;
    const left = this.counts[place]! - times;
    if (left > 0) {
      this.counts[place] = left;
      return false;
    }
    this.empty(place);
    const { length } = this.inodes;
    if (length > PLACES_MIN && this.taken * 8 < length) this.resize(length / 2);
    return true;
  }

  /** Where the inode is, or would be put. */
  private placeOf(inode: number): number {
    const { inodes } = this;
    const mask = inodes.length - 1;
    let place = placeFor(inode, mask);
    while (inodes[place] !== 0 && inodes[place] !== inode) place = (place + 1) & mask;
    return place;
  }

  /** Empties a place, and moves what stands behind it and would no longer be found. */
  private empty(place: number): void {
    const { inodes, counts } = this;
    const mask = inodes.length - 1;
    let hole = place;
    for (let at = (hole + 1) & mask; inodes[at] !== 0; at = (at + 1) & mask) {
      const wanted = placeFor(inodes[at]!, mask);
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      inodes[hole] = inodes[at]!;
      counts[hole] = counts[at]!;
      hole = at;
    }
    inodes[hole] = 0;
    this.taken--;
  }

  private resize(places: number): void {
    const { inodes, counts } = this;
    this.inodes = new Uint32Array(places);
    this.counts = new Uint32Array(places);
    for (let at = 0; at < inodes.length; at++) {
      if (inodes[at] === 0) continue;
      const place = this.placeOf(inodes[at]!);
      this.inodes[place] = inodes[at]!;
      this.counts[place] = counts[at]!;
    }
  }
}

/** Inode numbers come one after the other: multiplied, they lie apart. */
function placeFor(inode: number, mask: number): number {
  const spread = Math.imul(inode, 0x9e37_79b1);
  return (spread ^ (spread >>> 15)) & mask;
}
