/**
 * The superblock: the shape of a pool, so that its members are found and the journal can be read.
 *
 * A copy on every member, in the log of its buckets 0 and 1; the valid one with the highest sequence counts. Bytes in
 * and plain data out. A device that holds no pool, one of a later version, and a damaged copy are told apart.
 */
import {
  isReadable,
  hasMagic,
  Kind,
  openRecordOfAnyVersion,
  program,
  type Reader,
  RECORD_HEADER_BYTES,
  sealRecord,
  UUID_BYTES,
  viewOf,
  Writer,
} from "./codec.ts";
import { bytes, i64, layout, u8, u16, u32, u64, variable } from "./layout.ts";

export const LABEL_BYTES_MAX = 64;
/** Longest superblock, and the distance between records in the log on devices whose blocks are no larger. */
export const SUPERBLOCK_BYTES_MAX = 8192;

export const MemberState = { readWrite: 1, readOnly: 2, evacuating: 3, spare: 4 } as const;
export const Compression = { none: 0, zstd: 1 } as const;

export interface Member {
  readonly uuid: Uint8Array;
  readonly capacityBytes: number;
  readonly buckets: number;
  /** One of `MemberState`. */
  readonly state: number;
  readonly label: string;
}

export interface JournalBucketAddress {
  readonly device: number;
  readonly bucket: number;
}

export interface Superblock {
  readonly uuid: Uint8Array;
  readonly version: number;
  /** At most 64 bytes of UTF-8. */
  readonly label: string;
  readonly sequence: number;
  /** Bucket size of conventional members; a zoned member's buckets are its zones. */
  readonly bucketBytes: number;
  readonly blockBytes: number;
  readonly members: ReadonlyArray<Member>;
  /** Which of the members this copy is on. */
  readonly deviceIndex: number;
  readonly journalBuckets: ReadonlyArray<JournalBucketAddress>;
  /**
   * A journal entry that was durable when this was written: a journal that ends before it has lost something. Written
   * at every clean close; entries that came since are not told of.
   */
  readonly journalEnd: { readonly sequence: number; readonly epoch: number };
  readonly directoryHashBits: number;
  readonly hashSeed: readonly [number, number];
  /** One of `Compression`. */
  readonly compression: number;
  readonly createdAtSeconds: number;
}

export const SuperblockBody = layout(
  "superblock",
  "Follows the record header of kind 1, whose sequence rises with every superblock that is written.",
  [
    u32("bucketBytes", "bucket size of conventional members; a zoned member's buckets are its zones"),
    u32("blockBytes", "unit of all writes: no smaller than the logical block of any member"),
    i64("createdAtSeconds", "when the pool was made, in seconds since 1970"),
    u32("hashSeed0", "seed of the hash of names"),
    u32("hashSeed1", "its other half"),
    u8("directoryHashBits", "bits of the hash of names that are used: 1 to 48"),
    u8("compression", "of new data: 0 none, 1 zstd"),
    u16("deviceIndex", "of the member that this copy is on"),
    u16("members", "count of members"),
    u16("labelBytes", "length of the label"),
    u32("journalBuckets", "count of journal buckets"),
    u64("journalEndSequence", "of a journal entry that was durable when this was written; 0 if none was"),
    u64("journalEndEpoch", "of that entry"),
  ],
  [
    variable("label", "`labelBytes` bytes of UTF-8", "of the pool"),
    variable("members", "`members` times a member", "by index"),
    variable("journalBuckets", "`journalBuckets` times a journal bucket", "in the order of the ring"),
  ],
);

export const MemberLayout = layout(
  "member",
  "A device of the pool.",
  [
    bytes("uuid", UUID_BYTES, "of the device"),
    u64("capacityBytes", "of the device"),
    u32("buckets", "count"),
    u8("state", "1 read-write, 2 read-only, 3 being emptied, 4 spare"),
    u8("labelBytes", "length of the label"),
    u16("reserved", "0"),
  ],
  [variable("label", "`labelBytes` bytes of UTF-8", "of the device")],
);

export const JournalBucketLayout = layout("journal bucket", "A bucket of the journal's ring.", [
  u32("bucket", "index on the device"),
  u16("device", "index of the member"),
  u16("reserved", "0"),
]);

function labelBytes(label: string): Uint8Array {
  const encoded = new TextEncoder().encode(label);
  if (encoded.length > LABEL_BYTES_MAX) throw new Error(`a label has at most ${LABEL_BYTES_MAX} bytes`);
  return encoded;
}

