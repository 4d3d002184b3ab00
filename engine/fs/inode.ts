/**
 * New inode rows, and how attributes follow from a row and the file's state in memory.
 */
import type { FileState } from "../data/files.ts";
import { later } from "../data/inode-rows.ts";
import type { InodeValue } from "../format/values/inode.ts";
import type { Attributes, Owner, Timestamp } from "./types.ts";

export { isDirectory, isRegular, loadInode, storeInode, typeOf } from "../data/inode-rows.ts";

export function newInode(mode: number, owner: Owner, rdev: number, now: Timestamp, links = 1, parent = 0): InodeValue {
  return {
    mode,
    links,
    uid: owner.uid,
    gid: owner.gid,
    rdev,
    flags: 0,
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
  const pending = state?.modified;
  return {
    inode,
    mode: row.mode,
    links: row.links,
    uid: row.uid,
    gid: row.gid,
    rdev: row.rdev,
    sizeBytes: state?.regular === true ? state.size : row.sizeBytes,
    allocatedBytes: row.allocatedBytes,
    accessed: row.accessed,
    modified: pending ?? row.modified,
    changed: pending === undefined ? row.changed : later(row.changed, pending),
    born: row.born,
  };
}
