/**
 * An engine whose syncfs is patience: it asks the engine for nothing, waits, and returns as if all were durable.
 *
 * Through the oracle's eyes a crash state behind such a syncfs must hold everything that was before it, so that what an
 * engine promises to do on its own within some time is held against it like a sync.
 */
import * as Effect from "effect/Effect";
import type { Observable } from "./checked-filesystem.ts";

export const withPatience = (engine: Observable, durableWithinMs: number): Observable => ({
  filesystemFor: (observer) =>
    Object.create(engine.filesystemFor(observer), {
      syncfs: {
        value: Effect.suspend(() => {
          observer.linearized();
          return Effect.sleep(durableWithinMs);
        }),
      },
    }) as ReturnType<Observable["filesystemFor"]>,
});
