/**
 * What it takes on disk to write nodes anew, and with them all nodes above, which name them; pure.
 *
 * A guess that is rather too high: nodes may be compressed, and a leaf may be written as a delta. What changes in memory
 * while the nodes are written is not in it.
 */
import { NODE_HEAD_BYTES } from "../format/node.ts";
import { PointerHeader, PointerRecord } from "../format/pointer.ts";
import { rowBytes } from "./leaf.ts";
import type { Node } from "./node.ts";

export class Weight {
  private readonly counted: Set<Node> = new Set();
  private readonly levels: Array<number> = [];
  private recordBytes = 0;
  private readonly blockBytes: number;
  private readonly chunkNodesMax: number;
  private readonly whole: ReadonlySet<Node> | undefined;

  /**
   * Nodes are written in chunks of one level and of at most so many, each of which ends on a block. Of all but these, if
   * any are given, no more than the new place of one below is written.
   */
  constructor(blockBytes: number, chunkNodesMax: number, whole?: ReadonlySet<Node>) {
    this.blockBytes = blockBytes;
    this.chunkNodesMax = chunkNodesMax;
    this.whole = whole;
  }

  get bytes(): number {
    const { blockBytes, chunkNodesMax } = this;
    return this.levels.reduce((sum, count) => sum + Math.ceil(count / chunkNodesMax) * blockBytes, this.recordBytes);
  }

  /** Counts these nodes and those above them; returns the ones that were not counted before. */
  add(nodes: Iterable<Node>): Array<Node> {
    const added: Array<Node> = [];
    for (const node of nodes) {
      for (let at: Node | undefined = node; at !== undefined && !this.counted.has(at); at = at.parent) {
        this.counted.add(at);
        added.push(at);
        this.count(at, 1);
      }
    }
    return added;
  }

  /** Takes nodes off again that were just added. */
  remove(added: ReadonlyArray<Node>): void {
    for (const node of added) {
      this.counted.delete(node);
      this.count(node, -1);
    }
  }

  private count(node: Node, times: 1 | -1): void {
    this.levels[node.level] = (this.levels[node.level] ?? 0) + times;
    const whole = this.whole === undefined || this.whole.has(node);
    this.recordBytes += times * (whole ? weightOf(node) : DELTA_BYTES);
  }
}

/** Of a row's key, snapshot and length: on disk they are differences, and rarely more. */
const KEY_BYTES = 12;
/** A record with one new place. */
const DELTA_BYTES = NODE_HEAD_BYTES + KEY_BYTES + PointerHeader.bytes + PointerRecord.bytes;

function weightOf({ pointer, leaf, interior }: Node): number {
  if (interior !== undefined) {
    return interior.kids.reduce((sum, kid) => sum + KEY_BYTES + placeBytes(kid), NODE_HEAD_BYTES);
  }
  const written = pointer?.records.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) ?? 0;
  if (leaf === undefined) return written;
  const plain = leaf.liveBytes - leaf.n * (rowBytes(0) - KEY_BYTES);
  const more = pointer === undefined ? plain : written + leaf.bytesSinceSeal;
  return NODE_HEAD_BYTES + Math.min(plain, more);
}

/** Of the value of a row that points to the node, once that is written. */
function placeBytes({ pointer, needsImage, dirty }: Node): number {
  const delta = dirty && !needsImage ? 1 : 0;
  return PointerHeader.bytes + Math.max(1, (pointer?.records.length ?? 0) + delta) * PointerRecord.bytes;
}
