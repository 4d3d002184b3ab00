/**
 * `varve export DIRECTORY`: serves a disk in memory as `DIRECTORY/disk`, for a loop device to sit on, and counts what is
 * asked of it. In the foreground, until SIGINT or an unmount from elsewhere; the content is gone then.
 */
import { resolve } from "node:path";
import * as Effect from "effect/Effect";
import { RecordedDisk } from "../../devices/record/recorded-disk.ts";
import { startExport } from "../../fuse/export/export-session.ts";
import type { CommandSpec } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { Output } from "../output.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { describeFailure } from "../runtime.ts";

const SIZE_DEFAULT_BYTES = 256 * 1024 * 1024;
const SECTOR_BYTES = 512;

export const command: CommandSpec = {
  name: "export",
  summary: "serve a simulated disk as a file, for a loop device",
  arguments: [{ name: "<directory>", summary: "an empty directory; the disk is the file `disk` in it" }],
  options: [{ flags: "--size <bytes>", kind: "bytes", summary: "size of the disk (256M)" }],
  notes: [
    "Every write, flush (fsync of the file) and discard (punched hole) is recorded, in memory. The disk begins as",
    "zeros and is gone when the command ends. It takes root.",
    "",
    "Example:",
    "  mkdir -p d && varve export d --size 256M &",
    "  losetup --find --show --direct-io=on d/disk",
  ].join("\n"),
  run: async ([directory], options) => {
    const sizeBytes = options.number("size") ?? SIZE_DEFAULT_BYTES;
    if (sizeBytes <= 0 || sizeBytes % SECTOR_BYTES !== 0)
      throw new UsageError("--size takes whole sectors of 512 bytes");
    const output = new Output(options);
    const disk = RecordedDisk.blank(sizeBytes);
    await Effect.runPromise(Effect.catch(serve(resolve(directory!), disk, output), cannot));
    const { writes, writtenBytes, discards, flushes } = disk.counts;
    const written = `${formatCount(writes)} writes of ${formatBytes(writtenBytes)} in all`;
    output.print(`recorded ${written}, ${formatCount(flushes)} flushes, ${formatCount(discards)} discards`);
    output.object({ ended: true, writes, writtenBytes, discards, flushes });
    return Status.fine;
  },
};

const cannot = (error: unknown): Effect.Effect<never> => Effect.die(new CannotError(describeFailure(error)));

function serve(directory: string, disk: RecordedDisk, output: Output): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    const report = (line: string): void => void process.stderr.write(`${line}\n`);
    const served = yield* startExport({ directory, disk, report });
    output.print(`${served.path} is a disk of ${formatBytes(disk.sizeBytes)}; end with Ctrl-C`);
    output.object({ exported: served.path, sizeBytes: disk.sizeBytes, pid: process.pid });
    yield* Effect.raceFirst(served.ended, stopping(served.unmount, report));
  });
}

/** Unmounts at the first signal at which nobody uses the file any more. */
function stopping(unmount: Effect.Effect<void, { readonly message: string }>, report: (line: string) => void) {
  return Effect.callback<void>((resume) => {
    const stop = (): void => {
      void Effect.runPromise(
        Effect.match(unmount, {
          onSuccess: () => resume(Effect.void),
          onFailure: ({ message }) => report(`${message}; detach the loop device, then end with Ctrl-C`),
        }),
      );
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  });
}
