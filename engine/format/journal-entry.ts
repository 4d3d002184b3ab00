/**
 * A journal entry: the updates of one or more commits, every btree root, and what recovery must know and verify.
 *
 * Updates are gathered as words in an `UpdateBuffer` while commits happen, and become the tail of the record in one
 * copy. The record is padded with zeros to whole blocks; its length and checksum do not cover the padding. A decoded
 * entry owns all its bytes. Garbage is never an entry, and an entry that verifies is also well-formed to its last word.
 */
import { Kind, openRecord, type Reader, RECORD_HEADER_BYTES, sealRecord, viewOf, Writer } from "./codec.ts";
import { checksum64, layout, u8, u16, u32, u64, variable } from "./layout.ts";
import { encodePointer, type NodePointer, pointerBytes, readPointer } from "./pointer.ts";
import { TABLE_COUNT, VALUE_BYTES_MAX } from "./tables.ts";

/** Length that marks a removal. */
const REMOVAL = 0xffff;
const TWO32 = 0x1_0000_0000;
const HIGH_MAX = 0x1f_ffff;
/** Words of an update in front of its value. */
export const UPDATE_HEAD_WORDS = 6;
const FLAG_CLEAN = 1;
/** Entries and epochs are counted up to here: no pool comes near, and behind each there is room for more. */
export const SEQUENCE_MAX = 2 ** 52;
export const EPOCH_MAX = 2 ** 31;
/** Deepest tree that the format admits. */
export const LEVEL_MAX = 15;

export const EntryBody = layout(
  "journal entry",
  "Follows the record header of kind 2, whose sequence is the entry's, 2^52 at most.",
  [
    u32("epoch", "number of the opening of the pool that wrote it, 2^31 at most"),
    u32("flags", "bit 0: closed cleanly"),
    u64("epochStart", "sequence of the first entry of the epoch"),
    u64("flushedSequence", "entries up to this one were flushed when this one was written"),
    u64("oldestNeeded", "sequence of the oldest entry whose updates may not be in written nodes"),
    u16("roots", "count of roots"),
    u16("reserved", "0"),
    u32("refs", "count of refs"),
    u32("updateWords", "length of all updates in units of 4 bytes"),
    u32("reserved1", "0"),
    checksum64("previous", "checksum that the record of the entry before this one begins with; 0: there was none"),
  ],
  [
    variable("roots", "`roots` times a root", "the btree roots before the updates of this entry"),
    variable("refs", "`refs` times a ref", "what the updates rely on"),
    variable("updates", "update after update", "in the order of their commits"),
  ],
);

export const EntryRootHead = layout(
  "root",
  "A table without a written root has none.",
  [u8("table", "id"), u8("level", "of the root node; 0 is a leaf"), u16("reserved", "0")],
  [variable("pointer", "node pointer", "of the root")],
);

export const EntryRefLayout = layout("ref", "Bytes of a device that an update relies on.", [
  u64("addressBytes", "byte address on the device"),
  checksum64("checksum", "xxh64 of the bytes"),
  u32("lengthBytes", "how many"),
  u16("device", "index of the member"),
  u16("reserved", "0"),
]);

export const UpdateHead = layout(
  "update",
  "Begins at a multiple of 4 bytes from the start of the record.",
  [
    u8("table", "id"),
    u8("level", "of the node that the row belongs to"),
    u16("lengthBytes", "of the value; 65535: the row is removed"),
    u64("inode", "of the key"),
    u64("offset", "of the key"),
    u32("snapshot", "of the key"),
  ],
  [variable("value", "bytes", "padded with zeros to a multiple of 4")],
);

export interface EntryRoot {
  readonly table: number;
  readonly level: number;
  readonly pointer: NodePointer;
}

export interface EntryRef {
  readonly device: number;
  readonly addressBytes: number;
  readonly lengthBytes: number;
  readonly checksum: bigint;
}

export interface EntryHead {
  readonly sequence: number;
  readonly epoch: number;
  readonly epochStart: number;
  readonly flushedSequence: number;
  readonly oldestNeeded: number;
  readonly clean: boolean;
  /** Checksum of the entry before this one; 0: there was none. */
  readonly previous: bigint;
  readonly roots: ReadonlyArray<EntryRoot>;
  readonly refs: ReadonlyArray<EntryRef>;
}

/** `lengthBytes` is -1 for a removal; the value is `words[word...]`, valid as long as the entry. */
export type UpdateVisitor = (
  table: number,
  level: number,
  inode: number,
  offset: number,
  snapshot: number,
  words: Int32Array,
  word: number,
  lengthBytes: number,
) => void;

/** Words that an update with a value of so many bytes takes. */
export const updateWords = (lengthBytes: number): number => UPDATE_HEAD_WORDS + ((lengthBytes + 3) >> 2);

const BUFFER_WORDS_START = 2048;

/** Updates of the commits that will become one entry; takes memory as they come, `bytes` at most. */
export class UpdateBuffer {
  wordsUsed = 0;
  private readonly wordsMax: number;
  private words: Int32Array;

