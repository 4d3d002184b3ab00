/**
 * Threads that compress for a pool, so that its own thread has time for requests, and for compressing as well.
 *
 * They begin with the first piece, and sleep while there is none. If one ends by itself, nobody is handed anything any
 * more, and what was under way is compressed here: a pool goes on without them.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import * as Effect from "effect/Effect";
import type { Compressing, Compressor } from "../engine/data/compressor.ts";
import { keptOf, shrink, type Shrunk } from "../engine/data/encode.ts";
import { CompressionSlots } from "./compression-slots.ts";

/** Below this the way there and back costs more than it saves. */
const BYTES_MIN = 16 * 1024;
/** Pieces for each thread, beside those that the pool's own thread may have: one under way, one that waits. */
const SLOTS_PER_THREAD = 2;
const OWN_SLOTS = 2;
/** What the runtime needs for little more than a loop. */
const LITTLE_HEAP = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
const DEFAULT_THREADS_MAX = 4;
/** More than any machine compresses with at a time. */
export const COMPRESSION_THREADS_MAX = 64;

/** A thread takes some 13 MiB of memory: a tenth of this. */
const MEMORY_PER_THREAD_BYTES = 128 * 1024 * 1024;

/** One processor is for the pool itself. `memoryBytes`: what all of the server may take. */
export const defaultThreads = (memoryBytes: number): number =>
  Math.min(DEFAULT_THREADS_MAX, availableParallelism() - 1, Math.floor(memoryBytes / MEMORY_PER_THREAD_BYTES));

/** What a thread is given. */
export interface CompressionThreadSetup {
  readonly count: number;
  readonly memory: SharedArrayBuffer;
}

type Resume = (shrunk: Shrunk) => void;

export class CompressionPool implements Compressor {
  readonly bytesMin = BYTES_MIN;
  readonly slots: CompressionSlots;
  private readonly threads: number;
  private readonly report: (line: string) => void;
  private readonly start: (setup: CompressionThreadSetup) => Worker;
  private readonly workers: Array<Worker> = [];
  private over = false;
  /** Slots whose result somebody waits for. */
  private readonly waiting: Map<number, Resume> = new Map();
  /** Slots whose result nobody wants, and that are not done yet. */
  private readonly dropped: Set<number> = new Set();
  private listening = false;

  /** `report`: told in a line if the threads fail. */
  constructor(threads: number, report: (line: string) => void, start = startThread) {
    this.threads = threads;
    this.report = report;
    this.start = start;
    this.slots = new CompressionSlots(threads * SLOTS_PER_THREAD + OWN_SLOTS);
  }

  begin(bytes: Uint8Array, level: number): Compressing | undefined {
    if (this.workers.length === 0 && !this.over) this.startAll();
    if (this.over) return undefined;
    for (const slot of this.dropped) if (this.slots.isDone(slot)) this.free(slot);
    const slot = this.slots.leave(bytes, level);
    if (slot < 0) return undefined;
    return {
      isDone: () => this.over || this.slots.isDone(slot),
      withdraw: () => this.slots.withdraw(slot),
      result: this.resultIn(slot),
      end: () => this.end(slot),
    };
  }

  /** Pieces whose slots are not free. */
  get outstanding(): number {
    return this.slots.used;
  }

  private startAll(): void {
    const { count, memory } = this.slots;
    try {
      for (let thread = 0; thread < this.threads; thread++) {
        const worker = this.start({ count, memory });
        this.workers.push(worker);
        worker.unref();
        worker.on("error", (error) => this.failed(String(error)));
        worker.on("exit", () => this.failed("it ended"));
      }
    } catch (error) {
      // Where the system has no thread left the runtime says so at once.
      this.failed(String(error));
    }
  }

  private failed(why: string): void {
    if (this.over) return;
    this.close();
    this.report(`a thread that compresses failed, and data is compressed without any from now on: ${why}`);
    for (const slot of [...this.waiting.keys()]) this.answer(slot);
  }

  private resultIn(slot: number): Effect.Effect<Shrunk> {
    return Effect.suspend(() => {
      if (this.over || this.slots.isDone(slot)) return Effect.succeed(this.take(slot));
      return Effect.callback<Shrunk>((resume) => {
        this.waiting.set(slot, (shrunk) => resume(Effect.succeed(shrunk)));
        this.listen();
        return Effect.sync(() => this.waiting.delete(slot));
      });
    });
  }

  private take(slot: number): Shrunk {
    if (!this.slots.isDone(slot)) {
      // No thread will do it.
      const { bytes, level } = this.slots.inputOf(slot);
      return shrink(bytes, level);
    }
    const { stored, storedBytes, rawBytes } = this.slots.resultOf(slot);
    return keptOf(stored, storedBytes, rawBytes);
  }

  /** A thread that is about to do it goes on; the slot is free when that one is through. */
  private end(slot: number): void {
    if (this.slots.isDone(slot)) this.free(slot);
    else if (!this.slots.withdraw(slot)) this.dropped.add(slot);
  }

  private free(slot: number): void {
    this.dropped.delete(slot);
    this.slots.free(slot);
  }

  private answer(slot: number): void {
    const resume = this.waiting.get(slot);
    if (resume === undefined || !(this.over || this.slots.isDone(slot))) return;
    this.waiting.delete(slot);
    resume(this.take(slot));
  }

  /** Answers whoever waits, as long as somebody does. */
  private listen(): void {
    while (!this.listening && this.waiting.size > 0) {
      const { answered } = this.slots;
      for (const slot of [...this.waiting.keys()]) this.answer(slot);
      if (this.waiting.size === 0) return;
      const more = this.slots.untilAnswered(answered);
      if (more === undefined) continue;
      this.listening = true;
      // Such a wait alone does not keep a program from ending.
      this.workers[0]!.ref();
      void more.then(() => {
        this.workers[0]!.unref();
        this.listening = false;
        this.listen();
      });
    }
  }

  /** Ends the threads. */
  close(): void {
    this.over = true;
    for (const worker of this.workers) void worker.terminate();
  }
}

function startThread(workerData: CompressionThreadSetup): Worker {
  return new Worker(new URL("./compression-thread.js", import.meta.url), { workerData, resourceLimits: LITTLE_HEAP });
}
