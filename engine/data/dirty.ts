/**
 * Dirty bytes of one file: what was written and is not on disk yet; pure.
 *
 * The file is cut into windows of 128 KiB, each a buffer that spans what was written of it, with the exact byte ranges
 * that count. Bytes are copied in; readers get copies, writeback gets views, which stay as they are because it takes
 * the whole object away first. Ranges of a window are disjoint, ascending and never touch, so what is written back is
 * as long as can be without crossing a window.
 */

export const WINDOW_BYTES = 128 * 1024;
const GRAIN_BYTES = 4096;
/** What a window takes of the heap besides its buffer, and a file with dirty bytes besides its windows; measured. */
const WINDOW_OVERHEAD_BYTES = 512;
const FILE_OVERHEAD_BYTES = 1536;
const RANGE_BYTES = 16;

/**
 * Memory that dirty bytes take, over all files of a pool: far more than the bytes themselves where they are scattered.
 *
 * Whole buffers of windows that are through are kept for the next ones, as many as fit into the limit beside what is
 * held: memory that comes anew must be cleared by the system, and makes the runtime collect garbage.
 */
export class DirtyMemory {
  heldBytes = 0;
  private readonly limitBytes: () => number;
  private readonly spare: Array<Uint8Array> = [];

  constructor(limitBytes: () => number) {
    this.limitBytes = limitBytes;
  }

  get spareBytes(): number {
    return this.spare.length * WINDOW_BYTES;
  }

  /** A buffer for a whole window, with anything in it. */
  takeWhole(): Uint8Array {
    return this.spare.pop() ?? new Uint8Array(WINDOW_BYTES);
  }

  /** Nobody looks at this buffer any more. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.length === WINDOW_BYTES) this.spare.push(buffer);
    this.trim();
  }

  /** Lets go of buffers that the limit has no room for. */
  trim(): void {
    const room = this.limitBytes() - this.heldBytes;
    while (this.spare.length > 0 && this.spareBytes > room) this.spare.pop();
  }
}

/** Adds [from, to) to ascending disjoint ranges, flat as [start, end, start, end...]; returns the bytes that are new. */
export function addRange(ranges: Array<number>, from: number, to: number): number {
  let first = 0;
  while (first < ranges.length && ranges[first + 1]! < from) first += 2;
  let last = first;
  let start = from;
  let end = to;
  let covered = 0;
  while (last < ranges.length && ranges[last]! <= to) {
    start = Math.min(start, ranges[last]!);
    end = Math.max(end, ranges[last + 1]!);
    covered += Math.max(0, Math.min(to, ranges[last + 1]!) - Math.max(from, ranges[last]!));
    last += 2;
  }
  ranges.splice(first, last - first, start, end);
  return to - from - covered;
}

/** Does one of the ranges hold all of [from, to)? */
export function isWithinOne(ranges: ReadonlyArray<number>, from: number, to: number): boolean {
  for (let at = 0; at < ranges.length && ranges[at]! <= from; at += 2) if (to <= ranges[at + 1]!) return true;
  return false;
}

/** Takes [from, to) out of the ranges; returns the bytes that went. */
export function removeRange(ranges: Array<number>, from: number, to: number): number {
  const rest: Array<number> = [];
  let removed = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    const start = ranges[at]!;
    const end = ranges[at + 1]!;
    const cutFrom = Math.max(start, from);
    const cutTo = Math.min(end, to);
    if (cutFrom >= cutTo) {
      rest.push(start, end);
      continue;
    }
    removed += cutTo - cutFrom;
    if (start < cutFrom) rest.push(start, cutFrom);
    if (cutTo < end) rest.push(cutTo, end);
  }
  ranges.length = 0;
  ranges.push(...rest);
  return removed;
}

/** One window: offsets are relative to its start. */
class Window {
  readonly ranges: Array<number> = [];
  private readonly memory: DirtyMemory;
  /** Offset of the buffer's first byte. */
  private base = 0;
  private buffer: Uint8Array | undefined = undefined;

  constructor(memory: DirtyMemory) {
    this.memory = memory;
  }

  write(offset: number, bytes: Uint8Array, from: number, length: number): number {
    const buffer = this.spanning(offset, offset + length);
    const whole = from === 0 && length === bytes.length;
    buffer.set(whole ? bytes : bytes.subarray(from, from + length), offset - this.base);
    return addRange(this.ranges, offset, offset + length);
  }

  /** The buffer, grown to span [from, to) as well. */
  private spanning(from: number, to: number): Uint8Array {
    const old = this.buffer;
    if (old !== undefined && from >= this.base && to <= this.base + old.length) return old;
    const first = Math.min(from, old === undefined ? from : this.base);
    const last = Math.max(to, old === undefined ? to : this.base + old.length);
    let base = first - (first % GRAIN_BYTES);
    let end = Math.ceil(last / GRAIN_BYTES) * GRAIN_BYTES;
    // Growing by half again at least keeps the copying of small appends in bounds.
    if (old !== undefined) end = Math.min(WINDOW_BYTES, Math.max(end, base + (old.length * 3) / 2));
    if (end - base > WINDOW_BYTES / 2) {
      base = 0;
      end = WINDOW_BYTES;
    }
    const grown = end - base === WINDOW_BYTES ? this.memory.takeWhole() : new Uint8Array(end - base);
    if (old !== undefined) grown.set(old, this.base - base);
    this.base = base;
    this.buffer = grown;
    return grown;
  }

  /** The bytes of [from, to), all of it covered, as they lie in the buffer. */
  view(from: number, to: number): Uint8Array {
    return this.buffer!.subarray(from - this.base, to - this.base);
  }

