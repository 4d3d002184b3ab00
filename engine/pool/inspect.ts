/**
 * The structures of an open pool as plain data, for people who want to see them: journal, trees, rows, buckets.
 *
 * Reads only, and shows what is there as it is: it judges nothing, which is the business of a check.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import type { PoolFailed } from "../actor.ts";
import { BucketState } from "../allocator/buckets.ts";
import { nodePlaces } from "../check/btrees.ts";
import { eachRow } from "../check/rows.ts";
import { SNAPSHOT_ROOT, Table, TABLES } from "../format/tables.ts";
import { BucketClass, decodeAlloc } from "../format/values/alloc.ts";
import { decodeBackpointer } from "../format/values/backpointer.ts";
import { decodeCounter } from "../format/values/counter.ts";
import { decodeDirent } from "../format/values/dirent.ts";
import { decodeExtent } from "../format/values/extent.ts";
import { decodeInode } from "../format/values/inode.ts";
import { decodeLoggedOperation } from "../format/values/logged-operation.ts";
import { decodeOrphan } from "../format/values/orphan.ts";
import { decodeXattrHead, XATTR_CHUNKS_MAX } from "../format/values/xattr.ts";
import type { PoolDamaged } from "./errors.ts";
import { readJournal } from "./recovery.ts";
import type { Runtime } from "./runtime.ts";

const keyOf = <V extends number>(names: Readonly<Record<string, V>>, value: number): string =>
  Object.entries(names).find(([, known]) => known === value)?.[0] ?? String(value);

export interface EntrySummary {
  readonly sequence: number;
  readonly epoch: number;
  readonly device: number;
  readonly bucket: number;
  readonly lengthBytes: number;
  readonly clean: boolean;
  readonly flushedSequence: number;
  readonly oldestNeeded: number;
  readonly roots: number;
  readonly refs: number;
  /** Updates by table. */
  readonly updates: Readonly<Record<string, number>>;
}

/** The entries that recovery replays, oldest first. */
export function inspectJournal(runtime: Runtime): Effect.Effect<Array<EntrySummary>, DeviceError | PoolDamaged> {
  const { io, superblock } = runtime;
  return Effect.map(readJournal(io, superblock), ({ entries }) =>
    entries.map(({ slot, entry }) => {
      const updates: Record<string, number> = {};
      entry.forEach((table, level) => {
        const what = level === 0 ? TABLES[table]!.name : `${TABLES[table]!.name} level ${level}`;
        updates[what] = (updates[what] ?? 0) + 1;
      });
      const { sequence, epoch, lengthBytes, clean, flushedSequence, oldestNeeded } = entry;
      const counts = { roots: entry.roots.length, refs: entry.refs.length, updates };
      return {
        sequence,
        epoch,
        ...superblock.journalBuckets[slot]!,
        lengthBytes,
        clean,
        flushedSequence,
        oldestNeeded,
        ...counts,
      };
    }),
  );
}

export interface TreeSummary {
  readonly table: string;
  readonly secondary: boolean;
  /** Of the root; 0: the tree is one leaf. */
  readonly level: number;
  readonly nodes: number;
  readonly records: number;
  readonly recordBytes: number;
  /** Nodes with updates that so far are only in the journal. */
  readonly dirtyNodes: number;
}

export function inspectTrees({ trees }: Runtime): Array<TreeSummary> {
  return trees.all.map((tree) => {
    const { name: table, secondary } = TABLES[tree.table]!;
    const summary = { table, secondary, level: tree.root.level, nodes: 0, records: 0, recordBytes: 0, dirtyNodes: 0 };
    for (const node of tree.nodes()) {
      summary.nodes++;
      if (node.dirty) summary.dirtyNodes++;
      for (const { lengthBytes } of node.pointer?.records ?? []) {
        summary.records++;
        summary.recordBytes += lengthBytes;
      }
    }
    return summary;
  });
}

const decoder = new TextDecoder();

