/**
 * Whether one program alone asks, so that the thread which serves may wait for a disk without keeping anybody else.
 *
 * The kernel tells with each request which thread of a program asked. Where only one did for a while, and nothing else of
 * it is under way, it waits for the very thing that the server would wait for. The first request of anybody else ends that;
 * it may have to wait for one flush.
 */

/** Flushes for which nobody else must have come. */
export const FLUSHES_ALONE_MIN = 8;

export class Company {
  private asker = 0;
  private flushes = 0;

  /** A request of this thread has come; 0 is the kernel's own. */
  asked(thread: number): void {
    if (thread === this.asker || thread === 0) return;
    this.asker = thread;
    this.flushes = 0;
  }

  /** Asked at each flush, with the number of requests that are under way. */
  aloneAtFlush(inFlight: number): boolean {
    if (this.asker === 0) return false;
    if (inFlight > 1) this.flushes = 0;
    return this.flushes++ >= FLUSHES_ALONE_MIN;
  }
}
