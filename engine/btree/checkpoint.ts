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
import { addWithGroup, nodesToFlush } from "./flush.ts";
import type { Node } from "./node.ts";
import type { DiskRoot } from "./tree.ts";
import type { Trees } from "./trees.ts";

export class Checkpoint {
  /** The entry that was begun: no node with a pin before it is left when the roots change. */
  readonly sequence: number;
  /** Nodes whose record does not name what was written of their children. */
  readonly stale: Set<Node> = new Set();
  /** What comes free once the roots have changed. */
  readonly superseded: Array<NodeRecord> = [];
  /** Where the root of each table is then, for those that were written. */
  readonly roots: Map<number, DiskRoot> = new Map();

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** The nodes to write next, about so many, the lowest level first; none: the roots can change. */
  batch(trees: Trees, nodesMax: number): Array<Node> {
    const pinned = nodesToFlush(trees, this.sequence, nodesMax);
    if (pinned.length > 0) return pinned;
    // A node is written once all of its children are.
    let level = Number.POSITIVE_INFINITY;
    for (const node of this.stale) level = Math.min(level, node.level);
    const chosen = new Set<Node>();
    for (const node of this.stale) {
      if (chosen.size >= nodesMax) break;
      if (node.level === level) addWithGroup(trees, node, chosen);
    }
    return [...chosen].sort((a, b) => a.level - b.level);
  }
}
