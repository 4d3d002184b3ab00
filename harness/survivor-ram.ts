/**
 * Memory that outlives a simulated process: what a real one has in a memory file.
 *
 * Every write is kept at once, or as much of it as fits. A fork is what a process that starts at this instant finds; the
 * two share what neither has written since.
 */
import { Media } from "../devices/sim/media.ts";
import type { SurvivorMemory } from "../engine/journal/survivor-scan.ts";
import { digestOfMedia } from "./media-digest.ts";

const SIZE_BYTES_FIRST = 4 * 1024 * 1024;

export class SurvivorRam implements SurvivorMemory {
  private media = Media.empty(SIZE_BYTES_FIRST);
  private used = 0;
  /** More does not fit. */
  bytesMax = Number.POSITIVE_INFINITY;
  /** Hears of every write before it is done. */
  onWrite: (offsetBytes: number, bytes: Uint8Array) => void = () => {};

  readonly sizeBytes = (): number => this.used;

  readonly read = (offsetBytes: number, lengthBytes: number): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(this.used - offsetBytes, lengthBytes)));
    if (bytes.length > 0) this.media.readInto(offsetBytes, bytes);
    return bytes;
  };

  readonly write = (offsetBytes: number, bytes: Uint8Array): void => {
    this.onWrite(offsetBytes, bytes);
    this.put(offsetBytes, bytes);
  };

  /** The same with the beginning of a write that was under way. */
  fork(begun?: readonly [offsetBytes: number, bytes: Uint8Array]): SurvivorRam {
    const fork = new SurvivorRam();
    fork.media = this.media.fork();
    fork.used = this.used;
    if (begun !== undefined) fork.put(...begun);
    return fork;
  }

  /** What it holds, in a few characters: instants of a history are compared by what they are as text. */
  toJSON(): string {
    return `${this.used} ${digestOfMedia(this.media.fork())}`;
  }

  private put(offsetBytes: number, bytes: Uint8Array): void {
    const end = offsetBytes + bytes.length;
    if (end > this.bytesMax) throw new Error("no memory is left");
    if (end > this.media.sizeBytes) this.media = this.media.enlarged(2 * end);
    this.media.write(offsetBytes, bytes);
    this.used = Math.max(this.used, end);
  }
}
