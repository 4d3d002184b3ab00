/**
 * Cursors over one DataView, checksums, and the header that every record on disk begins with.
 *
 * Plain bytes in, plain data out; nothing here allocates per field or keeps a buffer. `Reader` never throws and never
 * reads past its end: the first field that does not fit turns `ok` false, and all later ones read as zero. `Writer`
 * throws when it overruns, since that is a bug. A record becomes `Verified` only once its checksum fits, and no codec
 * takes anything else: no field but the header's own is looked at before that.
 */
import { xxh64 } from "@node-rs/xxhash";
import { bytes, checksum64, layout, u16, u32, u64 } from "./layout.ts";
import { Malformed } from "./malformed.ts";

const TWO32 = 0x1_0000_0000;
/** High words of integers below 2^53 are below this. */
const HIGH_MAX = 0x1f_ffff;

export const FORMAT_VERSION = 4;
/** Pools of versions from here on are read; opening one for writing makes it one of `FORMAT_VERSION`. */
export const FORMAT_VERSION_OLDEST = 3;
/**
 * The program that runs: it writes this version, and reads none after it. A simulation sets it back while a program of
 * an earlier version has a pool; nobody else changes it.
 */
export const program = { version: FORMAT_VERSION };
/** "VARV" as the bytes lie on disk. */
export const MAGIC = 0x5652_4156;
export const UUID_BYTES = 16;

export const Kind = { superblock: 1, journalEntry: 2, nodeImage: 3, nodeDelta: 4 } as const;

export const RecordHeader = layout("record header", "Every record begins with it.", [
  checksum64("checksum", "xxh64, seed 0, of the bytes from 8 to `lengthBytes`"),
  u32("magic", '`56 41 52 56`, "VARV"'),
  u16("version", `of the format: ${FORMAT_VERSION}, or ${FORMAT_VERSION_OLDEST} of what was written before`),
  u16("kind", "of the record: 1 superblock, 2 journal entry, 3 node image, 4 node delta"),
  u32("lengthBytes", "of the whole record, this header included, padding behind it excluded"),
  u32("reserved", "0"),
  bytes("uuid", UUID_BYTES, "of the pool"),
  u64("sequence", "of the record; what it counts depends on the kind"),
]);
export const RECORD_HEADER_BYTES = RecordHeader.bytes;

function fail(what: string): never {
  throw new Malformed(what);
}

/** An integer below 2^53 from two u32. */
export function readU53(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high > HIGH_MAX) fail(`integer at ${at} is not below 2^53`);
  return high * TWO32 + view.getUint32(at, true);
}

export function writeU53(view: DataView, at: number, n: number): void {
  if (!(n >= 0 && Number.isSafeInteger(n))) fail(`${n} is not an integer in [0, 2^53)`);
  view.setUint32(at, n >>> 0, true);
  view.setUint32(at + 4, (n / TWO32) >>> 0, true);
}

/** A signed integer of magnitude below 2^53, two's complement over 64 bits. */
export function readI54(view: DataView, at: number): number {
  const n = view.getInt32(at + 4, true) * TWO32 + view.getUint32(at, true);
  if (!Number.isSafeInteger(n)) fail(`integer at ${at} is not within 2^53`);
  return n;
}

export function writeI54(view: DataView, at: number, n: number): void {
  if (!Number.isSafeInteger(n)) fail(`${n} is not an integer within 2^53`);
  const high = Math.floor(n / TWO32);
  view.setUint32(at, n - high * TWO32, true);
  view.setInt32(at + 4, high, true);
}

/** xxh64 over [from, to) of the array. */
export function checksumOf(data: Uint8Array, from: number, to: number): bigint {
  return xxh64(from === 0 && to === data.length ? data : data.subarray(from, to));
}

export const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Bytes of `n` as a varint: seven bits a byte, low ones first. */
export function varintBytes(n: number): number {
  let count = 1;
  for (let rest = n; rest >= 128; rest /= 128) count++;
  return count;
}

export class Reader {
  readonly view: DataView;
  at: number;
  readonly end: number;
  /** False once something did not fit or was not what it must be. */
  ok = true;

  constructor(view: DataView, at: number, end: number) {
    this.view = view;
    this.at = at;
    this.end = Math.min(end, view.byteLength);
  }

  private take(count: number): number {
    const { at } = this;
    if (count > this.end - at) {
      this.ok = false;
      this.at = this.end;
      return -1;
    }
    this.at = at + count;
    return at;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.view.getUint8(at);
  }

