/**
 * The running engine of an open pool: every actor, wired together. `pool.ts` opens, closes and formats around it.
 *
 * Built from a superblock and what recovery found. Holds no logic of its own beyond who calls whom: the journal asks
 * for nodes to be written when its ring fills, a durable entry frees buckets, room in the journal wakes commits that
 * waited, memory pressure writes nodes. With `readOnly` nothing is ever written.
 */
import * as Effect from "effect/Effect";
import { PoolFailed, Supervisor } from "../actor.ts";
import { type BucketAddress, BucketClass, Buckets } from "../allocator/buckets.ts";
import { Space } from "../allocator/space.ts";
import { type AppendError, type Placement, WritePoint } from "../allocator/write-point.ts";
import { BtreeActor } from "../btree/btree-actor.ts";
import { FRAME_BYTES } from "../btree/frame.ts";
import { NodeLoader } from "../btree/node-loader.ts";
import type { Node } from "../btree/node.ts";
import { NodeWriter } from "../btree/node-writer.ts";
import { TREE_LIMITS, type TreeLimits } from "../btree/tree.ts";
import { Trees } from "../btree/trees.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import type { LostZone } from "../device/zone-watch.ts";
import { SUPERBLOCK_BUCKETS } from "../device/superblock-log.ts";
import type { NodeRecord } from "../format/pointer.ts";
import type { Superblock } from "../format/superblock.ts";
import { Table } from "../format/tables.ts";
import { decodeAlloc } from "../format/values/alloc.ts";
import { Journal } from "../journal/journal-actor.ts";
import { Ring } from "../journal/ring.ts";
import type { SurvivorLog } from "../journal/survivor-log.ts";
import { reached } from "../marks.ts";
import { type RecoveredJournal, replay } from "./recovery.ts";
import { entryBytesMax } from "./shape.ts";

export interface RuntimeOptions {
  readonly readOnly: boolean;
  readonly nodeCacheBytes: number;
  /** Handle asks of idle actors at once; off to interleave more. */
  readonly inlineAsks: boolean;
  readonly treeLimits: TreeLimits;
  /** A simulation has nodes written in a checkpoint each time that so many chunks were written otherwise. */
  readonly checkpointChunks: number;
  /** Keeps what is committed for the next process. */
  readonly survivors?: SurvivorLog | undefined;
}

export const RUNTIME_OPTIONS: RuntimeOptions = {
  readOnly: false,
  nodeCacheBytes: 256 * 1024 * 1024,
  inlineAsks: true,
  treeLimits: TREE_LIMITS,
  checkpointChunks: Number.POSITIVE_INFINITY,
};

/** Bytes that an unwritten leaf is taken to need on disk, in the reckoning of free space. */
const DIRTY_NODE_BYTES = 2048;

export interface Runtime {
  readonly io: BucketIo;
  readonly superblock: Superblock;
  readonly supervisor: Supervisor;
  readonly trees: Trees;
  readonly ring: Ring;
  readonly buckets: Buckets;
  readonly journal: Journal;
  readonly btree: BtreeActor;
  readonly loader: NodeLoader;
  readonly writer: NodeWriter;
  readonly space: Space;
  readonly dataPoint: WritePoint;
  readonly collectedPoint: WritePoint;
  /** Keeps the buckets of these places from being reset. */
  readonly hold: (placements: ReadonlyArray<Placement>) => void;
  /** What was appended at these places has been committed, or was given up. */
  readonly unhold: (placements: ReadonlyArray<Placement>) => void;
  /** The device gave a zone up: nothing more is put there, and what can still be read is moved elsewhere. */
  readonly zoneLost: (zone: LostZone) => void;
  /** Copies the extents of a bucket elsewhere; until the data room exists, they are left alone. */
  collectExtents: (at: BucketAddress) => Effect.Effect<number, PoolFailed>;
}

/** Leaves that fit into so much memory: as many as one transaction may need, at least. */
export const leavesWithin = (bytes: number): number => Math.max(16, Math.floor(bytes / FRAME_BYTES));

