/**
 * Copy-on-write bytes of a simulated medium: a two-level table of 4 KiB pages, forked in constant time.
 *
 * A page is immutable unless its token is that of the medium that holds it; `fork` retires the token on both sides, so
 * nothing is copied until somebody writes. Pages with `SHARED` as token are never written in place by anyone: a write
 * is copied once into such pages, which the live medium, the durable one and every crash state adopt by reference.
 * Holes read as zeros and are never materialised. A view of a page that could still be written in place is never
 * handed out: `read` copies then, so what it returns never changes.
 *
 * Page buffers are cut from 1 MiB slabs, so one live page pins its slab: hold few long-lived forks.
 */
export const PAGE_BYTES = 4096;
/** Token of pages that no medium owns. */
export const SHARED = 0;

/** 32 pages a leaf: copying one costs 256 bytes. */
const LEAF_BITS = 5;
const LEAF_PAGES = 1 << LEAF_BITS;
const LEAF_MASK = LEAF_PAGES - 1;
const SLAB_BYTES = 1 << 20;

/** What holes read as, up to this length; never written. */
const ZEROS = new Uint8Array(64 * 1024);

export class Page {
  readonly bytes: Uint8Array;
  readonly token: number;
  constructor(bytes: Uint8Array, token: number) {
    this.bytes = bytes;
    this.token = token;
  }
}

/** A run of pages of the table; a hole has none. Immutable like its pages: a fork retires it. */
export class Leaf {
  readonly pages: Array<Page | undefined>;
  readonly token: number;
  constructor(pages: Array<Page | undefined>, token: number) {
    this.pages = pages;
    this.token = token;
  }
}

let tokens = SHARED;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsedBytes = 0;

/** Zeroed bytes from a slab: half the cost of a buffer of one's own for each page. */
export function cutBytes(lengthBytes: number): Uint8Array {
  if (lengthBytes > SLAB_BYTES) return new Uint8Array(lengthBytes);
  if (slabUsedBytes + lengthBytes > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsedBytes = 0;
  }
  const bytes = new Uint8Array(slab, slabUsedBytes, lengthBytes);
  slabUsedBytes += lengthBytes;
  return bytes;
}

/** Cuts a run of whole pages that hold these bytes and that nobody may write any more. */
export function sharedPages(bytes: Uint8Array): Array<Page> {
  const pages: Array<Page> = [];
  for (let at = 0; at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) {
    pages.push(new Page(bytes.length === PAGE_BYTES ? bytes : bytes.subarray(at, at + PAGE_BYTES), SHARED));
  }
  return pages;
}

export class Media {
  readonly sizeBytes: number;
  private root: Array<Leaf | undefined>;
  private rootShared: boolean;
  private token = ++tokens;

  private constructor(sizeBytes: number, root: Array<Leaf | undefined>, rootShared: boolean) {
    this.sizeBytes = sizeBytes;
    this.root = root;
    this.rootShared = rootShared;
  }

  /** A medium that is one hole. */
  static empty(sizeBytes: number): Media {
    const leaves = Math.ceil(sizeBytes / PAGE_BYTES / LEAF_PAGES);
    return new Media(sizeBytes, new Array<Leaf | undefined>(leaves).fill(undefined), false);
  }

  /** An independent medium of the same content, in constant time. */
  fork(): Media {
    this.rootShared = true;
    this.token = ++tokens;
    return new Media(this.sizeBytes, this.root, true);
  }

  /** The page of this number, or undefined for a hole. */
  page(number: number): Page | undefined {
    const leaf = this.root[number >>> LEAF_BITS];
    return leaf === undefined ? undefined : leaf.pages[number & LEAF_MASK];
  }

  /** The table, by runs of pages: for who looks at all of it again and again. */
  get leaves(): ReadonlyArray<Leaf | undefined> {
    return this.root;
  }

  /** Puts a shared page, or a hole, in place by reference. */
  adopt(number: number, page: Page | undefined): void {
    if (this.rootShared) {
      this.root = this.root.slice();
      this.rootShared = false;
    }
    const index = number >>> LEAF_BITS;
    let leaf = this.root[index];
    if (leaf === undefined) {
      if (page === undefined) return;
      leaf = new Leaf(new Array<Page | undefined>(LEAF_PAGES).fill(undefined), this.token);
      this.root[index] = leaf;
    } else if (leaf.token !== this.token) {
      leaf = new Leaf(leaf.pages.slice(), this.token);
      this.root[index] = leaf;
    }
    leaf.pages[number & LEAF_MASK] = page;
  }

  /** The same content with more room behind it; this medium must not be used any more. */
  enlarged(sizeBytes: number): Media {
    const root = this.root.slice();
    while (root.length * LEAF_PAGES * PAGE_BYTES < sizeBytes) root.push(undefined);
    return new Media(sizeBytes, root, false);
  }

