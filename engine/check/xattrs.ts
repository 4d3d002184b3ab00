/**
 * The pass over extended attributes: each belongs to an inode, is whole, and is the only one of its name there.
 *
 * Rows come in the order of inode, slot and chunk, so one attribute is looked at at a time.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeXattrHead, XATTR_CHUNK_BYTES_MAX, XATTR_CHUNKS_MAX } from "../format/values/xattr.ts";
import { eachRow, keyText } from "./rows.ts";
import type { CheckState } from "./state.ts";

const PASS = "xattrs";

interface Attribute {
  readonly what: string;
  readonly inode: number;
  readonly slot: number;
  /** Bytes of the value that are still to come. */
  leftBytes: number;
  nextChunk: number;
}

export function checkXattrs(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings, inodes, orphans } = state;
  let open: Attribute | undefined;
  let namesOf = -1;
  const names = new Set<string>();
  const close = (): void => {
    // An orphan may have lost some of its rows already.
    if (open !== undefined && open.leftBytes > 0 && !orphans.has(open.inode)) {
      findings.found(PASS, `${open.what} lacks ${open.leftBytes} bytes of its value`);
    }
    open = undefined;
  };
  const rows = eachRow(state.transactor, Table.xattrs, (row) => {
    const { inode, offset, length } = row;
    const slot = Math.floor(offset / XATTR_CHUNKS_MAX);
    const chunk = offset % XATTR_CHUNKS_MAX;
    const what = `attribute ${slot} of inode ${inode}`;
    if (row.snapshot !== SNAPSHOT_ROOT) findings.found(PASS, `attribute row ${keyText(row)} has no such key`);
    if (inode !== namesOf) {
      names.clear();
      namesOf = inode;
      if (!inodes.has(inode)) findings.found(PASS, `${what}: the inode does not exist`);
    }
    if (chunk === 0) {
      close();
      const head = findings.decoded(PASS, what, () => decodeXattrHead(row.view, row.at, length));
      if (head === undefined) return;
      findings.count("xattrs");
      const name = head.name.join();
      if (head.name.length === 0 || head.name.includes(0))
        findings.found(PASS, `${what} has no name that one can have`);
      if (names.has(name)) findings.found(PASS, `${what} has the name of another one of that inode`);
      names.add(name);
      open = { what, inode, slot, leftBytes: head.totalValueBytes - head.bytes.length, nextChunk: 1 };
      return;
    }
    if (open?.inode !== inode || open.slot !== slot || open.nextChunk !== chunk) {
      if (!orphans.has(inode)) findings.found(PASS, `${what} has a chunk ${chunk} without the one before it`);
      close();
      return;
    }
    const expected = Math.min(open.leftBytes, XATTR_CHUNK_BYTES_MAX);
    if (length !== expected) findings.found(PASS, `${what} has a chunk ${chunk} of ${length} bytes, not ${expected}`);
    open.leftBytes -= Math.min(length, open.leftBytes);
    open.nextChunk++;
  });
  return Effect.map(rows, close);
}
