/**
 * What is done to a copy of an image: turned bits, blocks that are wrong, and records that lie with a right checksum.
 *
 * Pure: the draws are the caller's, and the specimen stays as it is. Damage of the first kinds is what a medium does;
 * checksums must notice all of it. Damage that is `sealed` has been made by somebody: every checksum is right, so that
 * what the image says is what it holds, and only how it is taken can be asked about.
 */
import { RECORD_HEADER_BYTES, RecordHeader, viewOf } from "../../engine/format/codec.ts";
import { encodeEntry, UpdateBuffer } from "../../engine/format/journal-entry.ts";
import { NODE_BYTES_MAX, NodeBody } from "../../engine/format/node.ts";
import { decompressInto } from "../../engine/format/zstd.ts";
import type { Prng } from "../entropy.ts";
import { hostileEntry } from "../hostile-entry.ts";
import { lengthAt, lie } from "./lie.ts";
import type { Place, PlaceKind, Specimen } from "./specimen.ts";

/** A copy of an image, corrupted; its bytes are valid until the next one is made. */
export interface Damaged {
  readonly bytes: Uint8Array;
  /** One line: what was done where. */
  readonly what: string;
  /** Places that were struck. One never shows the pool as it was; two may: the end of the journal, and what vouches for it. */
  readonly places: number;
}

export interface Damage {
  readonly name: string;
  /** Every checksum is right: what is read need not be what was there. */
  readonly sealed: boolean;
  /** May show the pool as it was at an earlier moment of its life, since it can put all that vouches for it back. */
  readonly reverts: boolean;
  /** Undefined if it cannot be done to this specimen. */
  readonly inflict: (random: Prng, specimen: Specimen) => Damaged | undefined;
}

const BLOCK_BYTES = 4096;
/** Whole blocks that hold any node record. */
const NODE_ROOM_BYTES = Math.ceil(NODE_BYTES_MAX / BLOCK_BYTES) * BLOCK_BYTES;
/** What is made is used before the next one is; so all are made in one place. */
let scratch = new Uint8Array(0);

function copyOf(image: Uint8Array): Uint8Array {
  if (scratch.length !== image.length) scratch = new Uint8Array(image.length);
  scratch.set(image);
  return scratch;
}

const KINDS: ReadonlyArray<PlaceKind> = ["superblock", "journal", "node", "extent"];

/** Kinds are drawn before places, so that what is rare on the image is not rarely hit. */
function drawPlace(random: Prng, { places }: Specimen): Place {
  for (;;) {
    const kind = random.pick(KINDS);
    const candidates = places.filter((place) => place.kind === kind);
    if (candidates.length > 0) return random.pick(candidates);
  }
}

/** A block in which something stands. */
function drawBlock(random: Prng, specimen: Specimen): number {
  const { addressBytes, lengthBytes } = drawPlace(random, specimen);
  return Math.floor((addressBytes + random.below(lengthBytes)) / BLOCK_BYTES) * BLOCK_BYTES;
}

function fillWithNoise(random: Prng, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
}

const named = (bytes: Uint8Array, what: string, places = 1): Damaged => ({ bytes, what, places });

const turnedBits: Damage["inflict"] = (random, specimen) => {
  const bytes = copyOf(specimen.image);
  const places: Array<string> = [];
  for (let left = random.pick([1, 1, 2, 8]); left > 0; left--) {
    const { kind, addressBytes, lengthBytes } = drawPlace(random, specimen);
    const at = addressBytes + random.below(lengthBytes);
    bytes[at]! ^= 1 << random.below(8);
    places.push(`${at} (${kind})`);
  }
  return named(bytes, `a bit at ${places.join(", ")}`, places.length);
};

const wrongBytes: Damage["inflict"] = (random, specimen) => {
  const bytes = copyOf(specimen.image);
  const { kind, addressBytes, lengthBytes } = drawPlace(random, specimen);
  const at = addressBytes + random.below(lengthBytes);
  const length = Math.min(1 + random.below(600), bytes.length - at);
  fillWithNoise(random, bytes.subarray(at, at + length));
  return named(bytes, `${length} bytes at ${at} (${kind})`);
};

