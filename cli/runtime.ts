/**
 * Runs the Effects of a command: the production scheduler, signals, and failures as one line.
 *
 * SIGINT and SIGTERM interrupt the Effect, whose finalizers then run; a second signal ends the process as usual. A
 * failure with a `message` becomes a `CannotError`; a defect is thrown on, since it is a bug.
 */
import * as Cause from "effect/Cause";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scheduler from "effect/Scheduler";
import { ProductionScheduler } from "../fuse/scheduler.ts";
import { CannotError, UsageError } from "./exit.ts";

const context = Context.make(Scheduler.Scheduler, new ProductionScheduler());

/** One line for a failure of any layer: its message, or its tag with what it knows. */
export function describeFailure(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  const { message, detail, reason, _tag, ...facts } = error as Record<string, unknown>;
  if (typeof message === "string" && message !== "") return message;
  const words = [_tag, reason, detail].filter((word) => typeof word === "string" && word !== "");
  const rest = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
  return [words.join(": "), ...rest].join(", ");
}

/** Runs the Effect to its end. Rejects with `CannotError` when it fails. */
export async function run<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
  const fiber = Effect.runForkWith(context)(effect);
  const interrupt = (): void => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    fiber.interruptUnsafe();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  const exit = await new Promise<Exit.Exit<A, E>>((resolve) => fiber.addObserver(resolve));
  process.off("SIGINT", interrupt);
  process.off("SIGTERM", interrupt);
  if (Exit.isSuccess(exit)) return exit.value;
  if (Cause.hasInterruptsOnly(exit.cause)) throw new CannotError("interrupted");
  const failure = Cause.findErrorOption(exit.cause);
  if (failure._tag === "Some") throw new CannotError(describeFailure(failure.value));
  const defect = Cause.squash(exit.cause);
  if (defect instanceof UsageError || defect instanceof CannotError) throw defect;
  throw new Error(Cause.pretty(exit.cause));
}
