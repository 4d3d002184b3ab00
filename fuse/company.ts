/**
 * Who asks, and whether for syncs: how the thread that serves had better wait.
 *
 * Where one program alone asks it may wait for a disk without keeping anybody else.
 *
 * The kernel tells with each request which thread of a program asked. Where only one did for a while, and nothing else of
 * it is under way, it waits for the very thing that the server would wait for. The first request of anybody else ends that;
 * it may have to wait for one flush.
 *
 * Where flush follows flush the disk is what everybody waits for, and it takes processors of its own: what the system
 * writes behind a flush is held up by whoever stays awake to look for requests.
 */
import { BusyWait, type BusyWaitOptions } from "./busy-wait.ts";

/** Flushes for which nobody else must have come. */
export const FLUSHES_ALONE_MIN = 8;
/** Flushes this close to each other are there because somebody syncs, and nobody stays awake for so long behind them. */
const FLUSHES_APART_MS_MAX = 50;
export const REST_MS = 250;

export class Company {
  private asker = 0;
  private flushes = 0;
  private flushedMs = Number.NEGATIVE_INFINITY;
  private syncsUntilMs = Number.NEGATIVE_INFINITY;

  /** A request of this thread has come; 0 is the kernel's own. */
  asked(thread: number): void {
    if (thread === this.asker || thread === 0) return;
    this.asker = thread;
    this.flushes = 0;
  }

  /** Asked at each flush, with the number of requests that are under way: is somebody alone? */
  aloneAtFlush(nowMs: number, inFlight: number): boolean {
    if (nowMs - this.flushedMs < FLUSHES_APART_MS_MAX) this.syncsUntilMs = nowMs + REST_MS;
    this.flushedMs = nowMs;
    if (this.asker === 0) return false;
    if (inFlight > 1) this.flushes = 0;
    return this.flushes++ >= FLUSHES_ALONE_MIN;
  }

  /** Do syncs come fast? */
  syncs(nowMs: number): boolean {
    return nowMs < this.syncsUntilMs;
  }
}

/** Looks for requests, but not while syncs come fast. */
export class WaitBetweenSyncs extends BusyWait {
  private readonly company: Company;

  constructor(company: Company, options: BusyWaitOptions) {
    super(options);
    this.company = company;
  }

  override done(nowMs: number): boolean {
    return super.done(nowMs) && !this.company.syncs(nowMs);
  }

  override patient(nowMs: number): boolean {
    return super.patient(nowMs) && !this.company.syncs(nowMs);
  }
}
