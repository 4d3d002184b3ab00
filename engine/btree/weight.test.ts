import { describe, expect, it } from "vitest";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { Leaf } from "./leaf.ts";
import { Interior, Node } from "./node.ts";
import { encodeNode } from "./flush.ts";
import { Weight } from "./weight.ts";

const BLOCK_BYTES = 4096;
const UUID = new Uint8Array(16).fill(7);
const VALUE_BYTES = 61;

/** A value that cannot be compressed. */
function noise(seed: number): Int32Array {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return Int32Array.from({ length: 16 }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return state ^ (state >>> 13);
  });
}

const record = (index: number, lengthBytes: number) => ({
  device: 0,
  addressBytes: 1_048_576 + index * 4099,
  lengthBytes,
  generation: 3 + index,
  checksum: BigInt(index + 1) * 0x9e3779b97f4a7c15n,
});

/** A tree of leaves with so many rows each, all unwritten or all written once. */
function treeOf(leaves: number, rows: number, written: boolean): { readonly root: Node; readonly kids: Array<Node> } {
  const root = new Node(Table.dirents, 1, 0, 0, 0);
  root.interior = new Interior(320);
  const kids = Array.from({ length: leaves }, (_, index) => {
    const kid = new Node(Table.dirents, 0, index * 1000, 0, 0);
    kid.leaf = new Leaf();
    for (let row = 0; row < rows; row++) {
      kid.leaf.put(index * 1000, row * 7919, SNAPSHOT_ROOT, noise(index * rows + row), 0, VALUE_BYTES);
    }
    if (written) kid.pointer = { records: [record(index, encodeNode(kid, UUID, 1).bytes.length)] };
    kid.parent = root;
    root.interior!.insert(index, kid);
    return kid;
  });
  return { root, kids };
}

describe("the weight of nodes", () => {
  it("is no less than what writing them takes, and not twice as much", () => {
    for (const written of [false, true]) {
      for (const [leaves, rows] of [
        [1, 1],
        [5, 4],
        [200, 3],
        [64, 300],
      ] as const) {
        const { root, kids } = treeOf(leaves, rows, written);
        const weight = new Weight(BLOCK_BYTES, 64);
        weight.add(kids, true);
        let bytes = 0;
        for (const [index, kid] of kids.entries()) {
          kid.needsImage = true;
          const { length } = encodeNode(kid, UUID, 2).bytes;
          kid.pointer = { records: [record(index, length)] };
          bytes += length;
        }
        bytes += encodeNode(root, UUID, 2).bytes.length;
        const blocks = (Math.ceil(leaves / 64) + 1) * BLOCK_BYTES;
        expect(weight.bytes).toBeGreaterThanOrEqual(bytes);
        expect(weight.bytes - blocks).toBeLessThanOrEqual(bytes * 2);
        for (const kid of kids) kid.leaf!.free();
      }
    }
  });

  it("counts each node once, and takes off what it added", () => {
    const { root, kids } = treeOf(10, 4, true);
    const weight = new Weight(BLOCK_BYTES, 64);
    expect(weight.add(kids.slice(0, 5))).toHaveLength(6);
    const before = weight.bytes;
    expect(weight.add([root, ...kids.slice(0, 5)])).toEqual([]);
    const added = weight.add(kids);
    expect(added.map(([node]) => node)).toEqual(kids.slice(5));
    expect(weight.bytes).toBeGreaterThan(before);
    weight.remove(added);
    expect(weight.bytes).toBe(before);
    for (const kid of kids) kid.leaf!.free();
  });

  it("counts of a leaf that is not moved what has changed, and all of it once it is moved too", () => {
    const { kids } = treeOf(10, 200, true);
    const [changed, other] = kids as [Node, Node];
    changed.leaf!.put(0, 13, SNAPSHOT_ROOT, noise(1), 0, VALUE_BYTES);
    const weight = new Weight(BLOCK_BYTES, 64);
    weight.add([changed]);
    const before = weight.bytes;
    expect(before).toBeLessThan(2 * BLOCK_BYTES + 2000);
    const added = weight.add([changed, other], true);
    expect(weight.bytes - before).toBeGreaterThan(2 * 200 * VALUE_BYTES);
    weight.remove(added);
    expect(weight.bytes).toBe(before);
    for (const kid of kids) kid.leaf!.free();
  });

  it("counts of a node above those that are copied no more than that it learns of them", () => {
    const { root, kids } = treeOf(200, 4, true);
    const moved = new Set(kids.slice(0, 3));
    const copied = new Weight(BLOCK_BYTES, 2, moved);
    copied.add(moved, true);
    const all = new Weight(BLOCK_BYTES, 2);
    all.add(moved, true);
    const alone = new Weight(BLOCK_BYTES, 2);
    alone.add([root]);
    // Two chunks of leaves and one of their parent.
    expect(copied.bytes).toBeGreaterThan(3 * BLOCK_BYTES);
    expect(all.bytes - copied.bytes).toBeGreaterThan(0.9 * (alone.bytes - BLOCK_BYTES));
    for (const kid of kids) kid.leaf!.free();
  });
});
