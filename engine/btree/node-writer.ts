/**
 * Writes nodes: encodes a batch, appends the records at a new place, and commits the pointer changes to the journal.
 *
 * One batch at a time. Levels are written from the leaves up, each committed before the next is encoded, so that a
 * parent's record never names a child that is not written. A pointer change is journalled like any other update, under
 * the level of the parent; only the root's place goes into the roots of the entry. Old records stay until the entry
 * that replaced them is known to be durable. If the write fails, the nodes are dirty again as if nothing had been tried.
 */
import * as Effect from "effect/Effect";
import * as Semaphore from "effect/Semaphore";
import { PoolFailed, type Supervisor } from "../actor.ts";
import type { BucketAddress, Buckets } from "../allocator/buckets.ts";
import type { AppendError, Placement, WritePoint } from "../allocator/write-point.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { checksumOf, viewOf } from "../format/codec.ts";
import type { NodePointer, NodeRecord } from "../format/pointer.ts";
import type { Journal } from "../journal/journal-actor.ts";
import { reached } from "../marks.ts";
import { type EncodedNode, addWithGroup, encodeNode, nodesToFlush, pointerWords } from "./flush.ts";
import type { Node } from "./node.ts";
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
}

export class NodeWriter {
  nodesWritten = 0;
  imagesWritten = 0;
  private readonly services: NodeWriterServices;
  private readonly one = Semaphore.makeUnsafe(1);
  private target = 0;
  private running = false;
  private relieving = false;
  private roomWaiters: Array<() => void> = [];

  constructor(services: NodeWriterServices) {
    this.services = services;
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
    const { trees, supervisor } = this.services;
    return this.one.withPermits(1)(
      Effect.suspend(() => {
        const { oldest } = trees.dirty;
        const chosen = this.batch(() => nodesToFlush(trees, beforeSequence));
        return Effect.flatMap(chosen, (written) => {
          if (written > 0 || oldest === undefined || trees.dirty.oldest !== oldest) return Effect.void;
          // Whoever had its turn before may have written all that was asked for.
          if (oldest.pin >= beforeSequence) return Effect.void;
          const failure = new PoolFailed(`a btree node of table ${oldest.table} can never be written`);
          supervisor.freeze(failure.detail);
          return Effect.fail(failure);
        });
      }),
    );
  }

  /** Writes the oldest nodes, so that leaves can be evicted. */
  get flushSome(): Effect.Effect<void, AppendError | PoolFailed> {
    return this.writeOldest(Number.POSITIVE_INFINITY);
  }

