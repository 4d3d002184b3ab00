/**
 * What a body that only reads returns, without waiting where all that it needs is in memory.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Transaction, Transactor } from "./transaction.ts";

export const reading = <A>(transactor: Transactor, body: (tx: Transaction) => A): Effect.Effect<A, PoolFailed> =>
  Effect.suspend(() => {
    const known = transactor.peek?.(body);
    return known === undefined ? transactor.transact<A, never>(body) : Effect.succeed(known);
  });
