/**
 * One B+tree over the nodes that are in memory: search, insert, split, merge; pure and synchronous.
 *
 * A search that meets a node which is not resident reports it in `missing` and gives up: the caller has it loaded and
 * searches again. The tree never reads or writes a device and never waits. Nodes that lack room are compacted when a
 * quarter is dead, else split; leaves that run empty are merged with a neighbour. Interior nodes stay resident once
 * loaded; leaves can be evicted when they are clean.
 */
import { Malformed } from "../format/malformed.ts";
import { type NodePointer, samePointer } from "../format/pointer.ts";
import { reached } from "../marks.ts";
import { FRAME_BYTES } from "./frame.ts";
import { Leaf } from "./leaf.ts";
import { type AbsorbedRow, type DirtyList, FAN_MAX, Interior, Node } from "./node.ts";

/** A leaf with fewer live bytes than this looks for a neighbour to merge with. */
const MERGE_BELOW_BYTES = FRAME_BYTES / 8;
/** Two leaves are merged when together they stay below this. */
const MERGED_BYTES_MAX = FRAME_BYTES / 2;

/** Rows of merged-away nodes below one interior node: its record on disk has room for so many more than children. */
const ABSORBED_ROWS_MAX = 64;

/** The node that recovery starts from, as the journal's entries name it. */
export interface DiskRoot {
  readonly level: number;
  readonly pointer: NodePointer;
}

/** Sizes that a simulation lowers to see deep trees with few keys. */
export interface TreeLimits {
  readonly fanMax: number;
  readonly leafRowsMax: number;
  /** Nodes that are written and committed at once; as many as the writer sees fit unless told. */
  readonly batchNodesMax?: number;
}

export const TREE_LIMITS: TreeLimits = { fanMax: FAN_MAX, leafRowsMax: Number.POSITIVE_INFINITY };

/** Keeps the books of resident leaves, for eviction. */
export interface Residency {
  added(node: Node): void;
  removed(node: Node): void;
}

export class Tree {
  readonly table: number;
  root: Node;
  diskRoot: DiskRoot | undefined;
  /** The node that the last search needed and did not find in memory. */
  missing: Node | undefined = undefined;
  private readonly dirty: DirtyList;
  private readonly residency: Residency;
  private readonly limits: TreeLimits;
  // The last leaf found and the keys it covers: most of a sequential workload needs no descent.
  private finger: Node | undefined = undefined;
  private readonly fence = new Float64Array(6);

  constructor(
    table: number,
    diskRoot: DiskRoot | undefined,
    dirty: DirtyList,
    residency: Residency,
    limits: TreeLimits,
  ) {
    this.table = table;
    this.limits = limits;
    this.dirty = dirty;
    this.residency = residency;
    this.diskRoot = diskRoot;
    this.root = new Node(table, diskRoot?.level ?? 0, 0, 0, 0);
    if (diskRoot !== undefined) {
      this.root.pointer = diskRoot.pointer;
      this.root.needsImage = false;
    }
  }

  /** Makes a node that was never written usable: it is empty. */
  materialise(node: Node): Leaf | undefined {
    if (node.leaf !== undefined || node.pointer !== undefined) return node.leaf;
    node.leaf = new Leaf();
    this.residency.added(node);
    return node.leaf;
  }

  /** The leaf node that covers the key, resident; undefined when `missing` must be loaded first. */
  find(inode: number, offset: number, snapshot: number): Node | undefined {
    const f = this.fence;
    const finger = this.finger;
    if (
      finger !== undefined &&
      (f[0]! < inode || (f[0] === inode && (f[1]! < offset || (f[1] === offset && f[2]! <= snapshot)))) &&
      (inode < f[3]! || (inode === f[3] && (offset < f[4]! || (offset === f[4] && snapshot < f[5]!))))
    ) {
      finger.recent = true;
      return finger;
    }
    const node = this.descend(inode, offset, snapshot, 0);
    if (node === undefined) return undefined;
    if (this.materialise(node) === undefined) {
      this.missing = node;
      return undefined;
    }
    this.finger = node;
    node.recent = true;
    return node;
  }

