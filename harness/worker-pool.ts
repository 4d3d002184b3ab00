/**
 * Worker threads that run seeds: each takes the next one when it is through with its last.
 *
 * A worker loads the scenarios by the address of their module, so that scenarios need not be sent. A seed that ends its
 * worker (out of memory, say) is a failed seed, and a new worker takes over; workers that end before any seed came
 * through are a mistake of the harness and end the campaign.
 */
import { Worker } from "node:worker_threads";
import type { SeedResult } from "./run.ts";

export interface Job {
  readonly scenario: string;
  readonly seed: number;
  /** Run it a second time and compare. */
  readonly twice: boolean;
}

export interface WorkerSetup {
  readonly registryUrl: string;
}

type Done = (result: SeedResult, job: Job) => void;

/** What is known of a seed that took its worker with it. */
const ended = ({ scenario, seed }: Job, error: unknown): SeedResult => ({
  scenario,
  seed,
  hash: "",
  events: 0,
  crashStates: 0,
  simulatedMs: 0,
  marks: {},
  failure: { where: "run", message: `it ended its worker: ${error instanceof Error ? error.message : String(error)}` },
});

export class WorkerPool {
  private readonly registryUrl: string;
  private readonly count: number;
  private came = 0;

  constructor(registryUrl: string, count: number) {
    this.registryUrl = registryUrl;
    this.count = count;
  }

  run(jobs: ReadonlyArray<Job>, over: () => boolean, done: Done): Promise<void> {
    let next = 0;
    const take = (): Job | undefined => (over() ? undefined : jobs[next++]);
    const workers = Math.min(this.count, jobs.length);
    return Promise.all(Array.from({ length: workers }, () => this.work(take, done))).then(() => undefined);
  }

  /** One worker after another until there is nothing left to take. */
  private async work(take: () => Job | undefined, done: Done): Promise<void> {
    while (await this.oneWorker(take, done));
  }

  /** Resolves when no job is left, or with true when the worker ended before that. */
  private oneWorker(take: () => Job | undefined, done: Done): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const setup: WorkerSetup = { registryUrl: this.registryUrl };
      const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: setup });
      let current: Job | undefined;
      let through = false;
      const hand = (): void => {
        current = take();
        through = current === undefined;
        if (through) void worker.terminate();
        else worker.postMessage(current);
      };
      let cause: unknown = "it exited";
      worker.on("online", hand);
      worker.on("message", (result: SeedResult) => {
        this.came++;
        done(result, current!);
        hand();
      });
      worker.on("error", (error) => (cause = error));
      worker.on("exit", () => {
        if (through) return resolve(false);
        if (current === undefined || this.came === 0) {
          const where = current === undefined ? "a worker" : `${current.scenario}:${current.seed}`;
          return reject(
            new Error(`${where} ended the worker: ${cause instanceof Error ? cause.stack : String(cause)}`),
          );
        }
        done(ended(current, cause), current);
        resolve(true);
      });
    });
  }
}
