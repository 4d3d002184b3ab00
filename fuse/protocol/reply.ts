/**
 * Answers as the kernel reads them: plain data in, bytes out. Each function returns new bytes without the header, which
 * `header` makes.
 *
 * Lifetimes are how long the kernel may keep what it is told. All little-endian.
 */
import type { Pieces } from "../../engine/data/read-memory.ts";
import type { Attributes, DirectoryEntry, FilesystemStatistics } from "../../engine/fs/types.ts";
import { ATTRIBUTE_BYTES, ENTRY_BYTES, Notification, OUT_HEADER_BYTES } from "./opcodes.ts";

const WORD = 0x1_0000_0000;
const wideAt = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD;
const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const DIRENT_BYTES = 24;
const UNSETTLED_SECONDS = 1;
const STATX_BYTES = 32 + 256;
const STATX_BASIC = 0x7ff;
const STATX_BIRTH = 0x800;
const NOTIFY_RESEND = 7;

export interface Lifetimes {
  readonly entrySeconds: number;
  readonly attributeSeconds: number;
}

function putWide(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % WORD, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}

/** Seconds may be negative. */
function putSigned(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  view.setUint32(at, value - high * WORD, true);
  view.setInt32(at + 4, high, true);
}

/** Seconds with a fraction, as seconds and nanoseconds in two places. */
function putLifetime(view: DataView, secondsAt: number, nanosecondsAt: number, seconds: number): void {
  const whole = Math.floor(seconds);
  putWide(view, secondsAt, whole);
  view.setUint32(nanosecondsAt, Math.floor((seconds - whole) * 1e9), true);
}

/** The header of an answer; the request's identity is copied from the request. */
export function header(request: DataView, errno: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(OUT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, OUT_HEADER_BYTES + bodyBytes, true);
  view.setInt32(4, -errno, true);
  view.setUint32(8, request.getUint32(8, true), true);
  view.setUint32(12, request.getUint32(12, true), true);
  return bytes;
}

/** What an answer carries, in pieces perhaps. */
export type Body = Uint8Array | Pieces;

/** An answer in the parts that it is written of, its header first. */
export function answerOf(request: DataView, body: Body): ReadonlyArray<Uint8Array> {
  const pieces = body instanceof Uint8Array ? [body] : body.list;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = header(request, 0, length);
  return length === 0 ? [head] : [head, ...pieces];
}

/** A notification: everything that was handed out and not answered is to be sent again, with `RESENT` in its number. */
export function encodeResend(): Uint8Array {
  const bytes = new Uint8Array(OUT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, OUT_HEADER_BYTES, true);
  view.setInt32(4, NOTIFY_RESEND, true);
  return bytes;
}

function putAttributes(view: DataView, at: number, attributes: Attributes): void {
  putWide(view, at, attributes.inode);
  putWide(view, at + 8, attributes.sizeBytes);
  putWide(view, at + 16, Math.ceil(attributes.allocatedBytes / SECTOR_BYTES));
  const { accessed, modified, changed } = attributes;
  for (const [index, { seconds, nanoseconds }] of [accessed, modified, changed].entries()) {
    putSigned(view, at + 24 + index * 8, seconds);
    view.setUint32(at + 48 + index * 4, nanoseconds, true);
  }
  view.setUint32(at + 60, attributes.mode, true);
  view.setUint32(at + 64, attributes.links, true);
  view.setUint32(at + 68, attributes.uid, true);
  view.setUint32(at + 72, attributes.gid, true);
  view.setUint32(at + 76, attributes.rdev, true);
  view.setUint32(at + 80, BLOCK_BYTES, true);
}

/** How long the kernel may keep attributes: not long when they change once data is written. */
const lifetimeOf = ({ unsettled }: Attributes, { attributeSeconds }: Lifetimes): number =>
  unsettled === true ? Math.min(UNSETTLED_SECONDS, attributeSeconds) : attributeSeconds;

