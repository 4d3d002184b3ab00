import fc from "fast-check";
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { RATES } from "../harness/gate/marks.ts";
import { bucketOfLatency, LATENCY_BUCKETS, latencyAt, latencyBetween, latencyOfBucket } from "./latency.ts";
import { MeteredTransport } from "./metered-transport.ts";
import { Metrics } from "./metrics.ts";
import { Opcode } from "./protocol/opcodes.ts";
import { ServerLog } from "./server-log.ts";
import { EVENTS } from "./status.ts";

describe("a latency", () => {
  it("is in the bucket that begins at it or at most a fifth before it", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 5e8, noNaN: true }), (microseconds) => {
        const bucket = bucketOfLatency(microseconds);
        expect(bucket).toBeLessThan(LATENCY_BUCKETS);
        expect(latencyOfBucket(bucket)).toBeLessThanOrEqual(microseconds);
        expect(latencyOfBucket(bucket + 1)).toBeGreaterThan(microseconds);
        expect(latencyOfBucket(bucket + 1)).toBeLessThanOrEqual(latencyOfBucket(bucket) * 1.25);
      }),
    );
  });

  it("of any length has a bucket", () => {
    for (const odd of [-1, 0, 1e-9, 1e12, Number.MAX_VALUE]) expect(bucketOfLatency(odd)).toBeLessThan(LATENCY_BUCKETS);
    for (let bucket = 0; bucket < 120; bucket++) expect(bucketOfLatency(latencyOfBucket(bucket))).toBe(bucket);
  });

  it("that a share does not exceed is found to a fifth", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 200 }), (all) => {
        const counts = new Map<number, number>();
        for (const one of all) counts.set(bucketOfLatency(one), (counts.get(bucketOfLatency(one)) ?? 0) + 1);
        const pairs = [...counts].toSorted(([a], [b]) => a - b);
        const sorted = all.toSorted((a, b) => a - b);
        for (const share of [0.5, 0.99]) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1]!;
          const found = latencyAt(share, pairs)!;
          expect(found).toBeGreaterThanOrEqual(exact / 1.25 - 0.25);
          expect(found).toBeLessThanOrEqual(exact * 1.25 + 0.25);
        }
      }),
    );
    expect(latencyAt(0.5, [])).toBeUndefined();
  });

  it("counts for the interval in which it was", () => {
    expect(latencyBetween([[3, 2], [7, 5]], [[3, 2], [7, 9], [8, 1]])).toEqual([[7, 4], [8, 1]]); // oxfmt-ignore
  });
});

/** A message with an opcode and, of a read or write, a length. */
function request(opcode: number, bytes = 0): Uint8Array {
  const message = new Uint8Array(80);
  const view = new DataView(message.buffer);
  view.setUint32(4, opcode, true);
  view.setUint32(56, bytes, true);
  return message;
}

const answered = (errno: number, bytes = 0): ReadonlyArray<Uint8Array> => {
  const head = new Uint8Array(16);
  new DataView(head.buffer).setInt32(4, -errno, true);
  return bytes === 0 ? [head] : [head, new Uint8Array(bytes)];
};

/** A transport that answers when it is told to. */
class Held {
  readonly open: Array<{ message: Uint8Array; answer: (...parts: ReadonlyArray<Uint8Array>) => boolean }> = [];
  closed = false;
  take(message: Uint8Array, answer: (...parts: ReadonlyArray<Uint8Array>) => boolean): void {
    this.open.push({ message, answer });
  }
  readonly close = Effect.sync(() => {
    this.closed = true;
  });
  reply(errno = 0, bytes = 0): void {
    this.open.shift()!.answer(...answered(errno, bytes));
  }
}

