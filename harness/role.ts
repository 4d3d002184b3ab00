/**
 * Roles: who a fiber works for and what it was doing last, so that a deadlock can say who waits, and for what.
 *
 * A role is handed down to whatever a fiber forks. It is for people to read: nothing decides by it, and it adds no step
 * to a simulation, so that naming things does not shift a seed.
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import type * as Fiber from "effect/Fiber";
import * as References from "effect/References";

/** Names of one message; more are only counted. */
const NAMED_MAX = 12;

export class Role {
  readonly name: string;
  /** What was begun last, such as `fsync(7)`. */
  doing: string | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

const CurrentRole = Context.Reference<Role | undefined>("varve/harness/Role", { defaultValue: () => undefined });

/** Gives an effect, and all that it forks, a role. */
export const inRole = <A, E, R>(effect: Effect.Effect<A, E, R>, role: Role): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, CurrentRole, role);

function nameOf(fiber: Fiber.Fiber<unknown, unknown>): string {
  const role = Context.get(fiber.context, CurrentRole);
  const span = Context.get(fiber.context, References.CurrentStackFrame)?.name;
  const parts = [role?.name, span, role?.doing].filter((part) => part !== undefined);
  return parts.length === 0 ? "a fiber without a name" : parts.join(", ");
}

/** Says in one line which fibers have not ended, those of the same name together. */
export function describeFibers(fibers: Iterable<Fiber.Fiber<unknown, unknown>>): string {
  const counts = new Map<string, number>();
  for (const fiber of fibers) {
    if (fiber.pollUnsafe() !== undefined) continue;
    const name = nameOf(fiber);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts].map(([name, count]) => (count === 1 ? name : `${name} (${count} fibers)`));
  if (names.length <= NAMED_MAX) return names.join("; ");
  return `${names.slice(0, NAMED_MAX).join("; ")}; and ${names.length - NAMED_MAX} more`;
}
