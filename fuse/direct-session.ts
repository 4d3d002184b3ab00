/**
 * A connection to the kernel's FUSE: opening, mounting, taking requests and writing answers, until it ends.
 *
 * Mounting is left to the system's `mount`, which inherits the open connection; that takes root. Requests are read by
 * `kernel-reader.ts`. A small message is copied and its buffer used again at once; a large one keeps its buffer until it
 * is answered.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { availableParallelism } from "node:os";
import * as Effect from "effect/Effect";
import { AwakeProcessor } from "./awake-processor.ts";
import { Company, WaitBetweenSyncs } from "./company.ts";
import { type DirectTransport, WRITE_BYTES_MAX } from "./direct.ts";
import {
  CONNECTION,
  eventLoopReads,
  EventLoopReader,
  type KernelReader,
  type MessageSink,
  openConnection,
  ThreadPoolReader,
} from "./kernel-reader.ts";
import { MessageBuffer } from "./message-buffer.ts";
import { mountAt, MountPointError } from "./mount-point.ts";
import { Notifier } from "./notifier.ts";
import { encodeResend } from "./protocol/reply.ts";
import type { Session } from "./transport.ts";

/** The kernel wants room for its header and for what stands before the data of a write. */
const MESSAGE_BYTES_MAX = WRITE_BYTES_MAX + 4096;
const SMALL_MESSAGE_BYTES = 8192;
/** Buffers of long messages that are kept, unless told. */
const SPARE_BUFFERS = 8;

/** Takes whole messages of the kernel and answers them, as `DirectTransport` does. */
export type MessageTransport = Pick<DirectTransport, "take" | "close"> & Partial<Pick<DirectTransport, "connected">>;

/** Who reads the requests; `auto` finds out what works. */
export type ReaderChoice = "auto" | "event-loop" | "thread-pool";

type Report = (line: string) => void;

export interface DirectMount {
  readonly directory: string;
  /** Shown as the device of the mount. */
  readonly source: string;
  /** Words for `mount -o`, those of the connection excepted. */
  readonly options: ReadonlyArray<string>;
  readonly report: Report;
  readonly reader?: ReaderChoice;
  /** How long the event loop looks for another request before it sleeps, where it has a processor to itself. */
  readonly spinMs?: number;
  /** Long messages that may wait for their answers at a time: so many buffers are kept. */
  readonly spareBuffers?: number;
  /** The connection, if somebody else opened it, and keeps it. */
  readonly connection?: number | undefined;
  /** Knows of whoever asks; while syncs come fast nobody looks for requests. */
  readonly company?: Company;
  /** Device number of the mount, if it stands: what another server has not answered is sent again. */
  readonly device?: string | undefined;
}

interface ConnectionOptions {
  readonly fd: number;
  /** The event loop reads, and looks for requests so long; or the thread pool does. */
  readonly spinMs: number | undefined;
  readonly spareBuffers: number;
  readonly company: Company;
}

class Connection implements MessageSink {
  readonly reader: KernelReader;
  private readonly notifier: Notifier;
  private readonly transport: MessageTransport;
  readonly report: Report;
  private readonly spareBuffers: number;
  private readonly spare: Array<MessageBuffer> = [];
  private readonly joined = new Uint8Array(SMALL_MESSAGE_BYTES);
  private over = false;
  /** Messages that are not answered. */
  private taken = 0;
  private idle: (() => void) | undefined;
  private readonly waiting: Array<() => void> = [];

  constructor(options: ConnectionOptions, transport: MessageTransport, report: Report) {
    const { fd, spinMs, spareBuffers, company } = options;
    this.transport = transport;
    this.report = report;
    this.spareBuffers = spareBuffers;
    this.reader = spinMs === undefined ? new ThreadPoolReader(fd, this) : this.eventLoopReader(fd, spinMs, company);
    this.notifier = new Notifier(fd);
    transport.connected?.(this.notifier);
  }

  private eventLoopReader(fd: number, spinMs: number, company: Company): EventLoopReader {
    const processors = availableParallelism();
    // Alone on a processor, whoever looks keeps the others from asking.
    const busyWait = new WaitBetweenSyncs(company, { windowMs: processors > 1 ? spinMs : 0, timesTaken });
    return new EventLoopReader(
      fd,
      this,
      busyWait,
      processors === 2 && spinMs > 0 ? new AwakeProcessor(company, this.report) : undefined,
    );
  }

  /** Runs `then` when the kernel has let go. */
  whenOver(then: () => void): void {
    if (this.over) then();
    else this.waiting.push(then);
  }

  readonly ended = (): void => {
    this.over = true;
    this.notifier.close();
    for (const then of this.waiting.splice(0)) then();
  };

  readonly buffer = (): MessageBuffer => this.spare.pop() ?? new MessageBuffer(MESSAGE_BYTES_MAX);

