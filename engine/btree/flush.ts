/**
 * Which nodes to write, and as what; pure.
 *
 * A batch takes the nodes with the oldest pins, each with all that must be written together with it. A leaf is written
 * as a delta of its rows since the last write, as long as the chain of deltas is short and small; else whole. Interior
 * nodes are always written whole: they are few, and only written when the journal needs their tail.
 */
import { encodeNodeDelta, encodeNodeImage } from "../format/node.ts";
import { encodePointer, type NodePointer, pointerBytes } from "../format/pointer.ts";
import { reached } from "../marks.ts";
import { Leaf } from "./leaf.ts";
import type { Node } from "./node.ts";
import type { Trees } from "./trees.ts";

/** Records of one node: a base and its deltas. */
export const RECORDS_MAX = 4;
/** Beyond this much in deltas a whole image is cheaper to load. */
const DELTA_BYTES_MAX = 16 * 1024;

export interface EncodedNode {
  readonly node: Node;
  readonly bytes: Uint8Array;
  readonly checksum: bigint;
  readonly image: boolean;
}

/** Nodes with updates older than `beforeSequence`, about so many of them, lowest level first. */
export function nodesToFlush(trees: Trees, beforeSequence: number, nodesMax: number): Array<Node> {
  const chosen = new Set<Node>();
  for (const node of trees.dirty) {
    if (node.pin >= beforeSequence || chosen.size >= nodesMax) break;
    addWithGroup(trees, node, chosen);
  }
  return [...chosen].sort((a, b) => a.level - b.level);
}

/** Adds a node, its group, and what an interior node needs written before it can be. */
export function addWithGroup(trees: Trees, node: Node, chosen: Set<Node>): void {
  if (chosen.has(node)) return;
  for (const member of trees.tree(node.table).flushGroup(node)) {
    if (chosen.has(member)) continue;
    chosen.add(member);
    // On disk the first child covers everything from the node's low key on, so it must be there.
    const first = member.interior?.kids[0];
    if (first === undefined || first.pointer !== undefined) continue;
    if (first.level === 0) trees.tree(first.table).materialise(first);
    addWithGroup(trees, first, chosen);
  }
}

/** Does its next record hold no more than what has changed? */
export function writesDelta(node: Node): boolean {
  if (node.level > 0 || node.needsImage || node.pointer === undefined) return false;
  const { records } = node.pointer;
  if (records.length >= RECORDS_MAX) return false;
  let deltas = node.leaf!.bytesSinceSeal;
  for (const record of records.slice(1)) deltas += record.lengthBytes;
  return deltas <= DELTA_BYTES_MAX;
}

/** Scratch for pointer values: rows of interior nodes are built word by word. */
const scratch = new ArrayBuffer(4096);
const scratchView = new DataView(scratch);
const scratchWords = new Int32Array(scratch);

/** The value of a row that points to a node, as words. Valid until the next call. */
export function pointerWords(pointer: NodePointer): { readonly words: Int32Array; readonly lengthBytes: number } {
  const lengthBytes = pointerBytes(pointer);
  scratchWords.fill(0, 0, (lengthBytes + 3) >> 2);
  encodePointer(scratchView, 0, pointer);
  return { words: scratchWords, lengthBytes };
}

/** The rows of an interior node as they stand on disk: written children, and those merged away but not yet gone. */
function interiorRows(node: Node): Leaf {
  const rows = new Leaf();
  const put = (inode: number, offset: number, snapshot: number, pointer: NodePointer): void => {
    const { words, lengthBytes } = pointerWords(pointer);
    rows.put(inode, offset, snapshot, words, 0, lengthBytes);
  };
  for (const kid of node.interior!.kids) {
    if (kid.pointer !== undefined) put(kid.lowInode, kid.lowOffset, kid.lowSnapshot, kid.pointer);
    for (const row of kid.absorbed) put(row.inode, row.offset, row.snapshot, row.pointer);
  }
  return rows;
}

/**
 * Encodes a node as it stands and marks its updates as being written. Rows that are changed from now on belong to the
 * next write.
 */
export function encodeNode(node: Node, uuid: Uint8Array, sequence: number): { bytes: Uint8Array; image: boolean } {
  const head = {
    table: node.table,
    level: node.level,
    low: { inode: node.lowInode, offset: node.lowOffset, snapshot: node.lowSnapshot },
  };
  if (node.level > 0) {
    const rows = interiorRows(node);
    const bytes = encodeNodeImage(rows, head, uuid, sequence);
    rows.free();
    node.needsImage = false;
    return { bytes, image: true };
  }
  if (writesDelta(node)) {
    reached("node written as a delta");
    const bytes = encodeNodeDelta(node.leaf!, head, uuid, sequence);
    node.leaf!.seal();
    return { bytes, image: false };
  }
  const tidy = node.leaf!.slice(0, node.leaf!.n);
  node.leaf!.free();
  node.leaf = tidy;
  const bytes = encodeNodeImage(tidy, head, uuid, sequence);
  tidy.seal();
  node.needsImage = false;
  return { bytes, image: true };
}
