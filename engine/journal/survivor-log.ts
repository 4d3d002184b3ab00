/**
 * What was acknowledged and is not on the devices yet, kept where it outlives the process: commits, and the changes of
 * files' content, in the order in which they took effect.
 *
 * Everything that takes effect in one step is one frame, written before anybody is answered. The log is a suffix of all
 * that happened: its oldest segments go once nothing in them is needed any more, that is, once the entries of their
 * commits are written and the rows of their data are committed. It never reads what it wrote and never waits. When
 * something cannot be kept, the file says so from then on, so that nobody takes what is left for the whole.
 */
import {
  encodeFileHeader,
  encodeSegmentHeader,
  type EntryName,
  FILE_HEADER_BYTES,
  FileStateCode,
  FrameWriter,
  SEGMENT_HEADER_BYTES,
  SURVIVOR_VERSION,
  type SurvivorRecord,
} from "../format/survivor-frame.ts";
import type { Timestamp } from "../fs/types.ts";
import { reached } from "../marks.ts";
import { type ScannedMemory, scanMemory, type SurvivorMemory } from "./survivor-scan.ts";

export interface SurvivorOptions {
  readonly memory: SurvivorMemory;
  /** A frame must fit: more than the longest transaction. */
  readonly segmentBytes?: number;
  /** Writers wait above so much. */
  readonly bytesMax?: number;
  /** Hears, once, why nothing is kept any more. */
  readonly gaveUp?: (why: string) => void;
}

const SEGMENT_BYTES = 2 * 1024 * 1024;
const BYTES_MAX = 128 * 1024 * 1024;
/** Requests carried from one process to the next: more than can be unanswered at a time. */
const CARRIED_REQUESTS_MAX = 65_536;
const NO_NOTE = new Uint8Array(0);

export class SurvivorLog {
  /** What the process before left; nothing any more once this one's generation counts, since it may be much. */
  found: ScannedMemory;
  /** Requests of the process before, each with the inodes that its steps made (0: none), until they are answered. */
  readonly inherited: Map<number, Array<number>> = new Map();
  /** Number of the segment that is written now, and of the first that this process wrote. */
  segment: number;
  firstSegment = 0;
  /** The oldest segment that something else still needs; set by who knows. */
  needed: () => number = () => this.firstSegment;
  private readonly memory: SurvivorMemory;
  private readonly segmentBytes: number;
  private readonly bytesMax: number;
  private readonly gaveUp: (why: string) => void;
  private readonly frame = new FrameWriter();
  private readonly slotOf: Map<number, number> = new Map();
  private readonly freeSlots: Array<number> = [];
  /** Requests that have taken effect and are not answered, with the segment that says so. */
  private readonly unanswered: Map<number, number> = new Map();
  private slots: number;
  private fill = 0;
  private building = false;
  private active = false;
  private ready = false;
  private head: { readonly uuid: Uint8Array; readonly epoch: number; readonly base: EntryName } | undefined;
  private readonly generation: number;
  /** Journal sequence of the last transaction in the frame that is being built, and in those that are kept. */
  private frameSequence = 0;
  private keptSequence = 0;
  /** Inherited requests that were sent again. */
  private readonly resent: Set<number> = new Set();
  private noteBytes: Uint8Array = NO_NOTE;

  constructor({ memory, segmentBytes = SEGMENT_BYTES, bytesMax = BYTES_MAX, gaveUp = () => {} }: SurvivorOptions) {
    this.memory = memory;
    this.segmentBytes = segmentBytes;
    this.bytesMax = bytesMax;
    this.gaveUp = gaveUp;
    this.found = scanMemory(memory, segmentBytes);
    this.segment = this.found.lastSegment;
    this.generation = this.found.lastGeneration + 1;
    this.slots = this.found.slots;
    const used = new Set(this.found.slotsInUse);
    for (let slot = 0; slot < this.slots; slot++) if (!used.has(slot)) this.freeSlots.push(slot);
  }

  /** What whoever serves noted last. */
  get note(): Uint8Array {
    return this.noteBytes;
  }

  /** Is anything kept? */
  get keeps(): boolean {
    return this.active;
  }

