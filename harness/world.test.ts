import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Fiber from "effect/Fiber";
import * as Random from "effect/Random";
import * as Ref from "effect/Ref";
import { describe, expect, it } from "vitest";
import { Trace, firstDivergence } from "./trace.ts";
import { setTraps } from "./traps.ts";
import { Deadlock, EPOCH_MS, World } from "./world.ts";

/** Fibers that sleep, draw and answer each other. */
const busy = Effect.gen(function* () {
  const total = yield* Ref.make(0);
  const worker = (index: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (let round = 0; round < 10; round++) {
        yield* Effect.sleep((index * 7 + round) % 5);
        const drawn = yield* Random.nextIntBetween(0, 10);
        yield* Ref.update(total, (sum) => sum * 3 + drawn + index);
      }
    });
  yield* Effect.forEach([1, 2, 3, 4], worker, { concurrency: "unbounded", discard: true });
  return yield* Ref.get(total);
});

function runBusy(seed: number, policy: "uniform" | "priorities"): { hash: string; value: unknown } {
  const world = new World({ seed, policy });
  const exit = world.run(busy);
  return { hash: world.trace.hash, value: Exit.isSuccess(exit) ? exit.value : exit };
}

/** Two fibers add to a counter without making the addition one step. */
const lostUpdate = Effect.gen(function* () {
  let counter = 0;
  const add = Effect.gen(function* () {
    const before = yield* Effect.sync(() => counter);
    yield* Effect.sync(() => {
      counter = before + 1;
    });
  });
  yield* Effect.all([add, add], { concurrency: "unbounded" });
  return counter;
});

describe("world", () => {
  it.each(["uniform", "priorities"] as const)("does the same for a seed each time (%s)", (policy) => {
    for (let seed = 1; seed <= 20; seed++) expect(runBusy(seed, policy)).toEqual(runBusy(seed, policy));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => runBusy(seed, policy).hash)).size).toBe(20);
  });

  it("finds an update that is lost only when a fiber is preempted", () => {
    const lost = Array.from({ length: 200 }, (_, seed) => new World({ seed, preemptShare: 0.2 }).run(lostUpdate)).filter(
      (exit) => Exit.isSuccess(exit) && exit.value === 1,
    );
    expect(lost.length).toBeGreaterThan(10);
  });

  it("lets virtual time pass without waiting", () => {
    const world = new World({ seed: 1 });
    world.run(Effect.sleep("1 day"));
    expect(world.nowMs - EPOCH_MS).toBe(86_400_000);
  });

  it("calls it a deadlock when a fiber waits for ever, also for a promise from outside", () => {
    expect(() => new World({ seed: 1 }).run(Effect.never)).toThrow(Deadlock);
    expect(() => new World({ seed: 1 }).run(Effect.promise(() => Promise.resolve(1)))).toThrow(Deadlock);
  });

  it("calls it a livelock when there is no end", () => {
    expect(() => new World({ seed: 1, stepsMax: 1000 }).run(Effect.forever(Effect.yieldNow))).toThrow(/livelock/u);
  });

  it("lets the answerer go on before the waiter, for some seeds", () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const order: Array<string> = [];
      new World({ seed, preemptShare: 0 }).run(
        Effect.gen(function* () {
          const answer = yield* Deferred.make<void>();
          const waiter = yield* Effect.forkChild(
            Effect.andThen(
              Deferred.await(answer),
              Effect.sync(() => order.push("waiter")),
            ),
          );
          yield* Effect.sleep(1);
          yield* Deferred.succeed(answer, undefined);
          yield* Effect.sync(() => order.push("answerer"));
          yield* Fiber.join(waiter);
        }),
      );
      orders.add(order.join(" "));
    }
    // Left to itself, the waiter would always run first, on the answerer's stack.
    expect(orders.has("answerer waiter")).toBe(true);
  });
});

describe("trace", () => {
  it("differs when one event does, and names the first that does", () => {
    const [a, b] = [new Trace(true), new Trace(true)];
    for (const trace of [a, b]) trace.event("s", 1, 2);
    a.event("t", 3);
    b.event("t", 4);
    expect(a.hash).not.toBe(b.hash);
    expect(firstDivergence(a.recorded!, b.recorded!)).toContain("event 1");
  });

  it("has the same hash for the same events on every machine", () => {
    const trace = new Trace();
    trace.event("s", 2 ** 40 + 5, 7, 9);
    trace.text("x", "varve");
    expect(trace.hash).toMatchInlineSnapshot(`"79cc35c3fe8217cc"`);
  });
});

describe("traps", () => {
  const ambient: ReadonlyArray<readonly [string, () => unknown]> = [
    ["Date.now", () => Date.now()],
    ["new Date", () => new Date()],
    ["Math.random", () => Math.random()],
    ["performance.now", () => performance.now()],
    ["setTimeout", () => setTimeout(() => {}, 0)],
    ["queueMicrotask", () => queueMicrotask(() => {})],
    ["process.nextTick", () => process.nextTick(() => {})],
    ["crypto.randomUUID", () => crypto.randomUUID()],
    ["a promise", () => new Promise(() => {})],
  ];

  it.each(ambient)("%s throws while they are set, and works again afterwards", (_name, use) => {
    const release = setTraps();
    try {
      expect(use).toThrow(/inside a simulation/u);
    } finally {
      release();
    }
    expect(use).not.toThrow();
  });

  it("leaves dates that are given alone", () => {
    const release = setTraps();
    try {
      expect(new Date(0).getTime()).toBe(0);
    } finally {
      release();
    }
  });
});
