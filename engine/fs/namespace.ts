/**
 * Changes of the namespace as transaction bodies: create, with or without a name, link, unlink, rename.
 *
 * Every function here runs inside a transaction, stages all that belongs together, and returns a value or an `FsError`;
 * the caller turns that into an abort. Link counts, times, directory sizes and parents are kept as POSIX has them: a
 * directory counts itself, its name and each subdirectory.
 */
import type { Transaction } from "../btree/transaction.ts";
import { putRow } from "../data/extent-map.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { Dirent } from "../format/values/dirent.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { encodeOrphan, ORPHAN_BYTES, OrphanKind } from "../format/values/orphan.ts";
import { reached } from "../marks.ts";
import { addName, findName, isEmpty, type NamePlace, removeName, replaceName } from "./directory.ts";
import { removeRows } from "./file-rows.ts";
import { inodeThere, isDirectory, loadInode, newInode, storeInode, typeOf } from "./inode.ts";
import { FileType, FsError, LINKS_MAX, type Owner, type RenameMode, ROOT_INODE, type Timestamp } from "./types.ts";
import { Malformed } from "../format/malformed.ts";

/** Bytes of a symlink's target in one row. */
const TARGET_ROW_BYTES = 2048;
/** Deeper trees than this are taken for a loop. */
const DEPTH_MAX = 1_000_000;

export function loadDirectory(tx: Transaction, inode: number): InodeValue | FsError {
  const row = loadInode(tx, inode);
  if (row === undefined) return new FsError("NoEntry", `inode ${inode}`);
  return isDirectory(row) ? row : new FsError("NotDirectory");
}

/** Brings a directory's row up to date after its entries changed; reads it anew unless it is known as staged so far. */
function touch(
  tx: Transaction,
  directory: number,
  now: Timestamp,
  entries: number,
  subdirectories: number,
  row: InodeValue = inodeThere(tx, directory),
): void {
  storeInode(tx, directory, {
    ...row,
    sizeBytes: row.sizeBytes + entries,
    links: row.links + subdirectories,
    modified: now,
    changed: now,
  });
}

export interface Creation {
  readonly place: NamePlace;
  readonly inode: number;
  readonly mode: number;
  readonly rdev: number;
  readonly owner: Owner;
  readonly target: Uint8Array | undefined;
  readonly now: Timestamp;
}

/** What is made in a directory is compressed as that says; nothing else than files and directories is at all. */
function inherited({ compression }: InodeValue, mode: number): number {
  if (compression === 0) return 0;
  const type = typeOf(mode);
  if (type !== FileType.regular && type !== FileType.directory) return 0;
  reached("compression inherited");
  return compression;
}

export function create(tx: Transaction, what: Creation): InodeValue | FsError {
  const { place, inode, mode, now } = what;
  const parent = loadDirectory(tx, place.directory);
  if (parent instanceof FsError) return parent;
  // A directory without links is being removed: nothing may be put into it.
  if (parent.links === 0) return new FsError("NoEntry");
  const fault = addName(tx, place, inode, typeOf(mode));
  if (fault !== undefined) return fault;
  const directory = typeOf(mode) === FileType.directory;
  if (directory && parent.links >= LINKS_MAX) return new FsError("TooManyLinks");
  const fresh = newInode(mode, what.owner, what.rdev, now, directory ? 2 : 1, directory ? place.directory : 0);
  const length = what.target?.length ?? 0;
  const compression = inherited(parent, mode);
  const row = { ...fresh, compression, sizeBytes: length, allocatedBytes: length };
  storeInode(tx, inode, row);
  for (let at = 0; at < length; at += TARGET_ROW_BYTES) {
    const bytes = what.target!.slice(at, at + TARGET_ROW_BYTES);
    putRow(tx, inode, at + bytes.length, { kind: "inline", bytes });
  }
  touch(tx, place.directory, now, 1, directory ? 1 : 0, parent);
  return row;
}

