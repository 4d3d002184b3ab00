import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { Filesystem } from "../engine/fs/types.ts";
import type { Pool } from "../engine/pool/pool.ts";
import { comesToRest } from "./liveness.ts";
import { runIn } from "./recovery-check.ts";
import { World } from "./world.ts";

/** What is seen of a pool whose syncfs ends like this. */
function problem(syncfs: Effect.Effect<void>, dirtyBytes: number, dirtyHeldBytes = dirtyBytes): string | undefined {
  const supervisor = {
    owed: new Set([1, 2]),
    actors: [
      { name: "journal", waiting: 3 },
      { name: "btree", waiting: 0 },
    ],
  };
  const pool = { usage: Effect.succeed({ dirtyBytes, dirtyHeldBytes }), runtime: { supervisor } } as unknown as Pool;
  return runIn(new World({ seed: 1 }), comesToRest(pool, { syncfs } as unknown as Filesystem)).problem;
}

describe("a pool that nobody calls any more", () => {
  it("is at rest when all is durable and nothing dirty", () => {
    expect(problem(Effect.sleep(1000), 0)).toBeUndefined();
  });

  it("is named with its mailboxes when it does not come to rest", () => {
    expect(problem(Effect.never, 0)).toBe(
      "NotAtRest: 600 s after the last fault the pool is not at rest: 0 bytes are dirty and hold 0, 2 replies are owed, journal has 3 messages",
    );
    expect(problem(Effect.void, 7)).toContain("after a syncfs the pool is not at rest: 7 bytes are dirty");
    expect(problem(Effect.void, 0, 4096)).toContain("0 bytes are dirty and hold 4096");
  });
});
