/**
 * A disk that keeps the record of everything that was asked of it, and forks crash images at any point of it.
 *
 * A *position* is a number of entries: at position n the first n writes, discards and flushes had been answered and
 * nothing behind them had been sent. What the last flush before a position covers is durable there; of the writes and
 * discards since then a crash keeps, drops or tears any, as a `Survival` says, at units of `atomicWriteBytes`. The
 * bytes of a write are copied once, into pages that the live content and all images share; a flush costs a fork.
 * Entries are answered at once and in order, so that a flush covers all before it. Takes no time and knows of no faults.
 */
import { applySurvivors } from "../sim/crash.ts";
import { Media } from "../sim/media.ts";
import type { Survival } from "../sim/survival.ts";
import { VolatileOperation } from "../sim/volatile.ts";
import type { ServedDisk } from "./served-disk.ts";

const SECTOR_BYTES = 512;
/** The kind of discard that always clears what it discards. */
const CLEARS = 1;

/** What a position rests on: all entries before it are durable. */
interface DurablePoint {
  readonly position: number;
  readonly media: Media;
}

export interface RecordCounts {
  readonly writes: number;
  readonly writtenBytes: number;
  readonly discards: number;
  readonly flushes: number;
}

export class RecordedDisk implements ServedDisk {
  readonly sizeBytes: number;
  /** A write is torn at multiples of it, and nowhere else. */
  readonly atomicWriteBytes: number;
  private readonly live: Media;
  /** Undefined is a flush. */
  private readonly entries: Array<VolatileOperation | undefined> = [];
  private readonly durable: Array<DurablePoint>;
  private writes = 0;
  private writtenBytes = 0;
  private discards = 0;

  /** Begins with the content of `beginning`, which is durable and stays as it is. */
  constructor(beginning: Media, atomicWriteBytes = SECTOR_BYTES) {
    this.sizeBytes = beginning.sizeBytes;
    this.atomicWriteBytes = atomicWriteBytes;
    this.live = beginning.fork();
    this.durable = [{ position: 0, media: this.live.fork() }];
  }

  /** A disk of zeros. */
  static blank(sizeBytes: number, atomicWriteBytes = SECTOR_BYTES): RecordedDisk {
    return new RecordedDisk(Media.empty(sizeBytes), atomicWriteBytes);
  }

  /** Entries recorded: the position of now. */
  get length(): number {
    return this.entries.length;
  }

  get counts(): RecordCounts {
    const { writes, writtenBytes, discards } = this;
    return { writes, writtenBytes, discards, flushes: this.durable.length - 1 };
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    return this.live.read(offsetBytes, lengthBytes);
  }

  write(offsetBytes: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.take(VolatileOperation.write(this.entries.length, offsetBytes, bytes, -1));
    this.writes++;
    this.writtenBytes += bytes.length;
  }

  discard(offsetBytes: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.take(VolatileOperation.discard(this.entries.length, offsetBytes, lengthBytes, CLEARS));
    this.discards++;
  }

  flush(): void {
    this.entries.push(undefined);
    this.durable.push({ position: this.entries.length, media: this.live.fork() });
  }

  /** The content of now, as a medium of its own. */
  content(): Media {
    return this.live.fork();
  }

  /** The positions right behind a flush. */
  get flushPositions(): ReadonlyArray<number> {
    return this.durable.slice(1).map(({ position }) => position);
  }

  /** Writes and discards before the position that no flush before it covers, in the order in which they came. */
  volatileAt(position: number): ReadonlyArray<VolatileOperation> {
    const since = this.durablePointAt(position).position;
    return this.entries.slice(since, position) as Array<VolatileOperation>;
  }

  /** What a loss of power at the position leaves when the volatile operations meet these fates. */
  crash(position: number, survival: Survival): Media {
    const media = this.durablePointAt(position).media.fork();
    const { atomicWriteBytes } = this;
    applySurvivors(media, undefined, this.volatileAt(position), survival, atomicWriteBytes, atomicWriteBytes);
    return media;
  }

  private take(operation: VolatileOperation): void {
    const { offsetBytes, lengthBytes } = operation;
    if (offsetBytes < 0 || offsetBytes + lengthBytes > this.sizeBytes) {
      throw new RangeError(`${lengthBytes} bytes at ${offsetBytes} are outside the disk`);
    }
    operation.applyTo(this.live);
    this.entries.push(operation);
  }

  /** The last point at or before the position; flushes are rarer than writes, so they are what is searched. */
  private durablePointAt(position: number): DurablePoint {
    if (position < 0 || position > this.entries.length) throw new RangeError(`the record has no position ${position}`);
    let low = 0;
    let high = this.durable.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.durable[middle]!.position <= position) low = middle;
      else high = middle;
    }
    return this.durable[low]!;
  }
}