/** An open file that no name refers to: an orphan from the start, so that a crash removes it. */
export function createNameless(
  tx: Transaction,
  what: Pick<Creation, "inode" | "mode" | "owner" | "now"> & { readonly directory: number },
): InodeValue | FsError {
  const parent = loadDirectory(tx, what.directory);
  if (parent instanceof FsError) return parent;
  if (parent.links === 0) return new FsError("NoEntry");
  const row = { ...newInode(what.mode, what.owner, 0, what.now, 0), compression: inherited(parent, what.mode) };
  storeInode(tx, what.inode, row);
  putOrphan(tx, what.inode);
  return row;
}

function putOrphan(tx: Transaction, inode: number): void {
  tx.put(Table.orphans, inode, 0, SNAPSHOT_ROOT, ORPHAN_BYTES);
  encodeOrphan(tx.out, tx.outAt, { kind: OrphanKind.unlinked });
}

/** `nameless`: the inode is open and never had a name; this is its first. */
export function link(
  tx: Transaction,
  inode: number,
  place: NamePlace,
  now: Timestamp,
  nameless: boolean,
): InodeValue | FsError {
  const parent = loadDirectory(tx, place.directory);
  if (parent instanceof FsError) return parent;
  const row = loadInode(tx, inode);
  if (row === undefined || (row.links === 0 && !nameless) || parent.links === 0) return new FsError("NoEntry");
  if (isDirectory(row)) return new FsError("NotPermitted", "hard link to a directory");
  if (row.links >= LINKS_MAX) return new FsError("TooManyLinks");
  const fault = addName(tx, place, inode, typeOf(row.mode));
  if (fault !== undefined) return fault;
  const linked = { ...row, links: row.links + 1, changed: now };
  storeInode(tx, inode, linked);
  if (row.links === 0) {
    reached("nameless file linked");
    tx.remove(Table.orphans, inode, 0, SNAPSHOT_ROOT);
  }
  touch(tx, place.directory, now, 1, 0, parent);
  return linked;
}

/** What became of an inode that lost a name: it lives on, its rows are gone, or they are left to be purged. */
export interface Dropped {
  readonly inode: number;
  readonly fate: "alive" | "removed" | "orphan";
  /** The row that an orphan had. */
  readonly row?: InodeValue;
}

/** Takes one name from an inode; with the last one it goes, at once if it is small and nobody has it open. */
function dropLink(tx: Transaction, inode: number, now: Timestamp, isOpen: (inode: number) => boolean): Dropped {
  const row = inodeThere(tx, inode);
  const directory = isDirectory(row);
  if (!directory && row.links > 1) {
    storeInode(tx, inode, { ...row, links: row.links - 1, changed: now });
    return { inode, fate: "alive" };
  }
  if (!isOpen(inode) && removeRows(tx, inode)) return { inode, fate: "removed" };
  reached(isOpen(inode) ? "open file unlinked" : "large file unlinked");
  storeInode(tx, inode, { ...row, links: 0, changed: now });
  putOrphan(tx, inode);
  return { inode, fate: "orphan", row };
}

export function unlink(
  tx: Transaction,
  place: NamePlace,
  directory: boolean,
  now: Timestamp,
  isOpen: (inode: number) => boolean,
): Dropped | FsError {
  const parent = loadDirectory(tx, place.directory);
  if (parent instanceof FsError) return parent;
  const entry = findName(tx, place);
  if (entry === undefined) return new FsError("NoEntry");
  const found = entry.type === FileType.directory;
  if (found && !directory) return new FsError("IsDirectory");
  if (!found && directory) return new FsError("NotDirectory");
  if (directory && !isEmpty(tx, entry.inode)) return new FsError("NotEmpty");
  removeName(tx, place);
  touch(tx, place.directory, now, -1, directory ? -1 : 0, parent);
  return dropLink(tx, entry.inode, now, isOpen);
}

/** Is `inode` the directory `ancestor` or below it? */
function isWithin(tx: Transaction, inode: number, ancestor: number): boolean {
  let at = inode;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (at === ancestor) return true;
    if (at === ROOT_INODE) return false;
    at = loadInode(tx, at)?.parent ?? ROOT_INODE;
  }
  throw new Malformed("directories form a loop");
}

