/**
 * A filesystem of a fresh pool in memory, for tests of the mapping that need no mount.
 */
import * as Effect from "effect/Effect";
import { makeMemoryDevice } from "../devices/memory.ts";
import type { Filesystem, Timestamp } from "../engine/fs/types.ts";
import { formatPool, openPool, type Pool } from "../engine/pool/pool.ts";
import { Operations } from "./operations.ts";

const CAPACITY_BYTES = 32 * 1024 * 1024;
export const NOW: Timestamp = { seconds: 1_700_000_000, nanoseconds: 123 };

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Runs `body` on a new pool. */
export const withPool = <A, E>(body: (pool: Pool) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const device = makeMemoryDevice({ name: "memory", capacityBytes: CAPACITY_BYTES });
        yield* formatPool([device], { uuid: new Uint8Array(16).fill(1) });
        const pool = yield* openPool([device]);
        return yield* body(pool);
      }),
    ),
  );

/** Runs `body` on a new filesystem. */
export const withFilesystem = <A, E>(body: (filesystem: Filesystem) => Effect.Effect<A, E>): Promise<A> =>
  withPool(({ filesystem }) => body(filesystem));

export const withOperations = <A, E>(
  body: (operations: Operations, filesystem: Filesystem) => Effect.Effect<A, E>,
  aclsEnforced = true,
): Promise<A> => withFilesystem((filesystem) => body(new Operations(filesystem, () => NOW, aclsEnforced), filesystem));
