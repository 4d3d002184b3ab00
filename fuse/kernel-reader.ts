/**
 * Who reads the kernel's requests: the event loop, or where its internals are not as they should be, the thread pool.
 *
 * The event loop's reader hands the connection to libuv as if it were a pipe, so that a request is read where the loop
 * waits anyway, without a thread in between: about twice as fast. That takes undocumented parts of Node, so it is tried
 * on a connection of its own first. When a request was read, a few more are taken at once, if lately there were any, and
 * while requests come close to each other the loop turns without sleeping (`busy-wait.ts`), and so does the processor of
 * those who ask (`awake-processor.ts`).
 * The two readers of the thread pool take turns, so that the kernel need not wait for one answer to be read the next.
 *
 * A reader owns the descriptor. It reads into buffers that its sink gives, and calls nobody after `ended`.
 */
import * as fs from "node:fs";
import { createServer } from "node:net";
import type { AwakeProcessor } from "./awake-processor.ts";
import type { BusyWait } from "./busy-wait.ts";
import { MessageBuffer } from "./message-buffer.ts";

export const CONNECTION = "/dev/fuse";
const THREADS = 2;
/** While a connection belongs to no mount yet, and where a read is refused without a reason to end. */
const RETRY_MS = 2;
/** Requests taken at once behind the one that woke the loop. */
const DRAIN_MAX = 4;
/** After tries in vain so many wakes pass without one. */
const QUIET_WAKES_MAX = 32;
const TRIAL_MS = 1000;

/** Errors of a read after which there may be another message. */
const PASSING = new Set(["EINTR", "EAGAIN", "ENOENT"]);

export interface MessageSink {
  /** A buffer to read the next message into. */
  readonly buffer: () => MessageBuffer;
  /** A message was read. True if the buffer can be read into again at once; else it comes back through `buffer`. */
  readonly take: (buffer: MessageBuffer) => boolean;
  readonly report: (line: string) => void;
  /** The kernel has let go of the connection; it is closed. */
  readonly ended: () => void;
}

export interface KernelReader {
  readonly fd: number;
  /** Begins before the connection belongs to a mount. */
  start(): void;
  /** The mount stands: from now on a refused read is the end. */
  stands(): void;
  /** The mount did not come about. */
  abandon(): void;
  /** No more requests are taken. What a thread waits for all the same is lost, and must be sent again. */
  pause(): void;
}

