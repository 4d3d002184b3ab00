/**
 * Room for checkpoints: whether the free buckets hold all that is to be written of nodes, were it written at once, and what
 * of other nodes is worth being written with it.
 *
 * A checkpoint takes the least there is, and must never find too little: what it was begun for could not be written ever
 * after. Since it writes the nodes above once for all below them, it can empty buckets of which a copy of each alone would
 * take as much as it frees.
 */
import type { BucketAddress, Buckets } from "../allocator/buckets.ts";
import type { WritePoint } from "../allocator/write-point.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { NODE_BYTES_MAX } from "../format/node.ts";
import { type Node, recordsOf } from "./node.ts";
import { BATCH_NODES_MAX, type Trees } from "./trees.ts";
import { Weight } from "./weight.ts";

/** Room that there must be for each byte that is thought to be written. */
const MARGIN = 1.2;

/** Nodes are counted again when there are so many more of them. */
const MORE_SHARE = 1 / 8;

const NONE: ReadonlySet<Node> = new Set();

export interface CheckpointRoomServices {
  readonly trees: Trees;
  readonly io: BucketIo;
  readonly buckets: Buckets;
  readonly writePoint: WritePoint;
}

/** Buckets that a checkpoint can empty. */
export interface SparseBuckets {
  /** What is in each. */
  readonly emptied: ReadonlyArray<ReadonlySet<Node>>;
  /** How many more buckets are free in the end than if they were not emptied. */
  readonly gain: number;
}

export class CheckpointRoom {
  private readonly services: CheckpointRoomServices;
  private seenFree = 0;
  private seenNodes = 0;

  constructor(services: CheckpointRoomServices) {
    this.services = services;
  }

  /**
   * Nodes that are written at once. Each chunk ends on a block: where buckets are scarce, a simulation that has nodes written
   * a few at a time takes no more for it.
   */
  get chunkNodesMax(): number {
    const { trees, buckets } = this.services;
    const { batchNodesMax } = trees;
    return buckets.scarce ? Math.max(batchNodesMax, BATCH_NODES_MAX) : batchNodesMax;
  }

  /** Of the nodes and all above them. */
  weightOf(nodes: Iterable<Node>): Weight {
    const weight = new Weight(this.blockBytes, this.chunkNodesMax);
    weight.add(nodes);
    return weight;
  }

  /** Bytes that emptying a bucket takes, with what the nodes above must learn, as nodes stand now. */
  get copyBytes(): (at: BucketAddress) => number {
    const { buckets } = this.services;
    const inBucket = this.nodesByBucket();
    return (at) => {
      const nodes = inBucket.get(buckets.key(at)) ?? NONE;
      const weight = new Weight(this.blockBytes, this.chunkNodesMax, nodes);
      weight.add(nodes, true);
      return weight.bytes;
    };
  }

  /** What is in the emptiest buckets, of as many as there is room for beside what the weight counts, to which it is added. */
  sparse(weight: Weight): SparseBuckets {
    const { buckets } = this.services;
    const inBucket = this.nodesByBucket();
    const takesAnyway = this.bucketsFor(weight);
    const tried = new Set<number>();
    const next = (): BucketAddress | undefined => buckets.sparsest(buckets.bucketUsableBytes / 2, tried);
    const emptied: Array<ReadonlySet<Node>> = [];
    for (let at = next(); at !== undefined; at = next()) {
      tried.add(buckets.key(at));
      const nodes = inBucket.get(buckets.key(at)) ?? NONE;
      const added = weight.add(nodes, true);
      if (nodes.size > 0 && this.fits(weight)) emptied.push(nodes);
      else weight.remove(added);
    }
    return { emptied, gain: emptied.length - (this.bucketsFor(weight) - takesAnyway) };
  }

  /** Buckets that so much takes besides the open one. */
  private bucketsFor(weight: Weight): number {
    const { writePoint, buckets } = this.services;
    return Math.ceil(Math.max(0, weight.bytes * MARGIN - writePoint.openBytes) / buckets.bucketUsableBytes);
  }

  private fits(weight: Weight, roomBytes = this.freeBytes): boolean {
    return weight.bytes * MARGIN <= roomBytes;
  }

  /** Each node under every bucket in which it has a record. All nodes are gone through. */
  private nodesByBucket(): ReadonlyMap<number, ReadonlySet<Node>> {
    const { trees, io, buckets } = this.services;
    const inBucket = new Map<number, Set<Node>>();
    for (const tree of trees.all) {
      for (const node of tree.nodes()) {
        for (const { device, addressBytes } of recordsOf(node)) {
          const key = buckets.key({ device, bucket: io.member(device).layout.bucketOf(addressBytes) });
          const nodes = inBucket.get(key);
          if (nodes === undefined) inBucket.set(key, new Set([node]));
          else nodes.add(node);
        }
      }
    }
    return inBucket;
  }

  /**
   * Is a checkpoint to be begun? All that is to be written fits now, and it may not once another bucket is taken.
   */
  get due(): boolean {
    const { trees, buckets } = this.services;
    const { count } = trees.dirty;
    const laterBytes = this.freeBytes - buckets.bucketUsableBytes;
    if (!buckets.scarce && count * NODE_BYTES_MAX <= laterBytes) return false;
    // Counting takes its time.
    if (buckets.freeCount === this.seenFree && count <= this.seenNodes * (1 + MORE_SHARE)) return false;
    this.seenFree = buckets.freeCount;
    this.seenNodes = count;
    const weight = this.weightOf(trees.dirty);
    return this.fits(weight) && !this.fits(weight, laterBytes);
  }

  private get freeBytes(): number {
    const { writePoint, buckets } = this.services;
    return writePoint.openBytes + buckets.freeCount * buckets.bucketUsableBytes;
  }

  private get blockBytes(): number {
    return this.services.io.members[0]!.layout.roundUp(1);
  }
}
