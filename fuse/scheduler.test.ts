import { describe, expect, test } from "vitest";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import * as Scheduler from "effect/Scheduler";
import { ProductionScheduler } from "./scheduler.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the production scheduler", () => {
  test("runs urgent tasks first and background tasks last, whoever scheduled them", async () => {
    const scheduler = new ProductionScheduler();
    const order: Array<string> = [];
    for (const [name, priority] of [
      ["late", 1],
      ["usual", 0],
      ["first", -1],
      ["usual too", 0],
    ] as const) {
      scheduler.makeDispatcher().scheduleTask(() => order.push(name), priority);
    }
    await turn();
    expect(order).toEqual(["first", "usual", "usual too", "late"]);
  });

  test("lets the event loop have its turn when the budget is used up, and forgets nothing", async () => {
    const scheduler = new ProductionScheduler({ budgetTasks: 3 });
    const dispatcher = scheduler.makeDispatcher();
    let ran = 0;
    for (let index = 0; index < 10; index++) dispatcher.scheduleTask(() => ran++, 0);
    await turn();
    expect(ran).toBe(3);
    for (let index = 0; index < 4; index++) await turn();
    expect(ran).toBe(10);
  });

  test("tasks scheduled by a task run in the same drain", async () => {
    const scheduler = new ProductionScheduler();
    const dispatcher = scheduler.makeDispatcher();
    const order: Array<number> = [];
    dispatcher.scheduleTask(() => {
      order.push(1);
      dispatcher.scheduleTask(() => order.push(3), 0);
      dispatcher.scheduleTask(() => order.push(2), -1);
    }, 0);
    await turn();
    expect(order).toEqual([1, 2, 3]);
  });

  test("carries Effect: many fibers that yield all finish, and a timer fires among them", async () => {
    const context = Context.make(Scheduler.Scheduler, new ProductionScheduler());
    let timer = false;
    const spin = Effect.gen(function* () {
      for (let step = 0; step < 100; step++) yield* Effect.yieldNow;
      return 1;
    });
    const program = Effect.gen(function* () {
      const sleeper = yield* Effect.forkChild(
        Effect.andThen(
          Effect.sleep(1),
          Effect.sync(() => (timer = true)),
        ),
      );
      const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(spin));
      let sum = 0;
      for (const fiber of fibers) sum += yield* Fiber.join(fiber);
      yield* Fiber.join(sleeper);
      return sum;
    });
    const exit = await Effect.runPromiseExitWith(context)(program);
    expect(exit).toMatchObject({ _tag: "Success", value: 50 });
    expect(timer).toBe(true);
  });
});
