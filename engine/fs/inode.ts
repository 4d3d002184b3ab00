/**
 * New inode rows, and how attributes follow from a row and the file's state in memory.
 */
import type { FileState } from "../data/files.ts";
import { isDirectory, isRegular, later } from "../data/inode-rows.ts";
import type { InodeValue } from "../format/values/inode.ts";
import type { Attributes, Owner, Timestamp } from "./types.ts";

export {
  inodeThere,
  isDirectory,
  isRegular,
  loadInode,
  loadLive,
  loadRegular,
  storeInode,
  typeOf,
} from "../data/inode-rows.ts";

/** May it have a compression of its own? Files, and directories on behalf of what is made in them. */
export const isCompressible = (row: InodeValue): boolean => isRegular(row) || isDirectory(row);

export function newInode(mode: number, owner: Owner, rdev: number, now: Timestamp, links = 1, parent = 0): InodeValue {
  return {
    mode,
    links,
    uid: owner.uid,
    gid: owner.gid,
    rdev,
    compression: 0,
    generation: 0,
    sizeBytes: 0,
    allocatedBytes: 0,
    parent,
    accessed: now,
    modified: now,
    changed: now,
    born: now,
  };
}

export function attributesOf(inode: number, row: InodeValue, state: FileState | undefined): Attributes {
  const newer = state?.regular === true ? state : undefined;
  const pending = newer?.modified;
  const sizeBytes = newer?.size ?? row.sizeBytes;
  // Who copies files takes one without allocated bytes for a hole: what is not written yet counts too.
  const soon = Math.min(sizeBytes, row.allocatedBytes + (newer?.unwrittenBytes ?? 0));
  return {
    inode,
    mode: row.mode,
    links: row.links,
    uid: row.uid,
    gid: row.gid,
    rdev: row.rdev,
    compression: row.compression,
    sizeBytes,
    allocatedBytes: Math.max(row.allocatedBytes, soon),
    ...(newer?.unwritten === true ? { unsettled: true } : {}),
    accessed: row.accessed,
    modified: pending ?? row.modified,
    changed: pending === undefined ? row.changed : later(row.changed, pending),
    born: row.born,
  };
}
