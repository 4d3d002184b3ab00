import * as Effect from "effect/Effect";
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
});