  /** The node of a level that covers the key, resident or not; its ancestors are. Sets the fences. */
  descend(inode: number, offset: number, snapshot: number, level: number): Node | undefined {
    const f = this.fence;
    f[0] = f[1] = f[2] = -1;
    f[3] = f[4] = f[5] = Number.POSITIVE_INFINITY;
    this.finger = undefined;
    let node = this.root;
    while (node.level > level) {
      const { interior } = node;
      if (interior === undefined) {
        this.missing = node;
        return undefined;
      }
      const index = interior.childIndex(inode, offset, snapshot);
      if (index > 0) {
        f[0] = interior.inode[index]!;
        f[1] = interior.offset[index]!;
        f[2] = interior.snapshot[index]!;
      }
      if (index + 1 < interior.count) {
        f[3] = interior.inode[index + 1]!;
        f[4] = interior.offset[index + 1]!;
        f[5] = interior.snapshot[index + 1]!;
      }
      const kid = interior.kids[index];
      if (kid === undefined) throw new Malformed(`a node of table ${this.table} has no child for one of its keys`);
      node = kid;
    }
    return node;
  }

  /** After `descend` or `find`: does the key range that it found end before this key? */
  fenceEndsAtOrBefore(inode: number, offset: number, snapshot: number): boolean {
    const f = this.fence;
    return f[3]! < inode || (f[3] === inode && (f[4]! < offset || (f[4] === offset && f[5]! <= snapshot)));
  }

  /** Upper end of the range that the last search found; `inode` is infinite at the end of the tree. */
  get fenceInode(): number {
    return this.fence[3]!;
  }
  get fenceOffset(): number {
    return this.fence[4]!;
  }
  get fenceSnapshot(): number {
    return this.fence[5]!;
  }

  /** Inserts or replaces; the leaf that covers the key is resident. */
  put(
    inode: number,
    offset: number,
    snapshot: number,
    words: Int32Array,
    word: number,
    lengthBytes: number,
    sequence: number,
  ): void {
    const node = this.leafWithRoom(inode, offset, snapshot, (lengthBytes + 3) >> 2, this.limits.leafRowsMax, sequence);
    node.leaf!.put(inode, offset, snapshot, words, word, lengthBytes);
    this.dirty.add(node, sequence);
  }

  /** Removes the key if it is there; the leaf that covers it is resident. */
  remove(inode: number, offset: number, snapshot: number, sequence: number): void {
    const node = this.leafWithRoom(inode, offset, snapshot, 0, Number.POSITIVE_INFINITY, sequence);
    if (!node.leaf!.del(inode, offset, snapshot)) return;
    this.dirty.add(node, sequence);
    const small = node.leaf!.liveBytes < MERGE_BELOW_BYTES && node.leaf!.n < this.limits.leafRowsMax / 4;
    if (small && node.parent !== undefined) this.tryMerge(node, sequence);
  }

  /** The leaf that covers the key: fewer rows than that, and room for one more whose value has so many words. */
  private leafWithRoom(
    inode: number,
    offset: number,
    snapshot: number,
    words: number,
    rowsMax: number,
    sequence: number,
  ): Node {
    for (let parts = 0; ; parts++) {
      const node = this.find(inode, offset, snapshot);
      if (node === undefined) throw new Error("a change of a leaf that is not resident");
      // A split is by rows: where some values are much longer than others one half can be nearly as full as the whole.
      if (parts > 1) reached("leaf split again for one row");
      if (node.leaf!.fits(words) && node.leaf!.n < rowsMax) return node;
      this.makeRoom(node, inode, offset, snapshot, sequence);
    }
  }

  /** Replaces a leaf's rows by another frame of them. */
  private setLeaf(node: Node, leaf: Leaf): void {
    node.leaf!.free();
    node.leaf = leaf;
    node.needsImage = true;
  }