/** Builds and starts the engine; `recovered` is what the journal said. */
export const startRuntime = Effect.fnUntraced(function* (
  io: BucketIo,
  superblock: Superblock,
  recovered: RecoveredJournal,
  options: RuntimeOptions,
): Effect.fn.Return<Runtime, PoolFailed> {
  const supervisor = yield* Supervisor.make(options.inlineAsks);
  const { uuid } = superblock;
  const trees = new Trees(recovered.last?.roots ?? [], leavesWithin(options.nodeCacheBytes), options.treeLimits);
  const loader = new NodeLoader(supervisor, io, trees, uuid, options.treeLimits.fanMax);
  yield* replay(trees, loader, recovered.entries, recovered.survivors);
  const buckets = yield* restoreBuckets(io, superblock, trees, loader);
  keepWhatVouches(buckets, io, recovered);
  const runtime = wire(io, superblock, recovered, options, { supervisor, trees, loader, buckets });
  supervisor.onFailure(() => {
    runtime.writer.retryWaiting();
    runtime.btree.retryWaiting();
  });
  io.whenGone = ({ device }) => supervisor.freeze(`${device} is gone`);
  const { ring } = runtime;
  if (!options.readOnly && ring.buckets < ring.bucketsMin) {
    return yield* Effect.fail(new PoolFailed(`only ${ring.buckets} buckets of the journal can be written`));
  }
  return runtime;
});

export const stopRuntime = ({ supervisor, trees }: Runtime): Effect.Effect<void> =>
  Effect.andThen(
    supervisor.stop,
    Effect.sync(() => trees.dispose()),
  );

/**
 * What a node has on disk: its own records, and those of nodes that the replay merged into it. Until it is written
 * another recovery needs them too.
 */
function recordsOf({ pointer, absorbed }: Node): ReadonlyArray<NodeRecord> {
  const merged = absorbed.flatMap((row) => row.pointer.records);
  if (merged.length > 0) reached("node merged in replay kept until it is written");
  return [...(pointer?.records ?? []), ...merged];
}

/** What every bucket is, from the alloc table and from the places of all nodes. */
const restoreBuckets = Effect.fnUntraced(function* (
  io: BucketIo,
  superblock: Superblock,
  trees: Trees,
  loader: NodeLoader,
): Effect.fn.Return<Buckets, PoolFailed> {
  const buckets = new Buckets(io);
  io.members.forEach((_member, device) => {
    for (let bucket = 0; bucket < SUPERBLOCK_BUCKETS; bucket++) buckets.reserve({ device, bucket });
  });
  for (const address of superblock.journalBuckets) buckets.reserve(address);
  for (const zone of io.zoneWatch.losses) buckets.retire(zone);
  for (const tree of trees.all) {
    for (const node of tree.nodes()) {
      for (const { device, addressBytes, generation, lengthBytes } of recordsOf(node)) {
        const bucket = io.member(device).layout.bucketOf(addressBytes);
        buckets.restore({ device, bucket }, BucketClass.btree, generation, lengthBytes);
      }
    }
  }
  for (const node of [...trees.tree(Table.alloc).nodes()]) {
    if (node.level > 0) continue;
    if (node.pointer !== undefined) yield* loader.fetch(node);
    const { leaf } = node;
    for (let position = 0; position < (leaf?.n ?? 0); position++) {
      const ref = leaf!.refAt(position);
      const row = decodeAlloc(leaf!.view, leaf!.valueAt(ref), ref & 4095);
      const at = { device: leaf!.inodeAt(position), bucket: leaf!.offsetAt(position) };
      buckets.restore(at, row.bucketClass, row.generation, row.liveBytes);
    }
  }
  return buckets;
});

/**
 * Until a durable entry knows the end of the journal, another recovery looks again whether what the last entries refer
 * to is there. Places that are free by then must wait for that before they are written over.
 */
function keepWhatVouches(buckets: Buckets, io: BucketIo, { vouching, last, flushedSequence }: RecoveredJournal): void {
  for (const { entry } of vouching) {
    if (entry.sequence <= flushedSequence) continue;
    for (const { device, addressBytes } of entry.refs) {
      buckets.keepUntil({ device, bucket: io.member(device).layout.bucketOf(addressBytes) }, last!.sequence);
    }
  }
}

