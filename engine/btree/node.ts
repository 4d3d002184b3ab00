/**
 * A node of a tree in memory, and the list of the nodes that wait to be written.
 *
 * Every child of a resident interior node has a `Node`, resident or not: its key range begins at `low`, and `pointer`
 * says where its records are (undefined: never written). `pin` is the journal sequence of the oldest update that is not
 * in its records. Two promises tie memory to disk, since the parent on disk knows only what has been written:
 * `moved` says that a never-written node's rows also stand in the records of its left neighbour, so the two are
 * written together; `absorbed` lists rows of the parent on disk whose nodes were merged into this one.
 */
import type { NodePointer, NodeRecord } from "../format/pointer.ts";
import type { Leaf } from "./leaf.ts";

/** Children of one interior node; a simulation may ask for fewer, to see deep trees with few keys. */
export const FAN_MAX = 320;

export interface AbsorbedRow {
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly pointer: NodePointer;
}

export class Node {
  readonly table: number;
  readonly level: number;
  readonly lowInode: number;
  readonly lowOffset: number;
  readonly lowSnapshot: number;
  parent: Node | undefined = undefined;
  pointer: NodePointer | undefined = undefined;
  /** Rows of a resident leaf. */
  leaf: Leaf | undefined = undefined;
  /** Children of a resident interior node. */
  interior: Interior | undefined = undefined;
  pin = Number.POSITIVE_INFINITY;
  /** Encoded, and its write not yet committed; `flushingPin` is the pin it had. */
  flushing = false;
  flushingPin = Number.POSITIVE_INFINITY;
  /** The next write must be a whole image: rows were moved or the chain of deltas is full. */
  needsImage = true;
  /** All changes of its rows in journal entries before this sequence were in its records when it was read. */
  recordedBefore = 0;
  moved = false;
  absorbed: Array<AbsorbedRow> = [];
  /** Somebody waits for it to be loaded. */
  loading = false;
  /** Used since the eviction hand last passed. */
  recent = false;
  previousDirty: Node | undefined = undefined;
  nextDirty: Node | undefined = undefined;

  constructor(table: number, level: number, inode: number, offset: number, snapshot: number) {
    this.table = table;
    this.level = level;
    this.lowInode = inode;
    this.lowOffset = offset;
    this.lowSnapshot = snapshot;
  }

  get resident(): boolean {
    return this.level === 0 ? this.leaf !== undefined : this.interior !== undefined;
  }

  get dirty(): boolean {
    return this.pin !== Number.POSITIVE_INFINITY;
  }
}

/** What the node has on disk: one that absorbed others keeps their records until it is written itself. */
export function recordsOf({ pointer, absorbed }: Node): ReadonlyArray<NodeRecord> {
  const own = pointer?.records ?? [];
  return absorbed.length === 0 ? own : [...own, ...absorbed.flatMap((other) => other.pointer.records)];
}

/** Keys and children of an interior node; child `k` covers the keys from its own low key to the next one's. */
export class Interior {
  readonly inode: Float64Array;
  readonly offset: Float64Array;
  readonly snapshot: Float64Array;
  readonly fanMax: number;
  readonly kids: Array<Node> = [];

  constructor(fanMax: number) {
    this.fanMax = fanMax;
    this.inode = new Float64Array(fanMax);
    this.offset = new Float64Array(fanMax);
    this.snapshot = new Float64Array(fanMax);
  }

  get count(): number {
    return this.kids.length;
  }

  get full(): boolean {
    return this.kids.length === this.fanMax;
  }

  /** Index of the child that covers the key; the first covers everything below it too. */
  childIndex(inode: number, offset: number, snapshot: number): number {
    let low = 1;
    let high = this.kids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const a = this.inode[middle]!;
      const below =
        a < inode ||
        (a === inode &&
          (this.offset[middle]! < offset || (this.offset[middle] === offset && this.snapshot[middle]! <= snapshot)));
      if (below) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  insert(index: number, kid: Node): void {
    const count = this.kids.length;
    if (count === this.fanMax) throw new Error("interior node is full");
    this.inode.copyWithin(index + 1, index, count);
    this.offset.copyWithin(index + 1, index, count);
    this.snapshot.copyWithin(index + 1, index, count);
    this.kids.splice(index, 0, kid);
    this.inode[index] = kid.lowInode;
    this.offset[index] = kid.lowOffset;
    this.snapshot[index] = kid.lowSnapshot;
  }

  remove(index: number): void {
    const count = this.kids.length;
    this.inode.copyWithin(index, index + 1, count);
    this.offset.copyWithin(index, index + 1, count);
    this.snapshot.copyWithin(index, index + 1, count);
    this.kids.splice(index, 1);
  }

  /** These children and others behind them, in a node with room for all: a replay may need one child more than fit. */
  followedBy(kids: ReadonlyArray<Node>): Interior {
    const both = new Interior(Math.max(this.fanMax, this.kids.length + kids.length));
    for (const kid of this.kids) both.insert(both.count, kid);
    for (const kid of kids) both.insert(both.count, kid);
    return both;
  }

  /** Takes the children from `index` on away and returns them. */
  cut(index: number): Interior {
    const right = new Interior(this.fanMax);
    for (const kid of this.kids.splice(index)) right.insert(right.count, kid);
    return right;
  }
}

/** Nodes with unwritten updates, oldest pin first. */
export class DirtyList {
  private head: Node | undefined = undefined;
  private tail: Node | undefined = undefined;
  count = 0;
  /** Nodes that were added so far, each as often as it was. */
  additions = 0;

  get oldest(): Node | undefined {
    return this.head;
  }

  /** Sets the node's pin and puts it where it belongs; the pin of a listed node only falls. */
  add(node: Node, pin: number): void {
    if (node.dirty) {
      if (pin >= node.pin) return;
      this.remove(node);
    }
    node.pin = pin;
    let before = this.tail;
    while (before !== undefined && before.pin > pin) before = before.previousDirty;
    node.previousDirty = before;
    node.nextDirty = before === undefined ? this.head : before.nextDirty;
    if (node.nextDirty === undefined) this.tail = node;
    else node.nextDirty.previousDirty = node;
    if (before === undefined) this.head = node;
    else before.nextDirty = node;
    this.count++;
    this.additions++;
  }

  remove(node: Node): void {
    if (!node.dirty) return;
    if (node.previousDirty === undefined) this.head = node.nextDirty;
    else node.previousDirty.nextDirty = node.nextDirty;
    if (node.nextDirty === undefined) this.tail = node.previousDirty;
    else node.nextDirty.previousDirty = node.previousDirty;
    node.previousDirty = undefined;
    node.nextDirty = undefined;
    node.pin = Number.POSITIVE_INFINITY;
    this.count--;
  }

  *[Symbol.iterator](): Generator<Node> {
    let node = this.head;
    while (node !== undefined) {
      const next = node.nextDirty;
      yield node;
      node = next;
    }
  }
}
