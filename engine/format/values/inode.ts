/**
 * Value of the inodes table: everything that stat shows, and where a directory hangs.
 *
 * Of one length, so that nodes full of them pack well. Times are signed seconds and nanoseconds. The target of a
 * symbolic link is an inline extent, not here. A malformed value throws: it comes from a node that verified.
 */
import { readI54, readU53, writeI54, writeU53 } from "../codec.ts";
import { i64, layout, u16, u32, u64, u8 } from "../layout.ts";
import { Malformed } from "../malformed.ts";
import { isOwnCompression } from "./own-compression.ts";

/** A point in time; `seconds` may be negative, `nanoseconds` is in [0, 1e9). */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface InodeValue {
  /** Type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Its own, as `own-compression.ts` has it; 0 if it has none. */
  readonly compression: number;
  /** Tells inodes apart that had the same number one after the other. */
  readonly generation: number;
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  /** A directory's parent; 0 for everything else. */
  readonly parent: number;
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
  readonly changed: Timestamp;
  readonly born: Timestamp;
}

export const InodeLayout = layout("inode", "Row of `inodes`.", [
  u32("mode", "type and permission bits"),
  u32("links", "names; a directory also counts itself and its subdirectories"),
  u32("uid", "owner"),
  u32("gid", "group"),
  u32("rdev", "device number of a device node, else 0"),
  u8("compression", "of its data: 0 as the pool is opened, 1 none, 2 zstd, 3 zstd if it looks worth it"),
  u8("compressionLevel", "of zstd: 1 to 19; else 0"),
  u16("reserved", "0"),
  u32("generation", "tells inodes apart that had the same number one after the other"),
  u32("accessedNanoseconds", "below 10^9"),
  u32("modifiedNanoseconds", "below 10^9"),
  u32("changedNanoseconds", "below 10^9"),
  u32("bornNanoseconds", "below 10^9"),
  i64("accessedSeconds", "since 1970"),
  i64("modifiedSeconds", "since 1970"),
  i64("changedSeconds", "since 1970"),
  i64("bornSeconds", "since 1970"),
  u64("sizeBytes", "of the file"),
  u64("allocatedBytes", "backed by data, before compression"),
  u64("parent", "inode of a directory's parent, else 0"),
]);
export const INODE_BYTES = InodeLayout.bytes;
const { at: field } = InodeLayout;

function readTime(view: DataView, seconds: number, nanoseconds: number): Timestamp {
  return { seconds: readI54(view, seconds), nanoseconds: view.getUint32(nanoseconds, true) };
}

function writeTime(view: DataView, seconds: number, nanoseconds: number, time: Timestamp): void {
  if (!(time.nanoseconds >= 0 && time.nanoseconds < 1e9)) throw new Malformed(`${time.nanoseconds} nanoseconds`);
  writeI54(view, seconds, time.seconds);
  view.setUint32(nanoseconds, time.nanoseconds, true);
}

/** One number in place of the fields from `compression` to `reserved`; it is 0 nearly always. */
function assertKnown(compression: number): void {
  if (!isOwnCompression(compression)) throw new Malformed(`compression ${compression} of an inode`);
}

export function decodeInode(view: DataView, at: number, length: number): InodeValue {
  if (length !== INODE_BYTES) throw new Malformed(`inode value of ${length} bytes`);
  const compression = view.getUint32(at + field.compression, true);
  if (compression !== 0) assertKnown(compression);
  return {
    mode: view.getUint32(at + field.mode, true),
    links: view.getUint32(at + field.links, true),
    uid: view.getUint32(at + field.uid, true),
    gid: view.getUint32(at + field.gid, true),
    rdev: view.getUint32(at + field.rdev, true),
    compression,
    generation: view.getUint32(at + field.generation, true),
    sizeBytes: readU53(view, at + field.sizeBytes),
    allocatedBytes: readU53(view, at + field.allocatedBytes),
    parent: readU53(view, at + field.parent),
    accessed: readTime(view, at + field.accessedSeconds, at + field.accessedNanoseconds),
    modified: readTime(view, at + field.modifiedSeconds, at + field.modifiedNanoseconds),
    changed: readTime(view, at + field.changedSeconds, at + field.changedNanoseconds),
    born: readTime(view, at + field.bornSeconds, at + field.bornNanoseconds),
  };
}

export function encodeInode(view: DataView, at: number, inode: InodeValue): void {
  view.setUint32(at + field.mode, inode.mode, true);
  view.setUint32(at + field.links, inode.links, true);
  view.setUint32(at + field.uid, inode.uid, true);
  view.setUint32(at + field.gid, inode.gid, true);
  view.setUint32(at + field.rdev, inode.rdev, true);
  if (inode.compression !== 0) assertKnown(inode.compression);
  view.setUint32(at + field.compression, inode.compression, true);
  view.setUint32(at + field.generation, inode.generation, true);
  writeU53(view, at + field.sizeBytes, inode.sizeBytes);
  writeU53(view, at + field.allocatedBytes, inode.allocatedBytes);
  writeU53(view, at + field.parent, inode.parent);
  writeTime(view, at + field.accessedSeconds, at + field.accessedNanoseconds, inode.accessed);
  writeTime(view, at + field.modifiedSeconds, at + field.modifiedNanoseconds, inode.modified);
  writeTime(view, at + field.changedSeconds, at + field.changedNanoseconds, inode.changed);
  writeTime(view, at + field.bornSeconds, at + field.bornNanoseconds, inode.born);
}
