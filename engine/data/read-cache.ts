/**
 * Decoded extents that were read lately, within a limit of bytes; the least recently used goes first.
 *
 * Keyed by place and generation of the stored bytes, which are never written over, so an entry cannot become wrong.
 */

export class ReadCache {
  private readonly entries: Map<string, Uint8Array> = new Map();
  private bytes = 0;
  private readonly bytesMax: number;
  hits = 0;
  misses = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
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

  put(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.bytesMax || this.entries.has(key)) return;
    this.entries.set(key, bytes);
    this.bytes += bytes.length;
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.bytesMax) return;
      this.entries.delete(oldest);
      this.bytes -= old.length;
    }
  }
}