  /** Begins a generation; what is still needed of the one before is logged next, before `complete`. */
  begin(uuid: Uint8Array, epoch: number, base: EntryName): void {
    this.head = { uuid, epoch, base };
    this.active = true;
    if (this.found.survived._tag === "Nothing") this.stateIs(FileStateCode.live, { sequence: 0, checksum: 0n });
    this.nextSegment();
    this.firstSegment = this.segment;
  }

  /** From now on this generation is the one that counts. */
  complete(): void {
    this.single(() => this.frame.ready());
    this.ready = true;
    for (const slot of this.found.slotsInUse) this.freeSlots.push(slot);
    if (this.active && this.found.survived._tag !== "Nothing") {
      this.stateIs(FileStateCode.live, { sequence: 0, checksum: 0n });
    }
    this.found = { ...this.found, survived: { _tag: "Nothing" }, slotsInUse: [] };
  }

  /** What happens until `close` is one frame. */
  open(): void {
    if (this.building) throw new Error("a frame within a frame");
    this.building = true;
    this.frame.begin();
  }

  close(): void {
    this.building = false;
    if (!this.frame.empty) this.append();
  }

  private single(fill: () => void): void {
    this.open();
    fill();
    this.close();
  }

  /** A commit of journal entry `sequence`: its rows, as the journal has them. */
  transaction(sequence: number, words: Int32Array): void {
    this.frame.transaction(sequence, words);
    this.frameSequence = sequence;
  }

  /** Bytes were written into a file. More than fit into a segment are not kept in part: nothing is, from then on. */
  write(inode: number, offset: number, modified: Timestamp | undefined, bytes: Uint8Array): void {
    this.frame.write(inode, offset, modified, bytes);
  }

  /** What was dirty of [from, to) counts no more, the size is as told, and the row has the time of the change. */
  change(inode: number, from: number, to: number, size: number | undefined): void {
    this.frame.change(inode, from, to, size);
  }

  /** The step that is under way is one of this request. Of a step that changes nothing, there is nothing to know. */
  effectOf(request: number, made: number): void {
    if (!this.building) return;
    this.frame.applied(request, made);
    if (!this.unanswered.has(request)) this.unanswered.set(request, this.segment);
  }

  /** Would it have to be known if this request were sent again? */
  hasTakenEffect(request: number): boolean {
    return this.unanswered.has(request);
  }

  answered(request: number): void {
    this.unanswered.delete(request);
    if (this.inherited.size > 0) this.inherited.delete(request);
  }

  /** The steps of a request that was sent again, if it had taken any: the inodes that they made. */
  stepsOf(request: number): ReadonlyArray<number> | undefined {
    const steps = this.inherited.get(request);
    if (steps !== undefined) this.resent.add(request);
    return steps;
  }

  /** What has not been sent again by now had been answered. */
  allResent(): void {
    for (const request of this.inherited.keys()) if (!this.resent.has(request)) this.inherited.delete(request);
  }

  /** What the next process should be told. */
  keepNote(bytes: Uint8Array): void {
    this.noteBytes = bytes.slice();
    if (this.active) this.single(() => this.frame.note(this.noteBytes));
  }

  /** Takes over what the process before had noted, and which of its requests had taken effect. */
  inherit(records: ReadonlyArray<SurvivorRecord>, note: Uint8Array): void {
    this.noteBytes = note;
    for (const record of records) {
      if (record.kind === "note") this.noteBytes = record.bytes.slice();
      if (record.kind !== "applied") continue;
      const made = this.inherited.get(record.request);
      if (made === undefined) this.inherited.set(record.request, [record.made]);
      else made.push(record.made);
    }
    for (const request of this.inherited.keys()) {
      if (this.inherited.size <= CARRIED_REQUESTS_MAX) break;
      this.inherited.delete(request);
    }
    if (this.noteBytes.length > 0) this.single(() => this.frame.note(this.noteBytes));
    for (const [request, made] of this.inherited) {
      this.single(() => {
        for (const inode of made) this.frame.applied(request, inode);
      });
    }
  }

