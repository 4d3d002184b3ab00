/**
 * A clock on the wall that is set again and again, forward and back, by milliseconds and by years, once to a time before
 * 1970. Timers do not notice. What it says is known at every moment, so files' times can be told exactly.
 */
import * as Effect from "effect/Effect";
import type { Timestamp } from "../engine/fs/types.ts";
import type { Prng } from "./entropy.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3600 * 1000;
const YEAR_MS = 365 * 24 * HOUR_MS;
/** Pause between two jumps, at most. */
const PAUSE_MS_MAX = 2000;

/** What the clock on the wall says. */
export function timeAt(world: World): Timestamp {
  const micros = Math.round((world.nowMs + world.wallAheadMs) * 1000);
  const seconds = Math.floor(micros / 1e6);
  return { seconds, nanoseconds: (micros - seconds * 1e6) * 1000 };
}

/** How far ahead the clock is set next. */
function nextAheadMs(world: World, random: Prng): number {
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return -world.nowMs - random.below(YEAR_MS);
    case 2:
      return world.wallAheadMs + random.pick([-1, 1]) * random.between(1, 2000);
    case 3:
      return world.wallAheadMs + random.pick([-1, 1]) * HOUR_MS;
    default:
      return random.between(-20, 20) * YEAR_MS;
  }
}

export function jumps(world: World, random: Prng): Effect.Effect<never> {
  return Effect.forever(
    Effect.suspend(() => {
      world.wallAheadMs = nextAheadMs(world, random);
      world.trace.event("clock", Math.round(world.wallAheadMs));
      return Effect.sleep(random.pick([0.2, 5, 100, PAUSE_MS_MAX]) * random.float());
    }),
  );
}
