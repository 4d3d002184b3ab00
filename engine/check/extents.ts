/**
 * The pass over the extents table: rows of a file do not overlap, lie within the file, and point into buckets.
 *
 * Completes the covered bytes of the inodes and recounts the live bytes of the buckets. Bytes behind the end of a file
 * may only be set aside, not written, unless the file is being truncated.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { Compression } from "../format/superblock.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import {
  type DataExtent,
  decodeExtent,
  EXTENT_RAW_BYTES_MAX,
  extentLengthBytes,
  type ExtentValue,
  rowLiveBytes,
} from "../format/values/extent.ts";
import { eachRow, keyText } from "./rows.ts";
import { bucketFacts, type CheckState, FileTypeBits, placeFault } from "./state.ts";

const PASS = "extents";

function checkData(state: CheckState, what: string, extent: DataExtent): void {
  const { findings, places } = state;
  const { compression, storedBytes, rawBytes } = extent;
  if (rawBytes > EXTENT_RAW_BYTES_MAX) findings.found(PASS, `${what} is ${rawBytes} bytes long before compression`);
  if (compression === Compression.none && storedBytes !== rawBytes) {
    findings.found(PASS, `${what} is not compressed, but ${rawBytes} bytes are stored as ${storedBytes}`);
  } else if (compression > Compression.zstd) findings.found(PASS, `${what} has unknown compression ${compression}`);
  const live = rowLiveBytes(extent);
  for (const { device, addressBytes, generation } of extent.pointers) {
    const fault = placeFault(places, device, addressBytes, storedBytes);
    if (fault !== undefined) {
      findings.found(PASS, `${what}: ${fault}`);
      continue;
    }
    const bucket = bucketFacts(state, device, places.bucketOf(device, addressBytes));
    if (bucket.generation !== undefined && bucket.generation !== generation) {
      findings.found(
        PASS,
        `${what} points to generation ${generation} of bucket ${bucket.bucket}, others to ${bucket.generation}`,
      );
    }
    bucket.generation ??= generation;
    bucket.dataBytes += live;
    state.pointers++;
    state.dataBytes += live;
  }
}

function checkExtentOfInode(state: CheckState, what: string, inode: number, end: number, extent: ExtentValue): void {
  const { findings, truncating } = state;
  const facts = state.inodes.get(inode);
  if (facts === undefined) return findings.found(PASS, `${what}: the inode does not exist`);
  facts.coveredBytes += extentLengthBytes(extent);
  const isSymlink = facts.type === FileTypeBits.symlink;
  if (!isSymlink && facts.type !== FileTypeBits.regular) findings.found(PASS, `${what}: inode ${inode} is no file`);
  if (isSymlink && extent.kind !== "inline") findings.found(PASS, `${what}: target of a symbolic link, not inline`);
  const beyond = end > facts.sizeBytes && extent.kind !== "unwritten";
  if (beyond && !truncating.has(inode)) {
    findings.found(PASS, `${what} has data behind the end of the file at ${facts.sizeBytes}`);
  }
}

export function checkExtents(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings } = state;
  let lastInode = -1;
  let lastEnd = 0;
  const rows = eachRow(state.transactor, Table.extents, (row) => {
    findings.count("extents");
    const what = `extent ${keyText(row)}`;
    if (row.snapshot !== SNAPSHOT_ROOT) findings.found(PASS, `${what} has no such key`);
    const extent = findings.decoded(PASS, what, () => decodeExtent(row.view, row.at, row.length));
    if (extent === undefined) return;
    const length = extentLengthBytes(extent);
    const start = row.offset - length;
    if (length === 0) findings.found(PASS, `${what} is empty`);
    if (start < 0) findings.found(PASS, `${what} begins before the file, at ${start}`);
    if (row.inode === lastInode && start < lastEnd)
      findings.found(PASS, `${what} begins at ${start}, before the end of the one before it at ${lastEnd}`);
    lastInode = row.inode;
    lastEnd = row.offset;
    checkExtentOfInode(state, what, row.inode, row.offset, extent);
    if (extent.kind === "data") checkData(state, what, extent);
  });
  return Effect.map(rows, () => checkCoverage(state));
}

/** What a file says of its allocation against what its extents cover; an orphan may have lost some of them. */
function checkCoverage({ inodes, orphans, findings }: CheckState): void {
  for (const [inode, { type, sizeBytes, allocatedBytes, coveredBytes }] of inodes) {
    if (orphans.has(inode)) continue;
    if (allocatedBytes !== coveredBytes) {
      findings.found(PASS, `inode ${inode} says ${allocatedBytes} bytes allocated, its extents cover ${coveredBytes}`);
    }
    if (type === FileTypeBits.symlink && coveredBytes !== sizeBytes) {
      findings.found(PASS, `symbolic link ${inode} has ${sizeBytes} bytes, ${coveredBytes} are there`);
    }
  }
}
