/**
 * What a server tells of itself: a plain object, built when somebody asks. The JSON of it is what `varve status --json`
 * prints, so that a field keeps its name and meaning once it is here.
 *
 * Counts are since the mount; sizes are bytes.
 */
import * as Effect from "effect/Effect";
import type { Pool, Usage } from "../engine/pool/pool.ts";
import { marks } from "../engine/marks.ts";
import type { FsError } from "../engine/fs/types.ts";
import type { MemoryShares } from "./memory-budget.ts";
import type { MemoryControl } from "./memory-control.ts";
import type { Metrics, MetricsSnapshot } from "./metrics.ts";
import type { LogLine, ServerLog } from "./server-log.ts";
import type { DeviceCounts, WatchedDevice } from "./watched-device.ts";

export interface WrittenStatus {
  readonly kind: string;
  readonly pieces: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

export interface MemoryStatus extends MemoryShares {
  readonly residentBytes: number;
  readonly residentBytesPeak: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  /** Share of their limits that caches and dirty data have now: less than 1 where memory is tight. */
  readonly ease: number;
  readonly squeezes: number;
}

export interface ServerStatus {
  readonly pid: number;
  readonly directory: string;
  readonly transport: string;
  readonly options: ReadonlyArray<string>;
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly pool: {
    readonly uuid: string;
    readonly label: string;
    /** `failed`: read-only since something broke; `why` says what. */
    readonly state: "healthy" | "read-only" | "failed";
    readonly why: string | undefined;
    /** Nobody counts them once the pool failed. */
    readonly inodes: number | undefined;
  };
  readonly usage: Omit<Usage, "written">;
  readonly written: ReadonlyArray<WrittenStatus>;
  readonly memory: MemoryStatus;
  readonly devices: ReadonlyArray<DeviceCounts>;
  readonly requests: MetricsSnapshot;
  /** What happened in the engine that somebody may want to know of, and how often. */
  readonly events: Readonly<Record<string, number>>;
  readonly log: ReadonlyArray<LogLine>;
}

/** Marks of the engine that tell of trouble, with what they mean to a user. */
export const EVENTS: Readonly<Record<string, string>> = {
  "device operation retried": "device operations tried again after a passing error",
  "device gone": "devices that were gone",
  "extent that did not verify read again": "reads of data that did not verify and were repeated",
  "extent unreadable": "reads of data that is lost",
  "node that did not verify read again": "reads of nodes that did not verify and were repeated",
  "node unreadable": "nodes that are lost",
  "malformed row met": "rows that make no sense",
  "bucket retired after a write error": "buckets given up after a write error",
  "journal bucket abandoned after a write error": "journal buckets given up after a write error",
  "writeback failed and kept its data": "writes of dirty data that failed and are tried again",
  "failed writeback reported": "failed writes told to an fsync",
  "zone found read-only": "zones that turned read-only",
  "zone found offline": "zones that went offline",
  "write waited for space": "writes that waited for space",
  "writer waited for writeback": "writes that waited for dirty data to be written",
  "orphan removed": "files removed at mount that were deleted while open",
  "rejected journal entry superseded": "journal ends cut at mount after a crash",
};

function eventsSoFar(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [mark, meaning] of Object.entries(EVENTS)) {
    const times = marks.get(mark);
    if (times !== undefined) found[meaning] = times;
  }
  return found;
}

/** What a server knows that can be told. */
export interface StatusSources {
  readonly directory: string;
  readonly transport: string;
  readonly options: ReadonlyArray<string>;
  readonly readOnly: boolean;
  readonly pool: Pool;
  readonly devices: ReadonlyArray<WatchedDevice>;
  readonly memory: MemoryShares;
  readonly control: MemoryControl;
  readonly metrics: Metrics;
  readonly log: ServerLog;
  readonly startedMs: number;
  readonly failure: () => string | undefined;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const uuidOf = (bytes: Uint8Array): string =>
  hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5");

function memoryStatus(shares: MemoryShares, control: MemoryControl): MemoryStatus {
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    ...shares,
    residentBytes: rss,
    residentBytesPeak: process.resourceUsage().maxRSS * 1024,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    ease: control.ease,
    squeezes: control.squeezes,
  };
}

export function statusOf(sources: StatusSources): Effect.Effect<ServerStatus, FsError> {
  const { directory, transport, options, readOnly, pool, devices, metrics, log, startedMs } = sources;
  return Effect.gen(function* () {
    const { written, ...usage } = yield* pool.usage;
    const why = sources.failure();
    const inodes = why === undefined ? (yield* pool.filesystem.statfs).inodes : undefined;
    const { uuid, label } = pool.superblock;
    const state = why !== undefined ? "failed" : readOnly ? "read-only" : "healthy";
    return {
      ...{ pid: process.pid, directory, transport, options },
      startedAt: new Date(startedMs).toISOString(),
      uptimeMs: Date.now() - startedMs,
      pool: { uuid: uuidOf(uuid), label, state, why, inodes },
      usage,
      written: [...written].map(([kind, counts]) => ({ kind, ...counts })),
      memory: memoryStatus(sources.memory, sources.control),
      devices: devices.map(({ counts }) => counts),
      requests: metrics.snapshot(),
      events: eventsSoFar(),
      log: log.last,
    };
  });
}
