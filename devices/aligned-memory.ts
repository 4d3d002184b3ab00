/**
 * Memory whose address is a multiple of a page, as direct I/O wants it.
 *
 * JavaScript does not tell where its buffers lie. The memory of WebAssembly is the exception: its pages of 64 KiB are
 * pages of the system. Buffers made here are known by it; nothing else is ever taken for aligned.
 */

const PAGE_BYTES = 4096;
const WASM_PAGE_BYTES = 64 * 1024;

/** What of WebAssembly is used; the types of Node do not have it. */
interface MemoryMaker {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer;
  };
}
const { Memory } = (globalThis as unknown as { readonly WebAssembly: MemoryMaker }).WebAssembly;

const known = new WeakSet<ArrayBufferLike>();

/** At least so many bytes, zeros at first. Each costs a mapping of the system, so that whoever asks keeps it. */
export function alignedBytes(lengthBytes: number): Uint8Array {
  const pages = Math.max(1, Math.ceil(lengthBytes / WASM_PAGE_BYTES));
  const { buffer } = new Memory({ initial: pages, maximum: pages });
  known.add(buffer);
  return new Uint8Array(buffer);
}

/** Whether address and length are multiples of a page. */
export const isAligned = (bytes: Uint8Array): boolean =>
  known.has(bytes.buffer) && bytes.byteOffset % PAGE_BYTES === 0 && bytes.length % PAGE_BYTES === 0;

/** A few pieces of aligned memory of one size, lent and given back; made when they are first asked for. */
export class AlignedSlots {
  private readonly free: Array<Uint8Array> = [];
  private readonly slotBytes: number;
  private left: number;

  constructor(slotBytes: number, count: number) {
    this.slotBytes = slotBytes;
    this.left = count;
  }

  /** Undefined if it would not fit, or all are lent. */
  take(lengthBytes: number): Uint8Array | undefined {
    if (lengthBytes > this.slotBytes) return undefined;
    const slot = this.free.pop();
    if (slot !== undefined || this.left === 0) return slot;
    this.left--;
    return alignedBytes(this.slotBytes);
  }

  give(slot: Uint8Array): void {
    this.free.push(slot);
  }
}
