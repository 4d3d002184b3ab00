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
import { reached } from "../marks.ts";
import { type Node, recordsOf } from "./node.ts";
import { BATCH_NODES_MAX, type Trees } from "./trees.ts";
import { Weight, nextRecordBytes } from "./weight.ts";

/** Room that there must be for each byte that is thought to be written. */
const MARGIN = 1.2;

const NONE: ReadonlySet<Node> = new Set();

export interface CheckpointRoomServices {
  readonly trees: Trees;
  readonly io: BucketIo;
  readonly buckets: Buckets;
  readonly writePoint: WritePoint;
  /** All nodes that are still to be written, whether or not a checkpoint was begun. */
  readonly unwritten: () => Iterable<Node>;
}

/** What all nodes that are still to be written take, as it was when they were counted. */
interface Census {
  readonly bytes: number;
  readonly growthBytes: number;
  readonly lostBytes: number;
  /** What had changed so far. */
  readonly additions: number;
  readonly changedBytes: number;
  readonly nodeWrites: number;
}

const NOTHING_COUNTED: Census = {
  bytes: 0,
  growthBytes: 0,
  lostBytes: 0,
  additions: 0,
  changedBytes: 0,
  nodeWrites: 0,
};

/** Buckets that a checkpoint can empty. */
export interface SparseBuckets {
  /** What is in each. */
  readonly emptied: ReadonlyArray<ReadonlySet<Node>>;
  /** How many more buckets are free in the end than if they were not emptied. */
  readonly gain: number;
}

export class CheckpointRoom {
  private readonly services: CheckpointRoomServices;
  private inFlightBytes = 0;
  private nodeWrites = 0;
  private census = NOTHING_COUNTED;

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

  /** The first of these nodes, of which no more are written at once than take one bucket more. */
  chunkOf(nodes: ReadonlyArray<Node>): ReadonlyArray<Node> {
    const { bucketUsableBytes } = this.services.buckets;
    let count = 0;
    for (let bytes = 0; count < Math.min(nodes.length, this.chunkNodesMax); count++) {
      bytes += nextRecordBytes(nodes[count]!);
      if (count > 0 && bytes > bucketUsableBytes) {
        reached("chunk of nodes cut to a bucket");
        break;
      }
    }
    return nodes.slice(0, count);
  }

  /** Nodes of so many bytes are being written: they are on disk when none are. */
  inFlight(bytes: number): void {
    this.inFlightBytes = bytes;
    this.nodeWrites++;
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
    const { bytes, lostBytes } = weight;
    const moreBytes = bytes * MARGIN - Math.max(0, writePoint.openBytes - lostBytes);
    return Math.ceil(Math.max(0, moreBytes) / (buckets.bucketUsableBytes - lostBytes));
  }

  private fits({ bytes, lostBytes }: Pick<Weight, "bytes" | "lostBytes">, bucketsLeft = 0): boolean {
    const { writePoint, buckets } = this.services;
    const takeable = buckets.freeCount - bucketsLeft;
    const roomBytes =
      Math.max(0, writePoint.openBytes - lostBytes) + takeable * (buckets.bucketUsableBytes - lostBytes);
    return takeable >= 0 && bytes * MARGIN <= roomBytes;
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

  /** Is a checkpoint to be begun? All that is to be written fits now, and it may not once another bucket is taken. */
  get due(): boolean {
    return !this.leaves(1) && this.leaves(0);
  }

  /** Are so many buckets left free, were all nodes written that are still to be? */
  leaves(bucketCount: number): boolean {
    const { bytesMore } = this;
    const { bytes, lostBytes } = this.census;
    if (this.fits({ bytes: bytes + bytesMore, lostBytes }, bucketCount)) return true;
    // Counting takes its time.
    return this.fits(this.counted, bucketCount);
  }

  /** Bytes that more is taken once all nodes are written, and what it is at most, which takes no time to say. */
  get growthBytes(): number {
    return this.counted.growthBytes;
  }

  get growthBytesMost(): number {
    return this.census.growthBytes + this.bytesMore;
  }

  /** Bytes that nodes may take beside those that were counted. */
  private get bytesMore(): number {
    const { trees } = this.services;
    const nodes = trees.dirty.additions - this.census.additions;
    return nodes * (NODE_BYTES_MAX + this.blockBytes) + trees.changedBytes - this.census.changedBytes;
  }

  private get counted(): Census {
    const { trees, unwritten } = this.services;
    const { nodeWrites, inFlightBytes } = this;
    if (this.bytesMore > 0 || nodeWrites !== this.census.nodeWrites) {
      const { bytes, growthBytes, lostBytes } = this.weightOf(unwritten());
      const { changedBytes } = trees;
      const { additions } = trees.dirty;
      this.census = { bytes: bytes + inFlightBytes, growthBytes, lostBytes, additions, changedBytes, nodeWrites };
    }
    return this.census;
  }

  private get blockBytes(): number {
    return this.services.io.members[0]!.layout.roundUp(1);
  }
}
