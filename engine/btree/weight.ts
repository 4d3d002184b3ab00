/**
 * What it takes on disk to write nodes anew, and with them all nodes above, which name them; pure.
 *
 * A guess that is rather too high: nodes may be compressed. What changes in memory while the nodes are written is not in
 * it.
 */
import { NODE_HEAD_BYTES } from "../format/node.ts";
import { PointerHeader, PointerRecord } from "../format/pointer.ts";
import { writesDelta } from "./flush.ts";
import { rowBytes } from "./leaf.ts";
import type { Node } from "./node.ts";

/** Nodes that were counted, each with what it counted for before. */
type Added = ReadonlyArray<readonly [node: Node, before: number | undefined]>;

export class Weight {
  private readonly counted: Map<Node, number> = new Map();
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

  /** Counts these nodes and those above them; `moved`: they are written whole, whatever little has changed. */
  add(nodes: Iterable<Node>, moved = false): Added {
    const added: Array<readonly [Node, number | undefined]> = [];
    for (const node of nodes) {
      for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
        const before = this.counted.get(at);
        const anew = moved && at === node;
        if (before !== undefined && !anew) break;
        added.push([at, before]);
        this.set(at, this.weightOf(at, anew));
        if (before !== undefined) break;
      }
    }
    return added;
  }

  /** Takes off again what was just added. */
  remove(added: Added): void {
    for (const [node, before] of added.toReversed()) this.set(node, before);
  }

  private weightOf(node: Node, anew: boolean): number {
    if (this.whole?.has(node) === false) return PLACE_BYTES;
    const { leaf } = node;
    if (anew || leaf === undefined || !writesDelta(node)) return imageBytes(node);
    return NODE_HEAD_BYTES + leaf.bytesSinceSeal;
  }

  private set(node: Node, bytes: number | undefined): void {
    const before = this.counted.get(node);
    this.recordBytes += (bytes ?? 0) - (before ?? 0);
    const more = (bytes === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    this.levels[node.level] = (this.levels[node.level] ?? 0) + more;
    if (bytes === undefined) this.counted.delete(node);
    else this.counted.set(node, bytes);
  }
}

/** Of a row's key, snapshot and length: on disk they are differences, and rarely more. */
const KEY_BYTES = 12;
/** A record with one new place. */
const PLACE_BYTES = NODE_HEAD_BYTES + KEY_BYTES + PointerHeader.bytes + PointerRecord.bytes;

function imageBytes({ pointer, leaf, interior }: Node): number {
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
