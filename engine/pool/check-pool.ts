/**
 * Checks a pool that nobody has mounted: opens it read-only, recovery in memory included, and runs every pass.
 *
 * Writes nothing. A pool so damaged that it cannot be opened is a finding, not a failure; what is no pool at all, or
 * not the whole of one, is a failure.
 */
import * as Effect from "effect/Effect";
import type { Device, DeviceError } from "../../devices/device.ts";
import type { PoolFailed } from "../actor.ts";
import { check, type CheckOptions } from "../check/check.ts";
import type { CheckReport } from "../check/findings.ts";
import { offsetOfHash } from "../fs/directory.ts";
import { nameHash } from "../fs/names.ts";
import type { PoolDamaged, PoolError } from "./errors.ts";
import { DeviceFailed } from "./errors.ts";
import { type OpenOptions, openPool } from "./pool.ts";
import { readJournal } from "./recovery.ts";
import type { Runtime } from "./runtime.ts";

/** Checks the pool of a running engine; nothing may change meanwhile. */
export const checkRuntime = Effect.fnUntraced(function* (
  runtime: Runtime,
  options: CheckOptions = {},
): Effect.fn.Return<CheckReport, PoolFailed | DeviceError | PoolDamaged> {
  const { superblock, io, btree, trees, loader } = runtime;
  const { entries } = yield* readJournal(io, superblock);
  const subject = {
    transactor: btree,
    trees,
    fetchNode: loader.fetch.bind(loader),
    io,
    superblock,
    journal: entries.map(({ entry }) => entry),
    offsetOfName: (name: Uint8Array) => offsetOfHash(nameHash(name, superblock.hashSeed, superblock.directoryHashBits)),
  };
  return yield* check(subject, options);
});

/** A report of one problem: the pool cannot be read far enough for the passes. */
function beyondChecking(what: string): CheckReport {
  return { problems: [{ pass: "recovery", what }], unlisted: 0, counts: {} };
}

const CHECK_ONLY: OpenOptions = { readOnly: true, commitIntervalMs: 0, writebackIntervalMs: 0 };

export function checkPool(
  devices: ReadonlyArray<Device>,
  options: CheckOptions & OpenOptions = {},
): Effect.Effect<CheckReport, PoolError> {
  const opened = Effect.scoped(
    Effect.flatMap(openPool(devices, { ...options, ...CHECK_ONLY }), ({ runtime }) => checkRuntime(runtime, options)),
  );
  return Effect.catch(opened, (error): Effect.Effect<CheckReport, PoolError> => {
    switch (error._tag) {
      case "PoolDamaged":
        return Effect.succeed(beyondChecking(error.message));
      case "PoolFailed":
        return Effect.succeed(beyondChecking(error.detail));
      case "MediumError":
      case "DeviceGone":
      case "ZoneViolation":
      case "OutOfRange":
        return Effect.fail(new DeviceFailed(error));
      default:
        return Effect.fail(error);
    }
  });
}
