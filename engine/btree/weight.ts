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
import { type Node, recordsOf } from "./node.ts";

/** What a node takes, and what of it comes free again. */
interface Counted {
  readonly bytes: number;
  readonly supersededBytes: number;
}

/** Nodes that were counted, each with what it counted for before. */
type Added = ReadonlyArray<readonly [node: Node, before: Counted | undefined]>;

export class Weight {
  private readonly counted: Map<Node, Counted> = new Map();
  private readonly levels: Array<number> = [];
  private recordBytes = 0;
  private squareBytes = 0;
  private supersededBytes = 0;
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

  /** Bytes that more is taken in the end, since records that are written anew whole come free. */
  get growthBytes(): number {
    return this.bytes - this.supersededBytes;
  }

  /** Bytes that are likely to be left at the end of a bucket, into which the next record does not fit: half of one. */
  get lostBytes(): number {
    return this.recordBytes === 0 ? 0 : this.squareBytes / this.recordBytes / 2;
  }

  /** Counts these nodes and those above them; `moved`: they are written whole, whatever little has changed. */
  add(nodes: Iterable<Node>, moved = false): Added {
    const added: Array<readonly [Node, Counted | undefined]> = [];
    for (const node of nodes) {
      for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
        const before = this.counted.get(at);
        const anew = moved && at === node;
        if (before !== undefined && !anew) break;
        added.push([at, before]);
        this.set(at, this.count(at, anew));
        if (before !== undefined) break;
      }
    }
    return added;
  }

  /** Takes off again what was just added. */
  remove(added: Added): void {
    for (const [node, before] of added.toReversed()) this.set(node, before);
  }

  private count(node: Node, anew: boolean): Counted {
    if (this.whole?.has(node) === false) return { bytes: PLACE_BYTES, supersededBytes: 0 };
    if (!anew && node.leaf !== undefined && writesDelta(node))
      return { bytes: nextRecordBytes(node), supersededBytes: 0 };
    const supersededBytes = recordsOf(node).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return { bytes: imageBytes(node), supersededBytes };
  }

  private set(node: Node, counted: Counted | undefined): void {
    const before = this.counted.get(node);
    this.include(node, before, -1);
    this.include(node, counted, 1);
    if (counted === undefined) this.counted.delete(node);
    else this.counted.set(node, counted);
  }

  private include({ level }: Node, counted: Counted | undefined, sign: number): void {
    if (counted === undefined) return;
    const { bytes, supersededBytes } = counted;
    this.recordBytes += sign * bytes;
    this.squareBytes += sign * bytes * bytes;
    this.supersededBytes += sign * supersededBytes;
    this.levels[level] = (this.levels[level] ?? 0) + sign;
  }
}

/** Of the record that is written next, of what has changed if that is enough. */
export function nextRecordBytes(node: Node): number {
  const { leaf } = node;
  return leaf === undefined || !writesDelta(node) ? imageBytes(node) : NODE_HEAD_BYTES + leaf.bytesSinceSeal;
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
