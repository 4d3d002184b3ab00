/**
 * Long reads and writes of an open file past the page cache, where the system lets it.
 *
 * Through the page cache each byte is copied and written later, all at once when a flush asks for it; past it the disk
 * works while the next bytes are made, for a tenth of the processor's time. Short ones are better off in the cache, and
 * one flush covers both: the kernel keeps the two ways coherent, and fdatasync is about the file and not the way.
 *
 * What is read goes to where it is kept, if that lies as the system wants it. JavaScript does not tell; large pieces of
 * memory usually do lie so, and where one does not the read is done once more, into aligned memory, and copied.
 *
 * Whether it goes shows when it is tried: once the system has refused, everything goes through the cache.
 */
import * as fs from "node:fs";
import { AlignedSlots, isAligned } from "./aligned-memory.ts";
import { SpareBuffers } from "./spare-buffers.ts";

/** Shorter transfers go through the page cache. */
const DIRECT_BYTES_MIN = 128 * 1024;
const READ_BYTES_MAX = 1024 * 1024;
const READS_AT_ONCE = 8;
/**
 * glibc takes large pieces from the system, page by page, and keeps 16 bytes for itself in front; those aside that fit
 * where others were.
 */
const MALLOC_GAP_BYTES = 4096 - 16;
const ELSEWHERE_MAX = 8;
/** Memory of reads comes in these sizes. */
const SPARE_SIZES_BYTES = [128, 256, 512, 1024 + 64].map((kibibytes) => kibibytes * 1024);
/** So much of it is worth being kept for other reads: about what is fetched ahead of a reader. */
export const SPARE_READ_BYTES = 16 * 1024 * 1024;

type Transferred = (error: NodeJS.ErrnoException | null, count: number) => void;

export class DirectFile {
  private readonly fd: number | undefined;
  private refused = false;
  /** Buffers, last and in a row, that did not lie as they were supposed to. */
  private elsewhere = 0;
  private writing = 0;
  private readonly spare: SpareBuffers;
  private readonly slots = new AlignedSlots(READ_BYTES_MAX, READS_AT_ONCE);

  /** Opens what is open as `fd` once more. `spareReadBytes` at most are kept of what others read into. */
  constructor(fd: number, readOnly: boolean, spareReadBytes: number) {
    this.spare = new SpareBuffers(SPARE_SIZES_BYTES, MALLOC_GAP_BYTES, spareReadBytes);
    const mode = readOnly ? fs.constants.O_RDONLY : fs.constants.O_RDWR;
    try {
      this.fd = fs.openSync(`/proc/self/fd/${fd}`, mode | fs.constants.O_DIRECT);
    } catch {
      this.fd = undefined;
    }
  }

  get available(): boolean {
    return this.fd !== undefined && !this.refused;
  }

  /** Is a long write under way? */
  get busy(): boolean {
    return this.writing > 0;
  }

  /** False if this is not its business: then nothing was done, and nobody is called back. */
  write(bytes: Uint8Array, offsetBytes: number, done: Transferred): boolean {
    if (this.fd === undefined || this.refused || bytes.length < DIRECT_BYTES_MIN || !isAligned(bytes)) return false;
    this.writing++;
    fs.write(this.fd, bytes, 0, bytes.length, offsetBytes, (error, count) => {
      this.writing--;
      this.tell(error, count, done);
    });
    return true;
  }

  /** As `write`. `target` is best a `readBuffer`; what was read is copied into any other. */
  read(target: Uint8Array, offsetBytes: number, done: Transferred): boolean {
    if (this.fd === undefined || this.refused || target.length < DIRECT_BYTES_MIN) return false;
    if (!this.supposes || target.byteOffset !== MALLOC_GAP_BYTES)
      return this.readCopied(this.fd, target, offsetBytes, done);
    const { fd } = this;
    fs.read(fd, target, 0, target.length, offsetBytes, (error, count) => {
      if (error?.code !== "EINVAL") {
        this.elsewhere = 0;
        return done(error, count);
      }
      this.elsewhere++;
      this.spare.refuse(target);
      if (!this.readCopied(fd, target, offsetBytes, done)) done(null, 0);
    });
    return true;
  }

  /** Are large buffers supposed to begin `MALLOC_GAP_BYTES` before a page? */
  private get supposes(): boolean {
    return this.elsewhere < ELSEWHERE_MAX;
  }

  /** Memory to read so many bytes into. */
  readBuffer(lengthBytes: number): Uint8Array {
    if (lengthBytes >= DIRECT_BYTES_MIN) return this.spare.take(lengthBytes);
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(lengthBytes);
    return new Uint8Array(buffer, byteOffset, lengthBytes);
  }

  /** Nobody looks any more at what was read into a `readBuffer`; `bytes` are some of it. */
  reuse(bytes: Uint8Array): void {
    if (bytes.buffer.byteLength >= DIRECT_BYTES_MIN) this.spare.give(bytes);
  }

  private readCopied(fd: number, target: Uint8Array, offsetBytes: number, done: Transferred): boolean {
    const slot = this.slots.take(target.length);
    if (slot === undefined) return false;
    fs.read(fd, slot, 0, target.length, offsetBytes, (error, count) => {
      if (error === null) target.set(slot.subarray(0, count));
      this.slots.give(slot);
      this.tell(error, count, done);
    });
    return true;
  }

  /** A system that refuses is taken to have done nothing: the caller goes on through the page cache. */
  private tell(error: NodeJS.ErrnoException | null, count: number, done: Transferred): void {
    if (error?.code !== "EINVAL") return done(error, count);
    this.refused = true;
    done(null, 0);
  }

  /** Nothing may be under way. */
  close(): void {
    if (this.fd !== undefined) fs.closeSync(this.fd);
  }
}