  constructor(bytes: number) {
    this.wordsMax = bytes >> 2;
    this.words = new Int32Array(Math.min(this.wordsMax, BUFFER_WORDS_START));
  }

  /** Updates of another buffer, as they stand there. */
  append(source: Int32Array): void {
    this.need(source.length);
    this.words.set(source, this.wordsUsed);
    this.wordsUsed += source.length;
  }

  /** Those gathered behind the first `words` words; valid until the next change. */
  behind(words: number): Int32Array {
    return this.words.subarray(words, this.wordsUsed);
  }

  get remainingWords(): number {
    return this.wordsMax - this.wordsUsed;
  }

  /** Makes room for so many words more. */
  private need(words: number): void {
    if (words > this.remainingWords) throw new Error("update buffer overrun");
    const needed = this.wordsUsed + words;
    if (needed <= this.words.length) return;
    const grown = new Int32Array(Math.min(this.wordsMax, Math.max(needed, this.words.length * 2)));
    grown.set(this.words);
    this.words = grown;
  }

  reset(): void {
    this.wordsUsed = 0;
  }

  private head(table: number, level: number, length: number, inode: number, offset: number, snapshot: number): number {
    const { words, wordsUsed: at } = this;
    words[at] = table | (level << 8) | (length << 16);
    words[at + 1] = inode | 0;
    words[at + 2] = (inode / TWO32) | 0;
    words[at + 3] = offset | 0;
    words[at + 4] = (offset / TWO32) | 0;
    words[at + 5] = snapshot | 0;
    return at + UPDATE_HEAD_WORDS;
  }

  put(
    table: number,
    level: number,
    inode: number,
    offset: number,
    snapshot: number,
    source: Int32Array,
    sourceWord: number,
    lengthBytes: number,
  ): void {
    const valueWords = (lengthBytes + 3) >> 2;
    if (lengthBytes > VALUE_BYTES_MAX) throw new Error(`value of ${lengthBytes} bytes`);
    this.need(UPDATE_HEAD_WORDS + valueWords);
    const at = this.head(table, level, lengthBytes, inode, offset, snapshot);
    const { words } = this;
    for (let k = 0; k < valueWords; k++) words[at + k] = source[sourceWord + k]!;
    // What lies behind the value in the caller's last word must not get to disk.
    const tail = lengthBytes & 3;
    if (tail !== 0) words[at + valueWords - 1]! &= (1 << (tail * 8)) - 1;
    this.wordsUsed = at + valueWords;
  }

  remove(table: number, level: number, inode: number, offset: number, snapshot: number): void {
    this.need(UPDATE_HEAD_WORDS);
    this.wordsUsed = this.head(table, level, REMOVAL, inode, offset, snapshot);
  }

  /** The bytes gathered so far; valid until the next change. */
  bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer, 0, this.wordsUsed * 4);
  }
}

/** Bytes of the record without padding. */
export function entryBytes(head: EntryHead, updates: UpdateBuffer): number {
  let total = RECORD_HEADER_BYTES + EntryBody.bytes + head.refs.length * EntryRefLayout.bytes + updates.wordsUsed * 4;
  for (const root of head.roots) total += EntryRootHead.bytes + pointerBytes(root.pointer);
  return total;
}

/** The record, padded with zeros to a multiple of `blockBytes`. */
export function encodeEntry(head: EntryHead, updates: UpdateBuffer, uuid: Uint8Array, blockBytes: number): Uint8Array {
  const lengthBytes = entryBytes(head, updates);
  const data = new Uint8Array(Math.ceil(lengthBytes / blockBytes) * blockBytes);
  const view = viewOf(data);
  const writer = new Writer(view, RECORD_HEADER_BYTES);
  writer.u32(head.epoch);
  writer.u32(head.clean ? FLAG_CLEAN : 0);
  writer.u53(head.epochStart);
  writer.u53(head.flushedSequence);
  writer.u53(head.oldestNeeded);
  writer.u16(head.roots.length);
  writer.zeros(2);
  writer.u32(head.refs.length);
  writer.u32(updates.wordsUsed);
  writer.zeros(4);
  writer.u64big(head.previous);
  for (const { table, level, pointer } of head.roots) {
    writer.u8(table);
    writer.u8(level);
    writer.zeros(2);
    encodePointer(view, writer.at, pointer);
    writer.at += pointerBytes(pointer);
  }
  for (const ref of head.refs) {
    writer.u53(ref.addressBytes);
    writer.u64big(ref.checksum);
    writer.u32(ref.lengthBytes);
    writer.u16(ref.device);
    writer.zeros(2);
  }
  writer.bytes(updates.bytes());
  if (writer.at !== lengthBytes) throw new Error("journal entry is not as long as computed");
  sealRecord(data, view, 0, Kind.journalEntry, lengthBytes, uuid, head.sequence);
  return data;
}

export class JournalEntry implements EntryHead {
  readonly sequence: number;
  readonly epoch: number;
  readonly epochStart: number;
  readonly flushedSequence: number;
  readonly oldestNeeded: number;
  readonly clean: boolean;
  readonly previous: bigint;
  readonly roots: ReadonlyArray<EntryRoot>;
  readonly refs: ReadonlyArray<EntryRef>;
  /** That the record begins with. */
  readonly checksum: bigint;
  /** Of the record, without the padding behind it. */
  readonly lengthBytes: number;
  private readonly words: Int32Array;

