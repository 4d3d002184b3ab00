/**
 * Memory that outlives a simulated process: what a real one has in a memory file.
 *
 * Every write is kept at once, or as much of it as fits. A fork is what a process that starts at this instant finds.
 */
import { xxh64 } from "@node-rs/xxhash";
import type { SurvivorMemory } from "../engine/journal/survivor-scan.ts";

const GROWTH_BYTES = 1024 * 1024;

export class SurvivorRam implements SurvivorMemory {
  private bytes: Uint8Array = new Uint8Array(0);
  private used = 0;
  /** More does not fit. */
  bytesMax = Number.POSITIVE_INFINITY;
  /** Hears of every write before it is done. */
  onWrite: (offsetBytes: number, bytes: Uint8Array) => void = () => {};

  readonly sizeBytes = (): number => this.used;

  readonly read = (offsetBytes: number, lengthBytes: number): Uint8Array =>
    this.bytes.slice(offsetBytes, Math.min(this.used, offsetBytes + lengthBytes));

  readonly write = (offsetBytes: number, bytes: Uint8Array): void => {
    this.onWrite(offsetBytes, bytes);
    this.put(offsetBytes, bytes);
  };

  /** What stands for it where two states are compared. */
  toJSON(): string {
    return `${this.used} ${xxh64(this.bytes.subarray(0, this.used)).toString(16)}`;
  }

  /** The same with the beginning of a write that was under way. */
  fork(begun?: readonly [offsetBytes: number, bytes: Uint8Array]): SurvivorRam {
    const fork = new SurvivorRam();
    fork.put(0, this.bytes.subarray(0, this.used));
    if (begun !== undefined) fork.put(...begun);
    return fork;
  }

  private put(offsetBytes: number, bytes: Uint8Array): void {
    const end = offsetBytes + bytes.length;
    if (end > this.bytesMax) throw new Error("no memory is left");
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.ceil(end / GROWTH_BYTES) * GROWTH_BYTES);
      grown.set(this.bytes.subarray(0, this.used));
      this.bytes = grown;
    }
    this.bytes.set(bytes, offsetBytes);
    this.used = Math.max(this.used, end);
  }
}
