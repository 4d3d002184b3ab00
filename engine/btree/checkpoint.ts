/**
 * A checkpoint: every node that has unwritten updates is written, and the journal learns of it by nothing but the places
 * of the roots; pure.
 *
 * Writing a node takes room in the journal, for its place is a row of its parent. Where there is too little of it left,
 * nodes are written without: their parents are written behind them, up to the roots, and only then, in one entry, do the
 * roots change and does what they replaced come free. Until that entry is durable a recovery finds the tree as it was
 * and replays all that it needs; behind it, it must replay nothing older, for rows of places that were journalled before
 * would lead it to nodes which are gone. So a checkpoint begins an entry, and no node keeps a pin before that.
 */
import type { NodeRecord } from "../format/pointer.ts";
import { addWithGroup } from "./flush.ts";
import type { Node } from "./node.ts";
import type { DiskRoot } from "./tree.ts";
import type { Trees } from "./trees.ts";

export class Checkpoint {
  /** The entry that was begun: no node with a pin before it is left when the roots change. */
  readonly sequence: number;
  /** Nodes whose record does not name what was written of their children. */
  readonly stale: Set<Node> = new Set();
  /** Nodes that are written only to empty the buckets in which they are. */
  readonly moving: Set<Node> = new Set();
  /** What comes free once the roots have changed. */
  readonly superseded: Array<NodeRecord> = [];
  /** Where the root of each table is then, for those that were written. */
  readonly roots: Map<number, DiskRoot> = new Map();

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** The nodes to write next, about so many, all of the lowest level that is left; none: the roots can change. */
  batch(trees: Trees, nodesMax: number): Array<Node> {
    // A node is written once all below it are: whatever changes there, that is once.
    let level = Number.POSITIVE_INFINITY;
    for (const node of this.waiting(trees)) {
      level = Math.min(level, node.level);
      if (level === 0) break;
    }
    const chosen = new Set<Node>();
    for (const node of this.waiting(trees)) {
      if (chosen.size >= nodesMax) break;
      if (node.level === level) addWithGroup(trees, node, chosen);
    }
    return [...chosen].sort((a, b) => a.level - b.level);
  }

  /** All that is still to be written. */
  *waiting(trees: Trees): Generator<Node> {
    for (const node of trees.dirty) {
      if (node.pin >= this.sequence) break;
      yield node;
    }
    yield* this.stale;
    // One that was merged is nowhere.
    for (const node of this.moving) if (trees.has(node)) yield node;
  }

  /** The node has been written. */
  written(node: Node): void {
    this.stale.delete(node);
    this.moving.delete(node);
  }
}