describe("a metered transport", () => {
  it("passes everything on and counts it", () => {
    const metrics = new Metrics();
    const held = new Held();
    const transport = new MeteredTransport(held, metrics, 1000);
    const answers: Array<number> = [];
    for (const message of [request(Opcode.lookup), request(Opcode.read, 100), request(Opcode.write, 50)]) {
      transport.take(message, (...parts) => answers.push(parts.length) > 0);
    }
    transport.take(request(Opcode.forget), (...parts) => answers.push(parts.length) > 0);
    expect(metrics.inFlight).toBe(4);
    held.reply(2);
    held.reply(0, 70);
    held.reply();
    held.open.shift()!.answer();
    Effect.runSync(transport.close);
    expect(held.closed).toBe(true);
    expect(answers).toEqual([1, 2, 1, 0]);
    const { operations, ...rest } = metrics.snapshot();
    expect(rest).toEqual({ readBytes: 70, writtenBytes: 50, inFlight: 0, waiting: 0 });
    const counted = operations.map(({ operation, count, errors }) => [operation, count, errors]);
    expect(counted).toEqual([["lookup", 1, 1], ["forget", 1, 0], ["read", 1, 0], ["write", 1, 0]]); // oxfmt-ignore
    for (const { latencies } of operations) expect(latencies.map(([, count]) => count)).toEqual([1]);
  });

  it("lets no more data be in flight than may be, in order, and never holds back what carries none", () => {
    const metrics = new Metrics();
    const held = new Held();
    const transport = new MeteredTransport(held, metrics, 1000);
    const done: Array<string> = [];
    const take = (name: string, message: Uint8Array): void => transport.take(message, () => done.push(name) > 0);
    take("a", request(Opcode.write, 600));
    take("b", request(Opcode.read, 600));
    take("c", request(Opcode.write, 300));
    take("d", request(Opcode.getattr));
    // The third would fit, but it is not its turn.
    expect([held.open.length, metrics.waiting]).toEqual([2, 2]);
    held.reply();
    expect(held.open.map(({ message }) => message[4])).toEqual([Opcode.getattr, Opcode.read, Opcode.write]);
    expect(metrics.waiting).toBe(0);
    for (let left = 3; left > 0; left--) held.reply();
    // More than may be in flight at all goes alone.
    take("e", request(Opcode.write, 5000));
    take("f", request(Opcode.write, 10));
    expect(held.open).toHaveLength(1);
    held.reply();
    held.reply();
    expect(done).toEqual(["a", "d", "b", "c", "e", "f"]);
  });

  it("whose transport answers at once goes through a long queue without piling up calls", () => {
    const metrics = new Metrics();
    const held = new Held();
    let holding = true;
    const transport = new MeteredTransport(
      {
        take: (message, answer) => void (holding ? held.take(message, answer) : answer(...answered(0))),
        close: Effect.void,
      },
      metrics,
      1000,
    );
    let done = 0;
    for (let count = 0; count < 8000; count++) transport.take(request(Opcode.write, 900), () => ++done > 0);
    holding = false;
    held.reply();
    expect(done).toBe(8000);
    expect([metrics.inFlight, metrics.waiting]).toEqual([0, 0]);
  });
});

describe("the log of a server", () => {
  it("keeps the last lines and holds back what comes again and again", () => {
    const written: Array<string> = [];
    let now = 0;
    const log = new ServerLog(
      (line) => written.push(line),
      () => now,
    );
    for (let count = 0; count < 1000; count++) log.say(`read of 4096 bytes at ${count} failed`);
    log.say("other");
    expect(written).toHaveLength(21);
    now += 11_000;
    log.say("later");
    expect(written.slice(-2)).toEqual(["980 more lines like: read of # bytes at # failed", "later"]);
    for (let count = 0; count < 100; count++) log.say(String.fromCharCode(65 + (count % 26)).repeat(count + 1));
    expect(log.last).toHaveLength(50);
    expect(log.last.at(-1)!.line).toHaveLength(100);
  });
});

describe("events of a status", () => {
  it("are marks of the engine", () => {
    for (const mark of Object.keys(EVENTS)) expect(RATES).toHaveProperty([mark]);
  });
});