interface Foundation {
  readonly supervisor: Supervisor;
  readonly trees: Trees;
  readonly loader: NodeLoader;
  readonly buckets: Buckets;
}

/** The ring as the recovery found it. */
export function ringOf(io: BucketIo, superblock: Superblock, { entries, vouching }: RecoveredJournal): Ring {
  const usable = io.member(superblock.journalBuckets[0]!.device).layout.usableBytes;
  const ring = new Ring(superblock.journalBuckets, usable, entryBytesMax(usable));
  for (const zone of io.zoneWatch.losses) ring.retire(zone);
  const first = entries[0]?.entry.sequence ?? 0;
  // In the order of their sequence: the last one's bucket is the current one.
  for (const { slot, entry } of [...vouching.filter((each) => each.entry.sequence < first), ...entries]) {
    ring.occupy(slot, entry.sequence);
  }
  return ring;
}

function makeJournal(
  io: BucketIo,
  superblock: Superblock,
  recovered: RecoveredJournal,
  { supervisor, trees }: Foundation,
  hooks: { readonly reclaim: (before: number) => void; readonly room: () => void },
): { readonly ring: Ring; readonly journal: Journal } {
  const ring = ringOf(io, superblock, recovered);
  const end = recovered.last?.sequence ?? 0;
  const start = {
    uuid: superblock.uuid,
    blockBytes: superblock.blockBytes,
    epoch: recovered.epoch + 1,
    nextSequence: end + 1,
    previous: recovered.last?.checksum ?? 0n,
    // Opening flushed the devices before it read them, so what it read is durable.
    flushedSequence: end,
    knownFlushedSequence: recovered.flushedSequence,
  };
  const source = {
    roots: () => trees.roots(),
    oldestNeeded: (open: number) => trees.oldestPin(open),
    ...hooks,
  };
  return { ring, journal: new Journal(supervisor, io, ring, start, source) };
}

/** Holds and releases of the buckets in which things stand; a place that the pool does not have holds nothing. */
function holding(io: BucketIo, buckets: Buckets, journal: Journal): Pick<Runtime, "hold" | "unhold"> {
  const bucketsOf = (placements: ReadonlyArray<Placement>): ReadonlyArray<BucketAddress> =>
    placements
      .filter(({ device, addressBytes }) => io.has(device, addressBytes))
      .map(({ device, addressBytes }) => ({ device, bucket: io.member(device).layout.bucketOf(addressBytes) }));
  return {
    hold: (placements) => {
      for (const at of bucketsOf(placements)) buckets.hold(at);
    },
    unhold: (placements) => {
      for (const at of bucketsOf(placements)) buckets.unhold(at, journal.gathering.sequence);
    },
  };
}

/** Moves what is live out of a bucket, whatever it holds; returns in how many commits. */
function emptied({ buckets, writer, collectExtents }: Runtime, at: BucketAddress): Effect.Effect<number, PoolFailed> {
  if (buckets.classOf(at) !== BucketClass.btree) return collectExtents(at);
  return unlessFull(Effect.as(writer.emptyBucket(at), 0), 0);
}

/** What was to give space back could not be written: that is not worse than before. */
const unlessFull = <A>(work: Effect.Effect<A, AppendError | PoolFailed>, otherwise: A): Effect.Effect<A, PoolFailed> =>
  Effect.catch(work, (error) => (error._tag === "PoolFailed" ? Effect.fail(error) : Effect.succeed(otherwise)));

/** Nothing is written there any more; what can still be read is moved, out of the journal too. */
function giveUpZone({ supervisor, buckets, journal, space }: Runtime, zone: LostZone): void {
  buckets.retire(zone);
  if (zone.loss === "offline") buckets.leaveAlone(zone);
  else buckets.vacate(zone);
  if (supervisor.ended !== undefined) return;
  journal.zoneLost(zone);
  space.vacate();
}