/** The record, not padded. */
export function encodeSuperblock(superblock: Superblock): Uint8Array {
  if (superblock.version !== program.version) throw new Error(`cannot write version ${superblock.version}`);
  const label = labelBytes(superblock.label);
  const memberLabels = superblock.members.map((member) => labelBytes(member.label));
  let lengthBytes = RECORD_HEADER_BYTES + SuperblockBody.bytes + label.length;
  for (const memberLabel of memberLabels) lengthBytes += MemberLayout.bytes + memberLabel.length;
  lengthBytes += superblock.journalBuckets.length * JournalBucketLayout.bytes;
  if (lengthBytes > SUPERBLOCK_BYTES_MAX) throw new Error(`superblock of ${lengthBytes} bytes`);
  const data = new Uint8Array(lengthBytes);
  const view = viewOf(data);
  const writer = new Writer(view, RECORD_HEADER_BYTES);
  writer.u32(superblock.bucketBytes);
  writer.u32(superblock.blockBytes);
  writer.i54(superblock.createdAtSeconds);
  writer.u32(superblock.hashSeed[0]);
  writer.u32(superblock.hashSeed[1]);
  writer.u8(superblock.directoryHashBits);
  writer.u8(superblock.compression);
  writer.u16(superblock.deviceIndex);
  writer.u16(superblock.members.length);
  writer.u16(label.length);
  writer.u32(superblock.journalBuckets.length);
  writer.u53(superblock.journalEnd.sequence);
  writer.u53(superblock.journalEnd.epoch);
  writer.bytes(label);
  for (const [index, member] of superblock.members.entries()) {
    if (member.uuid.length !== UUID_BYTES) throw new Error(`a uuid has ${UUID_BYTES} bytes`);
    writer.bytes(member.uuid);
    writer.u53(member.capacityBytes);
    writer.u32(member.buckets);
    writer.u8(member.state);
    writer.u8(memberLabels[index]!.length);
    writer.zeros(2);
    writer.bytes(memberLabels[index]!);
  }
  for (const { device, bucket } of superblock.journalBuckets) {
    writer.u32(bucket);
    writer.u16(device);
    writer.zeros(2);
  }
  sealRecord(data, view, 0, Kind.superblock, lengthBytes, superblock.uuid, superblock.sequence);
  return data;
}

export type SuperblockFault = "not a pool" | "unsupported version" | "damaged";
export type DecodedSuperblock =
  | { readonly ok: Superblock; readonly bad?: undefined }
  | { readonly ok?: undefined; readonly bad: SuperblockFault };

const readLabel = (reader: Reader, count: number): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(reader.bytes(count));

function readMembers(reader: Reader, count: number): Array<Member> {
  const members: Array<Member> = [];
  for (let k = 0; k < count && reader.ok; k++) {
    const uuid = reader.bytes(UUID_BYTES);
    const capacityBytes = reader.u53();
    const buckets = reader.u32();
    const state = reader.u8();
    const labelLength = reader.u8();
    reader.zeros(2);
    const label = readLabel(reader, labelLength);
    if (state < MemberState.readWrite || state > MemberState.spare || labelLength > LABEL_BYTES_MAX) reader.ok = false;
    members.push({ uuid, capacityBytes, buckets, state, label });
  }
  return members;
}

function readJournalBuckets(reader: Reader, count: number, members: number): Array<JournalBucketAddress> {
  const buckets: Array<JournalBucketAddress> = [];
  for (let k = 0; k < count && reader.ok; k++) {
    const bucket = reader.u32();
    const device = reader.u16();
    reader.zeros(2);
    if (device >= members) reader.ok = false;
    buckets.push({ device, bucket });
  }
  return buckets;
}

/** The superblock that `data` begins with. */
export function decodeSuperblock(data: Uint8Array): DecodedSuperblock {
  if (!hasMagic(data, 0)) return { bad: "not a pool" };
  const record = openRecordOfAnyVersion(data, 0, Kind.superblock, undefined, SUPERBLOCK_BYTES_MAX);
  if (record === undefined) return { bad: "damaged" };
  if (!isReadable(record.version)) return { bad: "unsupported version" };
  const reader = record.body();
  const bucketBytes = reader.u32();
  const blockBytes = reader.u32();
  const createdAtSeconds = reader.i54();
  const hashSeed = [reader.u32(), reader.u32()] as const;
  const directoryHashBits = reader.u8();
  const compression = reader.u8();
  const deviceIndex = reader.u16();
  const memberCount = reader.u16();
  const labelLength = reader.u16();
  const journalBucketCount = reader.u32();
  const journalEnd = { sequence: reader.u53(), epoch: reader.u53() };
  const label = readLabel(reader, labelLength);
  const members = readMembers(reader, memberCount);
  const journalBuckets = readJournalBuckets(reader, journalBucketCount, memberCount);
  const sane =
    bucketBytes > 0 &&
    blockBytes > 0 &&
    labelLength <= LABEL_BYTES_MAX &&
    deviceIndex < memberCount &&
    compression <= Compression.zstd &&
    directoryHashBits >= 1 &&
    directoryHashBits <= 48;
  if (!reader.ok || reader.left !== 0 || !sane) return { bad: "damaged" };
  const { sequence, version } = record;
  const shape = { bucketBytes, blockBytes, members, deviceIndex, journalBuckets, journalEnd };
  const rest = { directoryHashBits, hashSeed, compression, createdAtSeconds };
  return { ok: { uuid: record.uuid(), version, label, sequence, ...shape, ...rest } };
}