  u16(): number {
    const at = this.take(2);
    return at < 0 ? 0 : this.view.getUint16(at, true);
  }

  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : this.view.getUint32(at, true);
  }

  u53(): number {
    const at = this.take(8);
    if (at < 0) return 0;
    const high = this.view.getUint32(at + 4, true);
    if (high > HIGH_MAX) {
      this.ok = false;
      return 0;
    }
    return high * TWO32 + this.view.getUint32(at, true);
  }

  i54(): number {
    const at = this.take(8);
    if (at < 0) return 0;
    const n = this.view.getInt32(at + 4, true) * TWO32 + this.view.getUint32(at, true);
    if (!Number.isSafeInteger(n)) this.ok = false;
    return this.ok ? n : 0;
  }

  u64big(): bigint {
    const at = this.take(8);
    return at < 0 ? 0n : this.view.getBigUint64(at, true);
  }

  varint(): number {
    let n = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      n += (byte & 127) * scale;
      if (byte < 128) break;
      if (scale >= 2 ** 49) {
        this.ok = false;
        return 0;
      }
    }
    if (n > Number.MAX_SAFE_INTEGER) this.ok = false;
    return this.ok ? n : 0;
  }

  /** A varint whose first byte holds the sign and six bits. */
  signedVarint(): number {
    const first = this.u8();
    const magnitude = (first & 63) + (first < 128 ? 0 : this.varint() * 64);
    if (magnitude > Number.MAX_SAFE_INTEGER) this.ok = false;
    if (!this.ok) return 0;
    return (first & 64) === 0 ? magnitude : -magnitude;
  }

  /** A copy of the next bytes; empty when they are not all there. */
  bytes(count: number): Uint8Array {
    const at = this.take(count);
    return at < 0 ? new Uint8Array(0) : new Uint8Array(this.view.buffer, this.view.byteOffset + at, count).slice();
  }

  /** Reserved bytes: anything but zero is not this format. */
  zeros(count: number): void {
    for (let k = 0; k < count; k++) if (this.u8() !== 0) this.ok = false;
  }
}

