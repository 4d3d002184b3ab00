import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import { World } from "../harness/world.ts";
import { Actor, type Pending, Supervisor } from "./actor.ts";

type Request = Pending<number, never>;

describe("an actor", () => {
  it.each([true, false])("that was stopped tells who asks, and leaves nobody waiting (inline: %s)", async (inline) => {
    const program = Effect.gen(function* () {
      const supervisor = yield* Supervisor.make(inline);
      let handled = 0;
      const actor = new Actor<Request>(supervisor, "counter", (pending) => pending.succeed(++handled));
      const ask = actor.ask<number, never>((pending) => pending);
      expect(yield* ask).toBe(1);
      yield* supervisor.stop;
      const late = yield* Effect.result(ask);
      expect(late).toMatchObject({ _tag: "Failure", failure: { _tag: "PoolFailed" } });
      expect({ handled, owed: supervisor.owed.size }).toEqual({ handled: 1, owed: 0 });
    });
    await Effect.runPromise(Effect.timeout(program, 1000));
  });

  // A disk that was gone failed the pool while mail waited; the drain was scheduled again and again, for ever.
  it("of a failed pool lets its mail lie, and rests", () => {
    const program = Effect.gen(function* () {
      const supervisor = yield* Supervisor.make(false);
      const actor = new Actor<number>(supervisor, "reader", (message) => {
        if (message === 1) supervisor.fail("the disk is gone");
      });
      for (const message of [1, 2, 3]) actor.tell(message);
      yield* Effect.sleep(1000);
      return actor.waiting;
    });
    const world = new World({ seed: 1, stepsMax: 1000 });
    expect(world.run(program)).toMatchObject({ _tag: "Success", value: 2 });
    expect(world.steps).toBeLessThan(20);
  });

  it("that only reads goes on while the pool is frozen, until something is broken", async () => {
    const program = Effect.gen(function* () {
      const supervisor = yield* Supervisor.make(true);
      const answer = (pending: Request): void => pending.succeed(1);
      const reader = new Actor<Request>(supervisor, "reader", answer, { reads: true });
      const writer = new Actor<Request>(supervisor, "writer", answer);
      const asked = (actor: Actor<Request>): Effect.Effect<string> =>
        Effect.map(Effect.result(actor.ask<number, never>((pending) => pending)), ({ _tag }) => _tag);
      let under: Request | undefined;
      const slow = new Actor<Request>(supervisor, "slow reader", (pending) => void (under = pending), { reads: true });
      const asking = yield* Effect.forkChild(asked(slow), { startImmediately: true });
      supervisor.freeze("the journal cannot be written");
      under!.succeed(1);
      expect(yield* Fiber.join(asking)).toBe("Success");
      expect([yield* asked(reader), yield* asked(writer)]).toEqual(["Success", "Failure"]);
      supervisor.fail("an invariant is broken");
      expect([yield* asked(reader), yield* asked(writer)]).toEqual(["Failure", "Failure"]);
      expect(supervisor.failure?.detail).toBe("the journal cannot be written");
      expect(supervisor.owed.size).toBe(0);
    });
    await Effect.runPromise(Effect.timeout(program, 1000));
  });
});
