import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Fiber from "effect/Fiber";
import * as Random from "effect/Random";
import * as Ref from "effect/Ref";
import { describe, expect, it } from "vitest";
import { Trace, firstDivergence } from "./trace.ts";
import { setTraps } from "./traps.ts";
import { inRole, Role } from "./role.ts";
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
    const lost = Array.from({ length: 200 }, (_, seed) =>
      new World({ seed, preemptShare: 0.2 }).run(lostUpdate),
    ).filter((exit) => Exit.isSuccess(exit) && exit.value === 1);
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

  it("names who waits in a deadlock, and for what", () => {
    const role = new Role("client 3");
    role.doing = "fsync(7)";
    const waiting = Effect.all([inRole(Effect.never, role), Effect.withSpan(Effect.never, "the gate"), Effect.never], {
      concurrency: "unbounded",
    });
    const run = (): unknown => new World({ seed: 1 }).run(waiting);
    expect(run).toThrow(/deadlock; waiting: .*client 3, fsync\(7\)/u);
    expect(run).toThrow(/the gate/u);
  });

  it("does not name fibers that have ended", () => {
    const both = Effect.all([Effect.sleep(1), Effect.never], { concurrency: "unbounded" });
    expect(() => new World({ seed: 1 }).run(both)).toThrow(/waiting: a fiber without a name \(2 fibers\)$/u);
  });

  it("calls it a livelock when there is no end", () => {
    expect(() => new World({ seed: 1, stepsMax: 1000 }).run(Effect.forever(Effect.yieldNow))).toThrow(/livelock/u);
    const ticking = Effect.forever(Effect.sleep("1 minute"));
    expect(() => new World({ seed: 1, virtualMsMax: 3_600_000 }).run(ticking)).toThrow(/at 36\d\d.* livelock/u);
  });

  it.each(["uniform", "priorities"] as const)("is not disturbed by a world that runs inside of it (%s)", (policy) => {
    const run = (inner: Effect.Effect<unknown>): { hash: string; value: unknown; nowMs: number } => {
      const world = new World({ seed: 7, policy, preemptShare: 0.2 });
      const exit = world.run(
        Effect.all([busy, Effect.andThen(Effect.sleep(3), inner), busy], { concurrency: "unbounded" }),
      );
      return { hash: world.trace.hash, value: Exit.isSuccess(exit) ? exit.value : exit, nowMs: world.nowMs };
    };
    const nested = Effect.sync(() => runBusy(5, "uniform"));
    const { value, ...outer } = run(nested);
    const { value: _alone, ...alone } = run(Effect.sync(() => undefined));
    expect(outer).toEqual(alone);
    expect((value as Array<unknown>)[1]).toEqual(runBusy(5, "uniform"));
  });

  it("lets a fiber keep its priority while it sleeps", () => {
    let first = 0;
    for (let seed = 0; seed < 20; seed++) {
      const order: Array<number> = [];
      const sleeper = (index: number): Effect.Effect<unknown> =>
        Effect.repeat(
          Effect.andThen(
            Effect.sleep(5),
            Effect.sync(() => order.push(index)),
          ),
          { times: 19 },
        );
      new World({ seed, policy: "priorities", preemptShare: 0 }).run(
        Effect.all([sleeper(0), sleeper(1)], { concurrency: "unbounded" }),
      );
      const leads = order.filter((index, at) => at % 2 === 0 && index === 0).length;
      first += Math.max(leads, 20 - leads);
    }
    // Of 400 wakings; by chance it would be about 235.
    expect(first).toBeGreaterThan(300);
  });

  it("refuses to run itself inside of itself", () => {
    const world = new World({ seed: 1 });
    expect(Exit.isFailure(world.run(Effect.sync(() => world.run(Effect.void))))).toBe(true);
  });

  it("wakes sleepers of one instant in an order that differs from seed to seed", () => {
    for (const policy of ["uniform", "priorities"] as const) {
      const orders = new Set<string>();
      for (let seed = 0; seed < 60; seed++) {
        const order: Array<number> = [];
        const sleeper = (index: number): Effect.Effect<unknown> =>
          Effect.andThen(
            Effect.sleep(5),
            Effect.sync(() => order.push(index)),
          );
        new World({ seed, policy, preemptShare: 0 }).run(
          Effect.forEach([0, 1, 2], sleeper, { concurrency: "unbounded", discard: true }),
        );
        orders.add(order.join(""));
      }
      expect(orders.size).toBe(6);
    }
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

  it("tells kinds of events apart, also where only their middle differs", () => {
    const hashes = ["issue write", "issue flush", "issue reset"].map((kind) => {
      const trace = new Trace();
      trace.event(kind, 1, 2, 3);
      return trace.hash;
    });
    expect(new Set(hashes).size).toBe(3);
  });

  it("takes in all of a trace that is folded in", () => {
    const folded = [1, 2].map((value) => {
      const [outer, inner] = [new Trace(), new Trace()];
      inner.event("s", value);
      outer.fold("recovery", inner);
      return outer.hash;
    });
    expect(folded[0]).not.toBe(folded[1]);
  });

  it("has the same hash for the same events on every machine", () => {
    const trace = new Trace();
    trace.event("s", 2 ** 40 + 5, 7, 9);
    trace.text("x", "varve");
    expect(trace.hash).toMatchInlineSnapshot(`"a8b8b273c0eae31e"`);
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
    ["process.hrtime", () => process.hrtime()],
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
