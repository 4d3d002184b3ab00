/**
 * Writes nodes: encodes a batch, appends the records at a new place, and commits the pointer changes to the journal.
 *
 * One batch at a time. Levels are written from the leaves up, each committed before the next is encoded, so that a
 * parent's record never names a child that is not written. A pointer change is journalled like any other update, under
 * the level of the parent; only the root's place goes into the roots of the entry. Old records stay until the entry
 * that replaced them is known to be durable. If the write fails, the nodes are dirty again as if nothing had been tried.
 * Where the journal lacks the room for that, or all that is to be written may not fit once another bucket is taken, nodes
 * are written in a checkpoint. It may take the last bucket, since it moves what is in the emptiest ones there too: otherwise
 * a few crashes in a row, each with a bucket just begun, would leave none.
 */
import * as Effect from "effect/Effect";
import * as Semaphore from "effect/Semaphore";
import { PoolFailed, type Supervisor } from "../actor.ts";
import { type BucketAddress, type Buckets, FREE_BUCKETS_KEPT_FROM_ADDITIONS } from "../allocator/buckets.ts";
import type { AppendError, Placement, WritePoint } from "../allocator/write-point.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { checksumOf, viewOf } from "../format/codec.ts";
import type { NodePointer, NodeRecord } from "../format/pointer.ts";
import type { Journal } from "../journal/journal-actor.ts";
import { reached } from "../marks.ts";
import { CheckpointRoom } from "./checkpoint-room.ts";
import { Checkpoint } from "./checkpoint.ts";
import { type EncodedNode, addWithGroup, encodeNode, nodesToFlush, pointerWords } from "./flush.ts";
import { type Node, recordsOf } from "./node.ts";
import type { Trees } from "./trees.ts";

/** Journal words that the pointer change of one node may need. */
const WORDS_PER_NODE_MAX = 6 + 29;
const WORDS_PER_ABSORBED_ROW = 6;

/** Times that a bucket is gone through, since nodes may be evicted or change while others are written. */
const EMPTYING_ROUNDS_MAX = 4;

export interface NodeWriterServices {
  readonly supervisor: Supervisor;
  readonly trees: Trees;
  readonly journal: Journal;
  readonly io: BucketIo;
  readonly buckets: Buckets;
  readonly writePoint: WritePoint;
  readonly uuid: Uint8Array;
  /** Has a node in memory. */
  readonly load: (node: Node) => Effect.Effect<void, PoolFailed>;
  /** Every so many chunks of nodes are written as if the journal had no room for their places. */
  readonly checkpointChunks: number;
}

export class NodeWriter {
  nodesWritten = 0;
  imagesWritten = 0;
  private readonly services: NodeWriterServices;
  readonly room: CheckpointRoom;
  private readonly one = Semaphore.makeUnsafe(1);
  private target = 0;
  private running = false;
  /** Chunks of nodes whose places the journal had room for. */
  private chunks = 0;
  private relieving = false;
  private newsWaiters: Array<() => void> = [];
  /** What is written does not go into the journal, until this is complete. */
  private checkpoint: Checkpoint | undefined = undefined;

  constructor(services: NodeWriterServices) {
    this.services = services;
    this.room = new CheckpointRoom({ ...services, unwritten: () => this.unwritten() });
  }

  /** Asks that the nodes which pin entries before this sequence be written soon. */
  request(beforeSequence: number): void {
    this.target = Math.max(this.target, beforeSequence);
    if (this.running) return;
    this.running = true;
    this.services.supervisor.fork("node writer", this.serve());
  }

  private serve(): Effect.Effect<void, PoolFailed> {
    const self = this;
    const { journal } = this.services;
    return Effect.gen(function* () {
      for (;;) {
        const { target } = self;
        yield* self.flushBefore(target);
        // What was pinned is free only once an entry that says so is known to be durable.
        yield* journal.refresh;
        if (self.target === target) break;
      }
      self.running = false;
    }).pipe(Effect.catch((error) => self.give(error)));
  }

