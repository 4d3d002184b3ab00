/**
 * Short writes of an open file and short flushes of it, made on the caller's stack.
 *
 * A hop through the thread pool wakes two threads, which costs ten times what copying into the page cache does, and with
 * a quick disk half of what a flush does. But a write into the page cache may have to wait: when much is dirty the kernel
 * holds writers up, and a long transfer or a hole that is being punched locks the file. So only what is little beside the
 * last flush goes this way, only while nothing else holds the file, and nothing does until the next flush once a write
 * has taken suspiciously long. A flush keeps the caller's thread from all else: whoever asks for one on the stack knows
 * that nothing else waits for it, little may have been written, and the flushes before must have been short in the mean.
 */
import * as fs from "node:fs";

/** Longer writes are worth a thread. */
export const PROMPT_BYTES_MAX = 128 * 1024;
/** Written at once between two flushes; the rest of it goes through the thread pool. */
export const PROMPT_BYTES_UNFLUSHED_MAX = 8 * 1024 * 1024;
/** A write that takes longer has waited for something. */
const SUSPICIOUS_MS = 2;
/** A flush of more is worth a thread. */
export const PROMPT_FLUSH_BYTES_MAX = 256 * 1024;
/** What flushes on the stack may take in the mean, and what that is at first. */
const FLUSH_MEAN_MS_MAX = 2;
const FLUSH_MEAN_MS_FIRST = 10;
/** Share of the last flush in the mean. */
const LAST_FLUSH_SHARE = 1 / 8;

export class PromptFile {
  private readonly fd: number;
  private readonly now: () => number;
  /** Since the last flush, in whatever way; as much as may be once a write took long. */
  private unflushedBytes = 0;
  private flushMeanMs = FLUSH_MEAN_MS_FIRST;

  /** `now` tells milliseconds. */
  constructor(fd: number, now: () => number = () => performance.now()) {
    this.fd = fd;
    this.now = now;
  }

  /** How many of the first bytes are written now. An error is met again by whoever writes the rest. */
  write(bytes: Uint8Array, offsetBytes: number): number {
    if (bytes.length > PROMPT_BYTES_MAX || this.unflushedBytes + bytes.length > PROMPT_BYTES_UNFLUSHED_MAX) {
      this.wroteElsewhere(bytes.length);
      return 0;
    }
    const began = this.now();
    this.unflushedBytes += bytes.length;
    try {
      const count = fs.writeSync(this.fd, bytes, 0, bytes.length, offsetBytes);
      if (this.now() - began > SUSPICIOUS_MS) this.unflushedBytes = PROMPT_BYTES_UNFLUSHED_MAX;
      return count;
    } catch {
      return 0;
    }
  }

  /** So much was written in another way. */
  wroteElsewhere(lengthBytes: number): void {
    this.unflushedBytes = Math.min(PROMPT_BYTES_UNFLUSHED_MAX, this.unflushedBytes + lengthBytes);
  }

  /** May a flush be expected to be short? */
  get flushesShortly(): boolean {
    return this.flushMeanMs <= FLUSH_MEAN_MS_MAX && this.unflushedBytes <= PROMPT_FLUSH_BYTES_MAX;
  }

  /** Flushes the file, on the stack or by the thread pool. */
  flush(onStack: boolean, done: (error: unknown) => void): void {
    const began = this.now();
    const before = this.unflushedBytes;
    const ended = (error: unknown): void => {
      this.flushMeanMs += (this.now() - began - this.flushMeanMs) * LAST_FLUSH_SHARE;
      // What was written before is no longer in the way; what came meanwhile is.
      if (error === null) this.unflushedBytes = Math.max(0, this.unflushedBytes - before);
      done(error);
    };
    if (!onStack) return fs.fdatasync(this.fd, ended);
    try {
      fs.fdatasyncSync(this.fd);
    } catch (error) {
      return ended(error);
    }
    ended(null);
  }
}
