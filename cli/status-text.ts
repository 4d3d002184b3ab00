/**
 * What a server tells of itself, as text for people.
 */
import type { ServerStatus } from "../fuse/status.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount, formatDuration, formatMicroseconds, formatShare } from "./quantity.ts";
import { latencyAt } from "../fuse/latency.ts";

const LOG_LINES_SHOWN = 8;
const OPERATIONS_SHOWN = 8;

const share = (part: number, whole: number): string => formatShare(whole > 0 ? part / whole : undefined);

function compression({ written }: ServerStatus): string {
  const sum = (key: "rawBytes" | "storedBytes"): number => written.reduce((total, each) => total + each[key], 0);
  const [raw, stored] = [sum("rawBytes"), sum("storedBytes")];
  if (raw === 0) return "nothing was written yet";
  const parts = written.map(({ kind, rawBytes, storedBytes }) => {
    const ratio = kind === "zstd" ? ` at ${(rawBytes / Math.max(1, storedBytes)).toFixed(2)}` : "";
    return `${kind} ${formatBytes(rawBytes)}${ratio}`;
  });
  return `${(raw / stored).toFixed(2)} over ${formatBytes(raw)} written (${parts.join(", ")})`;
}

function memoryText({ memory }: ServerStatus): string {
  const { residentBytes, budgetBytes, residentBytesPeak, heapUsedBytes, ease } = memory;
  const tight = ease < 1 ? `, tight: limits at ${formatShare(ease)}` : "";
  const peak = `peak ${formatBytes(residentBytesPeak)}, heap ${formatBytes(heapUsedBytes)}`;
  return `${formatBytes(residentBytes)} of ${formatBytes(budgetBytes)} (${peak})${tight}`;
}

function stateText({ pool }: ServerStatus): string {
  if (pool.state === "failed") return `FAILED, read-only: ${pool.why}`;
  return pool.state === "healthy" ? "healthy" : "mounted read-only";
}

const named = ({ uuid, label }: ServerStatus["pool"]): string => (label === "" ? uuid : `${uuid} "${label}"`);
const counted = ({ inodes }: ServerStatus["pool"]): ReadonlyArray<string> =>
  inodes === undefined ? [] : [`${formatCount(inodes)} files and directories`];

function rowsOf(status: ServerStatus): ReadonlyArray<ReadonlyArray<string>> {
  const { pid, transport, options, uptimeMs, pool, usage, requests, devices } = status;
  const { readCacheHits, readCacheMisses } = usage;
  const done = requests.operations.reduce((sum, { count }) => sum + count, 0);
  const errors = requests.operations.reduce((sum, each) => sum + each.errors, 0);
  return [
    ["pool", [named(pool), ...counted(pool)].join(", ")],
    ["server", `process ${pid}, up ${formatDuration(uptimeMs)}, ${transport}, ${options.join(",")}`],
    ["space", `${formatBytes(usage.availableBytes)} of ${formatBytes(usage.capacityBytes)} available`],
    ["compression", compression(status)],
    ["memory", memoryText(status)],
    [
      "nodes",
      `${formatCount(usage.residentLeaves)} of ${formatCount(usage.leavesMax)} in memory, ${formatCount(usage.dirtyNodes)} unwritten, hits ${share(Math.max(0, usage.attempts - usage.nodesLoaded), usage.attempts)}`,
    ],
    [
      "read cache",
      `${formatBytes(usage.readCacheBytes)} of ${formatBytes(usage.readCacheBytesMax)}, hits ${share(readCacheHits, readCacheHits + readCacheMisses)}`,
    ],
    [
      "dirty",
      `${formatBytes(usage.dirtyBytes)}, holding ${formatBytes(usage.dirtyHeldBytes)} of ${formatBytes(usage.dirtyBytesMax)}`,
    ],
    [
      "requests",
      `${formatCount(done)} answered, ${formatCount(errors)} by an error; ${formatBytes(requests.readBytes)} read, ${formatBytes(requests.writtenBytes)} written`,
    ],
    ...devices.map((device) => [
      "device",
      `${device.device}: ${formatBytes(device.readBytes)} read, ${formatBytes(device.writtenBytes)} written, ${formatCount(device.flushes)} flushes, ${formatCount(device.errors)} errors`,
    ]),
  ];
}

export function printStatus(status: ServerStatus, output: Output): void {
  const { directory, requests, events, log } = status;
  output.print(`${directory}: ${stateText(status)}`);
  output.table(rowsOf(status));
  const busiest = requests.operations.toSorted((a, b) => b.count - a.count).slice(0, OPERATIONS_SHOWN);
  if (busiest.length > 0) output.print();
  output.table(
    busiest.map(({ operation, count, errors, totalUs, latencies }) => [
      operation,
      formatCount(count),
      formatCount(errors),
      ...[totalUs / count, latencyAt(0.5, latencies) ?? 0, latencyAt(0.99, latencies) ?? 0].map(formatMicroseconds),
    ]),
    busiest.length > 0 ? ["operation", "answered", "errors", "mean", "p50", "p99"] : undefined,
  );
  const happened = Object.entries(events);
  if (happened.length > 0) output.print("\nSince the mount:");
  for (const [what, times] of happened) output.print(`  ${formatCount(times)} ${what}`);
  if (log.length > 0) output.print("\nLast lines of the log:");
  for (const { at, line } of log.slice(-LOG_LINES_SHOWN)) output.print(`  ${at} ${line}`);
}
