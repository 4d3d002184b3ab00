/**
 * From the bytes of a memory file to what an earlier process left in it; pure.
 *
 * Segments belong to generations, one for each process. A generation counts once it is complete, that is, once it holds
 * all of the one before that is still needed; until then that one does. Of a generation those segments count that
 * follow each other without a gap up to the newest: what lies before a gap was given up, and perhaps partly written over.
 */
import {
  decodeFileHeader,
  decodeSegmentHeader,
  type EntryName,
  FILE_HEADER_BYTES,
  FileStateCode,
  readFrames,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  SURVIVOR_VERSION,
  type SurvivorRecord,
} from "../format/survivor-frame.ts";
import { reached } from "../marks.ts";

/** Bytes that outlive the process, though not the machine: written at once, or an error is thrown. */
export interface SurvivorMemory {
  readonly sizeBytes: () => number;
  readonly read: (offsetBytes: number, lengthBytes: number) => Uint8Array;
  readonly write: (offsetBytes: number, bytes: Uint8Array) => void;
}

/** What the newest complete generation says. */
export interface Generation {
  readonly uuid: Uint8Array;
  readonly epoch: number;
  readonly base: EntryName;
  readonly sequenceBefore: number;
  readonly records: ReadonlyArray<SurvivorRecord>;
}

export type Survived =
  | { readonly _tag: "Nothing" }
  /** What was there cannot be used; `why` is for a person. */
  | { readonly _tag: "Unusable"; readonly why: string }
  | { readonly _tag: "Settled"; readonly end: EntryName; readonly note: Uint8Array }
  | { readonly _tag: "Generation"; readonly generation: Generation };

export interface ScannedMemory {
  readonly survived: Survived;
  /** Numbers in use so far; new ones are above. */
  readonly lastGeneration: number;
  readonly lastSegment: number;
  /** Slots that the newest complete generation needs. */
  readonly slotsInUse: ReadonlyArray<number>;
  readonly slots: number;
}

interface Slot {
  readonly slot: number;
  readonly header: SegmentHeader;
}

interface Segment extends Slot {
  readonly records: ReadonlyArray<SurvivorRecord>;
}

const NOTHING: ScannedMemory = {
  survived: { _tag: "Nothing" },
  lastGeneration: 0,
  lastSegment: 0,
  slotsInUse: [],
  slots: 0,
};

/** Segments of one generation without a gap before the newest, oldest first. */
function unbroken(slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> {
  const ordered = [...slots].sort((a, b) => a.header.sequence - b.header.sequence);
  let first = ordered.length - 1;
  while (first > 0 && ordered[first - 1]!.header.sequence === ordered[first]!.header.sequence - 1) first--;
  return ordered.slice(first);
}

const isReady = (segments: ReadonlyArray<Segment>): boolean =>
  segments.some(({ header, records }) => header.ready || records.some(({ kind }) => kind === "ready"));

const offsetOf = (slot: number, segmentBytes: number): number => FILE_HEADER_BYTES + slot * segmentBytes;

function readSlots(memory: SurvivorMemory, segmentBytes: number): Array<Slot> {
  const found: Array<Slot> = [];
  const count = Math.ceil((memory.sizeBytes() - FILE_HEADER_BYTES) / segmentBytes);
  for (let slot = 0; slot < count; slot++) {
    const header = decodeSegmentHeader(memory.read(offsetOf(slot, segmentBytes), SEGMENT_HEADER_BYTES), 0);
    if (header !== undefined) found.push({ slot, header });
  }
  return found;
}

function readSegment(memory: SurvivorMemory, segmentBytes: number, { slot, header }: Slot): Segment {
  const data = memory.read(offsetOf(slot, segmentBytes), segmentBytes);
  return { slot, header, records: readFrames(data, SEGMENT_HEADER_BYTES, data.length, header.sequence) };
}

/** Only what may count is read whole: there can be much else, and this process needs its memory. */
function newest(memory: SurvivorMemory, segmentBytes: number, slots: ReadonlyArray<Slot>): ReadonlyArray<Segment> {
  const generations = [...new Set(slots.map(({ header }) => header.generation))].sort((a, b) => b - a);
  for (const generation of generations) {
    const found = unbroken(slots.filter(({ header }) => header.generation === generation));
    const own = found.map((slot) => readSegment(memory, segmentBytes, slot));
    if (isReady(own)) return own;
    reached("incomplete generation of survivors ignored");
  }
  return [];
}

export function scanMemory(memory: SurvivorMemory, segmentBytes: number): ScannedMemory {
  const sizeBytes = memory.sizeBytes();
  if (sizeBytes === 0) return NOTHING;
  const header = decodeFileHeader(memory.read(0, Math.min(sizeBytes, FILE_HEADER_BYTES)));
  if (header === undefined) return NOTHING;
  const { version, state, end, note } = header;
  const same = version === SURVIVOR_VERSION && header.segmentBytes === segmentBytes;
  const slots = same ? readSlots(memory, segmentBytes) : [];
  const numbers = {
    lastGeneration: Math.max(0, ...slots.map((slot) => slot.header.generation)),
    lastSegment: Math.max(0, ...slots.map((slot) => slot.header.sequence)),
    slots: slots.length === 0 ? 0 : Math.max(...slots.map(({ slot }) => slot)) + 1,
  };
  if (state === FileStateCode.settled) {
    return { ...numbers, survived: { _tag: "Settled", end, note }, slotsInUse: [] };
  }
  if (state === FileStateCode.void) {
    return { ...numbers, survived: { _tag: "Unusable", why: "it could not take everything in" }, slotsInUse: [] };
  }
  if (!same) {
    const why = `it is of version ${version}, ${SURVIVOR_VERSION} is understood`;
    return { ...numbers, survived: { _tag: "Unusable", why }, slotsInUse: [] };
  }
  const own = newest(memory, segmentBytes, slots);
  const first = own[0]?.header;
  if (first === undefined) return { ...numbers, survived: { _tag: "Nothing" }, slotsInUse: [] };
  const { uuid, epoch, base, sequenceBefore } = first;
  const records = own.flatMap((slot) => slot.records);
  return {
    ...numbers,
    survived: { _tag: "Generation", generation: { uuid, epoch, base, sequenceBefore, records } },
    slotsInUse: own.map(({ slot }) => slot),
  };
}
