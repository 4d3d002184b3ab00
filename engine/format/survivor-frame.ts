/**
 * What outlives the process: the records that stand in a memory file, and the frames that hold them.
 *
 * Not on any device. A file begins with a header whose layout every version keeps; behind it are slots of one size, each
 * holding a segment: a header and frame after frame. A frame is one write and counts as a whole or not at all: its
 * checksum covers all of it and the number of its segment, so that neither a torn frame nor one that an earlier segment
 * left in the slot is ever taken. All little-endian. Bytes in, plain data out; decoded bytes are views of what was read.
 */
import { xxh64 } from "@node-rs/xxhash";
import { checksumOf, Reader, viewOf, Writer } from "./codec.ts";
import type { Timestamp } from "../fs/types.ts";
import { Malformed } from "./malformed.ts";

/** Of segments and frames; raised with every change of them. */
export const SURVIVOR_VERSION = 1;
/** "VRVM" as the bytes lie in the file. */
const FILE_MAGIC = 0x4d56_5256;
/** "VRVS" */
const SEGMENT_MAGIC = 0x5356_5256;
export const FILE_HEADER_BYTES = 4096;
const FILE_HEADER_USED = 56;
export const SEGMENT_HEADER_BYTES = 96;
const FRAME_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 8;
const FRAME_BYTES_START = 64 * 1024;
export const NOTE_BYTES_MAX = 2048;

/**
 * `live`: the newest complete generation of segments counts. `void`: something could not be kept. `settled`: all is on
 * the devices, up to the named journal entry, and segments do not count.
 */
export const FileStateCode = { live: 1, void: 2, settled: 3 } as const;

export const RecordKind = { transaction: 1, write: 2, change: 3, applied: 4, note: 5, ready: 6 } as const;

/** Marks a change that leaves the size as it is. */
const NO_SIZE = Number.MAX_SAFE_INTEGER;

/** Marks a write that leaves the times as they are. */
const NO_TIME = 0xffff_ffff;

/** The journal entry that something stands on. */
export interface EntryName {
  readonly sequence: number;
  readonly checksum: bigint;
}

export interface FileHeader {
  readonly version: number;
  readonly state: number;
  readonly segmentBytes: number;
  /** Of a settled file: the last entry of the journal. */
  readonly end: EntryName;
  /** Of a settled file: what whoever serves wants to know. */
  readonly note: Uint8Array;
}

export interface SegmentHeader {
  readonly uuid: Uint8Array;
  readonly generation: number;
  readonly sequence: number;
  /** Epoch of the journal that the generation writes, and the entry that it began behind. */
  readonly epoch: number;
  readonly base: EntryName;
  /** Journal sequence of the last transaction in the segments before this one. */
  readonly sequenceBefore: number;
  /** Was the generation complete when the segment was begun? */
  readonly ready: boolean;
}

export type SurvivorRecord =
  | { readonly kind: "transaction"; readonly sequence: number; readonly words: Int32Array }
  | {
      readonly kind: "write";
      readonly inode: number;
      readonly offset: number;
      /** When, unless the write left the file's times alone. */
      readonly modified: Timestamp | undefined;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "change";
      readonly inode: number;
      readonly from: number;
      readonly to: number;
      readonly size: number | undefined;
    }
  | { readonly kind: "applied"; readonly request: number; readonly made: number }
  | { readonly kind: "note"; readonly bytes: Uint8Array }
  | { readonly kind: "ready" };

export function encodeFileHeader(header: FileHeader): Uint8Array {
  const { note } = header;
  if (note.length > NOTE_BYTES_MAX) throw new Error(`a note of ${note.length} bytes`);
  const data = new Uint8Array(FILE_HEADER_USED + note.length);
  const view = viewOf(data);
  const writer = new Writer(view, 8);
  writer.u32(FILE_MAGIC);
  writer.u32(header.version);
  writer.u32(header.state);
  writer.u32(header.segmentBytes);
  writer.u53(header.end.sequence);
  writer.u64big(header.end.checksum);
  writer.u32(note.length);
  writer.u32(0);
  writer.zeros(8);
  writer.bytes(note);
  view.setBigUint64(0, checksumOf(data, 8, data.length), true);
  return data;
}