/** Some blocks, each made something else. */
const blocks =
  (spoil: (random: Prng, block: Uint8Array, at: number, specimen: Specimen) => void): Damage["inflict"] =>
  (random, specimen) => {
    const bytes = copyOf(specimen.image);
    const struck: Array<number> = [];
    for (let left = random.pick([1, 1, 3, 16]); left > 0; left--) {
      const at = drawBlock(random, specimen);
      spoil(random, bytes.subarray(at, at + BLOCK_BYTES), at, specimen);
      struck.push(at);
    }
    return named(bytes, `blocks at ${struck.join(", ")}`, struck.length);
  };

const swappedBlocks: Damage["inflict"] = (random, specimen) => {
  const bytes = copyOf(specimen.image);
  const [one, other] = [drawBlock(random, specimen), drawBlock(random, specimen)];
  bytes.copyWithin(one, other, other + BLOCK_BYTES);
  bytes.set(specimen.image.subarray(one, one + BLOCK_BYTES), other);
  return named(bytes, `blocks at ${one} and ${other}`, 2);
};

const staleBlocks: Damage["inflict"] = (random, specimen) => {
  if (specimen.earlier.length === 0) return undefined;
  const before = random.pick(specimen.earlier);
  return blocks((_random, block, at) => block.set(before.subarray(at, at + BLOCK_BYTES)))(random, specimen);
};

/** Everything from a place on is as it was, as after writes that never reached the medium. */
const staleRest: Damage["inflict"] = (random, specimen) => {
  if (specimen.earlier.length === 0) return undefined;
  const bytes = copyOf(specimen.image);
  const from = drawBlock(random, specimen);
  const rest = random.chance(0.5);
  const [start, end] = rest ? [from, bytes.length] : [0, from];
  bytes.set(random.pick(specimen.earlier).subarray(start, end), start);
  return named(bytes, `all from ${start} to ${end}`);
};

const truncated: Damage["inflict"] = (random, { image }) => {
  const length = random.chance(0.3) ? image.length - random.below(9000) - 1 : random.below(image.length);
  return named(copyOf(image).subarray(0, length), `${length} bytes are left`);
};

const emptiedRest: Damage["inflict"] = (random, specimen) => {
  const bytes = copyOf(specimen.image);
  const from = drawBlock(random, specimen);
  bytes.fill(0, from);
  return named(bytes, `zeros from ${from}`);
};

const lyingSuperblock: Damage["inflict"] = (random, specimen) => {
  const bytes = copyOf(specimen.image);
  const said: Array<string> = [];
  for (const { kind, addressBytes } of specimen.places) {
    if (kind !== "superblock" || lengthAt(bytes, addressBytes) === 0) continue;
    if (said.length > 0 && random.chance(0.3)) continue;
    said.push(`${addressBytes}: ${lie(random, bytes, addressBytes, lengthAt(bytes, addressBytes))}`);
  }
  return named(bytes, `superblocks, bytes ${said.join("; ")}`);
};

/** Only the last entry: the checksum of any other stands in the one behind it. */
const lyingEntry: Damage["inflict"] = (random, specimen) => {
  const { last, endBytes } = specimen.journal;
  const bytes = copyOf(specimen.image);
  const at = endBytes - Math.ceil(last.lengthBytes / BLOCK_BYTES) * BLOCK_BYTES;
  return named(bytes, `last journal entry, bytes ${lie(random, bytes, at, last.lengthBytes)}`);
};

const hostileRows: Damage["inflict"] = (random, { image, journal, uuid, blockBytes }) => {
  const entry = hostileEntry(random, journal, uuid, blockBytes);
  if (entry.length > journal.roomBytes) return undefined;
  const bytes = copyOf(image);
  bytes.set(entry, journal.endBytes);
  return named(bytes, "a journal entry of rows that make no sense");
};

/** Where nothing stands that anybody knows of, if there is such a place. */
function emptyPlace(image: Uint8Array): number | undefined {
  const at = image.length - NODE_ROOM_BYTES;
  return image.subarray(at).every((byte) => byte === 0) ? at : undefined;
}