  private makeRoom(node: Node, inode: number, offset: number, snapshot: number, sequence: number): void {
    const leaf = node.leaf!;
    this.finger = undefined;
    if (leaf.deadBytes * 4 >= FRAME_BYTES || leaf.n < 2) {
      reached("leaf compacted");
      this.setLeaf(node, leaf.slice(0, leaf.n));
      this.dirty.add(node, Math.min(sequence, node.flushingPin));
      return;
    }
    if (leaf.lower(inode, offset, snapshot) === leaf.n && !this.leadsGroup(node)) {
      // Sequential inserts: the full leaf stays as it is, and an empty one begins at the new key.
      const right = new Node(this.table, 0, inode, offset, snapshot);
      right.leaf = new Leaf();
      this.residency.added(right);
      // Rows of merged-away nodes behind the cut would hide what the new leaf gets, unless they go with it.
      if (node.absorbed.length > 0) this.afterMove(node, right, sequence);
      this.insertSibling(node, right, sequence);
      this.dirty.add(right, sequence);
      return;
    }
    reached("leaf split");
    const cut = leaf.n >>> 1;
    const right = new Node(this.table, 0, leaf.inodeAt(cut), leaf.offsetAt(cut), leaf.snapshotAt(cut));
    right.leaf = leaf.slice(cut, leaf.n);
    this.residency.added(right);
    this.setLeaf(node, leaf.slice(0, cut));
    this.afterMove(node, right, sequence);
    this.insertSibling(node, right, sequence);
  }

  /**
   * Do rows of the next leaf stand on disk with this one's? Then a leaf of which they know nothing must not come between
   * them, for it would part what has to be written together.
   */
  private leadsGroup(node: Node): boolean {
    const next = this.neighbour(node, 1);
    if (next === undefined || !next.moved || next.pointer !== undefined) return false;
    reached("leaf split in the middle of a group");
    return true;
  }

  /** The right node took rows away from the left one: both must be written, together. */
  private afterMove(left: Node, right: Node, sequence: number): void {
    right.moved = true;
    right.recent = true;
    // What stands on disk behind the cut is now for the right node to take away.
    const stays = left.absorbed.filter((row) => !isAtOrBehind(row, right));
    right.absorbed.push(...left.absorbed.filter((row) => isAtOrBehind(row, right)));
    left.absorbed = stays;
    const pin = Math.min(sequence, left.pin, left.flushingPin);
    this.dirty.add(left, pin);
    this.dirty.add(right, pin);
  }

  private insertSibling(left: Node, right: Node, sequence: number): void {
    const { parent } = left;
    if (parent === undefined) {
      reached("root split");
      const root = new Node(this.table, left.level + 1, 0, 0, 0);
      root.interior = new Interior(this.limits.fanMax);
      root.interior.insert(0, left);
      root.interior.insert(1, right);
      left.parent = root;
      right.parent = root;
      this.root = root;
      this.dirty.add(root, sequence);
      return;
    }
    let owner = parent;
    if (parent.interior!.full) owner = this.splitInterior(parent, left, sequence);
    const { interior } = owner;
    interior!.insert(interior!.kids.indexOf(left) + 1, right);
    right.parent = owner;
    this.dirty.add(owner, sequence);
  }

  /** Splits a full interior node, at a written child if there is one, and returns the half that holds `kid`. */
  private splitInterior(node: Node, kid: Node, sequence: number): Node {
    reached("interior split");
    const { kids } = node.interior!;
    const half = kids.length >>> 1;
    let cut = half;
    for (let step = 0; step < half - 1; step++) {
      if (kids[half + step]!.pointer !== undefined) {
        cut = half + step;
        break;
      }
      if (kids[half - step]!.pointer !== undefined) {
        cut = half - step;
        break;
      }
    }
    const first = kids[cut]!;
    const right = new Node(this.table, node.level, first.lowInode, first.lowOffset, first.lowSnapshot);
    right.interior = node.interior!.cut(cut);
    for (const moved of right.interior.kids) moved.parent = right;
    node.needsImage = true;
    this.afterMove(node, right, sequence);
    this.insertSibling(node, right, sequence);
    return right.interior.kids.includes(kid) ? right : node;
  }

