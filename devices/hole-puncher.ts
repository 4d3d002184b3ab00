/**
 * Gives discarded ranges of an open file or block device back to the system, in the background.
 *
 * Node has no `fallocate`, so the program of that name (util-linux) punches the holes: a few milliseconds a range, which
 * is why ranges are gathered and merged first, and short ones are left alone. A discard is a hint, so everything here
 * may be skipped: without the program, on a medium that refuses, and for what is left when the device is closed.
 *
 * A hole is never punched under data: a write first takes its range out of the waiting ones, and waits for a running
 * punch that overlaps it.
 */
import { spawn } from "node:child_process";

/** Shorter runs are not worth starting a program for. */
const RUN_BYTES_MIN = 1024 * 1024;
/** Time for neighbours to be discarded too before a run is punched. */
const GATHER_MS = 1000;

interface Range {
  readonly fromBytes: number;
  readonly toBytes: number;
}

export class HolePuncher {
  /** Set for good once a punch has failed. */
  unavailable = false;
  punches = 0;
  private readonly fd: number;
  /** Disjoint, not adjacent, in order. */
  private waiting: Array<Range> = [];
  private running: Range | undefined;
  private afterRunning: Array<() => void> = [];
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  discard(offsetBytes: number, lengthBytes: number): void {
    if (this.unavailable || this.closed || lengthBytes === 0) return;
    let fromBytes = offsetBytes;
    let toBytes = offsetBytes + lengthBytes;
    const apart = this.waiting.filter((range) => {
      if (range.toBytes < fromBytes || range.fromBytes > toBytes) return true;
      fromBytes = Math.min(fromBytes, range.fromBytes);
      toBytes = Math.max(toBytes, range.toBytes);
      return false;
    });
    this.waiting = [...apart, { fromBytes, toBytes }].sort((one, other) => one.fromBytes - other.fromBytes);
    this.schedule();
  }

  get punching(): boolean {
    return this.running !== undefined;
  }

  /** Calls back, perhaps at once, when the range may be written. */
  beforeWrite(offsetBytes: number, lengthBytes: number, proceed: () => void): void {
    const end = offsetBytes + lengthBytes;
    if (this.waiting.length > 0) {
      this.waiting = this.waiting.flatMap((range): Array<Range> => {
        if (end <= range.fromBytes || offsetBytes >= range.toBytes) return [range];
        const parts: Array<Range> = [
          { fromBytes: range.fromBytes, toBytes: offsetBytes },
          { fromBytes: end, toBytes: range.toBytes },
        ];
        return parts.filter((part) => part.fromBytes < part.toBytes);
      });
    }
    const { running } = this;
    if (running === undefined || end <= running.fromBytes || offsetBytes >= running.toBytes) return proceed();
    this.afterRunning.push(proceed);
  }

  /** Forgets what waits, and calls back when no punch runs. */
  close(done: () => void): void {
    this.closed = true;
    this.waiting = [];
    clearTimeout(this.timer);
    if (this.running === undefined) done();
    else this.afterRunning.push(done);
  }

  private schedule(): void {
    if (this.timer !== undefined || this.running !== undefined || this.closed) return;
    this.timer = setTimeout(() => this.punchNext(), GATHER_MS);
    this.timer.unref();
  }

  private punchNext(): void {
    this.timer = undefined;
    const index = this.waiting.findIndex((range) => range.toBytes - range.fromBytes >= RUN_BYTES_MIN);
    if (index < 0 || this.unavailable || this.closed) return;
    const [range] = this.waiting.splice(index, 1);
    this.running = range!;
    const { fromBytes, toBytes } = range!;
    const extent = ["--offset", String(fromBytes), "--length", String(toBytes - fromBytes)];
    const child = spawn("fallocate", ["--punch-hole", "--keep-size", ...extent, "/proc/self/fd/3"], {
      stdio: ["ignore", "ignore", "ignore", this.fd],
    });
    // An error to start comes without an exit, and the first of the two decides.
    child.once("error", () => this.punched(range!, false));
    child.once("exit", (code) => this.punched(range!, code === 0));
  }

  private punched(range: Range, well: boolean): void {
    if (this.running !== range) return;
    this.running = undefined;
    if (well) this.punches++;
    else {
      this.unavailable = true;
      this.waiting = [];
    }
    for (const proceed of this.afterRunning.splice(0)) proceed();
    this.punchNext();
  }
}
