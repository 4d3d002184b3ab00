/**
 * One server after another on the same mount: what the next one needs, and how the one before lets go.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type * as Scope from "effect/Scope";
import type { Device } from "../devices/device.ts";
import { SPARE_READ_BYTES } from "../devices/direct-file.ts";
import { type DeviceRefused, openFileDevice } from "../devices/file.ts";
import { SurvivorLog } from "../engine/journal/survivor-log.ts";
import type { Pool } from "../engine/pool/pool.ts";
import type { Handed } from "./handed.ts";
import { memoryFile } from "./memory-file.ts";
import type { Outliving, Session } from "./transport.ts";

/** A server that takes over waits so long for the devices of the one before. */
const OPEN_RETRY_MS = 50;
const OPEN_TRIES_MAX = 200;
/** The memory file holds so many times what may be dirty; below that, writing small pieces over and over would wait. */
const KEPT_TIMES_DIRTY = 2;
const KEPT_BYTES_MIN = 32 * 1024 * 1024;

/** Share of the read cache that the memory of devices for further reads may take beside it. */
const SPARE_READ_SHARE = 1 / 4;

/**
 * Devices of a server that died are free once all that it had started has ended, too. Those of a mount keep some memory
 * for reads, by what its cache of data read may take.
 */
export function openDevices(
  devices: ReadonlyArray<string>,
  readOnly: boolean,
  handed: Handed | undefined,
  alone: () => boolean,
  readCacheBytes: number,
  tries = OPEN_TRIES_MAX,
): Effect.Effect<ReadonlyArray<Device>, DeviceRefused, Scope.Scope> {
  const spareReadBytes = Math.min(SPARE_READ_BYTES, readCacheBytes * SPARE_READ_SHARE) / devices.length;
  // Several are flushed at the same time.
  const options = { readOnly, spareReadBytes, ...(devices.length === 1 ? { alone } : {}) };
  const opened = Effect.forEach(devices, (path) => openFileDevice(path, options));
  if (handed?.device === undefined || tries === 0) return opened;
  return Effect.catch(opened, () =>
    Effect.andThen(
      Effect.sleep(OPEN_RETRY_MS),
      Effect.suspend(() => openDevices(devices, readOnly, handed, alone, readCacheBytes, tries - 1)),
    ),
  );
}

/** Where everything is kept that a server after this one needs; undefined without a supervisor. */
export function survivorsIn(
  handed: Handed | undefined,
  dirtyBytesMax: number,
  log: (line: string) => void,
): SurvivorLog | undefined {
  if (handed === undefined) return undefined;
  return new SurvivorLog({
    memory: memoryFile(handed.memory),
    bytesMax: Math.max(KEPT_BYTES_MIN, KEPT_TIMES_DIRTY * dirtyBytesMax),
    gaveUp: (why) => log(`the memory file takes no more (${why}): if this server dies, the mount ends`),
  });
}

export function outlivingOf(pool: Pool, survivors: SurvivorLog | undefined): Outliving | undefined {
  if (survivors === undefined) return undefined;
  return {
    filesystemFor: pool.filesystemForRequest,
    atOnceFor: pool.atOnceForRequest,
    answered: (request) => survivors.answered(request),
    allResent: () => survivors.allResent(),
    tookOver: pool.tookOver,
    forgotten: pool.forgotten,
    note: survivors.note,
    keepNote: (note) => survivors.keepNote(note),
  };
}

/** Completes when another server may go on. */
export function handingOver(
  wanted: Effect.Effect<string> | undefined,
  pool: Pool,
  { quiesce }: Session,
  log: (line: string) => void,
): Effect.Effect<true> {
  if (wanted === undefined || quiesce === undefined) return Effect.never;
  return Effect.gen(function* () {
    log(`handing over: ${yield* wanted}`);
    yield* quiesce;
    const done = yield* Effect.exit(pool.handOver);
    // Requests wait by now: whoever comes next takes over as from a server that died.
    if (Exit.isFailure(done)) log(`handing over in good order failed: ${JSON.stringify(done.cause.reasons)}`);
    return true as const;
  });
}