  private tryMerge(node: Node, sequence: number): void {
    const { interior } = node.parent!;
    const index = interior!.kids.indexOf(node);
    if (!this.merge(interior!, index, sequence)) this.merge(interior!, index - 1, sequence);
  }

  /** Merges children `index` and `index + 1` if both are resident, idle and small. */
  private merge(interior: Interior, index: number, sequence: number): boolean {
    const left = interior.kids[index];
    const right = interior.kids[index + 1];
    if (left?.leaf === undefined || right?.leaf === undefined || left.flushing || right.flushing) return false;
    if (left.leaf.liveBytes + right.leaf.liveBytes > MERGED_BYTES_MAX) return false;
    if (left.leaf.n + right.leaf.n > this.limits.leafRowsMax / 2) return false;
    if (interior.kids.reduce((rows, kid) => rows + kid.absorbed.length, 0) >= ABSORBED_ROWS_MAX) return false;
    reached("leaves merged");
    this.finger = undefined;
    const joined = left.leaf.slice(0, left.leaf.n);
    joined.appendAll(right.leaf);
    this.setLeaf(left, joined);
    right.leaf.free();
    right.leaf = undefined;
    this.residency.removed(right);
    if (right.pointer !== undefined) {
      const { lowInode: inode, lowOffset: offset, lowSnapshot: snapshot, pointer } = right;
      left.absorbed.push({ inode, offset, snapshot, pointer });
    }
    left.absorbed.push(...right.absorbed);
    const pin = Math.min(sequence, left.pin, right.pin);
    this.dirty.remove(right);
    right.parent = undefined;
    interior.remove(index + 1);
    this.dirty.add(left, pin);
    return true;
  }

  /** The nodes that must be written together with this one, itself included, from left to right. */
  flushGroup(node: Node): Array<Node> {
    const group = [node];
    let first = node;
    while (first.moved && first.pointer === undefined) {
      const left = this.neighbour(first, -1);
      if (left === undefined) throw new Error("a moved node has no left neighbour");
      group.unshift(left);
      first = left;
    }
    let last = node;
    for (;;) {
      const right = this.neighbour(last, 1);
      if (right === undefined || !right.moved || right.pointer !== undefined) return group;
      group.push(right);
      last = right;
    }
  }

  /** Does the key lie behind the range that a node covers? Its ancestors are resident. */
  isBeyond(node: Node, inode: number, offset: number, snapshot: number): boolean {
    for (let at = node; at.parent !== undefined; at = at.parent) {
      const { kids } = at.parent.interior!;
      const next = kids[kids.indexOf(at) + 1];
      if (next === undefined) continue;
      return (
        inode > next.lowInode ||
        (inode === next.lowInode &&
          (offset > next.lowOffset || (offset === next.lowOffset && snapshot >= next.lowSnapshot)))
      );
    }
    return false;
  }

  /** The node beside this one on its level; undefined at the edge of the tree or of what is in memory. */
  neighbour(node: Node, step: -1 | 1): Node | undefined {
    const { parent } = node;
    if (parent === undefined) return undefined;
    const { kids } = parent.interior!;
    const index = kids.indexOf(node) + step;
    if (index >= 0 && index < kids.length) return kids[index];
    const cousin = this.neighbour(parent, step);
    if (cousin?.interior === undefined) return undefined;
    return step < 0 ? cousin.interior.kids.at(-1) : cousin.interior.kids[0];
  }

  /** Recovery: a row was put or, with a length below 0, removed. The leaf that covers it is resident. */
  replayRow(
    leaf: Node,
    inode: number,
    offset: number,
    snapshot: number,
    words: Int32Array,
    word: number,
    lengthBytes: number,
    sequence: number,
  ): void {
    const ref = leaf.leaf!.get(inode, offset, snapshot);
    if (ref < 0 && lengthBytes < 0) return;
    if (ref >= 0 && isRecorded(leaf, sequence, lengthBytes >= 0 && leaf.leaf!.holds(ref, words, word, lengthBytes)))
      return;
    if (lengthBytes < 0) this.remove(inode, offset, snapshot, sequence);
    else this.put(inode, offset, snapshot, words, word, lengthBytes, sequence);
  }

