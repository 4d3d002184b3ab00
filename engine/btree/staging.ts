/**
 * What one run of a transaction body has read and staged; reused from body to body.
 *
 * Owns the arena of staged values. Reads go to the trees; a node that is not in memory ends the run with the thrown
 * constant `NOT_RESIDENT`, and `missing` names it. Staged rows are found by looking through them newest first, which
 * is quick because transactions are small.
 */
import { reached } from "../marks.ts";
import type { EntryRef } from "../format/journal-entry.ts";
import { VALUE_BYTES_MAX } from "../format/tables.ts";
import type { Node } from "./node.ts";
import type { Scan, Transaction } from "./transaction.ts";
import type { Tree } from "./tree.ts";
import type { Trees } from "./trees.ts";

/** Thrown, and caught by the runner alone, when a body needs a node that is not in memory. */
export const NOT_RESIDENT: unique symbol = Symbol("node not resident");

const ARENA_BYTES_START = 8 * 1024;
/** Length of a staged removal. */
export const REMOVED = -1;

const EMPTY_VIEW = new DataView(new ArrayBuffer(8));

export class Staging implements Transaction {
  view: DataView = EMPTY_VIEW;
  at = 0;
  length = 0;
  out: DataView;
  outAt = 0;
  missing: Node | undefined = undefined;
  count = 0;
  readonly table: Array<number> = [];
  readonly inode: Array<number> = [];
  readonly offset: Array<number> = [];
  readonly snapshot: Array<number> = [];
  /** Words of the arena at which the value starts. */
  readonly word: Array<number> = [];
  readonly lengthBytes: Array<number> = [];
  refs: Array<EntryRef> = [];
  hooks: Array<() => void> = [];
  words: Int32Array;
  private wordsUsed = 0;
  private readonly trees: Trees;

  constructor(trees: Trees) {
    this.trees = trees;
    const arena = new ArrayBuffer(ARENA_BYTES_START);
    this.out = new DataView(arena);
    this.words = new Int32Array(arena);
  }

  reset(): void {
    this.count = 0;
    this.wordsUsed = 0;
    this.missing = undefined;
    if (this.refs.length > 0) this.refs = [];
    if (this.hooks.length > 0) this.hooks = [];
  }

  /** Words that the staged rows take in the journal. */
  get journalWords(): number {
    let words = 0;
    for (let index = 0; index < this.count; index++) words += 6 + ((Math.max(0, this.lengthBytes[index]!) + 3) >> 2);
    return words;
  }

  /** Index of the staged row with this key, or -1. */
  staged(table: number, inode: number, offset: number, snapshot: number): number {
    for (let index = this.count - 1; index >= 0; index--) {
      if (
        this.inode[index] === inode &&
        this.offset[index] === offset &&
        this.table[index] === table &&
        this.snapshot[index] === snapshot
      ) {
        return index;
      }
    }
    return -1;
  }

  /** Looks a committed row up, staged ones ignored. */
  findCommitted(table: number, inode: number, offset: number, snapshot: number): boolean {
    const node = this.leafOf(this.trees.tree(table), inode, offset, snapshot);
    const ref = node.leaf!.get(inode, offset, snapshot);
    if (ref < 0) return false;
    this.view = node.leaf!.view;
    this.at = node.leaf!.valueAt(ref);
    this.length = ref & 4095;
    return true;
  }

  /** The resident leaf of a key; ends the run when it is not resident. */
  leafOf(tree: Tree, inode: number, offset: number, snapshot: number): Node {
    const node = tree.find(inode, offset, snapshot);
    if (node !== undefined) return node;
    this.missing = tree.missing;
    throw NOT_RESIDENT;
  }

  find(table: number, inode: number, offset: number, snapshot: number): boolean {
    const index = this.staged(table, inode, offset, snapshot);
    if (index < 0) return this.findCommitted(table, inode, offset, snapshot);
    if (this.lengthBytes[index] === REMOVED) return false;
    this.view = this.out;
    this.at = this.word[index]! * 4;
    this.length = this.lengthBytes[index]!;
    return true;
  }

