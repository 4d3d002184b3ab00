/**
 * Whether waiting for the next request awake is worth it: until when to look for it rather than sleep.
 *
 * Waking a process that sleeps takes longer than answering most requests. So whoever has answered one looks for the
 * next for a while, if lately requests came so close to each other that this paid. Time spent looking is paid from a
 * credit, and a request that comes soon earns some: where they come more seldom than `EARNED` of the window apart, the
 * credit runs out, and nobody looks until they come closer again. An idle mount looks for one window and sleeps.
 *
 * Looking helps while whoever asks has another processor. Where the system keeps taking ours away for somebody else,
 * they do not, and looking only holds them up: then nobody looks for a while.
 *
 * Reads no clock; all times are milliseconds of one.
 */

/** What a request that comes within the window of the last answer earns, as a share of the window, unless told. */
const EARNED = 0.1;
/** Windows of credit at most. */
const CREDIT_MAX = 10;
/** Requests that were looked for between two looks at how often the processor was taken away. */
const SAMPLE = 64;
/** Share of them in which it may be taken away. */
const TAKEN_SHARE_MAX = 0.25;
const REST_MS = 250;

export interface BusyWaitOptions {
  /** Nobody ever looks for longer; 0 is never. */
  readonly windowMs: number;
  readonly earned?: number;
  /** How often the processor was taken away; never unless told. */
  readonly timesTaken?: () => number;
}

export class BusyWait {
  private readonly windowMs: number;
  private readonly earnedMs: number;
  private readonly timesTaken: () => number;
  private creditMs = 0;
  /** When the last request was done with, as far as it could be at once. */
  private sinceMs = Number.NEGATIVE_INFINITY;
  private awake = false;
  private restUntilMs = Number.NEGATIVE_INFINITY;
  private sampled = 0;
  private takenBefore = 0;

  constructor({ windowMs, earned = EARNED, timesTaken = () => 0 }: BusyWaitOptions) {
    this.windowMs = windowMs;
    this.earnedMs = earned * windowMs;
    this.timesTaken = timesTaken;
  }

  /** A request has come. */
  came(nowMs: number): void {
    const waited = nowMs - this.sinceMs;
    const soon = waited < this.windowMs;
    if (this.awake) {
      this.creditMs -= soon ? waited : this.windowMs;
      if (soon) this.sample(nowMs);
    }
    this.awake = false;
    if (soon) this.creditMs = Math.min(CREDIT_MAX * this.windowMs, this.creditMs + this.earnedMs);
  }

  private sample(nowMs: number): void {
    if (this.sampled++ % SAMPLE !== 0) return;
    const taken = this.timesTaken();
    if (this.sampled > 1 && taken - this.takenBefore > SAMPLE * TAKEN_SHARE_MAX) {
      this.restUntilMs = nowMs + REST_MS;
      this.sampled = 0;
    }
    this.takenBefore = taken;
  }

  /** It is answered, or waits for something else. True if the next one should be looked for, until `patient` says no. */
  done(nowMs: number): boolean {
    this.sinceMs = nowMs;
    this.awake = this.creditMs > this.windowMs && nowMs >= this.restUntilMs;
    return this.awake;
  }

  /** None has come until now: true if looking goes on. */
  patient(nowMs: number): boolean {
    return this.awake && nowMs - this.sinceMs < this.windowMs;
  }
}
