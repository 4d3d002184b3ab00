/**
 * What the kernel is told unasked: that it must not rely on something it remembers.
 *
 * Telling may take until the kernel has written dirty data back, which it does through us: so it never happens on the
 * thread that answers, and one at a time, so that the threads which do the device's work are never all waiting for it.
 * What the kernel no longer knows is no failure.
 */
import { write } from "node:fs";
import { encodeInvalidInode } from "./protocol/reply.ts";

/** How long what happens to attributes is gathered. */
const GATHER_MS = 1000;
/** Inodes that are gathered at most; of more, the first are let go. */
const GATHERED_MAX = 64;
/** An offset that leaves data alone. */
const NO_DATA = -1;

interface Telling {
  readonly message: Uint8Array;
  readonly told: () => void;
}

export class Notifier {
  private readonly fd: number;
  private readonly waiting: Array<Telling> = [];
  private busy = false;
  private readonly gathered: Set<number> = new Set();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** The kernel writes what it has of the file's data behind `offsetBytes`, and reads it anew when it needs it. */
  flushData(inode: number, offsetBytes: number): Promise<void> {
    return this.tell(encodeInvalidInode(inode, offsetBytes));
  }

  /** The kernel must ask for attributes anew. */
  attributesChanged(inode: number): Promise<void> {
    return this.tell(encodeInvalidInode(inode, NO_DATA));
  }

  /** The same within about a second, unless it happens to very many inodes. */
  attributesDrift(inode: number): void {
    const { gathered } = this;
    if (this.closed || gathered.has(inode)) return;
    gathered.add(inode);
    if (gathered.size > GATHERED_MAX) gathered.delete(gathered.values().next().value!);
    this.timer ??= setTimeout(() => this.tellGathered(), GATHER_MS).unref();
  }

  /** The connection is gone. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const { told } of this.waiting.splice(0)) told();
  }

  private tellGathered(): void {
    this.timer = undefined;
    for (const inode of this.gathered) void this.attributesChanged(inode);
    this.gathered.clear();
  }

  private tell(message: Uint8Array): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((told) => {
      this.waiting.push({ message, told });
      this.next();
    });
  }

  private next(): void {
    if (this.busy) return;
    const first = this.waiting.shift();
    if (first === undefined) return;
    this.busy = true;
    write(this.fd, first.message, () => {
      this.busy = false;
      first.told();
      this.next();
    });
  }
}
