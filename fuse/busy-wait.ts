/**
 * Whether waiting for the next request awake is worth it: until when to look for it rather than sleep.
 *
 * Waking a process that sleeps takes longer than answering most requests. So whoever has answered one looks for the
 * next for a while, if lately requests came so close to each other that this paid. Time spent looking is paid from a
 * credit, and a request that comes soon earns some: where they come more seldom than `EARNED` of the window apart, the
 * credit runs out, and nobody looks until they come closer again. An idle mount looks for one window and sleeps.
 *
 * Pure; all times are milliseconds of one clock.
 */

/** What a request that comes within the window of the last answer earns, as a share of the window. */
const EARNED = 0.1;
/** Windows of credit at most. */
const CREDIT_MAX = 10;

export class BusyWait {
  private readonly windowMs: number;
  private credit = 0;
  /** When the last request was done with, as far as it could be at once. */
  private sinceMs = Number.NEGATIVE_INFINITY;
  private awake = false;

  /** Nobody ever looks for longer than `windowMs`; 0 is never. */
  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** A request has come. */
  came(nowMs: number): void {
    const waited = nowMs - this.sinceMs;
    if (this.awake) this.credit -= waited;
    this.awake = false;
    if (waited < this.windowMs)
      this.credit = Math.min(CREDIT_MAX * this.windowMs, this.credit + EARNED * this.windowMs);
  }

  /** It is answered, or waits for something else. True if the next one should be looked for, until `patient` says no. */
  done(nowMs: number): boolean {
    this.sinceMs = nowMs;
    this.awake = this.credit > this.windowMs;
    return this.awake;
  }

  /** None has come until now: true if looking goes on. */
  patient(nowMs: number): boolean {
    const waited = nowMs - this.sinceMs;
    if (this.awake && waited < this.windowMs) return true;
    if (this.awake) this.credit -= waited;
    this.awake = false;
    return false;
  }
}