  /**
   * Writes until no node pins an entry before this sequence, those included that somebody else is writing: who believed
   * them written would ask for the news of it over and over, and fill the journal with it.
   */
  flushBefore(beforeSequence: number): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    const { trees, supervisor } = this.services;
    return Effect.gen(function* () {
      while (trees.oldestPin(Number.POSITIVE_INFINITY) < beforeSequence) {
        if (supervisor.ended !== undefined) return yield* Effect.fail(supervisor.ended);
        if (trees.flushingPin < beforeSequence) reached("nodes waited for that others write");
        yield* self.writeOldest(beforeSequence);
      }
    });
  }

  /** Writes a batch of the nodes with the oldest pins; fails, and the pool with it, if none of them can be written. */
  private writeOldest(beforeSequence: number): Effect.Effect<void, AppendError | PoolFailed> {
    const { trees } = this.services;
    return this.one.withPermits(1)(
      Effect.suspend(() => {
        const { oldest } = trees.dirty;
        const chosen = this.batch(() => nodesToFlush(trees, beforeSequence, this.room.chunkNodesMax));
        return Effect.flatMap(chosen, (written) => {
          if (written > 0 || oldest === undefined || trees.dirty.oldest !== oldest) return Effect.void;
          // Whoever had its turn before may have written all that was asked for.
          if (oldest.pin >= beforeSequence) return Effect.void;
          return Effect.fail(this.unwritable(oldest));
        });
      }),
    );
  }

  /** Writes the oldest nodes, so that leaves can be evicted. */
  get flushSome(): Effect.Effect<void, AppendError | PoolFailed> {
    return this.writeOldest(Number.POSITIVE_INFINITY);
  }

  /**
   * Too many leaves are resident: writes some, so that they can be evicted. They stay where the few buckets that are free
   * are needed: the fewer nodes are written at once, the more those above them take.
   */
  relievePressure(): void {
    if (this.relieving) return;
    if (this.services.buckets.freeCount <= FREE_BUCKETS_KEPT_FROM_ADDITIONS) {
      reached("leaves kept in memory since buckets are few");
      return;
    }
    this.relieving = true;
    const self = this;
    const { trees, supervisor } = this.services;
    supervisor.fork(
      "node writer",
      Effect.gen(function* () {
        while (trees.dirty.count > 0 && !trees.evict()) yield* self.flushSome;
        self.relieving = false;
      }).pipe(Effect.catch((error) => self.give(error))),
    );
  }

  private give(error: AppendError | PoolFailed): Effect.Effect<void> {
    if (error._tag !== "PoolFailed") this.services.supervisor.freeze(`btree nodes cannot be written: ${error._tag}`);
    return Effect.void;
  }

  /** Writes everything. */
  get flushAll(): Effect.Effect<void, AppendError | PoolFailed> {
    return this.flushBefore(Number.POSITIVE_INFINITY);
  }

  /** Writes everything, with no more than the places of the roots in the journal. */
  get writeCheckpoint(): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    return this.one.withPermits(1)(
      Effect.gen(function* () {
        yield* self.beginCheckpoint;
        yield* self.completeCheckpoint();
      }),
    );
  }

  /** Writes everything in a checkpoint with what is in sparse buckets, if that leaves more buckets free. */
  get emptySparse(): Effect.Effect<void, AppendError | PoolFailed> {
    const self = this;
    const { trees, buckets } = this.services;
    return this.one.withPermits(1)(
      Effect.gen(function* () {
        // One that failed comes first: what it wrote is in no journal.
        yield* self.completeCheckpoint();
        if (!buckets.scarce || self.room.sparse(self.room.weightOf(trees.dirty)).gain <= 0) return;
        reached("checkpoint to empty sparse buckets");
        yield* self.beginCheckpoint;
        yield* self.completeCheckpoint();
      }),
    );
  }

  /** Writes every node that has a record in the bucket anew, elsewhere; returns how many it moved. */
  emptyBucket(at: BucketAddress): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      let left = self.nodesIn(at);
      const moved = left.length;
      // All that are in memory go in one batch: written one by one, each would take a block of its own.
      for (let round = 0; left.length > 0 && round < EMPTYING_ROUNDS_MAX; round++) {
        for (const node of left) yield* self.services.load(node);
        yield* self.one.withPermits(1)(self.batch(() => self.chosenAnew(self.nodesIn(at))));
        left = self.nodesIn(at);
      }
      if (moved > 0) reached("btree bucket collected");
      return moved - left.length;
    });
  }

  /** The nodes that have a record in the bucket. */
  private nodesIn(at: BucketAddress): Array<Node> {
    const { trees, io } = this.services;
    const isIn = ({ device, addressBytes }: NodeRecord): boolean =>
      device === at.device && io.member(device).layout.bucketOf(addressBytes) === at.bucket;
    return trees.all.flatMap((tree) => [...tree.nodes()].filter((node) => recordsOf(node).some(isIn)));
  }

  /** The nodes that are resident, with their groups, to be written whole. */
  private chosenAnew(nodes: ReadonlyArray<Node>): Array<Node> {
    const chosen = new Set<Node>();
    for (const node of nodes) {
      if (!node.resident || node.flushing) continue;
      node.needsImage = true;
      addWithGroup(this.services.trees, node, chosen);
    }
    return [...chosen].sort((a, b) => a.level - b.level);
  }

  /** Writes the chosen nodes, and all others with them if it takes a checkpoint; returns how many it wrote. */
  private batch(choose: () => Array<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      // One that failed comes first: what it wrote is in no journal.
      let written = yield* self.completeCheckpoint();
      written += yield* self.writeChosen(choose);
      return written + (yield* self.completeCheckpoint());
    });
  }

  /**
   * Writes the chosen nodes; returns how many it wrote, and 0 only if none of them can be written. Others may run between
   * choosing and encoding: then a node may have got a neighbour that is to be written with it.
   */
  private writeChosen(choose: () => Array<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { checkpoint } = this;
    return Effect.gen(function* () {
      for (;;) {
        const written = yield* self.writeLevels(choose());
        if (written > 0 || self.checkpoint !== checkpoint) return written;
        if (self.inOrder(new Set(choose())).length === 0) return 0;
        reached("nodes chosen anew");
      }
    });
  }

  /**
   * Writes the nodes, which come the lowest level first; returns how many it wrote. Stops where a checkpoint begins, which
   * writes what is left.
   */
  private writeLevels(nodes: ReadonlyArray<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { checkpoint } = this;
    return Effect.gen(function* () {
      let from = 0;
      let written = 0;
      while (from < nodes.length && self.checkpoint === checkpoint) {
        const { level } = nodes[from]!;
        let to = from;
        while (to < nodes.length && nodes[to]!.level === level) to++;
        written += yield* self.writeOneLevel(new Set(nodes.slice(from, to)));
        from = to;
      }
      return written;
    });
  }

  private writeOneLevel(wanted: Set<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { checkpoint } = this;
    return Effect.gen(function* () {
      let chunk = yield* self.writeChunk(wanted);
      let written = chunk;
      while (chunk > 0 && wanted.size > 0 && self.checkpoint === checkpoint) {
        chunk = yield* self.writeChunk(wanted);
        written += chunk;
      }
      return written;
    });
  }

  /**
   * The wanted nodes with their groups, each group from right to left: as long as the left node is not written, its old
   * records hold the rows of every node that is still to come. Looked up anew for each chunk, since nodes may have split
   * or gone while the last one was written.
   */
  private inOrder(wanted: ReadonlySet<Node>): Array<Node> {
    const { trees } = this.services;
    const ordered = new Set<Node>();
    for (const node of wanted) {
      const tree = trees.tree(node.table);
      if (!trees.has(node)) continue;
      const group = tree.flushGroup(node);
      const ready = group.every(
        ({ resident, interior }) => resident && (interior === undefined || interior.kids[0]?.pointer !== undefined),
      );
      if (ready) for (const member of group.reverse()) ordered.add(member);
    }
    return [...ordered];
  }

  /** Writes the next chunk of the wanted nodes and takes them off the list; returns how many it wrote. */
  private writeChunk(wanted: Set<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { writePoint } = this.services;
    return Effect.gen(function* () {
      // Choosing and encoding are one step: nothing may be evicted, split or merged in between.
      const chunk = self.room.chunkOf(self.inOrder(wanted));
      if (chunk.length === 0) return 0;
      const encoded = self.encode(chunk);
      self.room.inFlight(encoded.reduce((sum, { bytes }) => sum + bytes.length, 0));
      const result = yield* Effect.result(writePoint.append(encoded.map(({ bytes }) => bytes)));
      self.room.inFlight(0);
      if (result._tag === "Failure") {
        self.restore(encoded);
        if (self.checkpoint !== undefined || result.failure._tag !== "NoSpaceLeft") {
          return yield* Effect.fail(result.failure);
        }
        reached("checkpoint for want of a bucket");
        yield* self.beginCheckpoint;
        return 0;
      }
      if (self.checkpoint === undefined) {
        yield* Effect.onError(self.makeRoom(encoded), () => Effect.sync(() => self.restore(encoded)));
      }
      self.commit(encoded, result.success);
      for (const node of chunk) wanted.delete(node);
      return chunk.length;
    });
  }

  /** All nodes that are still to be written, and in a checkpoint those above them too; some come twice. */
  private *unwritten(): Generator<Node> {
    const { trees } = this.services;
    yield* trees.dirty;
    if (this.checkpoint !== undefined) yield* this.checkpoint.waiting(trees);
  }

  /** Waits until the places of these nodes can go into the journal; if it has no room for them, begins a checkpoint. */
  private makeRoom(encoded: ReadonlyArray<EncodedNode>): Effect.Effect<void, PoolFailed> {
    const self = this;
    const { journal, checkpointChunks } = this.services;
    const absorbed = encoded.reduce((rows, { node }) => rows + node.absorbed.length, 0);
    const words = encoded.length * WORDS_PER_NODE_MAX + absorbed * WORDS_PER_ABSORBED_ROW;
    return Effect.gen(function* () {
      let room = journal.room(words, encoded.length, true);
      for (; room === "writing"; room = journal.room(words, encoded.length, true)) yield* self.waitForNews;
      if (room === "full") reached("checkpoint for want of journal space");
      else if (self.room.due) reached("checkpoint while there is room for it");
      else if (++self.chunks % checkpointChunks !== 0) return;
      yield* self.beginCheckpoint;
    });
  }

  private get beginCheckpoint(): Effect.Effect<void, PoolFailed> {
    const self = this;
    const { journal, trees, writePoint } = this.services;
    return Effect.gen(function* () {
      while (!journal.beginEntry()) yield* self.waitForNews;
      self.checkpoint = new Checkpoint(journal.gathering.sequence);
      writePoint.pressed = true;
      trees.checkpointPin = trees.oldestPin(journal.gathering.sequence);
    });
  }

  /** Writes what is left for a checkpoint, if one was begun, and lets the roots change; returns how many it wrote. */
  private completeCheckpoint(): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { trees, journal, io, supervisor, writePoint, buckets } = this.services;
    return Effect.gen(function* () {
      const { checkpoint } = self;
      if (checkpoint === undefined) return 0;
      if (buckets.scarce) yield* self.addSparse(checkpoint);
      const written = yield* self.writeAll(checkpoint);
      // No entry will vouch for these nodes: they are durable before any names them.
      yield* io.flush;
      if (supervisor.failure !== undefined) return yield* Effect.fail(supervisor.failure);
      reached("checkpoint completed");
      for (const [table, root] of checkpoint.roots) trees.tree(table).diskRoot = root;
      journal.gathering.rootsMoved = true;
      const { sequence } = journal.gathering;
      for (const record of checkpoint.superseded) self.account(record, -record.lengthBytes, sequence);
      trees.checkpointPin = Number.POSITIVE_INFINITY;
      writePoint.pressed = false;
      self.checkpoint = undefined;
      return written;
    });
  }

  /** Writes all that the roots wait for; returns how many nodes that were. */
  private writeAll(checkpoint: Checkpoint): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const next = (): Array<Node> => checkpoint.batch(this.services.trees, this.room.chunkNodesMax);
    return Effect.gen(function* () {
      let written = 0;
      for (;;) {
        const count = yield* self.writeChosen(next);
        const [left] = count > 0 ? [] : next();
        if (left !== undefined) return yield* Effect.fail(self.unwritable(left));
        if (count === 0) return written;
        written += count;
      }
    });
  }

  /** Adds what is worth being moved out of the emptiest buckets. What cannot be read stays where it is. */
  private addSparse(checkpoint: Checkpoint): Effect.Effect<void> {
    const self = this;
    const { room } = this;
    const { trees } = this.services;
    return Effect.gen(function* () {
      for (const nodes of room.sparse(room.weightOf(checkpoint.waiting(trees))).emptied) {
        reached("sparse bucket emptied in a checkpoint");
        for (const node of nodes) {
          // Another may have taken its rows meanwhile, and its records.
          if (node.resident || node.pointer !== undefined) yield* Effect.ignore(self.services.load(node));
          if (!trees.has(node)) continue;
          node.needsImage = true;
          // It stays in memory until it is written.
          trees.dirty.add(node, checkpoint.sequence);
          checkpoint.moving.add(node);
        }
      }
    });
  }

  private unwritable(node: Node): PoolFailed {
    const failure = new PoolFailed(`a btree node of table ${node.table} can never be written`);
    this.services.supervisor.freeze(failure.detail);
    return failure;
  }

  private encode(nodes: ReadonlyArray<Node>): Array<EncodedNode> {
    const { trees, journal, uuid } = this.services;
    const encoded: Array<EncodedNode> = [];
    let pin = Number.POSITIVE_INFINITY;
    for (const node of nodes) {
      node.flushingPin = node.pin;
      pin = Math.min(pin, node.pin);
      trees.dirty.remove(node);
      node.flushing = true;
      const { bytes, image } = encodeNode(node, uuid, journal.gathering.sequence);
      encoded.push({ node, bytes, checksum: viewOf(bytes).getBigUint64(0, true), image });
    }
    trees.flushingPin = pin;
    return encoded;
  }

  private restore(encoded: ReadonlyArray<EncodedNode>): void {
    reached("node write failed");
    const { trees } = this.services;
    for (const { node } of encoded) {
      node.flushing = false;
      node.needsImage = true;
      if (node.flushingPin !== Number.POSITIVE_INFINITY) trees.dirty.add(node, node.flushingPin);
      node.flushingPin = Number.POSITIVE_INFINITY;
    }
    trees.flushingPin = Number.POSITIVE_INFINITY;
  }

  private commit(encoded: ReadonlyArray<EncodedNode>, placements: ReadonlyArray<Placement>): void {
    const { trees, journal } = this.services;
    const { sequence } = journal.gathering;
    encoded.forEach(({ node, bytes, checksum, image }, index) => {
      const { device, addressBytes, generation } = placements[index]!;
      const record: NodeRecord = { device, addressBytes, lengthBytes: bytes.length, generation, checksum };
      if (this.checkpoint === undefined) {
        const whole = checksumOf(bytes, 0, bytes.length);
        journal.gathering.refs.push({ device, addressBytes, lengthBytes: bytes.length, checksum: whole });
      }
      this.account(record, bytes.length, sequence);
      this.services.buckets.unhold(this.bucketOf(record), sequence);
      const before = node.pointer;
      if (image && before !== undefined) this.forget(before, sequence);
      node.pointer = image || before === undefined ? { records: [record] } : { records: [...before.records, record] };
      this.tellParent(node, sequence);
      node.flushing = false;
      node.flushingPin = Number.POSITIVE_INFINITY;
      node.moved = false;
      this.nodesWritten++;
      if (image) this.imagesWritten++;
    });
    trees.flushingPin = Number.POSITIVE_INFINITY;
  }

  /** The parent's row for a node has changed, or the place of the root. */
  private tellParent(node: Node, sequence: number): void {
    const { trees, journal } = this.services;
    const { checkpoint } = this;
    const { table, level, parent } = node;
    const pointer = node.pointer!;
    checkpoint?.written(node);
    if (parent === undefined) {
      if (node.absorbed.length > 0) throw new Error("a root has absorbed rows");
      const root = { level, pointer };
      if (checkpoint !== undefined) checkpoint.roots.set(table, root);
      else {
        trees.tree(table).diskRoot = root;
        journal.gathering.rootsMoved = true;
      }
      return;
    }
    for (const row of node.absorbed) this.forget(row.pointer, sequence);
    if (checkpoint !== undefined) checkpoint.stale.add(parent);
    else this.journalPointer(node, pointer);
    node.absorbed = [];
    trees.dirty.add(parent, sequence);
  }

  private journalPointer(
    { table, level, lowInode, lowOffset, lowSnapshot, absorbed }: Node,
    pointer: NodePointer,
  ): void {
    const { updates } = this.services.journal.gathering;
    for (const { inode, offset, snapshot } of absorbed) {
      // A node that begins where the merged-away one did takes its row over.
      const same = inode === lowInode && offset === lowOffset && snapshot === lowSnapshot;
      if (!same) updates.remove(table, level + 1, inode, offset, snapshot);
    }
    const { words, lengthBytes } = pointerWords(pointer);
    updates.put(table, level + 1, lowInode, lowOffset, lowSnapshot, words, 0, lengthBytes);
  }

  private bucketOf(record: NodeRecord): BucketAddress {
    const { layout } = this.services.io.member(record.device);
    return { device: record.device, bucket: layout.bucketOf(record.addressBytes) };
  }

  private account(record: NodeRecord, bytes: number, sequence: number): void {
    this.services.buckets.addLive(this.bucketOf(record), bytes, sequence);
  }

  /** No node refers to these records any more, nor does the journal; in a checkpoint, as soon as the roots change. */
  private forget({ records }: NodePointer, sequence: number): void {
    if (this.checkpoint !== undefined) this.checkpoint.superseded.push(...records);
    else for (const record of records) this.account(record, -record.lengthBytes, sequence);
  }

  /** The journal may have room again. */
  retryWaiting(): void {
    const waiters = this.newsWaiters;
    this.newsWaiters = [];
    for (const wake of waiters) wake();
  }

  /** Waits until the journal has written something; fails with the pool, whose journal writes no more. */
  private readonly waitForNews: Effect.Effect<void, PoolFailed> = Effect.suspend(() => {
    const { supervisor } = this.services;
    const failed = Effect.suspend(() =>
      supervisor.failure === undefined ? Effect.void : Effect.fail(supervisor.failure),
    );
    const news = Effect.callback<void>((resume) => {
      this.newsWaiters.push(() => resume(Effect.void));
    });
    return Effect.andThen(Effect.andThen(failed, news), failed);
  });
}