  get heldBytes(): number {
    return WINDOW_OVERHEAD_BYTES + (this.buffer?.length ?? 0) + (this.ranges.length / 2) * RANGE_BYTES;
  }

  /** The window is through; its buffer serves another. */
  recycle(): void {
    if (this.buffer !== undefined) this.memory.giveBack(this.buffer);
    this.buffer = undefined;
  }
}

export interface DirtyRange {
  readonly start: number;
  readonly end: number;
}

export class DirtyBytes {
  private readonly windows: Map<number, Window> = new Map();
  private readonly memory: DirtyMemory;
  /** Bytes that count. */
  bytes = 0;

  constructor(memory: DirtyMemory) {
    this.memory = memory;
  }

  get empty(): boolean {
    return this.bytes === 0;
  }

  /** Copies the bytes in; returns how many offsets were not dirty before. */
  write(offset: number, bytes: Uint8Array): number {
    let fresh = 0;
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const index = Math.floor(at / WINDOW_BYTES);
      const within = at % WINDOW_BYTES;
      const count = Math.min(WINDOW_BYTES - within, bytes.length - done);
      const window = this.windows.get(index) ?? this.added(index);
      const before = window.heldBytes;
      fresh += window.write(within, bytes, done, count);
      this.memory.heldBytes += window.heldBytes - before;
      done += count;
    }
    this.bytes += fresh;
    return fresh;
  }

  private added(index: number): Window {
    const window = new Window(this.memory);
    this.memory.heldBytes += window.heldBytes + (this.windows.size === 0 ? FILE_OVERHEAD_BYTES : 0);
    this.windows.set(index, window);
    return window;
  }

  private forget(index: number, window: Window): void {
    this.windows.delete(index);
    this.memory.heldBytes -= window.heldBytes + (this.windows.size === 0 ? FILE_OVERHEAD_BYTES : 0);
  }

  /** Offsets of [start, end) that a write of it would newly make dirty. */
  freshBytes(start: number, end: number): number {
    let dirty = 0;
    for (const range of this.within(start, end)) dirty += range.end - range.start;
    return end - start - dirty;
  }

  /** Forgets what lies at or behind the offset, and before `end`; returns how many bytes that was. */
  cut(offset: number, end = Number.POSITIVE_INFINITY): number {
    let removed = 0;
    for (const [index, window] of this.windows) {
      const base = index * WINDOW_BYTES;
      if (base + WINDOW_BYTES <= offset || base >= end) continue;
      const before = window.heldBytes;
      removed += removeRange(window.ranges, Math.max(0, offset - base), Math.min(WINDOW_BYTES, end - base));
      this.memory.heldBytes += window.heldBytes - before;
      if (window.ranges.length === 0) this.forget(index, window);
    }
    this.bytes -= removed;
    return removed;
  }

  /** Dirty ranges within [start, end), ascending. */
  within(start: number, end: number): Array<DirtyRange> {
    const found: Array<DirtyRange> = [];
    const last = Math.floor((end - 1) / WINDOW_BYTES);
    const first = Math.floor(start / WINDOW_BYTES);
    const indexes =
      last - first > this.windows.size
        ? [...this.windows.keys()].filter((index) => index >= first && index <= last).sort((a, b) => a - b)
        : Array.from({ length: last - first + 1 }, (_, step) => first + step);
    for (const index of indexes) {
      const window = this.windows.get(index);
      if (window === undefined) continue;
      const base = index * WINDOW_BYTES;
      for (let at = 0; at < window.ranges.length; at += 2) {
        const from = Math.max(start, base + window.ranges[at]!);
        const to = Math.min(end, base + window.ranges[at + 1]!);
        if (from < to) found.push({ start: from, end: to });
      }
    }
    return found;
  }

  /** All ranges, ascending; none crosses a window. */
  ranges(): Array<DirtyRange> {
    const found: Array<DirtyRange> = [];
    for (const index of [...this.windows.keys()].sort((a, b) => a - b)) {
      const base = index * WINDOW_BYTES;
      const { ranges } = this.windows.get(index)!;
      for (let at = 0; at < ranges.length; at += 2)
        found.push({ start: base + ranges[at]!, end: base + ranges[at + 1]! });
    }
    return found;
  }

  /** A copy of [start, end), which lies in one dirty range. */
  copy(range: DirtyRange): Uint8Array {
    return this.view(range).slice();
  }

  /** The bytes of [start, end), which lies in one dirty range, not copied: valid until the next change. */
  view({ start, end }: DirtyRange): Uint8Array {
    const index = Math.floor(start / WINDOW_BYTES);
    const base = index * WINDOW_BYTES;
    return this.windows.get(index)!.view(start - base, end - base);
  }

  /** Lets go of everything; what is being written of it may still be looked at. */
  drop(): void {
    for (const [index, window] of this.windows) this.forget(index, window);
    this.bytes = 0;
  }

  /** Nobody will look at these bytes again. */
  recycle(): void {
    for (const [index, window] of this.windows) {
      this.forget(index, window);
      window.recycle();
    }
  }

  /** Lays the dirty bytes of [start, start + out.length) over `out`. */
  overlay(start: number, out: Uint8Array): void {
    if (this.bytes === 0 || out.length === 0) return;
    for (const range of this.within(start, start + out.length)) {
      out.set(this.view(range), range.start - start);
    }
  }

  /** Puts what `older` has under what is here; returns how many offsets were dirty in both. */
  putUnder(older: DirtyBytes): number {
    let both = 0;
    for (const range of older.ranges()) {
      const mine = this.within(range.start, range.end).map((part) => ({ part, bytes: this.copy(part) }));
      this.write(range.start, older.view(range));
      for (const { part, bytes } of mine) {
        both += bytes.length;
        this.write(part.start, bytes);
      }
    }
    return both;
  }
}
