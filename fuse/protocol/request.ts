/**
 * Requests as the kernel writes them: the header, and a cursor over what follows. Bytes in, plain numbers out.
 *
 * A `KernelRequest` looks into the buffer that it was read into, and so do the names and data taken from it: whoever
 * keeps the buffer keeps them. Numbers of 64 bits are taken as JavaScript numbers; above 2^53 they are not exact, and
 * no inode or offset of ours is. All little-endian, as are the machines that this runs on.
 */
import type { Timestamp } from "../../engine/fs/types.ts";
import type { SetAttributes } from "../operations.ts";
import { IN_HEADER_BYTES, RESENT, SetattrField } from "./opcodes.ts";

const WORD = 0x1_0000_0000;

const DOT = 0x2e;

/** Is it `.` or `..`? */
export const isDots = (name: Uint8Array): boolean =>
  name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));

export class KernelRequest {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly opcode: number;
  readonly inode: number;
  readonly uid: number;
  readonly gid: number;
  /** Its number, and whether it was sent before, perhaps to another server. */
  readonly number: number;
  readonly resent: boolean;
  private at = IN_HEADER_BYTES;

  /** `bytes` is one whole message. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.opcode = this.view.getUint32(4, true);
    const upper = this.view.getUint32(12, true);
    this.resent = (upper & RESENT) !== 0;
    this.number = this.view.getUint32(8, true) + (upper & ~RESENT) * WORD;
    this.inode = wideAt(this.view, 16);
    this.uid = this.view.getUint32(24, true);
    this.gid = this.view.getUint32(28, true);
  }

  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  u64(): number {
    this.at += 8;
    return wideAt(this.view, this.at - 8);
  }

  /** Back to what stands behind the header. */
  rewind(): void {
    this.at = IN_HEADER_BYTES;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  /** Bytes up to a NUL, which is skipped. */
  name(): Uint8Array {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new Error("a name without an end");
    const name = this.bytes.subarray(this.at, end);
    this.at = end + 1;
    return name;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  data(lengthBytes: number): Uint8Array {
    if (this.at + lengthBytes > this.bytes.length) throw new Error("less data than announced");
    this.at += lengthBytes;
    return this.bytes.subarray(this.at - lengthBytes, this.at);
  }
}

export const wideAt = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD;

const signedAt = (view: DataView, at: number): number => view.getUint32(at, true) + view.getInt32(at + 4, true) * WORD;

/** What a setattr request asks for. */
export function decodeSetattr({ view }: KernelRequest): SetAttributes {
  const at = IN_HEADER_BYTES;
  const valid = view.getUint32(at, true);
  const has = (field: number): boolean => (valid & field) !== 0;
  const time = (seconds: number, nanoseconds: number): Timestamp => ({
    seconds: signedAt(view, at + seconds),
    nanoseconds: view.getUint32(at + nanoseconds, true),
  });
  const { accessed, accessedNow, modified, modifiedNow } = SetattrField;
  return {
    ...(has(SetattrField.size) ? { sizeBytes: wideAt(view, at + 16) } : {}),
    ...(has(accessed) ? { accessed: has(accessedNow) ? "now" : time(32, 56) } : {}),
    ...(has(modified) ? { modified: has(modifiedNow) ? "now" : time(40, 60) } : {}),
    ...(has(SetattrField.changed) ? { changed: time(48, 64) } : {}),
    ...(has(SetattrField.killPrivileges) ? { killPrivileges: true } : {}),
    ...(has(SetattrField.mode) ? { mode: view.getUint32(at + 68, true) } : {}),
    ...(has(SetattrField.uid) ? { uid: view.getUint32(at + 76, true) } : {}),
    ...(has(SetattrField.gid) ? { gid: view.getUint32(at + 80, true) } : {}),
  };
}
