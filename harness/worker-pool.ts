/**
 * Worker threads that run seeds: each takes the next one when it is through with its last.
 *
 * A worker loads the scenarios by the address of their module, so that scenarios need not be sent. A worker that dies
 * is a mistake of the harness and ends the campaign.
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

export class WorkerPool {
  private readonly registryUrl: string;
  private readonly count: number;

  constructor(registryUrl: string, count: number) {
    this.registryUrl = registryUrl;
    this.count = count;
  }

  run(jobs: ReadonlyArray<Job>, over: () => boolean, done: (result: SeedResult, job: Job) => void): Promise<void> {
    let next = 0;
    const one = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const setup: WorkerSetup = { registryUrl: this.registryUrl };
        const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: setup });
        let current: Job | undefined;
        const hand = (): void => {
          current = over() ? undefined : jobs[next++];
          if (current === undefined) void worker.terminate().then(() => resolve());
          else worker.postMessage(current);
        };
        worker.on("online", hand);
        worker.on("message", (result: SeedResult) => {
          done(result, current!);
          hand();
        });
        worker.on("error", (error) => {
          const where = current === undefined ? "a worker" : `${current.scenario}:${current.seed}`;
          reject(new Error(`${where} ended the worker: ${error instanceof Error ? error.stack : String(error)}`));
        });
      });
    return Promise.all(Array.from({ length: this.count }, one)).then(() => undefined);
  }
}
