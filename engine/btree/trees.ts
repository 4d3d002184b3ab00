/**
 * All trees of a pool and what they share: the list of unwritten nodes and the budget of resident leaves.
 *
 * Owns every node in memory. Evicts clean leaves by a clock hand when more are resident than the budget allows; what
 * is dirty, being written or never written stays. Pure: loading and writing are done by others.
 */
import type { EntryRoot } from "../format/journal-entry.ts";
import { TABLE_COUNT } from "../format/tables.ts";
import { reached } from "../marks.ts";
import { DirtyList, type Node, recordsOf } from "./node.ts";
import { type Residency, Tree, type TreeLimits } from "./tree.ts";

/** Nodes that are written at once. */
export const BATCH_NODES_MAX = 64;

export class Trees implements Residency {
  readonly dirty = new DirtyList();
  readonly all: ReadonlyArray<Tree>;
  /** Lowest pin of the batch that is being written. */
  flushingPin = Number.POSITIVE_INFINITY;
  /** Lowest pin of what a checkpoint writes, until the roots name it. */
  checkpointPin = Number.POSITIVE_INFINITY;
  /** Transactions that need all leaves that are in memory: until they are through none is evicted. */
  evictionHolds = 0;
  /** Bytes of all changes of rows so far. */
  changedBytes = 0;
  private readonly resident: Array<Node> = [];
  private readonly slotOf: Map<Node, number> = new Map();
  private hand = 0;
  /** Leaves kept in memory; may change at any time. */
  leavesMax: number;
  /** Nodes that are written at once, at most. */
  readonly batchNodesMax: number;

  constructor(roots: ReadonlyArray<EntryRoot>, leavesMax: number, limits: TreeLimits) {
    this.leavesMax = leavesMax;
    this.batchNodesMax = limits.batchNodesMax ?? BATCH_NODES_MAX;
    const all: Array<Tree> = [];
    for (let table = 0; table < TABLE_COUNT; table++) {
      const root = roots.find((candidate) => candidate.table === table);
      all.push(new Tree(table, root, this.dirty, this, limits));
    }
    this.all = all;
  }

  /** Bytes of the records that unwritten nodes still have, which come free when these are written. */
  get supersededBytes(): number {
    let bytes = 0;
    for (const node of this.dirty) for (const { lengthBytes } of recordsOf(node)) bytes += lengthBytes;
    return bytes;
  }

  tree(table: number): Tree {
    return this.all[table]!;
  }

  /** Is the node in memory and in its tree, into which it may have been merged? */
  has(node: Node): boolean {
    return node.resident && (node.parent !== undefined || this.tree(node.table).root === node);
  }

  added(node: Node): void {
    this.slotOf.set(node, this.resident.length);
    this.resident.push(node);
  }

  removed(node: Node): void {
    const slot = this.slotOf.get(node)!;
    const last = this.resident.pop()!;
    this.slotOf.delete(node);
    if (last === node) return;
    this.resident[slot] = last;
    this.slotOf.set(last, slot);
  }

  get residentLeaves(): number {
    return this.resident.length;
  }

  get overBudget(): boolean {
    return this.resident.length > this.leavesMax;
  }

  /** Evicts clean leaves until the budget holds or nothing can go; returns whether it holds, or need not for now. */
  evict(): boolean {
    if (this.evictionHolds > 0) return true;
    let looks = this.resident.length * 2;
    while (this.resident.length > this.leavesMax && looks-- > 0) {
      if (this.hand >= this.resident.length) this.hand = 0;
      const node = this.resident[this.hand]!;
      if (node.recent) {
        node.recent = false;
        this.hand++;
      } else if (node.dirty || node.flushing || node.pointer === undefined) this.hand++;
      else {
        reached("leaf evicted");
        this.tree(node.table).evict(node);
      }
    }
    return !this.overBudget;
  }

  /** Sequence of the oldest journal entry with updates that are in no written node. */
  oldestPin(open: number): number {
    return Math.min(this.dirty.oldest?.pin ?? open, this.flushingPin, this.checkpointPin, open);
  }

  roots(): Array<EntryRoot> {
    const roots: Array<EntryRoot> = [];
    for (const { table, diskRoot } of this.all) if (diskRoot !== undefined) roots.push({ table, ...diskRoot });
    return roots;
  }

  dispose(): void {
    for (const tree of this.all) tree.dispose();
    this.resident.length = 0;
    this.slotOf.clear();
  }
}
