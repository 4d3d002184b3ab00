/**
 * Large pieces of memory that were lent and given back, kept for the next that need as much.
 *
 * Memory that comes anew must be cleared by the system, page by page, and makes the runtime mark its whole heap every
 * few dozens of megabytes. Pieces come in few sizes, each at most twice what was asked for, and begin a fixed gap behind
 * the start of theirs; so many bytes at most lie unused. Giving back a piece twice is a broken invariant, since two would
 * be lent the same bytes.
 */

export class SpareBuffers {
  private readonly sizesBytes: ReadonlyArray<number>;
  private readonly gapBytes: number;
  private readonly bytesMax: number;
  private unusedBytes = 0;
  /** By length. */
  private readonly unused: Map<number, Array<ArrayBufferLike>> = new Map();
  /** Those that are lent and may come back. */
  private readonly lent: WeakSet<ArrayBufferLike> = new WeakSet();

  /** `sizesBytes`: ascending. */
  constructor(sizesBytes: ReadonlyArray<number>, gapBytes: number, bytesMax: number) {
    this.sizesBytes = sizesBytes;
    this.gapBytes = gapBytes;
    this.bytesMax = bytesMax;
  }

  /** With anything in it. */
  take(lengthBytes: number): Uint8Array {
    const sizeBytes = this.gapBytes + (this.sizesBytes.find((size) => size >= lengthBytes) ?? lengthBytes);
    let buffer = this.unused.get(sizeBytes)?.pop();
    if (buffer === undefined) ({ buffer } = Buffer.allocUnsafeSlow(sizeBytes));
    else this.unusedBytes -= sizeBytes;
    this.lent.add(buffer);
    return new Uint8Array(buffer, this.gapBytes, lengthBytes);
  }

  /** What was lent, or some of its bytes, at none of which anybody looks any more. */
  give({ buffer }: Uint8Array): void {
    const sizeBytes = buffer.byteLength;
    if (!this.lent.delete(buffer)) {
      if (this.unused.get(sizeBytes)?.includes(buffer) === true) throw new Error("a buffer was given back twice");
      return;
    }
    if (this.unusedBytes + sizeBytes > this.bytesMax) return;
    this.unusedBytes += sizeBytes;
    const alike = this.unused.get(sizeBytes);
    if (alike === undefined) this.unused.set(sizeBytes, [buffer]);
    else alike.push(buffer);
  }

  /** This one is not to be kept when it is given back. */
  refuse({ buffer }: Uint8Array): void {
    this.lent.delete(buffer);
  }
}
