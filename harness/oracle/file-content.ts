/**
 * The bytes of one regular file through time, as the reference filesystem sees them.
 *
 * Owns pages of 4 KiB, each a sequence of versions, and the list of changes that made them. Bytes behind the end of the
 * file are zero in every version, so a page may be compared whole. A page without a version is a hole. Nothing here
 * knows what a crash may do; `file-check.ts` reads the same record to say so.
 */
import { Versions } from "./versions.ts";

export const PAGE_BYTES = 4096;

export interface WriteChange {
  readonly kind: "write";
  readonly moment: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/**
 * A change that is part of the namespace's order. It takes effect only when the file's dirty data has been written
 * back, so that nothing before it is in doubt once it is there itself.
 */
export interface OrderedChange {
  readonly kind: "truncate" | "zero" | "grow" | "settle";
  readonly moment: number;
  /** The range that reads as zeros from now on; empty for `grow` and `settle`. */
  readonly from: number;
  readonly to: number;
  /** Size that the change sets (`truncate`) or grows the file to (`zero`, `grow`); 0 where it leaves the size. */
  readonly sizeBytes: number;
}

export type DataChange = WriteChange | OrderedChange;

const EMPTY = new Uint8Array(0);

export class FileContent {
  readonly sizes: Versions<number>;
  readonly changes: Array<DataChange> = [];
  private readonly pages = new Map<number, Versions<Uint8Array | undefined>>();

  constructor(bornMoment: number) {
    this.sizes = new Versions(bornMoment, 0);
  }

  get sizeBytes(): number {
    return this.sizes.last;
  }

  get pageIndexes(): Iterable<number> {
    return this.pages.keys();
  }

  /** Keeps `bytes`: nobody may change them. */
  write(moment: number, offsetBytes: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const to = offsetBytes + bytes.length;
    for (let index = Math.floor(offsetBytes / PAGE_BYTES); index * PAGE_BYTES < to; index++) {
      const start = index * PAGE_BYTES;
      const from = Math.max(start, offsetBytes);
      const part = bytes.subarray(from - offsetBytes, Math.min(to, start + PAGE_BYTES) - offsetBytes);
      this.putPage(moment, index, part.length === PAGE_BYTES ? part : this.pageWith(index, part, from - start));
    }
    if (to > this.sizeBytes) this.sizes.set(moment, to);
    this.changes.push({ kind: "write", moment, from: offsetBytes, to, bytes });
  }

  truncate(moment: number, sizeBytes: number): void {
    this.clear(moment, sizeBytes, Number.POSITIVE_INFINITY);
    this.sizes.set(moment, sizeBytes);
    this.changes.push({ kind: "truncate", moment, from: sizeBytes, to: Number.POSITIVE_INFINITY, sizeBytes });
  }

  /** Makes the range read as zeros; `growTo` is 0 where the size stays. */
  zero(moment: number, from: number, to: number, growTo: number): void {
    this.clear(moment, from, to);
    this.changes.push({ kind: "zero", moment, from, to, sizeBytes: growTo });
    if (growTo > this.sizeBytes) this.sizes.set(moment, growTo);
  }

  /** Allocates: no byte changes, the file may grow. */
  grow(moment: number, growTo: number): void {
    this.changes.push({ kind: "grow", moment, from: 0, to: 0, sizeBytes: growTo });
    if (growTo > this.sizeBytes) this.sizes.set(moment, growTo);
  }

  /** The file's data was written back before the operation of that moment, which did not change it. */
  settle(moment: number): void {
    this.changes.push({ kind: "settle", moment, from: 0, to: 0, sizeBytes: 0 });
  }

  sizeAt(moment: number): number {
    return this.sizes.at(moment) ?? 0;
  }

  /** The page after `moment`; undefined where it is all zeros. */
  pageAt(moment: number, index: number): Uint8Array | undefined {
    return this.pages.get(index)?.at(moment);
  }

  byteAt(moment: number, offsetBytes: number): number {
    return this.pageAt(moment, Math.floor(offsetBytes / PAGE_BYTES))?.[offsetBytes % PAGE_BYTES] ?? 0;
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    const to = Math.min(this.sizeBytes, offsetBytes + lengthBytes);
    if (to <= offsetBytes) return EMPTY;
    const bytes = new Uint8Array(to - offsetBytes);
    for (let index = Math.floor(offsetBytes / PAGE_BYTES); index * PAGE_BYTES < to; index++) {
      const page = this.pages.get(index)?.last;
      if (page === undefined) continue;
      const start = index * PAGE_BYTES;
      const from = Math.max(start, offsetBytes);
      bytes.set(page.subarray(from - start, Math.min(PAGE_BYTES, to - start)), from - offsetBytes);
    }
    return bytes;
  }

  /** First offset in [from, to) whose byte is not zero; `to` if there is none. */
  firstNonZero(from: number, to: number): number {
    let first = to;
    for (const [index, versions] of this.pages) {
      const page = versions.last;
      const start = index * PAGE_BYTES;
      if (page === undefined || start >= first || start + PAGE_BYTES <= from) continue;
      for (let at = Math.max(0, from - start); at < PAGE_BYTES && start + at < first; at++) {
        if (page[at] !== 0) first = start + at;
      }
    }
    return first;
  }

  private clear(moment: number, from: number, to: number): void {
    for (const [index, versions] of this.pages) {
      const start = index * PAGE_BYTES;
      if (versions.last === undefined || start + PAGE_BYTES <= from || start >= to) continue;
      if (from <= start && start + PAGE_BYTES <= to) {
        versions.set(moment, undefined);
      } else {
        const page = this.copyOfPage(index);
        page.fill(0, Math.max(0, from - start), Math.min(PAGE_BYTES, to - start));
        versions.set(moment, page);
      }
    }
  }

  private pageWith(index: number, part: Uint8Array, within: number): Uint8Array {
    const page = this.copyOfPage(index);
    page.set(part, within);
    return page;
  }

  private copyOfPage(index: number): Uint8Array {
    return this.pages.get(index)?.last?.slice() ?? new Uint8Array(PAGE_BYTES);
  }

  private putPage(moment: number, index: number, page: Uint8Array): void {
    const versions = this.pages.get(index);
    if (versions === undefined) {
      // Before its first write the page was a hole; a version from the beginning says so.
      const born = new Versions<Uint8Array | undefined>(0, undefined);
      born.set(moment, page);
      this.pages.set(index, born);
    } else {
      versions.set(moment, page);
    }
  }
}
