/**
 * Short writes of an open file, made on the caller's stack: into the page cache, which only copies them.
 *
 * A hop through the thread pool wakes two threads, which costs ten times what the copying does. But a write into the page
 * cache may have to wait: when much is dirty the kernel holds writers up, and a long transfer or a hole that is being
 * punched locks the file. So only what is little beside the last flush goes this way, only while nothing else holds the
 * file, and nothing does until the next flush once a write has taken suspiciously long.
 */
import * as fs from "node:fs";

/** Longer writes are worth a thread. */
export const PROMPT_BYTES_MAX = 128 * 1024;
/** Written at once between two flushes; the rest of it goes through the thread pool. */
export const PROMPT_BYTES_UNFLUSHED_MAX = 8 * 1024 * 1024;
/** A write that takes longer has waited for something. */
const SUSPICIOUS_MS = 2;

export class PromptFile {
  private readonly fd: number;
  private readonly now: () => number;
  private unflushedBytes = 0;

  /** `now` tells milliseconds. */
  constructor(fd: number, now: () => number = () => performance.now()) {
    this.fd = fd;
    this.now = now;
  }

  /** How many of the first bytes are written now. An error is met again by whoever writes the rest. */
  write(bytes: Uint8Array, offsetBytes: number): number {
    if (bytes.length > PROMPT_BYTES_MAX) return 0;
    if (this.unflushedBytes + bytes.length > PROMPT_BYTES_UNFLUSHED_MAX) return 0;
    const began = this.now();
    try {
      const count = fs.writeSync(this.fd, bytes, 0, bytes.length, offsetBytes);
      this.unflushedBytes += count;
      if (this.now() - began > SUSPICIOUS_MS) this.unflushedBytes = PROMPT_BYTES_UNFLUSHED_MAX;
      return count;
    } catch {
      return 0;
    }
  }

  /** What was written before is no longer in the way. */
  flushed(): void {
    this.unflushedBytes = 0;
  }
}
