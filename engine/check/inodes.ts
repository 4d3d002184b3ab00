/**
 * The pass over the inodes table: each row is one that the filesystem could have written, and the root is there.
 *
 * Fills `inodes` for the passes that compare other tables with it.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeCounter } from "../format/values/counter.ts";
import { decodeInode, type InodeValue } from "../format/values/inode.ts";
import { eachRow, keyText } from "./rows.ts";
import { type CheckState, FileTypeBits, ROOT } from "./state.ts";

const PASS = "inodes";
const SYMLINK_BYTES_MAX = 4095;
const KNOWN_TYPES: ReadonlySet<number> = new Set([
  FileTypeBits.socket,
  FileTypeBits.symlink,
  FileTypeBits.regular,
  FileTypeBits.block,
  FileTypeBits.directory,
  FileTypeBits.character,
  FileTypeBits.fifo,
]);

/** What of the row could not have been written. */
function faultsOf(value: InodeValue): Array<string> {
  const faults: Array<string> = [];
  const type = value.mode & FileTypeBits.mask;
  if (!KNOWN_TYPES.has(type)) faults.push(`mode ${value.mode.toString(8)} has no known type`);
  const holdsData = type === FileTypeBits.regular || type === FileTypeBits.directory;
  if (!holdsData && value.compression !== 0) faults.push(`compression ${value.compression}, but it has no data`);
  const isNode = type === FileTypeBits.block || type === FileTypeBits.character;
  if (!isNode && value.rdev !== 0) faults.push(`a device number, but it is no device node`);
  for (const name of ["accessed", "modified", "changed", "born"] as const) {
    if (value[name].nanoseconds >= 1e9) faults.push(`time ${name} of ${value[name].nanoseconds} nanoseconds`);
  }
  if (type === FileTypeBits.directory) {
    if (value.parent === 0) faults.push("a directory without a parent");
    if (value.links === 1) faults.push("a directory with 1 link");
  } else if (value.parent !== 0) faults.push(`parent ${value.parent}, but it is no directory`);
  if (type === FileTypeBits.symlink && !(value.sizeBytes >= 1 && value.sizeBytes <= SYMLINK_BYTES_MAX)) {
    faults.push(`a symbolic link of ${value.sizeBytes} bytes`);
  }
  if ((isNode || type === FileTypeBits.fifo || type === FileTypeBits.socket) && value.sizeBytes !== 0) {
    faults.push(`a special file of ${value.sizeBytes} bytes`);
  }
  return faults;
}

export function checkInodes(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings, inodes } = state;
  const rows = eachRow(state.transactor, Table.inodes, (row) => {
    findings.count("inodes");
    const what = `inode ${row.inode}`;
    if (row.inode < ROOT || row.offset !== 0 || row.snapshot !== SNAPSHOT_ROOT) {
      findings.found(PASS, `inode row ${keyText(row)} has no such key`);
      return;
    }
    const value = findings.decoded(PASS, what, () => decodeInode(row.view, row.at, row.length));
    if (value === undefined) return;
    for (const fault of faultsOf(value)) findings.found(PASS, `${what}: ${fault}`);
    const { links, sizeBytes, allocatedBytes, parent } = value;
    const type = value.mode & FileTypeBits.mask;
    const unknownYet = { names: 0, entries: 0, subdirectories: 0, coveredBytes: 0 };
    inodes.set(row.inode, { type, links, sizeBytes, allocatedBytes, parent, ...unknownYet });
  });
  return Effect.map(rows, () => {
    const root = inodes.get(ROOT);
    if (root === undefined) findings.found(PASS, "the root directory does not exist");
    else if (root.type !== FileTypeBits.directory) findings.found(PASS, "the root is no directory");
    else if (root.parent !== ROOT) findings.found(PASS, `the root's parent is ${root.parent}`);
  });
}

/** Inode numbers are never handed out twice: the one that comes next lies above all that are there. */
export function checkInodeNumbers(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings } = state;
  let next = ROOT + 1;
  const rows = eachRow(state.transactor, Table.subvolumes, (row) => {
    const what = `subvolume row ${keyText(row)}`;
    if (row.inode !== ROOT || row.offset !== 0 || row.snapshot !== SNAPSHOT_ROOT) {
      findings.found(PASS, `${what} has no such key`);
      return;
    }
    next = findings.decoded(PASS, what, () => decodeCounter(row.view, row.at, row.length)) ?? next;
  });
  return Effect.map(rows, () => {
    for (const inode of state.inodes.keys()) {
      if (inode >= next) findings.found(PASS, `inode ${inode} exists, though ${next} is the next to be handed out`);
    }
  });
}