export class Writer {
  readonly view: DataView;
  at: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.at = at;
  }

  u8(n: number): void {
    if (n !== (n & 0xff)) fail(`${n} is not a u8`);
    this.view.setUint8(this.at, n);
    this.at += 1;
  }

  u16(n: number): void {
    if (n !== (n & 0xffff)) fail(`${n} is not a u16`);
    this.view.setUint16(this.at, n, true);
    this.at += 2;
  }

  u32(n: number): void {
    if (n !== n >>> 0) fail(`${n} is not a u32`);
    this.view.setUint32(this.at, n, true);
    this.at += 4;
  }

  u53(n: number): void {
    writeU53(this.view, this.at, n);
    this.at += 8;
  }

  i54(n: number): void {
    writeI54(this.view, this.at, n);
    this.at += 8;
  }

  u64big(n: bigint): void {
    this.view.setBigUint64(this.at, n, true);
    this.at += 8;
  }

  varint(n: number): void {
    if (!(n >= 0 && Number.isSafeInteger(n))) fail(`${n} is not an integer in [0, 2^53)`);
    let rest = n;
    while (rest >= 128) {
      this.view.setUint8(this.at++, (rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.view.setUint8(this.at++, rest);
  }

  signedVarint(n: number): void {
    const magnitude = Math.abs(n);
    const rest = Math.floor(magnitude / 64);
    this.u8((magnitude % 64) | (n < 0 ? 64 : 0) | (rest > 0 ? 128 : 0));
    if (rest > 0) this.varint(rest);
  }

  bytes(source: Uint8Array): void {
    new Uint8Array(this.view.buffer, this.view.byteOffset + this.at, source.length).set(source);
    this.at += source.length;
  }

  zeros(count: number): void {
    for (let k = 0; k < count; k++) this.u8(0);
  }
}

/** A record whose header and checksum fit. `view` covers the whole array that it was found in, `at` its start there. */
export class Verified {
  readonly view: DataView;
  readonly at: number;
  readonly lengthBytes: number;
  readonly version: number;
  readonly sequence: number;
  readonly checksum: bigint;

  constructor(view: DataView, at: number, lengthBytes: number, version: number, sequence: number, checksum: bigint) {
    this.view = view;
    this.at = at;
    this.lengthBytes = lengthBytes;
    this.version = version;
    this.sequence = sequence;
    this.checksum = checksum;
  }

  /** A cursor over what follows the header. */
  body(): Reader {
    return new Reader(this.view, this.at + RECORD_HEADER_BYTES, this.at + this.lengthBytes);
  }

  uuid(): Uint8Array {
    const from = this.at + RecordHeader.at.uuid;
    return new Uint8Array(this.view.buffer, this.view.byteOffset + from, UUID_BYTES).slice();
  }
}

/** Fills the header of a record whose body is complete, and returns its checksum. `view` covers `data`. */
export function sealRecord(
  data: Uint8Array,
  view: DataView,
  at: number,
  kind: number,
  lengthBytes: number,
  uuid: Uint8Array,
  sequence: number,
): bigint {
  if (uuid.length !== UUID_BYTES) fail(`a uuid has ${UUID_BYTES} bytes, not ${uuid.length}`);
  if (lengthBytes < RECORD_HEADER_BYTES || at + lengthBytes > data.length) fail(`record of ${lengthBytes} bytes`);
  const header = RecordHeader.at;
  view.setUint32(at + header.magic, MAGIC, true);
  view.setUint16(at + header.version, program.version, true);
  view.setUint16(at + header.kind, kind, true);
  view.setUint32(at + header.lengthBytes, lengthBytes, true);
  view.setUint32(at + header.reserved, 0, true);
  data.set(uuid, at + header.uuid);
  writeU53(view, at + header.sequence, sequence);
  const checksum = checksumOf(data, at + header.magic, at + lengthBytes);
  view.setBigUint64(at + header.checksum, checksum, true);
  return checksum;
}

/** The sequence in the header of a record that has been verified. */
export const sequenceOfRecord = (data: Uint8Array): number => readU53(viewOf(data), RecordHeader.at.sequence);

/** The checksum that a record sealed by us begins with. */
export const checksumOfRecord = (data: Uint8Array): bigint => viewOf(data).getBigUint64(RecordHeader.at.checksum, true);

/** Do the bytes at `at` begin like a record of ours? Says nothing about whether they are one. */
export function hasMagic(data: Uint8Array, at: number): boolean {
  const from = at + RecordHeader.at.magic;
  return data[from] === 0x56 && data[from + 1] === 0x41 && data[from + 2] === 0x52 && data[from + 3] === 0x56;
}

function sameUuid(data: Uint8Array, at: number, uuid: Uint8Array): boolean {
  for (let k = 0; k < UUID_BYTES; k++) if (data[at + k] !== uuid[k]) return false;
  return true;
}

/**
 * The record at `at` if one is there, whole and ours, of this kind and at most `lengthMax` bytes long; of any version.
 * The header, and what the checksum covers, stay as they are in all versions.
 */
export function openRecordOfAnyVersion(
  data: Uint8Array,
  at: number,
  kind: number,
  uuid: Uint8Array | undefined,
  lengthMax: number,
): Verified | undefined {
  if (at < 0 || at + RECORD_HEADER_BYTES > data.length || !hasMagic(data, at)) return undefined;
  const header = RecordHeader.at;
  const view = viewOf(data);
  const lengthBytes = view.getUint32(at + header.lengthBytes, true);
  if (lengthBytes < RECORD_HEADER_BYTES || lengthBytes > lengthMax || lengthBytes > data.length - at) return undefined;
  if (view.getUint16(at + header.kind, true) !== kind || view.getUint32(at + header.reserved, true) !== 0)
    return undefined;
  if (uuid !== undefined && !sameUuid(data, at + header.uuid, uuid)) return undefined;
  if (view.getUint32(at + header.sequence + 4, true) > HIGH_MAX) return undefined;
  const checksum = view.getBigUint64(at + header.checksum, true);
  if (checksumOf(data, at + header.magic, at + lengthBytes) !== checksum) return undefined;
  const version = view.getUint16(at + header.version, true);
  return new Verified(view, at, lengthBytes, version, readU53(view, at + header.sequence), checksum);
}

export const isReadable = (version: number): boolean => version >= FORMAT_VERSION_OLDEST && version <= program.version;

/** The record at `at` if one is there that this version can read. */
export function openRecord(
  data: Uint8Array,
  at: number,
  kind: number,
  uuid: Uint8Array | undefined,
  lengthMax: number,
): Verified | undefined {
  const record = openRecordOfAnyVersion(data, at, kind, uuid, lengthMax);
  return record !== undefined && isReadable(record.version) ? record : undefined;
}
