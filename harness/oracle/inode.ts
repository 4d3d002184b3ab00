/**
 * An inode of the reference filesystem: its identity, its states through time, its content.
 *
 * A state is immutable and holds what belongs to the namespace; the bytes and the size of a regular file are in
 * `content`. The number that the engine gave the inode is learned from its answers (`number`), never invented.
 * Names and other byte strings are keyed by `textOf`, one character a byte.
 */
import { COMPRESSION_ATTRIBUTE, compressionValue } from "../../engine/fs/compression-attribute.ts";
import { FileType, type Timestamp } from "../../engine/fs/types.ts";
import type { FileContent } from "./file-content.ts";
import { Versions } from "./versions.ts";

export interface InodeState {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly links: number;
  /** Its own, 0 if it has none. */
  readonly compression: number;
  /** Of a symlink. */
  readonly target: string | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Of a directory. */
  readonly entries: ReadonlyMap<string, Inode> | undefined;
  readonly parent: Inode | undefined;
  /** Time of modification, where it was set and nothing has changed it since. */
  readonly modified: Timestamp | undefined;
  /** What the clock said at the last change of what the inode holds, if the model knows the clock. */
  readonly touched: Timestamp | undefined;
  /** A time of modification that was set, and is no longer right because of a change since. */
  readonly outdated: Timestamp | undefined;
}

export class Inode {
  /** Names the inode in reports until its number is known. */
  readonly label: string;
  readonly states: Versions<InodeState>;
  /** Of a regular file. */
  readonly content: FileContent | undefined;
  /** What the engine calls it. */
  number: number | undefined;
  opens = 0;
  /** Was made without a name, and may still get one. */
  nameless = false;
  /** Latest change time that the engine has told, and when. */
  changedSeen: { readonly ticket: number; readonly changed: Timestamp } | undefined;

  constructor(label: string, bornMoment: number, state: InodeState, content: FileContent | undefined) {
    this.label = label;
    this.states = new Versions(bornMoment, state);
    this.content = content;
  }

  get state(): InodeState {
    return this.states.last;
  }

  get isDirectory(): boolean {
    return typeOf(this.state.mode) === FileType.directory;
  }

  /** May it have a compression of its own? */
  get isCompressible(): boolean {
    return this.isDirectory || this.content !== undefined;
  }

  /** Nothing keeps it any more: no name and nobody who holds it open. */
  get isGone(): boolean {
    return this.state.links === 0 && this.opens === 0;
  }

  /** How reports call it. */
  get title(): string {
    return this.number === undefined ? this.label : `inode ${this.number}`;
  }
}

export function typeOf(mode: number): number {
  return mode & FileType.mask;
}

/** The bytes as a string of one character each: a key that can be compared, and read if it is ASCII. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; index++) text += String.fromCharCode(bytes[index] as number);
  return text;
}

export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** The xattrs that it shows: its own compression is one too. */
export function shownXattrs({
  xattrs,
  compression,
}: Pick<InodeState, "xattrs" | "compression">): ReadonlyMap<string, Uint8Array> {
  const value = compressionValue(compression);
  return value === undefined ? xattrs : new Map(xattrs).set(COMPRESSION_ATTRIBUTE, value);
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && Buffer.compare(one, other) === 0;
}

export function compareTimes(one: Timestamp, other: Timestamp): number {
  return one.seconds - other.seconds || one.nanoseconds - other.nanoseconds;
}