  /** Recovery: an update of the parent's row for a child was journalled. The interior nodes of that level are resident. */
  replayChild(
    level: number,
    inode: number,
    offset: number,
    snapshot: number,
    pointer: NodePointer | undefined,
    sequence: number,
  ): boolean {
    while (this.root.level <= level) this.grow(sequence);
    const parent = this.descend(inode, offset, snapshot, level + 1);
    if (parent === undefined) return false;
    if (parent.interior === undefined) {
      this.missing = parent;
      return false;
    }
    const { interior } = parent;
    const index = interior.childIndex(inode, offset, snapshot);
    const kid = interior.kids[index];
    const same = kid?.lowInode === inode && kid.lowOffset === offset && kid.lowSnapshot === snapshot;
    if (!same && pointer === undefined) return true;
    if (same && isRecorded(parent, sequence, samePointer(kid.pointer, pointer))) return true;
    this.dirty.add(parent, sequence);
    if (pointer === undefined) {
      this.discard(kid!);
      interior.remove(index);
      return true;
    }
    const child = new Node(this.table, level, inode, offset, snapshot);
    child.pointer = pointer;
    child.needsImage = false;
    child.parent = parent;
    if (same) {
      this.discard(kid);
      interior.kids[index] = child;
    } else if (!interior.full) interior.insert(placeOf(interior, child), child);
    else {
      const owner = this.splitInterior(parent, kid!, sequence);
      const half = owner.interior!;
      half.insert(placeOf(half, child), child);
      child.parent = owner;
    }
    return true;
  }

  /**
   * Recovery, once the rows of a level are replayed: an interior node whose first child begins behind its own low key
   * lost the child before it to a merge, and the leaf that took that child's rows stands at the end of the node to the
   * left. It is moved over, so that every key leads to the node that has it. The nodes of `level` are resident.
   */
  closeGaps(level: number, sequence: number): void {
    for (const node of [...this.nodes()]) {
      if (node.level !== level || node.interior === undefined || node.parent === undefined) continue;
      const first = node.interior.kids[0];
      if (first !== undefined && !isBehind(first, node)) continue;
      reached("gap closed in replay");
      this.replaceWithoutGap(node, sequence);
    }
  }

  private replaceWithoutGap(node: Node, sequence: number): void {
    const left = this.neighbour(node, -1);
    if (left?.interior === undefined) throw new Malformed(`table ${this.table} has a gap with nothing before it`);
    const parent = node.parent!;
    const siblings = parent.interior!;
    siblings.remove(siblings.kids.indexOf(node));
    const pin = Math.min(sequence, node.pin);
    this.dirty.remove(node);
    const { kids } = node.interior!;
    const rows = [...rowOf(node), ...node.absorbed];
    const together = left.interior.count + kids.length;
    const fits = left.parent === parent && (kids.length === 0 || together <= this.limits.fanMax);
    if (fits || left.interior.count === 1) {
      // The rest goes to the left node, which takes the range over.
      left.interior = left.interior.followedBy(kids);
      for (const kid of kids) kid.parent = left;
      left.absorbed.push(...rows);
      left.needsImage = true;
      this.dirty.add(left, pin);
      if (left.parent === parent) return;
      const first = siblings.kids[0];
      if (first === undefined || isBehind(first, parent)) this.replaceWithoutGap(parent, sequence);
      return;
    }
    const lender = left.interior.kids.at(-1)!;
    const moved = new Node(this.table, node.level, lender.lowInode, lender.lowOffset, lender.lowSnapshot);
    moved.interior = left.interior.cut(left.interior.count - 1).followedBy(kids);
    for (const kid of moved.interior.kids) kid.parent = moved;
    moved.absorbed.push(...rows);
    siblings.insert(placeOf(siblings, moved), moved);
    moved.parent = parent;
    this.afterMove(left, moved, pin);
    this.lower(parent, moved, sequence);
  }

