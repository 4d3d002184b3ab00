/**
 * The tables of a pool: their ids, what their keys mean, what their rows hold, and which of them are secondary.
 *
 * A key is a position (inode, offset, snapshot), compared in this order. A secondary table is written only by the
 * triggers of a primary change, in the same transaction, and can be rebuilt from the primary ones. Ids are on disk and
 * never change their meaning.
 */

/** The one snapshot there is, as long as nobody takes another. */
export const SNAPSHOT_ROOT = 0xffff_ffff;
/** Longest value of a row: what a leaf can hold at least fifteen of. */
export const VALUE_BYTES_MAX = 4032;
/** A directory's name hash has so many bits at most; its key offset is hash * 16. */
export const DIRECTORY_HASH_BITS_MAX = 48;

export const Table = {
  inodes: 0,
  dirents: 1,
  xattrs: 2,
  extents: 3,
  reflinks: 4,
  snapshots: 5,
  subvolumes: 6,
  alloc: 7,
  backpointers: 8,
  accounting: 9,
  moverWork: 10,
  orphans: 11,
  loggedOperations: 12,
} as const;

export const TABLE_COUNT = 13;

export interface TableInfo {
  readonly id: number;
  readonly name: string;
  /** Written by triggers alone. */
  readonly secondary: boolean;
  /** What (inode, offset, snapshot) of its keys are. */
  readonly key: readonly [string, string, string];
  readonly value: string;
}

const table = (
  id: number,
  name: string,
  role: "primary" | "secondary",
  key: readonly [string, string, string],
  value: string,
): TableInfo => ({ id, name, secondary: role === "secondary", key, value });

const NOT_YET = "not used yet";

export const TABLES: ReadonlyArray<TableInfo> = [
  table(Table.inodes, "inodes", "primary", ["inode", "0", "snapshot"], "attributes of the inode"),
  table(Table.dirents, "dirents", "primary", ["directory", "name hash * 16", "snapshot"], "all names of this hash"),
  table(Table.xattrs, "xattrs", "primary", ["inode", "slot * 32 + chunk", "snapshot"], "name and a piece of the value"),
  table(
    Table.extents,
    "extents",
    "primary",
    ["inode", "end offset", "snapshot"],
    "where the bytes before the end offset are",
  ),
  table(Table.reflinks, "reflinks", "primary", ["0", "0", "0"], NOT_YET),
  table(Table.snapshots, "snapshots", "primary", ["0", "0", "0"], NOT_YET),
  table(Table.subvolumes, "subvolumes", "primary", ["0", "0", "0"], NOT_YET),
  table(Table.alloc, "alloc", "secondary", ["device", "bucket", "0"], "what the bucket holds"),
  table(
    Table.backpointers,
    "backpointers",
    "secondary",
    ["device", "byte address", "offset in what is stored there"],
    "the row that points there",
  ),
  table(Table.accounting, "accounting", "secondary", ["counter", "0", "snapshot"], "the counter"),
  table(Table.moverWork, "moverWork", "primary", ["0", "0", "0"], NOT_YET),
  table(Table.orphans, "orphans", "primary", ["inode", "0", "snapshot"], "why the inode has no name"),
  table(Table.loggedOperations, "loggedOperations", "primary", ["operation", "0", "0"], "what is still to be done"),
];
