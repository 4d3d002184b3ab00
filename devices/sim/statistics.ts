/**
 * What a simulated device was made to do: totals, a heat map of writes, and blocks written twice without being emptied.
 *
 * Counts only what the device accepted. Arrays are made at the first write, so a disk that is only read costs nothing.
 * `overwrites` is the measure of the engine's one rule (a bucket is filled once, and then discarded or reset before it
 * is filled again); blocks that a disk started with, such as those of a crash image, count as not yet written.
 */

/** Grain of the heat map. */
export const HEAT_BLOCK_BYTES = 4096;

export class DiskStatistics {
  reads = 0;
  readBytes = 0;
  writes = 0;
  writtenBytes = 0;
  flushes = 0;
  discards = 0;
  discardedBytes = 0;
  resets = 0;
  finishes = 0;
  /** Blocks written again without a discard or reset in between. */
  overwrites = 0;
  /** Offset of the first such block, or -1. */
  firstOverwriteBytes = -1;
  /** Writes of each 4 KiB of the device, a smaller write counting as one; empty until the first write. */
  heat = new Uint32Array(0);

  private readonly capacityBytes: number;
  private readonly blockBytes: number;
  private written = new Uint8Array(0);

  constructor(capacityBytes: number, blockBytes: number) {
    this.capacityBytes = capacityBytes;
    this.blockBytes = blockBytes;
  }

  wrote(offsetBytes: number, lengthBytes: number): void {
    this.writes++;
    this.writtenBytes += lengthBytes;
    if (lengthBytes === 0) return;
    if (this.heat.length === 0) {
      this.heat = new Uint32Array(Math.ceil(this.capacityBytes / HEAT_BLOCK_BYTES));
      this.written = new Uint8Array(this.capacityBytes / this.blockBytes);
    }
    const end = offsetBytes + lengthBytes;
    const { heat, written } = this;
    const lastHeat = Math.ceil(end / HEAT_BLOCK_BYTES);
    for (let at = Math.floor(offsetBytes / HEAT_BLOCK_BYTES); at < lastHeat; at++) heat[at]!++;
    const lastBlock = end / this.blockBytes;
    for (let block = offsetBytes / this.blockBytes; block < lastBlock; block++) {
      if (written[block] === 0) written[block] = 1;
      else if (this.overwrites++ === 0) this.firstOverwriteBytes = block * this.blockBytes;
    }
  }

  /** A range became empty by discard or reset. */
  emptied(offsetBytes: number, lengthBytes: number): void {
    this.written.fill(0, offsetBytes / this.blockBytes, (offsetBytes + lengthBytes) / this.blockBytes);
  }

  /** Writes of 4 KiB blocks in all. */
  get heatTotal(): number {
    return this.heat.reduce((sum, count) => sum + count, 0);
  }

  /** Writes of the block that was written most. */
  get heatMax(): number {
    return this.heat.reduce((most, count) => Math.max(most, count), 0);
  }
}
