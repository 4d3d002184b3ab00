/** The threads here are played by the test, one step at a time; `varve bench workers` has real ones. */
import { EventEmitter } from "node:events";
import type { Worker } from "node:worker_threads";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import { shrink } from "../engine/data/encode.ts";
import { CompressionPool, type CompressionThreadSetup } from "./compression-pool.ts";
import { CompressionSlots } from "./compression-slots.ts";

const text = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, at) => 97 + ((at * at + salt) % 23));
const noise = new Uint8Array(20_000).map((_, at) => Math.imul(at + 1, 0x9e3779b1) >>> 13);

class PlayedThread extends EventEmitter {
  readonly slots: CompressionSlots;
  ended = false;

  constructor({ count, memory }: CompressionThreadSetup) {
    super();
    this.slots = new CompressionSlots(count, memory);
  }

  ref(): void {}

  unref(): void {}

  terminate(): void {
    this.ended = true;
  }
}

interface Bench {
  readonly pool: CompressionPool;
  readonly threads: Array<PlayedThread>;
  readonly reports: Array<string>;
}

function bench(count = 1): Bench {
  const threads: Array<PlayedThread> = [];
  const reports: Array<string> = [];
  const pool = new CompressionPool(
    count,
    (line) => reports.push(line),
    (setup) => {
      threads.push(new PlayedThread(setup));
      return threads.at(-1) as unknown as Worker;
    },
  );
  return { pool, threads, reports };
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("threads that compress", () => {
  it("begin with the first piece, and give what compressing here gives", async () => {
    const { pool, threads } = bench(3);
    expect(threads).toHaveLength(0);
    const pieces = [text(128 * 1024), text(20_000, 5), noise];
    const begun = pieces.map((piece) => pool.begin(piece, 3)!);
    expect(threads).toHaveLength(3);
    const results = Effect.runPromise(Effect.all(begun.map(({ result }) => result)));
    await settle();
    while (threads[0]!.slots.work()) await settle();
    expect(await results).toEqual(pieces.map((piece) => shrink(piece, 3)));
    for (const piece of begun) piece.end();
    expect(pool.outstanding).toBe(0);
  });

  it("keep their own copy of the bytes", async () => {
    const { pool, threads } = bench();
    const bytes = text(20_000);
    const expected = shrink(bytes, 1);
    const piece = pool.begin(bytes, 1)!;
    bytes.fill(0);
    threads[0]!.slots.work();
    expect(piece.isDone()).toBe(true);
    expect(await Effect.runPromise(piece.result)).toEqual(expected);
  });

  it("take the piece that has waited longest", () => {
    const { pool, threads } = bench();
    const first = pool.begin(text(20_000), 1)!;
    const second = pool.begin(text(20_000), 1)!;
    expect(first.withdraw()).toBe(true);
    const third = pool.begin(text(20_000), 1)!;
    threads[0]!.slots.work();
    expect([second.isDone(), third.isDone()]).toEqual([true, false]);
    expect([second.withdraw(), third.withdraw()]).toEqual([false, true]);
    expect(threads[0]!.slots.work()).toBe(false);
  });

  it("have room for so much, which is free again when nobody wants it", async () => {
    const { pool, threads } = bench();
    const begun = Array.from({ length: pool.slots.count }, () => pool.begin(text(20_000), 1)!);
    expect(pool.begin(text(20_000), 1)).toBeUndefined();
    threads[0]!.slots.work();
    for (const piece of begun) piece.end();
    expect(pool.outstanding).toBe(0);
    const piece = pool.begin(text(20_000), 1)!;
    const waits = Effect.runFork(piece.result);
    await settle();
    await Effect.runPromise(Fiber.interrupt(waits));
    piece.end();
    expect(pool.outstanding).toBe(0);
  });

  it("are done without when they cannot begin", () => {
    const reports: Array<string> = [];
    const started: Array<PlayedThread> = [];
    const pool = new CompressionPool(
      2,
      (line) => reports.push(line),
      (setup) => {
        if (started.length > 0) throw new Error("no thread is left");
        started.push(new PlayedThread(setup));
        return started[0] as unknown as Worker;
      },
    );
    expect(pool.begin(text(20_000), 1)).toBeUndefined();
    expect(pool.begin(text(20_000), 1)).toBeUndefined();
    expect(reports).toEqual([expect.stringMatching(/no thread is left/)]);
    expect(started.map(({ ended }) => ended)).toEqual([true]);
  });

  it("are done without when one fails, and nothing that was asked for is lost", async () => {
    const { pool, threads, reports } = bench(2);
    const pieces = [text(20_000, 1), text(30_000, 2), text(40_000, 3)];
    const begun = pieces.map((piece) => pool.begin(piece, 1)!);
    threads[0]!.slots.work();
    const results = Effect.runPromise(
      Effect.all(
        begun.map(({ result }) => result),
        { concurrency: "unbounded" },
      ),
    );
    await settle();
    threads[1]!.emit("error", new Error("out of memory"));
    threads[1]!.emit("exit", 1);
    expect(await results).toEqual(pieces.map((piece) => shrink(piece, 1)));
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatch(/out of memory/);
    expect(threads.every(({ ended }) => ended)).toBe(true);
    expect(pool.begin(text(20_000), 1)).toBeUndefined();
  });
});
