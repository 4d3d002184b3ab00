/**
 * A disk as a file in a directory: mounts the directory and serves it until it is unmounted. Takes root.
 *
 * `DIRECTORY/disk` can be put under a loop device, which turns a flush of the block layer into an fsync of the file and
 * a discard into a punched hole. Requests are answered on the thread that started the export: a thread that waits for
 * the file in a system call must be another one.
 */
import { join } from "node:path";
import * as Effect from "effect/Effect";
import type { ServedDisk } from "../../devices/record/served-disk.ts";
import { directObstacle, startDirect } from "../direct-session.ts";
import { inspectMountPoint, MountPointError, unmount } from "../mount-point.ts";
import { TransportMissing } from "../transport.ts";
import { ExportTransport, FILE_NAME } from "./export-transport.ts";

/** Shown as the device of the mount. */
const SOURCE = "varve-export";

export interface Export {
  /** The file that is the disk. */
  readonly path: string;
  /** Puts another disk of the same size in place, while nobody uses the file. */
  readonly serve: (disk: ServedDisk) => void;
  /** Completes when the kernel has let go of the mount. */
  readonly ended: Effect.Effect<void>;
  /** Unmounts, and waits for the end. */
  readonly unmount: Effect.Effect<void, MountPointError>;
}

export interface ExportRequest {
  /** An empty directory. */
  readonly directory: string;
  readonly disk: ServedDisk;
  readonly report: (line: string) => void;
}

export function startExport({
  directory,
  disk,
  report,
}: ExportRequest): Effect.Effect<Export, MountPointError | TransportMissing> {
  return Effect.gen(function* () {
    const obstacle = directObstacle();
    if (obstacle !== undefined) return yield* Effect.fail(new TransportMissing("direct", obstacle));
    const state = inspectMountPoint(directory);
    if (state instanceof MountPointError) return yield* Effect.fail(state);
    if (state === "stale") return yield* Effect.fail(new MountPointError(`${directory} holds a dead mount`));
    const transport = new ExportTransport(disk, report);
    const options = ["rw", "nosuid", "nodev"];
    const session = yield* startDirect({ directory, source: SOURCE, options, report }, transport);
    return {
      path: join(directory, FILE_NAME),
      serve: (next) => transport.serve(next),
      ended: session.ended,
      unmount: Effect.andThen(
        Effect.tryPromise({
          try: () => unmount(directory, "now"),
          catch: (error) => (error instanceof MountPointError ? error : new MountPointError(String(error))),
        }),
        session.ended,
      ),
    };
  });
}