  constructor(head: EntryHead, checksum: bigint, lengthBytes: number, words: Int32Array) {
    this.sequence = head.sequence;
    this.epoch = head.epoch;
    this.epochStart = head.epochStart;
    this.flushedSequence = head.flushedSequence;
    this.oldestNeeded = head.oldestNeeded;
    this.clean = head.clean;
    this.previous = head.previous;
    this.roots = head.roots;
    this.refs = head.refs;
    this.checksum = checksum;
    this.lengthBytes = lengthBytes;
    this.words = words;
  }

  /** Visits the updates in order. */
  forEach(visit: UpdateVisitor): void {
    visitUpdates(this.words, visit);
  }
}

/** Visits updates in order. */
export function visitUpdates(words: Int32Array, visit: UpdateVisitor): void {
  for (let at = 0; at < words.length;) {
    const head = words[at]!;
    const length = head >>> 16;
    const inode = words[at + 2]! * TWO32 + (words[at + 1]! >>> 0);
    const offset = words[at + 4]! * TWO32 + (words[at + 3]! >>> 0);
    const value = at + UPDATE_HEAD_WORDS;
    const removed = length === REMOVAL;
    visit(head & 0xff, (head >>> 8) & 0xff, inode, offset, words[at + 5]! >>> 0, words, value, removed ? -1 : length);
    at = removed ? value : value + ((length + 3) >> 2);
  }
}

/** Are the words whole updates with sane heads, to the last one? */
export function areUpdates(words: Int32Array): boolean {
  let at = 0;
  while (at < words.length) {
    if (words.length - at < UPDATE_HEAD_WORDS) return false;
    const head = words[at]!;
    const length = head >>> 16;
    if ((head & 0xff) >= TABLE_COUNT || ((head >>> 8) & 0xff) > LEVEL_MAX) return false;
    if (words[at + 2]! >>> 0 > HIGH_MAX || words[at + 4]! >>> 0 > HIGH_MAX) return false;
    at += UPDATE_HEAD_WORDS;
    if (length === REMOVAL) continue;
    if (length > VALUE_BYTES_MAX) return false;
    at += (length + 3) >> 2;
  }
  return at === words.length;
}

function readRoots(reader: Reader, count: number): Array<EntryRoot> | undefined {
  const roots: Array<EntryRoot> = [];
  for (let k = 0; k < count; k++) {
    const table = reader.u8();
    const level = reader.u8();
    reader.zeros(2);
    const pointer = readPointer(reader);
    const inOrder = k === 0 || roots[k - 1]!.table < table;
    if (pointer === undefined || table >= TABLE_COUNT || level > LEVEL_MAX || !inOrder) return undefined;
    roots.push({ table, level, pointer });
  }
  return roots;
}

function readRefs(reader: Reader, count: number): Array<EntryRef> | undefined {
  if (count * EntryRefLayout.bytes > reader.left) return undefined;
  const refs: Array<EntryRef> = [];
  for (let k = 0; k < count; k++) {
    const addressBytes = reader.u53();
    const checksum = reader.u64big();
    const lengthBytes = reader.u32();
    const device = reader.u16();
    reader.zeros(2);
    refs.push({ device, addressBytes, lengthBytes, checksum });
  }
  return refs;
}

/** The entry at `at`, or undefined if there is none that is whole and of this pool. */
export function decodeEntry(data: Uint8Array, at: number, uuid: Uint8Array): JournalEntry | undefined {
  const record = openRecord(data, at, Kind.journalEntry, uuid, data.length - at);
  if (record === undefined) return undefined;
  const reader = record.body();
  const epoch = reader.u32();
  const flags = reader.u32();
  const epochStart = reader.u53();
  const flushedSequence = reader.u53();
  const oldestNeeded = reader.u53();
  const rootCount = reader.u16();
  reader.zeros(2);
  const refCount = reader.u32();
  const wordCount = reader.u32();
  reader.zeros(4);
  const previous = reader.u64big();
  if (!reader.ok || (flags & ~FLAG_CLEAN) !== 0) return undefined;
  if (record.sequence > SEQUENCE_MAX || epoch > EPOCH_MAX) return undefined;
  const roots = readRoots(reader, rootCount);
  if (roots === undefined) return undefined;
  const refs = readRefs(reader, refCount);
  if (refs === undefined || !reader.ok || reader.left !== wordCount * 4) return undefined;
  const words = new Int32Array(wordCount);
  new Uint8Array(words.buffer).set(data.subarray(reader.at, reader.end));
  if (!areUpdates(words)) return undefined;
  const clean = (flags & FLAG_CLEAN) !== 0;
  const { sequence, checksum, lengthBytes } = record;
  const head = { sequence, epoch, epochStart, flushedSequence, oldestNeeded, clean, previous, roots, refs };
  return new JournalEntry(head, checksum, lengthBytes, words);
}
