/**
 * Which bytes of a file will be asked for next: files that are read from front to back are recognised, and how far
 * ahead of their reader they may be fetched; pure.
 *
 * The distance begins small and doubles with each step of a reader that goes on. Requests of one reader may come a
 * little out of order, since a kernel has several under way.
 */
import type { DirtyRange } from "./dirty.ts";

const DISTANCE_BYTES_MIN = 512 * 1024;
/** With less than that allowed, nothing is fetched ahead. */
const DISTANCE_BYTES_LEAST = 32 * 1024;
const DISTANCE_BYTES_MAX = 12 * 1024 * 1024;
/** How far a request may lie from where its reader was. */
const DISORDER_BYTES_MAX = 2 * 1024 * 1024;
const READERS_MAX = 64;

interface FrontToBack {
  /** Where its reader is. */
  at: number;
  /** What lies before is fetched or on its way. */
  until: number;
  distance: number;
}

export class ReadAhead {
  /** By inode, the one that was read longest ago first. */
  private readonly readers: Map<number, FrontToBack> = new Map();

  /** Somebody reads [start, end); returns what should be fetched now. `bytesMax`: what may be fetched ahead at most. */
  next(inode: number, start: number, end: number, bytesMax: number): DirtyRange | undefined {
    const distanceMax = Math.min(DISTANCE_BYTES_MAX, bytesMax);
    if (distanceMax < DISTANCE_BYTES_LEAST || end <= start) return undefined;
    const known = this.readers.get(inode);
    if (known === undefined || Math.abs(start - known.at) > DISORDER_BYTES_MAX) {
      this.remember(inode, { at: end, until: end, distance: 0 });
      // Who begins at the front is taken to go on.
      if (start > 0) return undefined;
    } else this.remember(inode, known);
    const reader = this.readers.get(inode)!;
    reader.at = Math.max(reader.at, end);
    if (reader.until - reader.at > reader.distance / 2) return undefined;
    reader.distance = Math.min(distanceMax, Math.max(DISTANCE_BYTES_MIN, reader.distance * 2));
    const from = Math.max(reader.at, reader.until);
    reader.until = reader.at + reader.distance;
    return from < reader.until ? { start: from, end: reader.until } : undefined;
  }

  private remember(inode: number, reader: FrontToBack): void {
    this.readers.delete(inode);
    this.readers.set(inode, reader);
    if (this.readers.size <= READERS_MAX) return;
    const [oldest] = this.readers.keys();
    this.readers.delete(oldest!);
  }
}
