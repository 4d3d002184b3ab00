/**
 * Bringing back what a process before this one had in memory alone: dirty data, and files without names that are open.
 *
 * The rows are what they were when it died. What its log says of a file's content is laid over them in the order in
 * which it happened, in memory: the log is a complete end of that history, so what it does not mention is in the rows,
 * and doing it twice changes nothing. Nobody knows which files are open: each that was there may be, until it is
 * forgotten.
 */
import * as Effect from "effect/Effect";
import type { FileState } from "../data/files.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { SurvivorRecord } from "../format/survivor-frame.ts";
import { reached } from "../marks.ts";
import type { FileOperations } from "./file.ts";
import type { FileFailure } from "./file-access.ts";
import { isRegular, loadInode } from "./inode.ts";

/** Bytes of metadata that a dirty range may cost. */
const RANGE_OVERHEAD_BYTES = 256;

type ContentRecord = Extract<SurvivorRecord, { readonly kind: "write" | "change" }>;

/** What was logged of each file, in order. */
function byInode(records: ReadonlyArray<SurvivorRecord>): ReadonlyMap<number, ReadonlyArray<ContentRecord>> {
  const found = new Map<number, Array<ContentRecord>>();
  for (const record of records) {
    if (record.kind !== "write" && record.kind !== "change") continue;
    const own = found.get(record.inode);
    if (own === undefined) found.set(record.inode, [record]);
    else own.push(record);
  }
  return found;
}

function apply(state: FileState, record: ContentRecord): void {
  if (record.kind === "write") {
    const { offset, bytes, modified } = record;
    state.dirty.write(offset, bytes);
    state.size = Math.max(state.size, offset + bytes.length);
    state.modified = modified ?? state.modified;
    return;
  }
  state.dirty.cut(record.from, record.to);
  state.size = record.size ?? state.size;
  state.modified = undefined;
}

/** Inodes below `ceiling` were there before. */
export function takeOver(
  files: FileOperations,
  ceiling: number,
  records: ReadonlyArray<SurvivorRecord>,
): Effect.Effect<void, FileFailure> {
  const { services } = files;
  files.files.heldBelow = ceiling;
  return Effect.gen(function* () {
    const orphans = yield* files.transact<Array<number>>((tx) => {
      const found: Array<number> = [];
      const scan = tx.scan(Table.orphans, 0, 0, SNAPSHOT_ROOT);
      while (scan.next()) found.push(scan.inode);
      return found;
    });
    for (const inode of orphans) {
      const row = yield* files.transact((tx) => loadInode(tx, inode));
      if (row !== undefined) files.hold(inode, row.sizeBytes, isRegular(row));
    }
    for (const [inode, logged] of byInode(records)) {
      const row = yield* files.transact((tx) => loadInode(tx, inode));
      if (row === undefined || !isRegular(row)) continue;
      const state = files.files.obtain(inode, row.sizeBytes, true);
      for (const record of logged) apply(state, record);
      const { bytes } = state.dirty;
      if (bytes > 0) {
        reached("dirty data taken over");
        state.loggedIn = services.survivors?.firstSegment ?? state.loggedIn;
        state.reserved = bytes + RANGE_OVERHEAD_BYTES * state.dirty.ranges().length;
        services.space.promised(state.reserved);
        files.files.dirtyBytes += bytes;
      }
      files.files.drop(state);
    }
  });
}