/** The part of Node's handle of a pipe that is used. */
interface PipeHandle {
  onread: () => Uint8Array | undefined;
  open(fd: number): number;
  useUserBuffer(bytes: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  close(closed?: () => void): void;
}

/** Makes a handle as a connected socket has it; throws where Node's inside is not as expected. */
function pipeHandle(): PipeHandle {
  const server = createServer();
  server.on("error", () => {});
  server.listen(`\0varve/none/${process.pid}`);
  try {
    const { _handle } = server as unknown as { readonly _handle: object };
    const made = new (_handle.constructor as new (type: number) => PipeHandle)(0);
    for (const method of ["open", "useUserBuffer", "readStart", "readStop", "close"] as const) {
      if (typeof made[method] !== "function") throw new Error(`a pipe's handle has no ${method}`);
    }
    return made;
  } finally {
    server.close();
  }
}

let trial: Promise<boolean> | undefined;

/** Can the event loop read from the kernel's device? Tried once in a process. */
export function eventLoopReads(): Promise<boolean> {
  // A connection that belongs to no mount refuses to be read, at once: the reader must hear of it.
  trial ??= new Promise((settle) => {
    const give = (works: boolean): void => {
      clearTimeout(timer);
      settle(works);
    };
    const timer = setTimeout(give, TRIAL_MS, false);
    try {
      const fd = openConnection(true);
      const handle = pipeHandle();
      const buffer = new MessageBuffer(1024 * 1024);
      if (handle.open(fd) !== 0) throw new Error("not taken");
      handle.useUserBuffer(buffer.bytes);
      handle.onread = () => {
        handle.close();
        give(buffer.length === 0);
        return undefined;
      };
      if (handle.readStart() !== 0) throw new Error("not read");
    } catch {
      give(false);
    }
  });
  return trial;
}

export function openConnection(eventLoop: boolean): number {
  const { O_RDWR, O_NONBLOCK } = fs.constants;
  return fs.openSync(CONNECTION, eventLoop ? O_RDWR | O_NONBLOCK : O_RDWR);
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

export class EventLoopReader implements KernelReader {
  readonly fd: number;
  private readonly sink: MessageSink;
  private handle: PipeHandle | undefined;
  private current: MessageBuffer;
  private mounted = false;
  private over = false;
  private paused = false;
  /** Wakes to let pass before another try to take more, and how many it was last. */
  private quiet = 0;
  private quietLast = 1;
  private readonly busyWait: BusyWait;
  private readonly otherProcessor: AwakeProcessor | undefined;
  private turning = false;

  constructor(fd: number, sink: MessageSink, busyWait: BusyWait, otherProcessor?: AwakeProcessor) {
    this.fd = fd;
    this.sink = sink;
    this.busyWait = busyWait;
    this.otherProcessor = otherProcessor;
    this.current = sink.buffer();
  }

  start(): void {
    this.poll();
  }

  stands(): void {
    this.mounted = true;
    if (!this.over) this.listen();
  }

  abandon(): void {
    this.end();
  }

  pause(): void {
    this.paused = true;
    this.handle?.readStop();
  }

  /** Until the mount stands, libuv would take the first refusal for the end. */
  private poll(): void {
    if (this.mounted || this.over) return;
    while (this.readOne());
    if (!this.over) setTimeout(() => this.poll(), RETRY_MS);
  }

  private listen(): void {
    const handle = pipeHandle();
    const refused = handle.open(this.fd);
    if (refused !== 0) throw new Error(`the connection cannot be polled: ${refused}`);
    this.handle = handle;
    this.current.clear();
    handle.useUserBuffer(this.current.bytes);
    handle.onread = () => this.woken();
    handle.readStart();
  }

  private woken(): Uint8Array | undefined {
    const { bytes } = this.current;
    if (this.current.length === 0) {
      this.refused();
      return undefined;
    }
    const cameMs = performance.now();
    this.busyWait.came(cameMs);
    this.otherProcessor?.came(cameMs);
    this.taken();
    // Who looks again at once need not look now, which costs more where there is nothing.
    if (this.turning) this.quietLast = 1;
    else if (this.quiet > 0) this.quiet--;
    else this.drain();
    this.current.clear();
    const doneMs = performance.now();
    this.otherProcessor?.done(doneMs);
    if (this.busyWait.done(doneMs)) this.stayAwake();
    return this.current.bytes === bytes ? undefined : this.current.bytes;
  }

  /** Has the loop turn without sleeping: it looks for requests in each turn. */
  private stayAwake(): void {
    if (this.turning) return;
    this.turning = true;
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    this.turning = !this.over && !this.paused && this.busyWait.patient(performance.now());
    if (this.turning) setImmediate(this.turn);
  };

  private taken(): void {
    if (!this.sink.take(this.current)) this.current = this.sink.buffer();
  }

  /** Takes what else is there. */
  private drain(): void {
    let count = 0;
    while (count < DRAIN_MAX && !this.paused && this.readOne()) count++;
    this.quietLast = count > 0 ? 1 : Math.min(QUIET_WAKES_MAX, 2 * this.quietLast);
    this.quiet = count > 0 ? 0 : this.quietLast;
  }

  /** Reads and takes a message that waits; false if there is none. */
  private readOne(): boolean {
    const { stackTraceLimit } = Error;
    try {
      // The usual answer is an error that says that there is nothing; where that was is known.
      Error.stackTraceLimit = 0;
      fs.readSync(this.fd, this.current.bytes, 0, this.current.bytes.length, null);
    } catch (error) {
      const code = codeOf(error);
      if (!PASSING.has(code) && (this.mounted || code !== "EPERM")) {
        if (code !== "ENODEV") this.sink.report(`reading requests failed: ${String(error)}`);
        this.end();
      }
      return false;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    this.taken();
    return true;
  }

  /** libuv does not go on behind an error, whatever it was. */
  private refused(): void {
    while (this.readOne());
    if (this.over) return;
    // The handle that is left behind must never close the descriptor.
    this.handle = undefined;
    setTimeout(() => this.over || this.paused || this.listen(), RETRY_MS);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.otherProcessor?.close();
    if (this.handle === undefined) fs.closeSync(this.fd);
    else this.handle.close();
    this.sink.ended();
  }
}

export class ThreadPoolReader implements KernelReader {
  readonly fd: number;
  private readonly sink: MessageSink;
  private threads = 0;
  private mounted = false;
  private over = false;
  private paused = false;

  constructor(fd: number, sink: MessageSink) {
    this.fd = fd;
    this.sink = sink;
  }

  start(): void {
    for (; this.threads < THREADS; this.threads++) this.read(this.sink.buffer());
  }

  stands(): void {
    this.mounted = true;
  }

  abandon(): void {
    this.over = true;
  }

  pause(): void {
    this.paused = true;
  }

  private read(buffer: MessageBuffer): void {
    if (this.paused) return;
    if (this.over) return this.end();
    fs.read(this.fd, buffer.bytes, 0, buffer.bytes.length, null, (error) => {
      if (this.paused) return;
      if (error !== null) return this.refused(error, buffer);
      this.read(this.sink.take(buffer) ? buffer : this.sink.buffer());
    });
  }

  private refused(error: NodeJS.ErrnoException, buffer: MessageBuffer): void {
    const { code = "" } = error;
    // Until the mount stands the connection belongs to nothing.
    const passing = PASSING.has(code) || (code === "EPERM" && !this.mounted);
    if (passing && !this.over) return void setTimeout(() => this.read(buffer), RETRY_MS);
    if (code !== "ENODEV" && !this.over) this.sink.report(`reading requests failed: ${error.message}`);
    this.end();
  }

  private end(): void {
    this.over = true;
    this.threads--;
    if (this.threads > 0) return;
    fs.closeSync(this.fd);
    this.sink.ended();
  }
}
