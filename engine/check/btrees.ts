/**
 * The pass over the btrees as such: every node can be read and verifies, its rows are in order and within the range
 * that its parent gives it, and its level and parent are right.
 *
 * Comes first: whatever cannot be read here, no later pass can see, so the rest is skipped then. Leaves are evicted
 * again on the way, so that memory stays within the budget of the cache.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Leaf } from "../btree/leaf.ts";
import type { Node } from "../btree/node.ts";
import type { Trees } from "../btree/trees.ts";
import { TABLES } from "../format/tables.ts";
import type { Findings } from "./findings.ts";
import { isBefore, type Key, keyText } from "./rows.ts";
import type { NodePlace } from "./state.ts";

const PASS = "btrees";
const LOWEST: Key = { inode: 0, offset: 0, snapshot: 0 };

/** Loads a node that is not in memory. */
export type FetchNode = (node: Node) => Effect.Effect<void, PoolFailed>;

const lowOf = (node: Node): Key => ({ inode: node.lowInode, offset: node.lowOffset, snapshot: node.lowSnapshot });
const nameOf = (node: Node): string =>
  `node ${keyText(lowOf(node))} of table ${TABLES[node.table]!.name}, level ${node.level}`;

/** Every record that the trees refer to; interior nodes are resident in an open pool. */
export function* nodePlaces(trees: Trees): Generator<NodePlace> {
  for (const tree of trees.all) {
    for (const { table, level, pointer } of tree.nodes()) {
      for (const { device, addressBytes, lengthBytes, generation } of pointer?.records ?? []) {
        yield { table, level, device, addressBytes, lengthBytes, generation };
      }
    }
  }
}

function checkLeaf(findings: Findings, node: Node, leaf: Leaf, end: Key | undefined): void {
  findings.count("leaves");
  findings.count("rows", leaf.n);
  let before: Key | undefined;
  for (let position = 0; position < leaf.n; position++) {
    const key = {
      inode: leaf.inodeAt(position),
      offset: leaf.offsetAt(position),
      snapshot: leaf.snapshotAt(position),
    };
    if (before !== undefined && !isBefore(before, key))
      findings.found(PASS, `${nameOf(node)}: row ${keyText(key)} is out of order`);
    if (isBefore(key, lowOf(node))) findings.found(PASS, `${nameOf(node)}: row ${keyText(key)} is before its range`);
    if (end !== undefined && !isBefore(key, end))
      findings.found(PASS, `${nameOf(node)}: row ${keyText(key)} is behind its range`);
    before = key;
  }
}

/** The range of each child: from its own low key to the next one's. */
function checkChildren(findings: Findings, node: Node, end: Key | undefined): void {
  findings.count("interior nodes");
  const { kids } = node.interior!;
  if (kids.length === 0) findings.found(PASS, `${nameOf(node)} has no children`);
  kids.forEach((kid, index) => {
    const low = lowOf(kid);
    if (kid.level !== node.level - 1 || kid.table !== node.table) {
      findings.found(PASS, `${nameOf(node)} has a child of table ${kid.table}, level ${kid.level}`);
    }
    if (kid.parent !== node) findings.found(PASS, `${nameOf(kid)} has another parent than the node that lists it`);
    const before = index === 0 ? lowOf(node) : lowOf(kids[index - 1]!);
    const inOrder = index === 0 ? !isBefore(low, before) : isBefore(before, low);
    if (!inOrder) findings.found(PASS, `${nameOf(node)}: child ${keyText(low)} is out of order`);
    if (index === 0 && isBefore(before, low))
      findings.found(PASS, `${nameOf(node)} covers keys before its first child`);
    if (end !== undefined && !isBefore(low, end))
      findings.found(PASS, `${nameOf(node)}: child ${keyText(low)} is behind its range`);
  });
}

/** True when the whole subtree could be read. */
function* checkingNode(
  findings: Findings,
  trees: Trees,
  fetch: FetchNode,
  node: Node,
  end: Key | undefined,
): Effect.fn.Return<boolean> {
  // A tree without any row has a root that was never written.
  if (!node.resident && node.pointer === undefined) return true;
  // Once loaded, somebody may need its room before it is looked at.
  while (!node.resident) {
    const loaded = yield* Effect.result(fetch(node));
    if (loaded._tag === "Failure") {
      findings.found(PASS, loaded.failure.detail);
      return false;
    }
  }
  if (node.level === 0) {
    checkLeaf(findings, node, node.leaf!, end);
    trees.evict();
    return true;
  }
  checkChildren(findings, node, end);
  let whole = true;
  const { kids } = node.interior!;
  for (let index = 0; index < kids.length; index++) {
    const kid = kids[index]!;
    const next = kids[index + 1];
    if (kid.level !== node.level - 1) continue;
    const read = yield* checkingNode(findings, trees, fetch, kid, next === undefined ? end : lowOf(next));
    whole &&= read;
  }
  return whole;
}

/** True when every node could be read, so that the passes over tables see all rows. */
export const checkBtrees = Effect.fnUntraced(function* (
  findings: Findings,
  trees: Trees,
  fetch: FetchNode,
): Effect.fn.Return<boolean> {
  let whole = true;
  for (const tree of trees.all) {
    const { root } = tree;
    if (isBefore(LOWEST, lowOf(root)) || root.parent !== undefined) {
      findings.found(PASS, `${nameOf(root)} is a root and does not cover all keys`);
    }
    const read = yield* checkingNode(findings, trees, fetch, root, undefined);
    whole &&= read;
  }
  return whole;
});
