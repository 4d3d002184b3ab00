/**
 * Operations of a device that fail for once are tried again, with growing pauses.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import { reached } from "../marks.ts";

/** Tries of an operation that fails with a transient error, the first one included. */
export const TRIES_MAX = 5;
/** Wait before the first retry; doubled for each further one. */
export const RETRY_DELAY_MS = 1;

const isTransient = (error: DeviceError): boolean => error._tag === "MediumError" && !error.permanent;

/** `mayRetry` is asked before each further try, if there is something to ask. */
export function retrying<A>(
  operation: Effect.Effect<A, DeviceError>,
  mayRetry?: Effect.Effect<boolean>,
): Effect.Effect<A, DeviceError> {
  const attempt = (tries: number): Effect.Effect<A, DeviceError> =>
    Effect.catch(operation, (error) => {
      if (!isTransient(error) || tries >= TRIES_MAX) return Effect.fail(error);
      const again = Effect.suspend(() => {
        reached("device operation retried");
        return Effect.flatMap(Effect.sleep(RETRY_DELAY_MS * 2 ** (tries - 1)), () => attempt(tries + 1));
      });
      return mayRetry === undefined ? again : Effect.flatMap(mayRetry, (may) => (may ? again : Effect.fail(error)));
    });
  return attempt(1);
}
