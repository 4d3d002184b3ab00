/**
 * The passes over allocation and accounting: what the counters say against a recount of what they count.
 *
 * A bucket's row must say the live bytes and the generation that the extents show, and a bucket that holds btree nodes
 * holds no data. Nodes must lie in buckets of their own without overlapping.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { SNAPSHOT_ROOT, Table, TABLES } from "../format/tables.ts";
import { BucketClass, decodeAlloc } from "../format/values/alloc.ts";
import { Counter, decodeCounter } from "../format/values/counter.ts";
import { eachRow, keyText } from "./rows.ts";
import { bucketFacts, type CheckState, type NodePlace, placeFault } from "./state.ts";

const PASS = "allocation";

/** Counts the nodes' records into the buckets; comes before the alloc rows are read. */
export function checkNodePlaces(state: CheckState, nodes: Iterable<NodePlace>): void {
  const { findings, places } = state;
  const sorted = [...nodes].sort((a, b) => a.device - b.device || a.addressBytes - b.addressBytes);
  let before: NodePlace | undefined;
  for (const node of sorted) {
    const { device, addressBytes, lengthBytes, generation } = node;
    findings.count("node records");
    const what = `node record of table ${TABLES[node.table]?.name ?? node.table} at byte ${addressBytes}`;
    const fault = placeFault(places, device, addressBytes, lengthBytes);
    if (fault !== undefined) {
      findings.found(PASS, `${what}: ${fault}`);
      continue;
    }
    if (before?.device === device && before.addressBytes + before.lengthBytes > addressBytes) {
      findings.found(PASS, `${what} overlaps another at byte ${before.addressBytes}`);
    }
    before = node;
    const bucket = bucketFacts(state, device, places.bucketOf(device, addressBytes));
    if (bucket.dataBytes > 0) findings.found(PASS, `${what} is in bucket ${bucket.bucket}, which holds data`);
    else if (bucket.generation !== undefined && bucket.generation !== generation) {
      findings.found(
        PASS,
        `${what} is of generation ${generation}, others in bucket ${bucket.bucket} of ${bucket.generation}`,
      );
    }
    bucket.generation ??= generation;
    bucket.nodeBytes += lengthBytes;
  }
}

export function checkAllocation(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings, places } = state;
  const seen = new Set<string>();
  const rows = eachRow(state.transactor, Table.alloc, (row) => {
    const { inode: device, offset: bucket } = row;
    findings.count("alloc rows");
    const what = `bucket ${bucket} of device ${device}`;
    const value = findings.decoded(PASS, what, () => decodeAlloc(row.view, row.at, row.length));
    if (value === undefined) return;
    seen.add(`${device}:${bucket}`);
    if (row.snapshot !== 0 || device >= places.devices || bucket >= places.bucketCount(device)) {
      return findings.found(PASS, `alloc row ${keyText(row)} has no such key`);
    }
    if (places.isReserved(device, bucket) && value.liveBytes > 0) {
      return findings.found(PASS, `${what} is reserved and has live bytes`);
    }
    const facts = state.buckets.get(`${device}:${bucket}`);
    const live = facts?.dataBytes ?? 0;
    if (value.liveBytes !== live)
      findings.found(PASS, `${what} says ${value.liveBytes} live bytes, its extents keep ${live}`);
    if (live === 0) return;
    if (value.generation !== facts?.generation) {
      findings.found(PASS, `${what} is of generation ${value.generation}, its extents are of ${facts?.generation}`);
    }
    if (value.bucketClass !== BucketClass.data && value.bucketClass !== BucketClass.collected) {
      findings.found(PASS, `${what} holds data and is of class ${value.bucketClass}`);
    }
  });
  return Effect.map(rows, () => {
    for (const [key, { device, bucket, dataBytes }] of state.buckets) {
      if (dataBytes > 0 && !seen.has(key)) {
        findings.found(PASS, `bucket ${bucket} of device ${device} holds ${dataBytes} live bytes and has no alloc row`);
      }
    }
  });
}

export function checkCounters(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings } = state;
  const recount = new Map<number, readonly [string, number]>([
    [Counter.inodes, ["inodes", state.inodes.size]],
    [Counter.dataBytes, ["data bytes", state.dataBytes]],
  ]);
  const said = new Map<number, number>();
  const rows = eachRow(state.transactor, Table.accounting, (row) => {
    findings.count("counters");
    const what = `counter row ${keyText(row)}`;
    if (!recount.has(row.inode) || row.offset !== 0 || row.snapshot !== SNAPSHOT_ROOT) {
      return findings.found("counters", `${what} is not known`);
    }
    const value = findings.decoded("counters", what, () => decodeCounter(row.view, row.at, row.length));
    if (value !== undefined) said.set(row.inode, value);
  });
  return Effect.map(rows, () => {
    for (const [counter, [name, counted]] of recount) {
      const value = said.get(counter) ?? 0;
      if (value !== counted) findings.found("counters", `the counter of ${name} says ${value}, the recount ${counted}`);
    }
  });
}