/** A value as plain data; undefined for a table that has no codec. */
function decodeValue(table: number, offset: number, view: DataView, at: number, length: number): unknown {
  switch (table) {
    case Table.inodes:
      return decodeInode(view, at, length);
    case Table.dirents:
      return decodeDirent(view, at, length).map((entry) => ({ ...entry, name: decoder.decode(entry.name) }));
    case Table.xattrs: {
      if (offset % XATTR_CHUNKS_MAX !== 0) return { chunkBytes: length };
      const { name, totalValueBytes } = decodeXattrHead(view, at, length);
      return { name: decoder.decode(name), totalValueBytes };
    }
    case Table.extents:
      return decodeExtent(view, at, length);
    case Table.alloc:
      return decodeAlloc(view, at, length);
    case Table.backpointers:
      return decodeBackpointer(view, at, length);
    case Table.accounting:
    case Table.subvolumes:
      return decodeCounter(view, at, length);
    case Table.orphans:
      return decodeOrphan(view, at, length);
    case Table.loggedOperations:
      return decodeLoggedOperation(view, at, length);
    default:
      return undefined;
  }
}

export interface RowSummary {
  readonly key: readonly [number, number, number];
  readonly value: unknown;
}

/** Rows of a table, in key order, from an inode (or what takes its place in the key) on. */
export function inspectRows(
  { btree }: Runtime,
  table: number,
  fromInode: number,
  rowsMax: number,
): Effect.Effect<Array<RowSummary>, PoolFailed> {
  return btree.transact<Array<RowSummary>, never>((tx) => {
    const rows: Array<RowSummary> = [];
    const scan = tx.scan(table, fromInode, 0, 0);
    while (rows.length < rowsMax && scan.next()) {
      const { inode, offset, snapshot } = scan;
      const value = decodeValue(table, offset, scan.view, scan.at, scan.length);
      rows.push({ key: [inode, offset, snapshot === SNAPSHOT_ROOT ? -1 : snapshot], value });
    }
    return rows;
  });
}

export interface BucketSummary {
  readonly device: number;
  readonly bucket: number;
  readonly state: string;
  readonly bucketClass: string;
  readonly generation: number;
  readonly liveBytes: number;
}

export function inspectBuckets({ io, buckets }: Runtime): Array<BucketSummary> {
  const all: Array<BucketSummary> = [];
  io.members.forEach(({ layout }, device) => {
    for (let bucket = 0; bucket < layout.count; bucket++) {
      const at = { device, bucket };
      all.push({
        ...at,
        state: keyOf(BucketState, buckets.stateOf(at)),
        bucketClass: keyOf(BucketClass, buckets.classOf(at)),
        generation: buckets.generationOf(at),
        liveBytes: buckets.liveOf(at),
      });
    }
  });
  return all;
}

export interface BucketContent {
  readonly addressBytes: number;
  readonly what: string;
}

/** What refers into a bucket, by address. */
export function inspectBucket(
  { io, trees, btree }: Runtime,
  device: number,
  bucket: number,
): Effect.Effect<Array<BucketContent>, PoolFailed> {
  const { layout } = io.member(device);
  const within = (address: number): boolean => layout.bucketOf(address) === bucket;
  const content: Array<BucketContent> = [];
  for (const node of nodePlaces(trees)) {
    if (node.device !== device || !within(node.addressBytes)) continue;
    const { name } = TABLES[node.table]!;
    content.push({
      addressBytes: node.addressBytes,
      what: `node of ${name}, level ${node.level}, ${node.lengthBytes} bytes`,
    });
  }
  const rows = eachRow(btree, Table.backpointers, (row) => {
    if (row.inode !== device || !within(row.offset)) return;
    const { inode, offset } = decodeBackpointer(row.view, row.at, row.length);
    content.push({
      addressBytes: row.offset,
      what: `extent of inode ${inode} that ends at ${offset}, from ${row.snapshot} on`,
    });
  });
  return Effect.map(rows, () => content.sort((a, b) => a.addressBytes - b.addressBytes));
}
