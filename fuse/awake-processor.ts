/**
 * Keeps the other processor awake while requests come fast, so that whoever asked goes on as soon as there is an answer.
 *
 * A processor with nothing to do is halted, and of one that is halted it takes longer, in a virtual machine some 50 us,
 * until it runs the caller whose answer has come. So a thread of the lowest priority looks at the clock there in the
 * meantime; it gives way to everybody. Like looking for requests (`busy-wait.ts`) it is paid from a credit.
 *
 * That takes exactly two processors: the server has one, and where there are more the system runs the caller on one
 * that is halted rather than where the thread is.
 */
import { Worker } from "node:worker_threads";
import { type Company, WaitBetweenSyncs } from "./company.ts";

/** How long to stay awake behind a request, and what share of it each request earns. */
const WINDOW_MS = 5;
const EARNED = 0.2;
/** How long after the first reason for a thread one is made: making it takes the other processor from who asks. */
const START_AFTER_MS = 1000;
const NO_HEAP = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** What the two threads share. */
export class AwakeUntil {
  readonly memory: SharedArrayBuffer;
  private readonly untilMs: Float64Array;
  private readonly asleep: Int32Array;

  constructor(memory = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.untilMs = new Float64Array(memory, 0, 1);
    this.asleep = new Int32Array(memory, 8, 1);
  }

  /** For whoever wants the processor awake: `forMs` from now on. */
  extend(nowMs: number, forMs: number): void {
    this.untilMs[0] = performance.timeOrigin + nowMs + forMs;
    if (Atomics.load(this.asleep, 0) === 0) return;
    Atomics.store(this.asleep, 0, 0);
    Atomics.notify(this.asleep, 0);
  }

  /** For the thread: looks at the clock until then, and sleeps until somebody wants more. */
  pass(): void {
    while (performance.timeOrigin + performance.now() < this.untilMs[0]!);
    // An extension that comes just now is missed; the next one is not.
    Atomics.store(this.asleep, 0, 1);
    Atomics.wait(this.asleep, 0, 1);
  }
}

export class AwakeProcessor {
  private readonly until = new AwakeUntil();
  private readonly wait: WaitBetweenSyncs;
  private readonly report: (line: string) => void;
  private thread: Worker | undefined;
  /** When there was something for a thread to do for the first time. */
  private wantedMs: number | undefined;
  private over = false;

  constructor(company: Company, report: (line: string) => void) {
    this.wait = new WaitBetweenSyncs(company, { windowMs: WINDOW_MS, earned: EARNED });
    this.report = report;
  }

  /** A request has come. */
  came(nowMs: number): void {
    this.wait.came(nowMs);
  }

  /** It is answered, or waits for something else. */
  done(nowMs: number): void {
    if (this.over || !this.wait.done(nowMs)) return;
    this.wantedMs ??= nowMs;
    if (this.thread === undefined && nowMs - this.wantedMs < START_AFTER_MS) return;
    this.thread ??= this.started();
    this.until.extend(nowMs, WINDOW_MS);
  }

  /** Where the system has no thread left the runtime says so at once. */
  private started(): Worker | undefined {
    try {
      return this.start();
    } catch (error) {
      this.failed(error);
      return undefined;
    }
  }

  private failed(error: unknown): void {
    this.over = true;
    this.report(`no processor is kept awake: ${String(error)}`);
  }

  private start(): Worker {
    const options = { workerData: this.until.memory, resourceLimits: NO_HEAP };
    const thread = new Worker(new URL("./awake-thread.js", import.meta.url), options);
    thread.unref();
    thread.on("error", (error) => this.failed(error));
    return thread;
  }

  close(): void {
    this.over = true;
    void this.thread?.terminate();
  }
}
