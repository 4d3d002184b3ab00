/**
 * Decoded extents that were read lately, and windows of stored bytes, within a limit of bytes; the least recently used
 * goes first.
 *
 * Extents are keyed by place and generation of the stored bytes, which are never written over, so such an entry cannot
 * become wrong. A window can: see `windows.ts`.
 * What goes lets go of its memory, which may then serve another read.
 */
import type { Raw } from "./read-memory.ts";
import type { MemoryLimits } from "./services.ts";

export class ReadCache {
  private readonly entries: Map<string, Raw> = new Map();
  bytes = 0;
  private readonly limits: Pick<MemoryLimits, "readCacheBytes">;
  hits = 0;
  misses = 0;

  constructor(limits: Pick<MemoryLimits, "readCacheBytes">) {
    this.limits = limits;
  }

  /** What is there, as used just now. Whoever keeps it must hold it. */
  touch(key: string): Raw | undefined {
    const found = this.entries.get(key);
    if (found === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, found);
    return found;
  }

  /** Somebody asked for an extent, and it was here or was not. */
  count(hit: boolean): void {
    if (hit) this.hits++;
    else this.misses++;
  }

  /** Whether it is there; that is no use of it. */
  has(key: string): boolean {
    return this.entries.has(key);
  }

  /** The caller holds it, and goes on to. */
  put(key: string, raw: Raw): void {
    const { length } = raw.bytes;
    if (length > this.limits.readCacheBytes || this.entries.has(key)) return;
    raw.memory?.hold();
    this.entries.set(key, raw);
    this.bytes += length;
    this.trim();
  }

  drop(key: string): void {
    const there = this.entries.get(key);
    if (there !== undefined) this.letGo(key, there);
  }

  /** Lets go of what is over the limit. */
  trim(): void {
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.limits.readCacheBytes) return;
      this.letGo(oldest, old);
    }
  }

  private letGo(key: string, { bytes, memory }: Raw): void {
    this.entries.delete(key);
    this.bytes -= bytes.length;
    memory?.release();
  }
}
