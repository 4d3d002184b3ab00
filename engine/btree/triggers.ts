/**
 * What a change of a primary row does to the secondary tables, in the same transaction; pure.
 *
 * A row of the extents table that points into buckets counts as live bytes there (alloc) and can be found from its
 * address (backpointers); a row of the inodes table is counted (accounting). Nothing else ever writes those tables, so
 * each can be rebuilt from the primary ones. Values are absolute, so that replaying a commit twice changes nothing.
 */
import { decodeAlloc, encodeAlloc, ALLOC_BYTES } from "../format/values/alloc.ts";
import { BACKPOINTER_BYTES, encodeBackpointer } from "../format/values/backpointer.ts";
import { COUNTER_BYTES, Counter, decodeCounter, encodeCounter } from "../format/values/counter.ts";
import { decodeExtent, type ExtentValue, rowLiveBytes } from "../format/values/extent.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import type { LiveChange } from "../allocator/buckets.ts";
import { REMOVED, type Staging } from "./staging.ts";
import { Malformed } from "../format/malformed.ts";

/** What triggers must know of buckets. */
export interface BucketFacts {
  bucketOf(device: number, addressBytes: number): number;
  classOf(at: { readonly device: number; readonly bucket: number }): number;
}

interface BucketDelta {
  readonly device: number;
  readonly bucket: number;
  generation: number;
  bytes: number;
}

interface Row {
  readonly extent: ExtentValue;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
}

export class Triggers {
  /** Live bytes of the buckets that the last `stage` changed. */
  readonly changes: Array<LiveChange> = [];
  private readonly facts: BucketFacts;
  private readonly deltas: Array<BucketDelta> = [];

  constructor(facts: BucketFacts) {
    this.facts = facts;
  }

  /** Stages the secondary rows of everything staged so far. May end the run for want of a node. */
  stage(staging: Staging): void {
    this.changes.length = 0;
    const { count } = staging;
    let inodes = 0;
    let removed: Array<Row> | undefined;
    let added: Array<Row> | undefined;
    for (let index = 0; index < count; index++) {
      const table = staging.table[index]!;
      if (table !== Table.inodes && table !== Table.extents) continue;
      const inode = staging.inode[index]!;
      const offset = staging.offset[index]!;
      const snapshot = staging.snapshot[index]!;
      const existed = staging.findCommitted(table, inode, offset, snapshot);
      const stays = staging.lengthBytes[index] !== REMOVED;
      if (table === Table.inodes) {
        inodes += (stays ? 1 : 0) - (existed ? 1 : 0);
        continue;
      }
      if (existed) {
        const extent = decodeExtent(staging.view, staging.at, staging.length);
        if (extent.kind === "data") (removed ??= []).push({ extent, inode, offset, snapshot });
      }
      if (stays) {
        const extent = decodeExtent(staging.out, staging.word[index]! * 4, staging.lengthBytes[index]!);
        if (extent.kind === "data") (added ??= []).push({ extent, inode, offset, snapshot });
      }
    }
    if (inodes !== 0) this.count(staging, Counter.inodes, inodes);
    if (removed !== undefined || added !== undefined) this.extents(staging, removed ?? [], added ?? []);
  }

  /** Removals come first: a trimmed row may take the very backpointer that its old form gave up. */
  private extents(staging: Staging, removed: ReadonlyArray<Row>, added: ReadonlyArray<Row>): void {
    this.deltas.length = 0;
    let live = 0;
    for (const { extent } of removed) {
      if (extent.kind !== "data") continue;
      for (const { device, addressBytes, generation } of extent.pointers) {
        staging.remove(Table.backpointers, device, addressBytes, extent.rawOffset);
        live -= this.add(device, addressBytes, generation, -rowLiveBytes(extent));
      }
    }
    for (const { extent, inode, offset, snapshot } of added) {
      if (extent.kind !== "data") continue;
      for (const { device, addressBytes, generation } of extent.pointers) {
        staging.put(Table.backpointers, device, addressBytes, extent.rawOffset, BACKPOINTER_BYTES);
        encodeBackpointer(staging.out, staging.outAt, { table: Table.extents, inode, offset, snapshot });
        live += this.add(device, addressBytes, generation, rowLiveBytes(extent));
      }
    }
    for (const delta of this.deltas) this.bucket(staging, delta);
    if (live !== 0) this.count(staging, Counter.dataBytes, live);
  }

  private add(device: number, addressBytes: number, generation: number, bytes: number): number {
    const bucket = this.facts.bucketOf(device, addressBytes);
    const known = this.deltas.find((delta) => delta.device === device && delta.bucket === bucket);
    if (known === undefined) this.deltas.push({ device, bucket, generation, bytes });
    else {
      if (known.generation !== generation) throw new Malformed(`bucket ${bucket} has extents of two generations`);
      known.bytes += bytes;
    }
    return Math.abs(bytes);
  }

  private bucket(staging: Staging, { device, bucket, generation, bytes }: BucketDelta): void {
    let liveBytes = bytes;
    let bucketClass = this.facts.classOf({ device, bucket });
    if (staging.find(Table.alloc, device, bucket, 0)) {
      const row = decodeAlloc(staging.view, staging.at, staging.length);
      if (row.generation === generation) {
        liveBytes += row.liveBytes;
        bucketClass = row.bucketClass;
      } else if (row.generation > generation || row.liveBytes !== 0) {
        throw new Malformed(`bucket ${bucket}: extent of generation ${generation}, row of ${row.generation}`);
      }
    }
    if (liveBytes < 0) throw new Malformed(`bucket ${bucket} has less than nothing live`);
    staging.put(Table.alloc, device, bucket, 0, ALLOC_BYTES);
    encodeAlloc(staging.out, staging.outAt, { generation, bucketClass, liveBytes });
    this.changes.push({ device, bucket, liveBytes });
  }

  private count(staging: Staging, counter: number, change: number): void {
    const before = staging.find(Table.accounting, counter, 0, SNAPSHOT_ROOT)
      ? decodeCounter(staging.view, staging.at, staging.length)
      : 0;
    if (before + change < 0) throw new Malformed(`counter ${counter} falls below nothing`);
    staging.put(Table.accounting, counter, 0, SNAPSHOT_ROOT, COUNTER_BYTES);
    encodeCounter(staging.out, staging.outAt, before + change);
  }
}