  /** Takes no more requests, and waits until those that were taken are answered. */
  quiesce(): Promise<void> {
    this.reader.pause();
    return new Promise((settle) => {
      this.idle = settle;
      this.settled(0);
    });
  }

  private settled(count: number): void {
    this.taken -= count;
    if (this.taken === 0) this.idle?.();
  }

  /** Asks the kernel for all that it has handed out and got no answer to. */
  resend(): void {
    fs.writeSync(this.reader.fd, encodeResend());
  }

  readonly take = (buffer: MessageBuffer): boolean => {
    const { length, bytes } = buffer;
    this.taken++;
    if (length <= SMALL_MESSAGE_BYTES) {
      this.transport.take(bytes.slice(0, length), (...parts) => this.write(parts));
      return true;
    }
    this.transport.take(bytes.subarray(0, length), (...parts) => {
      const taken = this.write(parts);
      if (this.spare.length < this.spareBuffers) this.spare.push(buffer);
      return taken;
    });
    return false;
  };

  /** Small parts are put together, which costs less than having the system do it. */
  private writeParts(parts: ReadonlyArray<Uint8Array>): void {
    let length = 0;
    for (const part of parts) length += part.length;
    if (parts.length === 1) return void fs.writeSync(this.reader.fd, parts[0]!);
    if (length > SMALL_MESSAGE_BYTES) return void fs.writevSync(this.reader.fd, parts);
    let at = 0;
    for (const part of parts) {
      this.joined.set(part, at);
      at += part.length;
    }
    fs.writeSync(this.reader.fd, this.joined, 0, length);
  }

  /** False if the kernel did not take it. */
  private write(parts: ReadonlyArray<Uint8Array>): boolean {
    const taken = this.send(parts);
    this.settled(1);
    return taken;
  }

  private send(parts: ReadonlyArray<Uint8Array>): boolean {
    if (parts.length === 0) return true;
    if (this.over) return false;
    try {
      this.writeParts(parts);
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // The request was given up, or the mount is gone.
      if (code !== "ENOENT" && code !== "ENODEV") this.report(`answering failed: ${message}`);
      return false;
    }
  }
}

function mayOpen(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why the kernel cannot be spoken to directly; undefined if it can. */
export function directObstacle(): string | undefined {
  if (process.platform !== "linux") return "only Linux has this protocol";
  if (!fs.existsSync(CONNECTION)) return `there is no ${CONNECTION}`;
  const open = mayOpen(CONNECTION);
  const missing = process.geteuid?.() === 0 ? [] : ["root, or namespaces of one's own (unshare -Urm varve mount ...)"];
  if (!open) missing.push(`the right to open ${CONNECTION} (root can give it: chmod 666 ${CONNECTION})`);
  return missing.length === 0 ? undefined : `it takes ${missing.join(", and ")}`;
}

/** How often the processor was taken away from the thread that asks. */
function timesTaken(): number {
  const status = fs.readFileSync("/proc/thread-self/status", "latin1");
  return Number(/^nonvoluntary_ctxt_switches:\s*(\d+)/mu.exec(status)?.[1] ?? 0);
}

/** Mounts, and serves from then on. */
export function startDirect(mount: DirectMount, transport: MessageTransport): Effect.Effect<Session, MountPointError> {
  const { directory, source, options, report, connection: given, device } = mount;
  const { reader = "auto", spinMs = 0, spareBuffers = SPARE_BUFFERS, company = new Company() } = mount;
  return Effect.gen(function* () {
    const eventLoop = reader === "event-loop" || (reader === "auto" && (yield* Effect.promise(eventLoopReads)));
    if (!eventLoop) report("requests are read by the thread pool");
    const fd = yield* Effect.try({
      try: () => given ?? openConnection(eventLoop),
      catch: (error) => new MountPointError(`${CONNECTION}: ${String(error)}`),
    });
    const ways = { fd, spinMs: eventLoop ? spinMs : undefined, spareBuffers, company };
    const connection = new Connection(ways, transport, report);
    const quiesce = Effect.promise(() => connection.quiesce());
    const { close } = transport;
    const ended = Effect.callback<void>((resume) => connection.whenOver(() => resume(Effect.void)));
    if (device !== undefined) {
      const resent = yield* Effect.result(Effect.try(() => connection.resend()));
      if (resent._tag === "Failure") report(`the kernel sends nothing again: ${String(resent.failure.cause)}`);
      connection.reader.stands();
      connection.reader.start();
      return { device, ended, close, quiesce };
    }
    connection.reader.start();
    const words = [`fd=3`, "rootmode=40000", "user_id=0", "group_id=0", ...options].join(",");
    const complaint = yield* Effect.promise(() => runMount(words, source, directory, fd));
    const entry = complaint === undefined ? mountAt(directory) : undefined;
    if (entry === undefined) {
      connection.reader.abandon();
      return yield* Effect.fail(new MountPointError(`${directory}: ${complaint ?? "the mount did not appear"}`));
    }
    connection.reader.stands();
    return { device: entry.device, ended, close, quiesce };
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