function putEntry(view: DataView, at: number, attributes: Attributes, lifetimes: Lifetimes): void {
  putWide(view, at, attributes.inode);
  putLifetime(view, at + 16, at + 32, lifetimes.entrySeconds);
  putLifetime(view, at + 24, at + 36, lifetimeOf(attributes, lifetimes));
  putAttributes(view, at + 40, attributes);
}

export function encodeAttributes(attributes: Attributes, lifetimes: Lifetimes): Uint8Array {
  const bytes = new Uint8Array(16 + ATTRIBUTE_BYTES);
  const view = new DataView(bytes.buffer);
  putLifetime(view, 0, 8, lifetimeOf(attributes, lifetimes));
  putAttributes(view, 16, attributes);
  return bytes;
}

export function encodeEntry(attributes: Attributes, lifetimes: Lifetimes): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  putEntry(new DataView(bytes.buffer), 0, attributes, lifetimes);
  return bytes;
}

/** The inode that an entry tells of, 0 if none. */
export const entryInode = (entry: Uint8Array): number =>
  entry.length < ENTRY_BYTES ? 0 : wideAt(new DataView(entry.buffer, entry.byteOffset), 0);

/** The inodes that a listing with attributes tells of. */
export function listedInodes(listing: Uint8Array): ReadonlyArray<number> {
  const view = new DataView(listing.buffer, listing.byteOffset, listing.length);
  const inodes: Array<number> = [];
  for (let at = 0; at + ENTRY_BYTES + DIRENT_BYTES <= listing.length;) {
    const inode = wideAt(view, at);
    if (inode !== 0) inodes.push(inode);
    at += ENTRY_BYTES + ((DIRENT_BYTES + view.getUint32(at + ENTRY_BYTES + 16, true) + 7) & ~7);
  }
  return inodes;
}

/** There is no such name, and the kernel may remember that. */
export function encodeNoEntry({ entrySeconds }: Lifetimes): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  putLifetime(new DataView(bytes.buffer), 16, 32, entrySeconds);
  return bytes;
}

/** An open file. There are no handles: everything goes by inode. */
export function encodeOpen(flags: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(8, flags, true);
  return bytes;
}

export function encodeCreated(attributes: Attributes, lifetimes: Lifetimes, flags: number): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES + 16);
  bytes.set(encodeEntry(attributes, lifetimes));
  bytes.set(encodeOpen(flags), ENTRY_BYTES);
  return bytes;
}

/** A number of bytes: what was written, or how long an attribute is. */
export function encodeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, count, true);
  return bytes;
}

/** What statx shows, the time of birth among it. */
export function encodeStatx(attributes: Attributes, { attributeSeconds }: Lifetimes): Uint8Array {
  const bytes = new Uint8Array(STATX_BYTES);
  const view = new DataView(bytes.buffer);
  putLifetime(view, 0, 8, attributeSeconds);
  const at = 32;
  view.setUint32(at, STATX_BASIC | STATX_BIRTH, true);
  view.setUint32(at + 4, BLOCK_BYTES, true);
  view.setUint32(at + 16, attributes.links, true);
  view.setUint32(at + 20, attributes.uid, true);
  view.setUint32(at + 24, attributes.gid, true);
  view.setUint16(at + 28, attributes.mode, true);
  putWide(view, at + 32, attributes.inode);
  putWide(view, at + 40, attributes.sizeBytes);
  putWide(view, at + 48, Math.ceil(attributes.allocatedBytes / SECTOR_BYTES));
  const { accessed, born, changed, modified, rdev } = attributes;
  for (const [index, { seconds, nanoseconds }] of [accessed, born, changed, modified].entries()) {
    putSigned(view, at + 64 + index * 16, seconds);
    view.setUint32(at + 72 + index * 16, nanoseconds, true);
  }
  view.setUint32(at + 128, (rdev & 0xfff00) >>> 8, true);
  view.setUint32(at + 132, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00), true);
  return bytes;
}