/** The header of a file; undefined if nothing was ever written there, or not wholly. */
export function decodeFileHeader(data: Uint8Array): FileHeader | undefined {
  if (data.length < FILE_HEADER_USED) return undefined;
  const view = viewOf(data);
  const reader = new Reader(view, 8, data.length);
  const magic = reader.u32();
  const [version, state, segmentBytes] = [reader.u32(), reader.u32(), reader.u32()];
  const end = { sequence: reader.u53(), checksum: reader.u64big() };
  const noteBytes = reader.u32();
  const whole = FILE_HEADER_USED + noteBytes;
  if (magic !== FILE_MAGIC || !reader.ok || noteBytes > NOTE_BYTES_MAX || whole > data.length) return undefined;
  if (view.getBigUint64(0, true) !== checksumOf(data, 8, whole)) return undefined;
  return { version, state, segmentBytes, end, note: data.slice(FILE_HEADER_USED, whole) };
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const data = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(data);
  const writer = new Writer(view, 8);
  writer.u32(SEGMENT_MAGIC);
  writer.u32(header.ready ? 1 : 0);
  writer.bytes(header.uuid);
  writer.u53(header.generation);
  writer.u53(header.sequence);
  writer.u53(header.epoch);
  writer.u53(header.base.sequence);
  writer.u64big(header.base.checksum);
  writer.u53(header.sequenceBefore);
  view.setBigUint64(0, checksumOf(data, 8, data.length), true);
  return data;
}

export function decodeSegmentHeader(data: Uint8Array, at: number): SegmentHeader | undefined {
  if (at + SEGMENT_HEADER_BYTES > data.length) return undefined;
  const view = viewOf(data);
  const reader = new Reader(view, at + 8, at + SEGMENT_HEADER_BYTES);
  if (reader.u32() !== SEGMENT_MAGIC) return undefined;
  const ready = reader.u32() === 1;
  if (view.getBigUint64(at, true) !== checksumOf(data, at + 8, at + SEGMENT_HEADER_BYTES)) return undefined;
  const uuid = data.slice(reader.at, reader.at + 16);
  reader.at += 16;
  const [generation, sequence, epoch] = [reader.u53(), reader.u53(), reader.u53()];
  const base = { sequence: reader.u53(), checksum: reader.u64big() };
  return { uuid, generation, sequence, epoch, base, sequenceBefore: reader.u53(), ready };
}

/** Builds one frame at a time in a buffer that it keeps; what `finish` returns is valid until the next `begin`. */
export class FrameWriter {
  private data = new Uint8Array(FRAME_BYTES_START);
  private view = viewOf(this.data);
  private at = 0;

  begin(): void {
    this.at = FRAME_HEADER_BYTES;
  }

  get bytes(): number {
    return this.at;
  }

  get empty(): boolean {
    return this.at === FRAME_HEADER_BYTES;
  }

  /** Starts a record whose content takes so many bytes; returns where the content goes. */
  private record(kind: number, contentBytes: number): number {
    const length = (RECORD_HEADER_BYTES + contentBytes + 7) & ~7;
    if (this.at + length > this.data.length) this.grow(this.at + length);
    const { view, at } = this;
    view.setUint32(at, kind, true);
    view.setUint32(at + 4, contentBytes, true);
    // What pads the content must not be what an earlier frame left there.
    if (length > RECORD_HEADER_BYTES) view.setBigUint64(at + length - 8, 0n, true);
    this.at = at + length;
    return at + RECORD_HEADER_BYTES;
  }