  /** A child begins before its parent: the parent is replaced by a node that begins there too, and so on upwards. */
  private lower(node: Node, kid: Node, sequence: number): void {
    if (!isBehind(node, kid)) return;
    reached("interior node begins earlier after a replay");
    const lowered = new Node(this.table, node.level, kid.lowInode, kid.lowOffset, kid.lowSnapshot);
    lowered.interior = node.interior;
    for (const each of lowered.interior!.kids) each.parent = lowered;
    lowered.absorbed.push(...rowOf(node), ...node.absorbed);
    lowered.moved = node.moved;
    const parent = node.parent!;
    const siblings = parent.interior!;
    siblings.remove(siblings.kids.indexOf(node));
    siblings.insert(placeOf(siblings, lowered), lowered);
    lowered.parent = parent;
    const pin = Math.min(sequence, node.pin);
    this.dirty.remove(node);
    this.dirty.add(lowered, pin);
    this.lower(parent, lowered, sequence);
  }

  /** A node, with all below it, that another one takes the place of: it must never be written. */
  private discard(node: Node): void {
    this.dirty.remove(node);
    this.finger = undefined;
    for (const kid of node.interior?.kids ?? []) this.discard(kid);
    if (node.leaf !== undefined) this.evict(node);
  }

  private grow(sequence: number): void {
    const kid = this.root;
    const root = new Node(this.table, kid.level + 1, 0, 0, 0);
    root.interior = new Interior(this.limits.fanMax);
    root.interior.insert(0, kid);
    kid.parent = root;
    this.root = root;
    this.finger = undefined;
    this.dirty.add(root, sequence);
  }

  /** A resident, clean leaf gives its frame back. */
  evict(node: Node): void {
    if (this.finger === node) this.finger = undefined;
    node.leaf!.free();
    node.leaf = undefined;
    this.residency.removed(node);
  }

  /** Nodes of all levels that are known in memory, parents after their children. */
  *nodes(node: Node = this.root): Generator<Node> {
    if (node.interior !== undefined) for (const kid of node.interior.kids) yield* this.nodes(kid);
    yield node;
  }

  /** Gives all frames back; the tree must not be used afterwards. */
  dispose(): void {
    for (const node of this.nodes()) {
      node.leaf?.free();
      node.leaf = undefined;
    }
    this.finger = undefined;
  }
}

/**
 * Recovery: is a change of a row that a node has no news, so that it need not be written again? A node that is as it was
 * read knows all that befell the rows it has before it was written. Of rows that it has not nothing is known: they may
 * have been another's then.
 */
function isRecorded(node: Node, sequence: number, isSame: boolean): boolean {
  if (node.dirty || (!isSame && sequence >= node.recordedBefore)) return false;
  reached("replayed change found in its node");
  return true;
}

/** What is on disk of a node that another one takes the place of. */
function rowOf({ lowInode: inode, lowOffset: offset, lowSnapshot: snapshot, pointer }: Node): Array<AbsorbedRow> {
  return pointer === undefined ? [] : [{ inode, offset, snapshot, pointer }];
}

const isBehind = (a: Node, b: Node): boolean =>
  a.lowInode > b.lowInode ||
  (a.lowInode === b.lowInode &&
    (a.lowOffset > b.lowOffset || (a.lowOffset === b.lowOffset && a.lowSnapshot > b.lowSnapshot)));

const isAtOrBehind = (row: AbsorbedRow, node: Node): boolean =>
  row.inode > node.lowInode ||
  (row.inode === node.lowInode &&
    (row.offset > node.lowOffset || (row.offset === node.lowOffset && row.snapshot >= node.lowSnapshot)));

/** Index at which a new child belongs. */
function placeOf(interior: Interior, child: Node): number {
  const index = interior.childIndex(child.lowInode, child.lowOffset, child.lowSnapshot);
  const there = interior.kids[index];
  return there === undefined || isBehind(there, child) ? index : index + 1;
}
