/**
 * What a server did between two moments at which it was asked: rates, latencies, hit rates; pure.
 */
import { latencyAt, latencyBetween } from "./latency.ts";
import type { OperationCounts } from "./metrics.ts";
import type { ServerStatus } from "./status.ts";

export interface OperationRate {
  readonly operation: string;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface Interval {
  readonly intervalMs: number;
  /** Those that were done in the interval, the most frequent one first. */
  readonly operations: ReadonlyArray<OperationRate>;
  readonly perSecond: number;
  readonly readBytesPerSecond: number;
  readonly writtenBytesPerSecond: number;
  readonly deviceReadBytesPerSecond: number;
  readonly deviceWrittenBytesPerSecond: number;
  readonly flushesPerSecond: number;
  /** Of looks into the cache of decoded data; undefined: there were none. */
  readonly readCacheHitShare: number | undefined;
  /** Of runs of transactions, those that found all nodes in memory. */
  readonly nodeHitShare: number | undefined;
  readonly dirtyHeldBytes: number;
  readonly dirtyBytesMax: number;
  readonly residentBytes: number;
  readonly budgetBytes: number;
  readonly inFlight: number;
}

const share = (part: number, whole: number): number | undefined => (whole > 0 ? part / whole : undefined);

function rateOf(before: OperationCounts | undefined, after: OperationCounts, seconds: number): OperationRate {
  const count = after.count - (before?.count ?? 0);
  const latencies = latencyBetween(before?.latencies ?? [], after.latencies);
  return {
    operation: after.operation,
    perSecond: count / seconds,
    errorsPerSecond: (after.errors - (before?.errors ?? 0)) / seconds,
    meanUs: count > 0 ? (after.totalUs - (before?.totalUs ?? 0)) / count : 0,
    p50Us: latencyAt(0.5, latencies) ?? 0,
    p99Us: latencyAt(0.99, latencies) ?? 0,
  };
}

const deviceSum = ({ devices }: ServerStatus, key: "readBytes" | "writtenBytes" | "flushes"): number =>
  devices.reduce((sum, device) => sum + device[key], 0);

/** Both of one server, the second one later. */
export function intervalBetween(before: ServerStatus, after: ServerStatus): Interval {
  const intervalMs = after.uptimeMs - before.uptimeMs;
  const seconds = Math.max(intervalMs, 1) / 1000;
  const earlier = new Map(before.requests.operations.map((counts) => [counts.operation, counts]));
  const operations = after.requests.operations
    .map((counts) => rateOf(earlier.get(counts.operation), counts, seconds))
    .filter(({ perSecond }) => perSecond > 0)
    .toSorted((a, b) => b.perSecond - a.perSecond || (a.operation < b.operation ? -1 : 1));
  const perSecond = (of: (status: ServerStatus) => number): number => (of(after) - of(before)) / seconds;
  const { usage, memory, requests } = after;
  const hits = usage.readCacheHits - before.usage.readCacheHits;
  const misses = usage.readCacheMisses - before.usage.readCacheMisses;
  const attempts = usage.attempts - before.usage.attempts;
  const loaded = usage.nodesLoaded - before.usage.nodesLoaded;
  return {
    intervalMs,
    operations,
    perSecond: operations.reduce((sum, rate) => sum + rate.perSecond, 0),
    readBytesPerSecond: perSecond((status) => status.requests.readBytes),
    writtenBytesPerSecond: perSecond((status) => status.requests.writtenBytes),
    deviceReadBytesPerSecond: perSecond((status) => deviceSum(status, "readBytes")),
    deviceWrittenBytesPerSecond: perSecond((status) => deviceSum(status, "writtenBytes")),
    flushesPerSecond: perSecond((status) => deviceSum(status, "flushes")),
    readCacheHitShare: share(hits, hits + misses),
    nodeHitShare: share(Math.max(0, attempts - loaded), attempts),
    dirtyHeldBytes: usage.dirtyHeldBytes,
    dirtyBytesMax: usage.dirtyBytesMax,
    residentBytes: memory.residentBytes,
    budgetBytes: memory.budgetBytes,
    inFlight: requests.inFlight,
  };
}