  scan(table: number, inode: number, offset: number, snapshot: number): Scan {
    return new LeafScan(this, this.trees.tree(table), inode, offset, snapshot);
  }

  put(table: number, inode: number, offset: number, snapshot: number, length: number): void {
    if (length > VALUE_BYTES_MAX) throw new Error(`value of ${length} bytes is over the limit`);
    const words = (length + 3) >> 2;
    this.stage(table, inode, offset, snapshot, length);
    if (this.wordsUsed + words > this.words.length) this.growArena(words);
    this.word[this.position] = this.wordsUsed;
    this.outAt = this.wordsUsed * 4;
    // The last word's padding must not carry bytes of an earlier transaction into the journal.
    if (words > 0) this.words[this.wordsUsed + words - 1] = 0;
    this.wordsUsed += words;
  }

  remove(table: number, inode: number, offset: number, snapshot: number): void {
    this.stage(table, inode, offset, snapshot, REMOVED);
  }

  private position = 0;

  private stage(table: number, inode: number, offset: number, snapshot: number, lengthBytes: number): void {
    let index = this.staged(table, inode, offset, snapshot);
    if (index < 0) {
      index = this.count++;
      this.table[index] = table;
      this.inode[index] = inode;
      this.offset[index] = offset;
      this.snapshot[index] = snapshot;
    }
    this.lengthBytes[index] = lengthBytes;
    this.position = index;
  }

  private growArena(words: number): void {
    reached("staging arena grown");
    const arena = new ArrayBuffer(Math.max(this.words.length * 8, (this.wordsUsed + words) * 4));
    const grown = new Int32Array(arena);
    grown.set(this.words);
    this.words = grown;
    this.out = new DataView(arena);
  }

  depend(device: number, addressBytes: number, lengthBytes: number, checksum: bigint): void {
    this.refs.push({ device, addressBytes, lengthBytes, checksum });
  }

  onCommit(effect: () => void): void {
    this.hooks.push(effect);
  }
}

/** Walks the committed rows of a tree, leaf by leaf. */
class LeafScan implements Scan {
  inode: number;
  offset: number;
  snapshot: number;
  view: DataView = EMPTY_VIEW;
  at = 0;
  length = 0;
  private node: Node | undefined = undefined;
  private position = 0;
  // Where the next leaf begins, once this one is through.
  private nextInode: number;
  private nextOffset: number;
  private nextSnapshot: number;
  private readonly staging: Staging;
  private readonly tree: Tree;

  constructor(staging: Staging, tree: Tree, inode: number, offset: number, snapshot: number) {
    this.staging = staging;
    this.tree = tree;
    this.inode = this.nextInode = inode;
    this.offset = this.nextOffset = offset;
    this.snapshot = this.nextSnapshot = snapshot;
  }

  next(): boolean {
    for (;;) {
      if (this.node === undefined) {
        if (this.nextInode === Number.POSITIVE_INFINITY) return false;
        const node = this.staging.leafOf(this.tree, this.nextInode, this.nextOffset, this.nextSnapshot);
        this.node = node;
        this.position = node.leaf!.lower(this.nextInode, this.nextOffset, this.nextSnapshot);
        this.nextInode = this.tree.fenceInode;
        this.nextOffset = this.tree.fenceOffset;
        this.nextSnapshot = this.tree.fenceSnapshot;
      }
      const leaf = this.node.leaf!;
      if (this.position < leaf.n) {
        const position = this.position++;
        const ref = leaf.refAt(position);
        this.inode = leaf.inodeAt(position);
        this.offset = leaf.offsetAt(position);
        this.snapshot = leaf.snapshotAt(position);
        this.view = leaf.view;
        this.at = leaf.valueAt(ref);
        this.length = ref & 4095;
        return true;
      }
      this.node = undefined;
    }
  }
}