function wire(
  io: BucketIo,
  superblock: Superblock,
  recovered: RecoveredJournal,
  options: RuntimeOptions,
  foundation: Foundation,
): Runtime {
  const { supervisor, trees, loader, buckets } = foundation;
  const { ring, journal } = makeJournal(io, superblock, recovered, foundation, {
    reclaim: (before) => writer.request(before),
    room: () => {
      btree.retryWaiting();
      writer.retryWaiting();
    },
  });
  const space: Space = new Space({
    supervisor,
    buckets,
    settle: journal.settle,
    collect: (at) => emptied(runtime, at),
    copyBytes: () => writer.room.copyBytes,
    emptySparse: Effect.suspend(() => unlessFull(writer.emptySparse, undefined)),
    writeNodes: Effect.suspend(() => unlessFull(writer.flushAll, undefined)),
    commits: () => btree.commits,
    dirtyNodeBytes: () => Math.max(trees.dirty.count * DIRTY_NODE_BYTES, writer.room.growthBytes),
    dirtyNodeBytesMost: () => Math.max(trees.dirty.count * DIRTY_NODE_BYTES, writer.room.growthBytesMost),
    supersededNodeBytes: () => trees.supersededBytes,
    nodesLeave: (bucketCount) => writer.room.leaves(bucketCount),
  });
  const nodePoint = new WritePoint(supervisor, io, buckets, "btree", space);
  const dataPoint = new WritePoint(supervisor, io, buckets, "data", space);
  const collectedPoint = new WritePoint(supervisor, io, buckets, "collected", space);
  const { readOnly, survivors, checkpointChunks } = options;
  const { uuid } = superblock;
  const load = loader.fetch.bind(loader);
  const writer = new NodeWriter({
    ...{ supervisor, trees, journal, io, buckets, writePoint: nodePoint, uuid, load, checkpointChunks },
  });
  const pressure = (): void => {
    // What was replayed into a pool that is only read stays in memory, whatever that takes.
    if (!readOnly) writer.relievePressure();
  };
  const btree = new BtreeActor({ supervisor, trees, journal, loader, buckets, io, readOnly, pressure, survivors });
  const runtime: Runtime = {
    ...{
      io,
      superblock,
      supervisor,
      trees,
      ring,
      buckets,
      journal,
      btree,
      loader,
      writer,
      space,
      dataPoint,
      collectedPoint,
    },
    ...holding(io, buckets, journal),
    zoneLost: (zone) => giveUpZone(runtime, zone),
    collectExtents: () => Effect.succeed(0),
  };
  if (!readOnly) io.zoneWatch.onLoss = runtime.zoneLost;
  journal.onDurable = () => {
    buckets.freeUpTo(journal.knownFlushedSequence);
    space.poke();
  };
  return runtime;
}

/**
 * An entry that recovery did not take must never be taken by another one, as it would be if what it refers to were
 * written after all, the same bytes at the same place, or what is missing of itself: the next entry goes to its place,
 * and may end like it. A durable entry of the new epoch puts an end to it.
 */
export function supersedeRejected(
  { ring, journal }: Runtime,
  { rejected }: RecoveredJournal,
): Effect.Effect<void, PoolFailed> {
  // With one bucket left, the first entry must be the one that frees the others.
  if (!rejected || ring.freeBuckets < 2) return Effect.void;
  reached("rejected journal entry superseded");
  journal.gathering.forced = true;
  return journal.sync;
}

/**
 * After a recovery with one bucket of the ring free, everything is written before anything else is journalled: the first
 * entry then frees the rest of the ring. Were it to hold more than that, the next recovery might find no bucket to write.
 */
export function makeRoomAfterRecovery(runtime: Runtime): Effect.Effect<void, PoolFailed> {
  const { ring, writer, journal, supervisor } = runtime;
  if (ring.freeBuckets > 1) return Effect.void;
  reached("recovered with the journal full");
  return Effect.andThen(writer.writeCheckpoint, journal.settle).pipe(
    Effect.catch((error) => {
      const failure = error._tag === "PoolFailed" ? error : new PoolFailed(`recovery cannot write: ${error._tag}`);
      supervisor.fail(failure.detail);
      return Effect.fail(failure);
    }),
  );
}
