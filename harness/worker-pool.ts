/**
 * Worker threads that carry out jobs: each takes the next one when it is through with its last.
 *
 * What a worker loads is given to it once, by the address of a module say, so that it need not be sent with every job. A
 * job that ends its worker (out of memory, say) is a failed job, and a new worker takes over; so is one that does not end,
 * since nobody else can stop a loop. Workers that end before any job came through are a mistake of the harness and end
 * it all.
 */
import { Worker } from "node:worker_threads";
import { giveRoom } from "./heap-room.ts";

/** Many times what the slowest job takes on a machine that is busy with others. */
const LIMIT_MS = 240_000;

export interface Workers<J, R> {
  /** The module that a worker runs: it answers each message, a job, with its result. */
  readonly entry: URL;
  /** Given to every worker when it starts. */
  readonly setup: unknown;
  readonly count: number;
  /** The result of a job that took its worker with it. */
  readonly ended: (job: J, message: string) => R;
  readonly nameOf: (job: J) => string;
  /** What a job may take of the clock; four minutes unless told. */
  readonly limitMs?: number | undefined;
}

/** Jobs by position; made when they are asked for, if there are too many to keep. */
export interface Jobs<J> {
  readonly length: number;
  readonly at: (position: number) => J | undefined;
}

type Done<J, R> = (result: R, job: J) => void;

export class WorkerPool<J, R> {
  private readonly workers: Workers<J, R>;
  private came = 0;
  /** Whoever heard of a result failed, so that no more jobs are handed out. */
  private broken = false;

  constructor(workers: Workers<J, R>) {
    this.workers = workers;
  }

  /**
   * Hands jobs out in their order until there are none or `over` says so; resolves when those handed out are done. Rejects
   * with what `done` throws.
   */
  run(jobs: Jobs<J>, over: () => boolean, done: Done<J, R>): Promise<void> {
    let next = 0;
    const take = (): J | undefined => (this.broken || next >= jobs.length || over() ? undefined : jobs.at(next++));
    const count = Math.min(this.workers.count, jobs.length);
    giveRoom(count);
    return Promise.all(Array.from({ length: count }, () => this.work(take, done))).then(() => undefined);
  }

  /** One worker after another until there is nothing left to take. */
  private async work(take: () => J | undefined, done: Done<J, R>): Promise<void> {
    while (await this.oneWorker(take, done));
  }

  /** Resolves when no job is left, or with true when the worker ended before that. */
  private oneWorker(take: () => J | undefined, done: Done<J, R>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const { entry, setup, ended, nameOf, limitMs = LIMIT_MS } = this.workers;
      const worker = new Worker(entry, { workerData: setup });
      let current: J | undefined;
      let through = false;
      let late: string | undefined;
      let limit: NodeJS.Timeout | undefined;
      const stop = (): void => {
        late = `it did not end within ${limitMs / 1000} s`;
        void worker.terminate();
      };
      const hand = (): void => {
        current = take();
        through = current === undefined;
        if (through) return void worker.terminate();
        worker.postMessage(current);
        limit = setTimeout(stop, limitMs);
      };
      /** Tells the result of the job; false where that fails, and then there is nothing left to do. */
      const told = (result: R): boolean => {
        try {
          done(result, current!);
          return true;
        } catch (error) {
          this.broken = true;
          through = true;
          void worker.terminate();
          reject(error instanceof Error ? error : new Error(String(error)));
          return false;
        }
      };
      let cause: unknown = "it exited";
      worker.on("online", hand);
      worker.on("message", (result: R) => {
        if (late !== undefined) return;
        clearTimeout(limit);
        this.came++;
        if (told(result)) hand();
      });
      worker.on("error", (error) => (cause = error));
      worker.on("exit", () => {
        clearTimeout(limit);
        if (through) return resolve(false);
        if (late !== undefined) {
          told(ended(current!, late));
          return resolve(true);
        }
        if (current === undefined || this.came === 0) {
          const where = current === undefined ? "a worker" : nameOf(current);
          return reject(
            new Error(`${where} ended the worker: ${cause instanceof Error ? cause.stack : String(cause)}`),
          );
        }
        told(ended(current, `it ended its worker: ${cause instanceof Error ? cause.message : String(cause)}`));
        resolve(true);
      });
    });
  }
}
