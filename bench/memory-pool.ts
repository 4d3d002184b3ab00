/**
 * A freshly formatted pool on a device that keeps its bytes in memory, for benchmarks.
 *
 * Uses the production scheduler, so that the figures are those of a mount without its device and kernel.
 */
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import * as Scheduler from "effect/Scheduler";
import type * as Scope from "effect/Scope";
import type { Device } from "../devices/device.ts";
import { makeMemoryDevice } from "../devices/memory.ts";
import { formatPool, openPool, type OpenOptions, type Pool } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import { ProductionScheduler } from "../fuse/scheduler.ts";

const scheduler = ManagedRuntime.make(Layer.succeed(Scheduler.Scheduler, new ProductionScheduler()));

export const UUID = new Uint8Array(16).fill(0x5a);

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export interface PoolSettings {
  readonly open?: OpenOptions;
  readonly format?: Partial<FormatOptions>;
}

/** Formats the device, opens the pool and runs `body` on it; the pool is dropped with the scope. */
export const usePool = <A, E>(
  device: Device,
  body: (pool: Pool) => Effect.Effect<A, E>,
  settings: PoolSettings = {},
): Effect.Effect<A, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    yield* formatPool([device], { uuid: UUID, ...settings.format });
    const pool = yield* openPool([device], settings.open);
    return yield* body(pool);
  });

export const runScoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  scheduler.runPromise(Effect.scoped(effect));

/** Runs `body` on a new pool on the device. */
export const withPool = <A, E>(
  device: Device,
  body: (pool: Pool) => Effect.Effect<A, E>,
  settings?: PoolSettings,
): Promise<A> => runScoped(usePool(device, body, settings));

/** The same on a device of this capacity in memory. */
export const withMemoryPool = <A, E>(
  capacityBytes: number,
  body: (pool: Pool) => Effect.Effect<A, E>,
  settings?: PoolSettings,
): Promise<A> => withPool(makeMemoryDevice({ name: "memory", capacityBytes }), body, settings);
