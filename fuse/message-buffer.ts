/**
 * The memory that a message of the kernel is read into.
 *
 * A message begins with its own length, so a buffer whose first word was cleared tells whether anything was read. Its
 * view is made once: making one for each message costs more than decoding it.
 *
 * All of it is in memory from the beginning. If the process is killed while the kernel copies a message, the copy goes on
 * to memory that is there; memory that would have to be found first fails the request, and a program gets the error.
 */

const WORD_BYTES = 4;
const PAGE_BYTES = 4096;

export class MessageBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private readonly first: Uint32Array;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes; at += PAGE_BYTES) this.bytes[at] = 0;
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