export interface Renaming {
  /** Number of the inode that a rename with a whiteout leaves behind. */
  readonly whiteout: number;
  readonly from: NamePlace;
  readonly to: NamePlace;
  readonly mode: RenameMode;
  readonly now: Timestamp;
  readonly isOpen: (inode: number) => boolean;
}

function renameFault(
  tx: Transaction,
  { from, to, mode }: Renaming,
  source: Dirent,
  target: Dirent | undefined,
): FsError | undefined {
  const sourceIsDirectory = source.type === FileType.directory;
  const targetIsDirectory = target?.type === FileType.directory;
  if (mode === "no-replace" && target !== undefined) return new FsError("Exists");
  if (sourceIsDirectory && isWithin(tx, to.directory, source.inode))
    return new FsError("InvalidArgument", "into itself");
  if (mode === "exchange") {
    if (target === undefined) return new FsError("NoEntry");
    return targetIsDirectory && isWithin(tx, from.directory, target.inode)
      ? new FsError("InvalidArgument", "into itself")
      : undefined;
  }
  if (target === undefined) return undefined;
  if (target.inode === source.inode) return undefined;
  // A directory above the source is never empty.
  if (targetIsDirectory && isWithin(tx, from.directory, target.inode)) return new FsError("NotEmpty");
  if (targetIsDirectory && !sourceIsDirectory) return new FsError("IsDirectory");
  if (!targetIsDirectory && sourceIsDirectory) return new FsError("NotDirectory");
  return targetIsDirectory && !isEmpty(tx, target.inode) ? new FsError("NotEmpty") : undefined;
}

/** Sets an inode's change time and, for a directory, where it is. */
function moved(tx: Transaction, inode: number, parent: number, now: Timestamp): void {
  const row = inodeThere(tx, inode);
  storeInode(tx, inode, { ...row, changed: now, parent: isDirectory(row) ? parent : 0 });
}

/** What hides the name in the layers below an overlay. */
function leaveWhiteout(tx: Transaction, { from, whiteout, now }: Renaming, sourceDirectory: number): void {
  reached("rename left a whiteout");
  storeInode(tx, whiteout, newInode(FileType.character, { uid: 0, gid: 0 }, 0, now));
  replaceName(tx, from, whiteout, FileType.character);
  touch(tx, from.directory, now, 0, -sourceDirectory);
}

export function rename(tx: Transaction, what: Renaming): Dropped | undefined | FsError {
  const { from, to, now } = what;
  const fromRow = loadDirectory(tx, from.directory);
  if (fromRow instanceof FsError) return fromRow;
  const toRow = loadDirectory(tx, to.directory);
  if (toRow instanceof FsError) return toRow;
  const source = findName(tx, from);
  if (source === undefined || toRow.links === 0) return new FsError("NoEntry");
  const target = findName(tx, to);
  const fault = renameFault(tx, what, source, target);
  if (fault !== undefined) return fault;
  if (target?.inode === source.inode) return undefined;
  const sourceDirectory = source.type === FileType.directory ? 1 : 0;
  const targetDirectory = target?.type === FileType.directory ? 1 : 0;
  if (what.mode === "exchange") {
    replaceName(tx, from, target!.inode, target!.type);
    replaceName(tx, to, source.inode, source.type);
    touch(tx, from.directory, now, 0, targetDirectory - sourceDirectory);
    touch(tx, to.directory, now, 0, sourceDirectory - targetDirectory);
    moved(tx, source.inode, to.directory, now);
    moved(tx, target!.inode, from.directory, now);
    return undefined;
  }
  if (what.mode === "whiteout") leaveWhiteout(tx, what, sourceDirectory);
  else {
    removeName(tx, from);
    touch(tx, from.directory, now, -1, -sourceDirectory);
  }
  if (target === undefined) {
    const full = addName(tx, to, source.inode, source.type);
    if (full !== undefined) return full;
    touch(tx, to.directory, now, 1, sourceDirectory);
    moved(tx, source.inode, to.directory, now);
    return undefined;
  }
  reached("rename replaced a name");
  replaceName(tx, to, source.inode, source.type);
  touch(tx, to.directory, now, 0, sourceDirectory - targetDirectory);
  moved(tx, source.inode, to.directory, now);
  return dropLink(tx, target.inode, now, what.isOpen);
}