  private grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, this.data.length * 2));
    grown.set(this.data.subarray(0, this.at));
    this.data = grown;
    this.view = viewOf(grown);
  }

  transaction(sequence: number, words: Int32Array): void {
    const at = this.record(RecordKind.transaction, 8 + words.length * 4);
    new Writer(this.view, at).u53(sequence);
    this.data.set(new Uint8Array(words.buffer, words.byteOffset, words.length * 4), at + 8);
  }

  write(inode: number, offset: number, modified: Timestamp | undefined, bytes: Uint8Array): void {
    const at = this.record(RecordKind.write, 32 + bytes.length);
    const writer = new Writer(this.view, at);
    writer.u53(inode);
    writer.u53(offset);
    writer.i54(modified?.seconds ?? 0);
    writer.u32(modified?.nanoseconds ?? NO_TIME);
    writer.u32(0);
    this.data.set(bytes, at + 32);
  }

  change(inode: number, from: number, to: number, size: number | undefined): void {
    // Behind this line, since it may take another buffer.
    const at = this.record(RecordKind.change, 32);
    const writer = new Writer(this.view, at);
    writer.u53(inode);
    writer.u53(from);
    writer.u53(to);
    writer.u53(size ?? NO_SIZE);
  }

  applied(request: number, made: number): void {
    const at = this.record(RecordKind.applied, 16);
    const writer = new Writer(this.view, at);
    writer.u53(request);
    writer.u53(made);
  }

  note(bytes: Uint8Array): void {
    const at = this.record(RecordKind.note, bytes.length);
    this.data.set(bytes, at);
  }

  ready(): void {
    this.record(RecordKind.ready, 0);
  }

  finish(segment: number): Uint8Array {
    const writer = new Writer(this.view, 8);
    writer.u53(segment);
    writer.u32(this.at);
    writer.u32(0);
    this.view.setBigUint64(0, xxh64(this.data.subarray(8, this.at)), true);
    return this.data.subarray(0, this.at);
  }
}

function recordAt(
  data: Uint8Array,
  view: DataView,
  at: number,
  length: number,
  kind: number,
): SurvivorRecord | undefined {
  const reader = new Reader(view, at, at + length);
  switch (kind) {
    case RecordKind.transaction: {
      const sequence = reader.u53();
      if (!reader.ok || reader.left % 4 !== 0) return undefined;
      const words = new Int32Array(reader.left / 4);
      new Uint8Array(words.buffer).set(data.subarray(reader.at, reader.end));
      return { kind: "transaction", sequence, words };
    }
    case RecordKind.write: {
      const [inode, offset, seconds, nanoseconds] = [reader.u53(), reader.u53(), reader.i54(), reader.u32()];
      reader.u32();
      if (!reader.ok) return undefined;
      const modified = nanoseconds === NO_TIME ? undefined : { seconds, nanoseconds };
      return { kind: "write", inode, offset, modified, bytes: data.subarray(reader.at, reader.end) };
    }
    case RecordKind.change: {
      const [inode, from, to, size] = [reader.u53(), reader.u53(), reader.u53(), reader.u53()];
      return reader.ok ? { kind: "change", inode, from, to, size: size === NO_SIZE ? undefined : size } : undefined;
    }
    case RecordKind.applied: {
      const [request, made] = [reader.u53(), reader.u53()];
      return reader.ok ? { kind: "applied", request, made } : undefined;
    }
    case RecordKind.note:
      return { kind: "note", bytes: data.subarray(at, at + length) };
    case RecordKind.ready:
      return { kind: "ready" };
    default:
      return undefined;
  }
}

/** The records of the frames of a segment, from `at` up to the first frame that is not whole. */
export function readFrames(data: Uint8Array, from: number, to: number, segment: number): Array<SurvivorRecord> {
  const view = viewOf(data);
  const records: Array<SurvivorRecord> = [];
  let at = from;
  while (at + FRAME_HEADER_BYTES <= to) {
    const reader = new Reader(view, at + 8, to);
    const of = reader.u53();
    const length = reader.u32();
    if (!reader.ok || of !== segment || length < FRAME_HEADER_BYTES || at + length > to) return records;
    if (view.getBigUint64(at, true) !== checksumOf(data, at + 8, at + length)) return records;
    for (let next = at + FRAME_HEADER_BYTES; next < at + length;) {
      const kind = view.getUint32(next, true);
      const content = view.getUint32(next + 4, true);
      const record = recordAt(data, view, next + RECORD_HEADER_BYTES, content, kind);
      if (record === undefined) throw new Malformed(`a frame that is whole holds a record of kind ${kind} that is not`);
      records.push(record);
      next += (RECORD_HEADER_BYTES + content + 7) & ~7;
    }
    at += length;
  }
  return records;
}
