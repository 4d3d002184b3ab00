/**
 * Decoded extents that were read lately, and windows of stored bytes, within a limit of bytes; the least recently used
 * goes first.
 *
 * Extents are keyed by place and generation of the stored bytes, which are never written over, so such an entry cannot
 * become wrong. A window can: see `windows.ts`.
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

  /** What is there, as used just now. */
  touch(key: string): Uint8Array | undefined {
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

  put(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.limits.readCacheBytes || this.entries.has(key)) return;
    this.entries.set(key, bytes);
    this.bytes += bytes.length;
    this.trim();
  }

  drop(key: string): void {
    this.bytes -= this.entries.get(key)?.length ?? 0;
    this.entries.delete(key);
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
