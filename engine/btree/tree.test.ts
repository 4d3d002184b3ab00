import { expect, it } from "vitest";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { DirtyList, FAN_MAX } from "./node.ts";
import { Tree, TREE_LIMITS } from "./tree.ts";

it("writes a leaf that comes between two parts of a split one together with both", () => {
  const books = { added: () => {}, removed: () => {} };
  const tree = new Tree(Table.dirents, undefined, new DirtyList(), books, { fanMax: FAN_MAX, leafRowsMax: 4 });
  const words = new Int32Array(2);
  let sequence = 1;
  const put = (offset: number): void => tree.put(1, offset, SNAPSHOT_ROOT, words, 0, 8, sequence++);
  const leafAt = (offset: number) => tree.find(1, offset, SNAPSHOT_ROOT)!;
  // The fifth splits the leaf, of which 30 and 40 are the right part; 27 comes behind the left one, which is full again.
  for (const offset of [10, 20, 30, 40, 15, 25, 27]) put(offset);
  const [left, between, right] = [leafAt(10), leafAt(27), leafAt(30)];
  expect(new Set([left, between, right]).size).toBe(3);
  expect(tree.flushGroup(left)).toEqual([left, between, right]);
  expect(tree.flushGroup(between)).toEqual([left, between, right]);
  expect(tree.flushGroup(right)).toEqual([left, between, right]);
  tree.dispose();
});

it("splits a leaf again where one half holds nearly all of its bytes", () => {
  const books = { added: () => {}, removed: () => {} };
  const tree = new Tree(Table.extents, undefined, new DirtyList(), books, TREE_LIMITS);
  const long = new Int32Array(1000);
  const keys: Array<number> = [];
  let sequence = 1;
  const put = (inode: number, lengthBytes: number): void => {
    tree.put(inode, 0, SNAPSHOT_ROOT, long, 0, lengthBytes, sequence++);
    keys.push(inode);
  };
  for (let inode = 1000; inode < 1016; inode++) put(inode, 4);
  for (let inode = 900; inode > 860; inode--) put(inode, 4000);
  for (const inode of keys) expect(tree.find(inode, 0, SNAPSHOT_ROOT)!.leaf!.get(inode, 0, SNAPSHOT_ROOT)).not.toBe(-1);
  for (const inode of keys) tree.remove(inode, 0, SNAPSHOT_ROOT, sequence++);
  tree.dispose();
});