  /** Copies bytes in. */
  write(offsetBytes: number, source: Uint8Array, from = 0, lengthBytes = source.length - from): void {
    this.check(offsetBytes, lengthBytes);
    let done = 0;
    while (done < lengthBytes) {
      const within = (offsetBytes + done) % PAGE_BYTES;
      const part = Math.min(lengthBytes - done, PAGE_BYTES - within);
      const page = this.ownPage(Math.floor((offsetBytes + done) / PAGE_BYTES), part < PAGE_BYTES);
      const whole = done === 0 && from === 0 && part === source.length;
      page.bytes.set(whole ? source : source.subarray(from + done, from + done + part), within);
      done += part;
    }
  }

  /** Sets a range to one byte value; whole pages of it by reference to `filled`, a shared page or a hole. */
  fill(offsetBytes: number, lengthBytes: number, value: number, filled: Page | undefined): void {
    this.check(offsetBytes, lengthBytes);
    let done = 0;
    while (done < lengthBytes) {
      const number = Math.floor((offsetBytes + done) / PAGE_BYTES);
      const within = (offsetBytes + done) % PAGE_BYTES;
      const part = Math.min(lengthBytes - done, PAGE_BYTES - within);
      if (part === PAGE_BYTES) this.adopt(number, filled);
      else this.ownPage(number, true).bytes.fill(value, within, within + part);
      done += part;
    }
  }

  /** Bytes that never change: a view of a page where possible, else a copy. */
  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    this.check(offsetBytes, lengthBytes);
    const within = offsetBytes % PAGE_BYTES;
    if (within + lengthBytes <= PAGE_BYTES) {
      const page = this.page(Math.floor(offsetBytes / PAGE_BYTES));
      if (page === undefined) return ZEROS.subarray(0, lengthBytes);
      const { bytes } = page;
      if (page.token === this.token) return bytes.slice(within, within + lengthBytes);
      return lengthBytes === PAGE_BYTES ? bytes : bytes.subarray(within, within + lengthBytes);
    }
    const run = this.contiguous(offsetBytes, lengthBytes);
    if (run !== undefined) return run;
    const target = new Uint8Array(lengthBytes);
    this.readInto(offsetBytes, target);
    return target;
  }

  /**
   * A view over several pages that lie side by side in memory, as those of one write do, and are not to change; or over
   * zeros, if all are holes.
   */
  private contiguous(offsetBytes: number, lengthBytes: number): Uint8Array | undefined {
    const first = Math.floor(offsetBytes / PAGE_BYTES);
    const last = Math.floor((offsetBytes + lengthBytes - 1) / PAGE_BYTES);
    const page = this.page(first);
    if (page === undefined) {
      if (lengthBytes > ZEROS.length) return undefined;
      for (let number = first + 1; number <= last; number++) if (this.page(number) !== undefined) return undefined;
      return ZEROS.subarray(0, lengthBytes);
    }
    if (page.token === this.token) return undefined;
    const { buffer, byteOffset } = page.bytes;
    for (let number = first + 1; number <= last; number++) {
      const next = this.page(number);
      if (next === undefined || next.token === this.token || next.bytes.buffer !== buffer) return undefined;
      if (next.bytes.byteOffset !== byteOffset + (number - first) * PAGE_BYTES) return undefined;
    }
    return new Uint8Array(buffer, byteOffset + (offsetBytes % PAGE_BYTES), lengthBytes);
  }

  /** Copies a range out over the whole of `target`, which may hold anything before. */
  readInto(offsetBytes: number, target: Uint8Array): void {
    this.check(offsetBytes, target.length);
    let done = 0;
    while (done < target.length) {
      const page = this.page(Math.floor((offsetBytes + done) / PAGE_BYTES));
      const within = (offsetBytes + done) % PAGE_BYTES;
      const part = Math.min(target.length - done, PAGE_BYTES - within);
      if (page === undefined) target.fill(0, done, done + part);
      else target.set(part === PAGE_BYTES ? page.bytes : page.bytes.subarray(within, within + part), done);
      done += part;
    }
  }

  /** Inverts one bit of one byte. */
  flip(offsetBytes: number, bit: number): void {
    this.check(offsetBytes, 1);
    const page = this.ownPage(Math.floor(offsetBytes / PAGE_BYTES), true);
    page.bytes[offsetBytes % PAGE_BYTES]! ^= 1 << (bit & 7);
  }

  /** A page that this medium may write in place, with its content if that is wanted. */
  private ownPage(number: number, keepContent: boolean): Page {
    const page = this.page(number);
    if (page !== undefined && page.token === this.token) return page;
    const bytes = cutBytes(PAGE_BYTES);
    if (page !== undefined && keepContent) bytes.set(page.bytes);
    const own = new Page(bytes, this.token);
    this.adopt(number, own);
    return own;
  }

  private check(offsetBytes: number, lengthBytes: number): void {
    if (offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= this.sizeBytes) return;
    throw new RangeError(`${lengthBytes} bytes at ${offsetBytes} are outside the medium`);
  }
}
