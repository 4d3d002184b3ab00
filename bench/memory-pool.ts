/**
 * A freshly formatted pool on a device that keeps its bytes in memory, for benchmarks.
 *
 * Uses the production scheduler, so that the figures are those of a mount without its device and kernel.
 */
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import * as Scheduler from "effect/Scheduler";
import { makeMemoryDevice } from "../devices/memory.ts";
import { formatPool, openPool, type OpenOptions, type Pool } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import { ProductionScheduler } from "../fuse/scheduler.ts";

const scheduler = ManagedRuntime.make(Layer.succeed(Scheduler.Scheduler, new ProductionScheduler()));

export const UUID = new Uint8Array(16).fill(0x5a);

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Runs `body` on a new pool of this capacity; the pool is dropped afterwards. */
export function withMemoryPool<A, E>(
  capacityBytes: number,
  body: (pool: Pool) => Effect.Effect<A, E>,
  options: { readonly open?: OpenOptions; readonly format?: Partial<FormatOptions> } = {},
): Promise<A> {
  const device = makeMemoryDevice({ name: "memory", capacityBytes });
  return scheduler.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        yield* formatPool([device], { uuid: UUID, ...options.format });
        const pool = yield* openPool([device], options.open);
        return yield* body(pool);
      }),
    ),
  );
}
