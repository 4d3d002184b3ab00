/**
 * `varve top DIR`: what a mount is doing, interval after interval: redrawn on a terminal, lines elsewhere.
 */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findServer, type ServerLink } from "../../fuse/control.ts";
import { type Interval, intervalBetween } from "../../fuse/interval.ts";
import { MOUNT_TYPE, mountAt } from "../../fuse/mount-point.ts";
import type { ServerStatus } from "../../fuse/status.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { Output } from "../output.ts";
import { formatBytes, formatMicroseconds, formatShare } from "../quantity.ts";

const INTERVAL_MS = 1000;
const INTERVAL_MS_MIN = 50;

export const command: CommandSpec = {
  name: "top",
  summary: "show live what a mount is doing",
  arguments: [{ name: "<directory>", summary: "the directory that the pool is mounted on" }],
  options: [
    { flags: "--interval <duration>", kind: "milliseconds", summary: "time that each view covers (1s unless told)" },
    { flags: "--once", kind: "flag", summary: "one interval, then end" },
  ],
  notes: "Example:\n  varve top /mnt --interval 5s",
  run: top,
};

async function top(args: ReadonlyArray<string>, options: Options): Promise<number> {
  const directory = resolve(args[0] ?? "");
  const intervalMs = options.number("interval") ?? INTERVAL_MS;
  if (intervalMs < INTERVAL_MS_MIN) throw new UsageError(`an interval is ${INTERVAL_MS_MIN}ms at least`);
  const entry = mountAt(directory);
  if (entry?.type !== MOUNT_TYPE) throw new CannotError(`no pool is mounted on ${directory}`);
  const server = await findServer(entry.device);
  if (server === undefined) throw new CannotError(`the server of ${directory} is gone`);
  try {
    return await watch(server, directory, intervalMs, options);
  } finally {
    server.close();
  }
}

async function watch(server: ServerLink, directory: string, intervalMs: number, options: Options): Promise<number> {
  const output = new Output(options);
  const live = process.stdout.isTTY === true && !options.json && !options.flag("once");
  let before = await askStatus(server);
  for (;;) {
    const ended = await Promise.race([sleep(intervalMs), server.ended]);
    if (ended !== undefined) break;
    const after = await askStatus(server).catch(() => undefined);
    if (after === undefined) break;
    const interval = intervalBetween(before, after);
    if (live) process.stdout.write("\u001b[H\u001b[2J");
    output.object({ at: new Date().toISOString(), directory, ...interval });
    show(directory, interval, output);
    if (options.flag("once")) return Status.fine;
    if (!live) output.print();
    before = after;
  }
  output.print(`${directory} is no longer mounted`);
  return Status.fine;
}

const askStatus = async (server: ServerLink): Promise<ServerStatus> => (await server.ask("status")) as ServerStatus;

function show(directory: string, interval: Interval, output: Output): void {
  const rate = (bytes: number): string => `${formatBytes(Math.round(bytes))}/s`;
  const { operations, readCacheHitShare, nodeHitShare } = interval;
  output.print(
    `${directory}: ${interval.perSecond.toFixed(0)} requests/s, ${interval.inFlight} in flight; read ${rate(interval.readBytesPerSecond)}, written ${rate(interval.writtenBytesPerSecond)}`,
  );
  output.print(
    `devices: read ${rate(interval.deviceReadBytesPerSecond)}, written ${rate(interval.deviceWrittenBytesPerSecond)}, ${interval.flushesPerSecond.toFixed(1)} flushes/s; hits: read cache ${formatShare(readCacheHitShare)}, nodes ${formatShare(nodeHitShare)}`,
  );
  output.print(
    `memory: ${formatBytes(interval.residentBytes)} of ${formatBytes(interval.budgetBytes)}; dirty holds ${formatBytes(interval.dirtyHeldBytes)} of ${formatBytes(interval.dirtyBytesMax)}`,
  );
  if (operations.length === 0) return;
  output.table(
    operations.map(({ operation, perSecond, errorsPerSecond, meanUs, p50Us, p99Us }) => [
      operation,
      perSecond.toFixed(1),
      errorsPerSecond.toFixed(1),
      ...[meanUs, p50Us, p99Us].map(formatMicroseconds),
    ]),
    ["operation", "per second", "errors/s", "mean", "p50", "p99"],
  );
}