  /** Logs a change of content that the process before had logged. */
  repeat(record: SurvivorRecord): void {
    if (record.kind === "write") {
      const { inode, offset, modified, bytes } = record;
      this.single(() => this.frame.write(inode, offset, modified, bytes));
    } else if (record.kind === "change") {
      const { inode, from, to, size } = record;
      this.single(() => this.frame.change(inode, from, to, size));
    }
  }

  /** Must writers wait until there is less to keep? */
  get crowded(): boolean {
    if (!this.active || this.slotOf.size * this.segmentBytes <= this.bytesMax) return false;
    this.drop();
    return this.slotOf.size * this.segmentBytes > this.bytesMax;
  }

  /**
   * Everything is on the devices, up to this entry of the journal: nothing here is needed any more, unless a request of
   * the process before may still be sent again. Then whoever comes next takes over as from a process that died.
   */
  settled(end: EntryName): void {
    if (!this.active) return;
    if (this.inherited.size > 0) return reached("handed over while requests may be sent again");
    this.stateIs(FileStateCode.settled, end);
    this.active = false;
  }

  private stateIs(state: number, end: EntryName): void {
    const { segmentBytes, noteBytes: note } = this;
    const header = encodeFileHeader({ version: SURVIVOR_VERSION, state, segmentBytes, end, note });
    this.keep(() => this.memory.write(0, header));
  }

  private append(): void {
    const { frame } = this;
    if (!this.active) return;
    if (this.fill + frame.bytes > this.segmentBytes) {
      if (frame.bytes > this.segmentBytes - SEGMENT_HEADER_BYTES) return this.giveUp(`a frame of ${frame.bytes} bytes`);
      this.nextSegment();
    }
    const bytes = frame.finish(this.segment);
    const at = this.offsetOf(this.slotOf.get(this.segment)!) + this.fill;
    this.fill += bytes.length;
    this.keptSequence = this.frameSequence;
    this.keep(() => this.memory.write(at, bytes));
  }

  private offsetOf(slot: number): number {
    return FILE_HEADER_BYTES + slot * this.segmentBytes;
  }

  private nextSegment(): void {
    this.drop();
    this.segment++;
    const slot = this.freeSlots.pop() ?? this.slots++;
    this.slotOf.set(this.segment, slot);
    const { generation, ready } = this;
    const { uuid, epoch, base } = this.head!;
    const sequenceBefore = this.keptSequence;
    const header = encodeSegmentHeader({
      uuid,
      generation,
      sequence: this.segment,
      epoch,
      base,
      sequenceBefore,
      ready,
    });
    this.fill = SEGMENT_HEADER_BYTES;
    this.keep(() => this.memory.write(this.offsetOf(slot), header));
    if (!ready) return;
    reached("segment of survivors begun");
    if (this.noteBytes.length === 0) return;
    // The frame that did not fit is being built: the note has one of its own.
    const note = new FrameWriter();
    note.begin();
    note.note(this.noteBytes);
    const bytes = note.finish(this.segment);
    const at = this.offsetOf(slot) + this.fill;
    this.fill += bytes.length;
    this.keep(() => this.memory.write(at, bytes));
  }

  /** Lets go of the oldest segments that nobody needs. */
  private drop(): void {
    if (!this.ready) return;
    let needed = Math.min(this.segment, this.needed());
    for (const segment of this.unanswered.values()) needed = Math.min(needed, segment);
    if (this.inherited.size > 0) needed = Math.min(needed, this.firstSegment);
    for (const [segment, slot] of this.slotOf) {
      if (segment >= needed) return;
      reached("segment of survivors dropped");
      this.slotOf.delete(segment);
      this.freeSlots.push(slot);
    }
  }

  private keep(write: () => void): void {
    if (!this.active) return;
    try {
      write();
    } catch (error) {
      this.giveUp(error instanceof Error ? error.message : String(error));
    }
  }

  private giveUp(why: string): void {
    if (!this.active) return;
    reached("survivors given up");
    const state = { version: SURVIVOR_VERSION, state: FileStateCode.void, segmentBytes: this.segmentBytes };
    this.active = false;
    const header = encodeFileHeader({ ...state, end: { sequence: 0, checksum: 0n }, note: NO_NOTE });
    // Its place has been written before: it takes no memory.
    this.memory.write(0, header);
    this.gaveUp(why);
  }
}
