/**
 * Liveness: once faults have stopped and nobody calls any more, a pool comes to rest within a bounded time.
 *
 * Everything is asked to be durable; that must succeed, and leave nothing dirty, no memory for it, and nothing owed. Otherwise the actors
 * that have mail are named.
 */
import * as Effect from "effect/Effect";
import type { Pool, Usage } from "../engine/pool/pool.ts";
import type { Filesystem } from "../engine/fs/types.ts";

/** Virtual time within which a pool must have come to rest; the slowest disks take seconds for an operation. */
export const REST_MS_MAX = 600_000;

export class NotAtRest {
  readonly _tag = "NotAtRest";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

type Dirt = Pick<Usage, "dirtyBytes" | "dirtyHeldBytes">;

/** What keeps the pool from being at rest, in a line. */
function unrest({ runtime }: Pool, { dirtyBytes, dirtyHeldBytes }: Dirt): string {
  const { supervisor } = runtime;
  const stuck = supervisor.actors.filter(({ waiting }) => waiting > 0);
  const mail = stuck.map(({ name, waiting }) => `${name} has ${waiting} messages`);
  const dirt = `${dirtyBytes} bytes are dirty and hold ${dirtyHeldBytes}`;
  return [dirt, `${supervisor.owed.size} replies are owed`, ...mail].join(", ");
}

/** Fails when the pool does not come to rest; `filesystem` is the view through which it is asked to. */
export function comesToRest(pool: Pool, filesystem: Filesystem): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    const synced = yield* Effect.timeoutOption(filesystem.syncfs, REST_MS_MAX);
    const dirt = yield* pool.usage;
    if (synced._tag === "Some" && dirt.dirtyBytes === 0 && dirt.dirtyHeldBytes === 0) return;
    const how = synced._tag === "Some" ? "after a syncfs" : `${REST_MS_MAX / 1000} s after the last fault`;
    return yield* Effect.fail(new NotAtRest(`${how} the pool is not at rest: ${unrest(pool, dirt)}`));
  });
}