/** What an ioctl gives back. */
export function encodeIoctl(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + data.length);
  bytes.set(data, 16);
  return bytes;
}

export function encodeOffset(offset: number): Uint8Array {
  const bytes = new Uint8Array(8);
  putWide(new DataView(bytes.buffer), 0, offset);
  return bytes;
}

export function encodeStatistics(statistics: FilesystemStatistics): Uint8Array {
  const bytes = new Uint8Array(80);
  const view = new DataView(bytes.buffer);
  const { blockBytes, inodes, nameBytesMax } = statistics;
  const free = Math.floor(statistics.freeBytes / blockBytes);
  // Inodes are made as they are needed: what is free is as many as there is room for at one block each.
  const words = [
    Math.floor(statistics.totalBytes / blockBytes),
    free,
    Math.floor(statistics.availableBytes / blockBytes),
    inodes + free,
    free,
  ];
  for (const [index, word] of words.entries()) putWide(view, index * 8, word);
  view.setUint32(40, blockBytes, true);
  view.setUint32(44, nameBytesMax, true);
  view.setUint32(48, blockBytes, true);
  return bytes;
}

export interface InitAnswer {
  readonly minor: number;
  readonly readaheadBytes: number;
  readonly flags: number;
  /** Abilities behind the first 32, if there are any. */
  readonly moreFlags?: number;
  readonly writeBytesMax: number;
  readonly pagesMax: number;
  readonly backgroundMax: number;
}

export function encodeInit(major: number, answer: InitAnswer): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, major, true);
  view.setUint32(4, answer.minor, true);
  view.setUint32(8, answer.readaheadBytes, true);
  view.setUint32(12, answer.flags, true);
  view.setUint16(16, answer.backgroundMax, true);
  view.setUint16(18, Math.floor((answer.backgroundMax * 3) / 4), true);
  view.setUint32(20, answer.writeBytesMax, true);
  view.setUint32(24, 1, true);
  view.setUint16(28, answer.pagesMax, true);
  view.setUint32(32, answer.moreFlags ?? 0, true);
  return bytes;
}

/**
 * What the kernel is told unasked: that it must ask anew for an inode's attributes and, from `offsetBytes` on unless that
 * is below 0, must write what it has of its data and read it anew.
 */
export function encodeInvalidInode(inode: number, offsetBytes: number): Uint8Array {
  const bytes = new Uint8Array(OUT_HEADER_BYTES + 24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setInt32(4, Notification.invalidInode, true);
  putWide(view, OUT_HEADER_BYTES, inode);
  putSigned(view, OUT_HEADER_BYTES + 8, offsetBytes);
  return bytes;
}

/** Entries of a directory, until the room that the kernel gave is full. */
export class EntryWriter {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(roomBytes: number) {
    this.bytes = new Uint8Array(roomBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** False when there is no room; the kernel asks again behind the last cookie. */
  add(entry: DirectoryEntry): boolean {
    return this.put(entry, 0);
  }

  /** The same with the entry's attributes, if they could be had. */
  addPlus(entry: DirectoryEntry, attributes: Attributes | undefined, lifetimes: Lifetimes): boolean {
    const at = this.at;
    if (!this.put(entry, ENTRY_BYTES)) return false;
    if (attributes !== undefined) putEntry(this.view, at, attributes, lifetimes);
    return true;
  }

  get finished(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  private put({ name, inode, type, cookie }: DirectoryEntry, before: number): boolean {
    const length = before + ((DIRENT_BYTES + name.length + 7) & ~7);
    if (this.at + length > this.bytes.length) return false;
    const at = this.at + before;
    putWide(this.view, at, inode);
    putWide(this.view, at + 8, cookie);
    this.view.setUint32(at + 16, name.length, true);
    this.view.setUint32(at + 20, type >>> 12, true);
    this.bytes.set(name, at + DIRENT_BYTES);
    this.at += length;
    return true;
  }
}
