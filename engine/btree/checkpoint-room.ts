/**
 * Room for checkpoints: whether the free buckets hold all that is to be written of nodes, were it written at once.
 *
 * A checkpoint takes the least there is, and must never find too little: what it was begun for could not be written ever
 * after.
 */
import type { Buckets } from "../allocator/buckets.ts";
import type { WritePoint } from "../allocator/write-point.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { NODE_BYTES_MAX } from "../format/node.ts";
import type { Node } from "./node.ts";
import { BATCH_NODES_MAX, type Trees } from "./trees.ts";
import { Weight } from "./weight.ts";

/** Room that there must be for each byte that is thought to be written. */
const MARGIN = 1.2;

/** Nodes are counted again when there are so many more of them. */
const MORE_SHARE = 1 / 8;

export interface CheckpointRoomServices {
  readonly trees: Trees;
  readonly io: BucketIo;
  readonly buckets: Buckets;
  readonly writePoint: WritePoint;
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

  /** Bytes that copying the nodes takes, with what those above must learn. */
  copyBytes(nodes: ReadonlySet<Node>): number {
    const weight = new Weight(this.blockBytes, this.chunkNodesMax, nodes);
    weight.add(nodes);
    return weight.bytes;
  }

  /** Bytes in the open bucket and in as few others as it takes for so much, as long as any are free. */
  roomFor(weight: Weight): number {
    const { writePoint, buckets } = this.services;
    const { freeCount, bucketUsableBytes } = buckets;
    const missing = Math.ceil(Math.max(0, weight.bytes * MARGIN - writePoint.openBytes) / bucketUsableBytes);
    return writePoint.openBytes + Math.min(freeCount, missing) * bucketUsableBytes;
  }

  fits(weight: Weight, roomBytes = this.freeBytes): boolean {
    return weight.bytes * MARGIN <= roomBytes;
  }

  /** All that is to be written fits now, and may not once another bucket is taken. */
  get runsOut(): boolean {
    const { trees, buckets } = this.services;
    const { count } = trees.dirty;
    const laterBytes = this.freeBytes - buckets.bucketUsableBytes;
    if (count * NODE_BYTES_MAX <= laterBytes) return false;
    // Counting takes its time.
    if (buckets.freeCount === this.seenFree && count <= this.seenNodes * (1 + MORE_SHARE)) return false;
    this.seenFree = buckets.freeCount;
    this.seenNodes = count;
    const weight = this.weightOf(trees.dirty);
    return !this.fits(weight, laterBytes) && this.fits(weight);
  }

  private get freeBytes(): number {
    const { writePoint, buckets } = this.services;
    return writePoint.openBytes + buckets.freeCount * buckets.bucketUsableBytes;
  }

  private get blockBytes(): number {
    return this.services.io.members[0]!.layout.roundUp(1);
  }
}
