/**
 * Decoded extents that were read lately, within a limit of bytes; the least recently used goes first.
 *
 * Keyed by place and generation of the stored bytes, which are never written over, so an entry cannot become wrong.
 */
import type { MemoryLimits } from "./services.ts";

export class ReadCache {
  private readonly entries: Map<string, Uint8Array> = new Map();
  bytes = 0;
  private readonly limits: Pick<MemoryLimits, "readCacheBytes">;
  hits = 0;
  misses = 0;

  constructor(limits: Pick<MemoryLimits, "readCacheBytes">) {
    this.limits = limits;
  }

  get(key: string): Uint8Array | undefined {
    const found = this.entries.get(key);
    if (found === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.entries.delete(key);
    this.entries.set(key, found);
    return found;
  }

  /** Whether it is there; that is no use of it. */
  has(key: string): boolean {
    return this.entries.has(key);
  }

  put(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.limits.readCacheBytes || this.entries.has(key)) return;
    this.entries.set(key, bytes);
    this.bytes += bytes.length;
    this.trim();
  }

  /** Lets go of what is over the limit. */
  trim(): void {
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.limits.readCacheBytes) return;
      this.entries.delete(oldest);
      this.bytes -= old.length;
    }
  }
}
