/**
 * A connection to the kernel's FUSE: opening, mounting, reading requests and writing answers, until it ends.
 *
 * Mounting is left to the system's `mount`, which inherits the open connection; that takes root. Requests are read by
 * two readers of the thread pool, so that the kernel need not wait for one answer to be read the next. A small message is
 * copied and its buffer used again at once; a large one keeps its buffer until it is answered.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as Effect from "effect/Effect";
import { type DirectTransport, WRITE_BYTES_MAX } from "./direct.ts";
import { mountAt, MountPointError } from "./mount-point.ts";
import type { Session } from "./transport.ts";

const CONNECTION = "/dev/fuse";
/** The kernel wants room for its header and for what stands before the data of a write. */
const MESSAGE_BYTES_MAX = WRITE_BYTES_MAX + 4096;
const SMALL_MESSAGE_BYTES = 8192;
const READERS = 2;
const SPARE_BUFFERS_MAX = 8;
const MOUNT_RETRY_MS = 2;

/** Errors of a read after which there may be another message. */
const PASSING = new Set(["EINTR", "EAGAIN", "ENOENT"]);

/** Takes whole messages of the kernel and answers them, as `DirectTransport` does. */
export type MessageTransport = Pick<DirectTransport, "take" | "close">;

export interface DirectMount {
  readonly directory: string;
  /** Shown as the device of the mount. */
  readonly source: string;
  /** Words for `mount -o`, those of the connection excepted. */
  readonly options: ReadonlyArray<string>;
  readonly report: (line: string) => void;
}

class Connection {
  readonly fd: number;
  private readonly transport: MessageTransport;
  private readonly report: (line: string) => void;
  private readonly spare: Array<Uint8Array> = [];
  private readers = 0;
  private mounted = false;
  private over = false;
  private readonly waiting: Array<() => void> = [];

  constructor(fd: number, transport: MessageTransport, report: (line: string) => void) {
    this.fd = fd;
    this.transport = transport;
    this.report = report;
  }

  start(): void {
    for (; this.readers < READERS; this.readers++) this.read();
  }

  /** The mount stands: from now on a refused read is the end. */
  stands(): void {
    this.mounted = true;
  }

  /** Runs `then` when the kernel has let go. */
  whenOver(then: () => void): void {
    if (this.over && this.readers === 0) then();
    else this.waiting.push(then);
  }

  /** The mount did not come about. */
  abandon(): void {
    this.over = true;
  }

  private read(): void {
    if (this.over) return this.end();
    const buffer = this.spare.pop() ?? new Uint8Array(MESSAGE_BYTES_MAX);
    fs.read(this.fd, buffer, 0, MESSAGE_BYTES_MAX, null, (error, length) => {
      if (error !== null) return this.refused(error, buffer);
      this.take(buffer, length);
      this.read();
    });
  }

  private refused(error: NodeJS.ErrnoException, buffer: Uint8Array): void {
    this.reuse(buffer);
    const { code } = error;
    // Until the mount stands the connection belongs to nothing.
    if (code === "EPERM" && !this.mounted && !this.over) return void setTimeout(() => this.read(), MOUNT_RETRY_MS);
    if (code !== undefined && PASSING.has(code)) return this.read();
    if (code !== "ENODEV" && !this.over) this.report(`reading requests failed: ${error.message}`);
    this.end();
  }

  private take(buffer: Uint8Array, length: number): void {
    const small = length <= SMALL_MESSAGE_BYTES;
    const message = small ? buffer.slice(0, length) : buffer.subarray(0, length);
    if (small) this.reuse(buffer);
    this.transport.take(message, (...parts) => {
      if (parts.length > 0) this.write(parts);
      if (!small) this.reuse(buffer);
    });
  }

  private write(parts: ReadonlyArray<Uint8Array>): void {
    try {
      if (parts.length === 1) fs.writeSync(this.fd, parts[0]!);
      else fs.writevSync(this.fd, parts);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // The request was given up, or the mount is gone.
      if (code !== "ENOENT" && code !== "ENODEV") this.report(`answering failed: ${message}`);
    }
  }

  private reuse(buffer: Uint8Array): void {
    if (this.spare.length < SPARE_BUFFERS_MAX) this.spare.push(buffer);
  }

  private end(): void {
    this.over = true;
    this.readers--;
    if (this.readers === 0) for (const then of this.waiting.splice(0)) then();
  }
}

/** Why the kernel cannot be spoken to directly; undefined if it can. */
export function directObstacle(): string | undefined {
  if (process.platform !== "linux") return "only Linux has this protocol";
  if (process.geteuid?.() !== 0) return "it takes root";
  return fs.existsSync(CONNECTION) ? undefined : `there is no ${CONNECTION}`;
}

/** Mounts, and serves from then on. */
export function startDirect(
  { directory, source, options, report }: DirectMount,
  transport: MessageTransport,
): Effect.Effect<Session, MountPointError> {
  return Effect.gen(function* () {
    const fd = yield* Effect.try({
      try: () => fs.openSync(CONNECTION, "r+"),
      catch: (error) => new MountPointError(`${CONNECTION}: ${String(error)}`),
    });
    const connection = new Connection(fd, transport, report);
    connection.start();
    const words = [`fd=3`, "rootmode=40000", "user_id=0", "group_id=0", ...options].join(",");
    const complaint = yield* Effect.promise(() => runMount(words, source, directory, fd));
    const entry = complaint === undefined ? mountAt(directory) : undefined;
    if (entry === undefined) {
      connection.abandon();
      connection.whenOver(() => fs.closeSync(fd));
      return yield* Effect.fail(new MountPointError(`${directory}: ${complaint ?? "the mount did not appear"}`));
    }
    connection.stands();
    const close = Effect.sync(() => transport.close());
    const ended = Effect.callback<void>((resume) => connection.whenOver(() => resume(Effect.void)));
    return { device: entry.device, ended, close };
  });
}

/** What `mount` complains of; undefined if it succeeded. The connection is its descriptor 3. */
function runMount(options: string, source: string, directory: string, fd: number): Promise<string | undefined> {
  const words = ["-i", "-t", "fuse.varve", "-o", options, "--", source, directory];
  return new Promise((settle) => {
    const child = spawn("mount", words, {
      stdio: ["ignore", "ignore", "pipe", fd],
      env: { ...process.env, LC_ALL: "C" },
    });
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.on("error", (error) => settle(`mount cannot be run: ${error.message}`));
    child.on("close", (status) =>
      settle(status === 0 ? undefined : (said.trim().split("\n")[0] ?? `status ${status}`)),
    );
  });
}