  /** Too many leaves are resident: writes some, so that they can be evicted. */
  relievePressure(): void {
    if (this.relieving) return;
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

  /** Writes every node that has a record in the bucket anew, elsewhere. The nodes must be resident or clean. */
  emptyBucket(
    at: BucketAddress,
    load: (node: Node) => Effect.Effect<void, PoolFailed>,
  ): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    const { trees, io } = this.services;
    const isIn = (record: NodeRecord): boolean =>
      record.device === at.device && io.member(at.device).layout.bucketOf(record.addressBytes) === at.bucket;
    // A node that absorbed another keeps that one's records until it is written itself.
    const stands = (node: Node): boolean =>
      node.pointer?.records.some(isIn) === true || node.absorbed.some(({ pointer }) => pointer.records.some(isIn));
    const found = (): Array<Node> => trees.all.flatMap((tree) => [...tree.nodes()].filter(stands));
    return Effect.gen(function* () {
      let left = found();
      const moved = left.length;
      // All that are in memory go in one batch: written one by one, each would take a block of its own.
      for (let round = 0; left.length > 0 && round < EMPTYING_ROUNDS_MAX; round++) {
        for (const node of left) yield* load(node);
        yield* self.one.withPermits(1)(self.batch(() => self.chosenAnew(found())));
        left = found();
      }
      if (moved > 0) reached("btree bucket collected");
      return moved - left.length;
    });
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

  /** Writes the chosen nodes, the lowest level first; returns how many it wrote. */
  private batch(choose: () => Array<Node>): Effect.Effect<number, AppendError | PoolFailed> {
    const self = this;
    return Effect.gen(function* () {
      const nodes = choose();
      let from = 0;
      let written = 0;
      while (from < nodes.length) {
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
    return Effect.gen(function* () {
      let chunk = yield* self.writeChunk(wanted);
      let written = chunk;
      while (chunk > 0 && wanted.size > 0) {
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
      if (!node.resident || (node.parent === undefined && tree.root !== node)) continue;
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
    const { writePoint, trees } = this.services;
    return Effect.gen(function* () {
      // Choosing and encoding are one step: nothing may be evicted, split or merged in between.
      const chunk = self.inOrder(wanted).slice(0, trees.batchNodesMax);
      if (chunk.length === 0) return 0;
      const encoded = self.encode(chunk);
      const result = yield* Effect.result(writePoint.append(encoded.map(({ bytes }) => bytes)));
      if (result._tag === "Failure") {
        self.restore(encoded);
        return yield* Effect.fail(result.failure);
      }
      const absorbed = encoded.reduce((rows, { node }) => rows + node.absorbed.length, 0);
      const words = encoded.length * WORDS_PER_NODE_MAX + absorbed * WORDS_PER_ABSORBED_ROW;
      while (!self.services.journal.room(words, encoded.length, true)) yield* self.waitForRoom;
      self.commit(encoded, result.success);
      for (const node of chunk) wanted.delete(node);
      return chunk.length;
    });
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
      const whole = checksumOf(bytes, 0, bytes.length);
      journal.gathering.refs.push({ device, addressBytes, lengthBytes: bytes.length, checksum: whole });
      this.account(record, bytes.length, sequence);
      this.services.buckets.unhold(this.bucketOf(record), sequence);
      const before = node.pointer;
      if (image && before !== undefined) this.forget(before, sequence);
      node.pointer = image || before === undefined ? { records: [record] } : { records: [...before.records, record] };
      this.journalPointer(node, sequence);
      node.flushing = false;
      node.flushingPin = Number.POSITIVE_INFINITY;
      node.moved = false;
      this.nodesWritten++;
      if (image) this.imagesWritten++;
    });
    trees.flushingPin = Number.POSITIVE_INFINITY;
  }

  private journalPointer(node: Node, sequence: number): void {
    const { trees, journal } = this.services;
    const { table, level, parent } = node;
    const pointer = node.pointer!;
    if (parent === undefined) {
      trees.tree(table).diskRoot = { level, pointer };
      journal.gathering.rootsMoved = true;
      if (node.absorbed.length > 0) throw new Error("a root has absorbed rows");
      return;
    }
    const { updates } = journal.gathering;
    for (const row of node.absorbed) {
      // A node that begins where the merged-away one did takes its row over.
      const same = row.inode === node.lowInode && row.offset === node.lowOffset && row.snapshot === node.lowSnapshot;
      if (!same) updates.remove(table, level + 1, row.inode, row.offset, row.snapshot);
      this.forget(row.pointer, sequence);
    }
    node.absorbed = [];
    const { words, lengthBytes } = pointerWords(pointer);
    updates.put(table, level + 1, node.lowInode, node.lowOffset, node.lowSnapshot, words, 0, lengthBytes);
    trees.dirty.add(parent, sequence);
  }

  private bucketOf(record: NodeRecord): BucketAddress {
    const { layout } = this.services.io.member(record.device);
    return { device: record.device, bucket: layout.bucketOf(record.addressBytes) };
  }

  private account(record: NodeRecord, bytes: number, sequence: number): void {
    this.services.buckets.addLive(this.bucketOf(record), bytes, sequence);
  }

  private forget(pointer: NodePointer, sequence: number): void {
    for (const record of pointer.records) this.account(record, -record.lengthBytes, sequence);
  }

  /** The journal may have room again. */
  retryWaiting(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const wake of waiters) wake();
  }

  private readonly waitForRoom: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.roomWaiters.push(() => resume(Effect.void));
  });
}
