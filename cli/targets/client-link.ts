/**
 * The thread that uses a mounted filesystem, as seen from the thread that serves the disk below it.
 *
 * A system call on the filesystem waits until the disk has been read or written, so the two must not be one thread.
 * How long the disk's record is goes through shared memory: the client reads it at the moment at which a call returns.
 */
import { Worker } from "node:worker_threads";
import type { FoundTree } from "../../harness/oracle/found-tree.ts";
import type { Operation } from "../../harness/workload/operation.ts";
import type { Run } from "./system-calls.ts";

export type Request =
  | { readonly kind: "run"; readonly root: string; readonly operations: ReadonlyArray<Operation> }
  | { readonly kind: "walk"; readonly root: string };

export interface ClientSetup {
  /** One number: the length of the record. */
  readonly recordLength: Int32Array;
}

export class ClientLink {
  private readonly worker: Worker;
  private settle: ((answer: unknown) => void) | undefined;
  private fail: ((error: Error) => void) | undefined;

  constructor(recordLength: Int32Array) {
    const setup: ClientSetup = { recordLength };
    this.worker = new Worker(new URL("./client.js", import.meta.url), { workerData: setup });
    this.worker.on("message", (answer: unknown) => this.settle?.(answer));
    this.worker.on("error", (error: unknown) => this.fail?.(error instanceof Error ? error : new Error(String(error))));
  }

  run(root: string, operations: ReadonlyArray<Operation>): Promise<Run> {
    return this.ask({ kind: "run", root, operations }) as Promise<Run>;
  }

  walk(root: string): Promise<FoundTree> {
    return this.ask({ kind: "walk", root }) as Promise<FoundTree>;
  }

  /** Ends the thread; returns when it has let go of every file. */
  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private ask(request: Request): Promise<unknown> {
    return new Promise((settle, fail) => {
      this.settle = settle;
      this.fail = fail;
      this.worker.postMessage(request);
    });
  }
}
