/**
 * The memory that a message of the kernel is read into.
 *
 * A message begins with its own length, so a buffer whose first word was cleared tells whether anything was read. Its
 * view is made once: making one for each message costs more than decoding it.
 */

const WORD_BYTES = 4;

export class MessageBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private readonly first: Uint32Array;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
    this.first = new Uint32Array(this.bytes.buffer, 0, WORD_BYTES / Uint32Array.BYTES_PER_ELEMENT);
  }

  /** Nothing is in it. */
  clear(): void {
    this.first[0] = 0;
  }

  /** Length of the message in it, 0 if there is none. */
  get length(): number {
    return this.first[0]!;
  }
}
