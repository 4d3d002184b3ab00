import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
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
});