/** The record with its payload as it is before compression; undefined if it is no node record. */
function plainNode(record: Uint8Array): Uint8Array | undefined {
  const view = viewOf(record);
  const flagsAt = RECORD_HEADER_BYTES + NodeBody.at.flags;
  const payloadAt = RECORD_HEADER_BYTES + NodeBody.bytes;
  if (view.getUint16(flagsAt, true) === 0) return record.slice();
  const payload = new Uint8Array(view.getUint32(RECORD_HEADER_BYTES + NodeBody.at.payloadBytes, true));
  if (decompressInto(payload, record.subarray(payloadAt)) !== payload.length) return undefined;
  const plain = new Uint8Array(payloadAt + payload.length);
  plain.set(record.subarray(0, payloadAt));
  plain.set(payload, payloadAt);
  viewOf(plain).setUint16(flagsAt, 0, true);
  viewOf(plain).setUint32(RecordHeader.at.lengthBytes, plain.length, true);
  return plain;
}

/** A root's node lies, in a copy of it elsewhere, and one more journal entry vouches for it. */
const lyingNode: Damage["inflict"] = (random, { image, journal, uuid, blockBytes }) => {
  const { last, endBytes, roomBytes } = journal;
  const chosen = random.below(last.roots.length);
  const root = last.roots[chosen]!;
  const which = random.below(root.pointer.records.length);
  const old = root.pointer.records[which]!;
  const node = plainNode(image.subarray(old.addressBytes, old.addressBytes + old.lengthBytes));
  const addressBytes = emptyPlace(image);
  if (node === undefined || addressBytes === undefined) return undefined;
  const said = lie(random, node, 0, node.length);
  const checksum = viewOf(node).getBigUint64(RecordHeader.at.checksum, true);
  const record = { ...old, addressBytes, lengthBytes: node.length, checksum };
  const records = root.pointer.records.map((each, index) => (index === which ? record : each));
  const roots = last.roots.map((each, index) => (index === chosen ? { ...each, pointer: { records } } : each));
  const { sequence, checksum: previous, epoch, epochStart, flushedSequence, oldestNeeded, clean } = last;
  const past = { epoch, epochStart, flushedSequence, oldestNeeded, clean, previous };
  const head = { ...past, roots, sequence: sequence + 1, refs: [] };
  const entry = encodeEntry(head, new UpdateBuffer(0), uuid, blockBytes);
  if (entry.length > roomBytes) return undefined;
  const bytes = copyOf(image);
  bytes.set(node, addressBytes);
  bytes.set(entry, endBytes);
  return named(bytes, `root of table ${root.table}, bytes ${said}`);
};

const medium = (name: string, inflict: Damage["inflict"], reverts = false): Damage => ({
  name,
  sealed: false,
  reverts,
  inflict,
});
const made = (name: string, inflict: Damage["inflict"]): Damage => ({ name, sealed: true, reverts: true, inflict });

/** One that does nothing is among them, so that a fault of the tool would show. */
export const DAMAGES: ReadonlyArray<Damage> = [
  medium("none", (_random, { image }) => named(copyOf(image), "nothing")),
  medium("turned bits", turnedBits),
  medium("wrong bytes", wrongBytes),
  medium(
    "zeroed blocks",
    blocks((_random, block) => block.fill(0)),
  ),
  medium("blocks of noise", blocks(fillWithNoise)),
  medium(
    "blocks of another place",
    blocks((random, block, _at, specimen) => {
      const from = drawBlock(random, specimen);
      block.set(specimen.image.subarray(from, from + BLOCK_BYTES));
    }),
  ),
  medium("swapped blocks", swappedBlocks),
  medium("stale blocks", staleBlocks, true),
  medium("stale rest", staleRest, true),
  medium("zeros to the end", emptiedRest, true),
  medium("truncated", truncated),
  made("lying superblock", lyingSuperblock),
  made("lying journal entry", lyingEntry),
  made("rows that make no sense", hostileRows),
  made("lying node", lyingNode),
];
