/**
 * The judgement of a crash: is what was recovered a state that docs/durability.md allows?
 *
 * Names, attributes and xattrs must be those after some prefix of the namespace's changes, not shorter than the last
 * completed sync, and with that prefix every file must be allowed (`file-check.ts`). The prefix is looked for by
 * fingerprint, then compared in full; several prefixes may look alike, any of them will do. If none does, the verdict
 * tells what is wrong against the closest one. Judging changes nothing; marks of one history may come in any order.
 */
import { compareTimes, type Inode, type InodeState, sameBytes, shownXattrs } from "./inode.ts";
import { wrongFile } from "./file-check.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { FoundNode, FoundTree } from "./found-tree.ts";
import type { Mark } from "./history.ts";
import type { Model } from "./model.ts";

export interface Verdict {
  /** What is wrong; empty if the state is allowed. */
  readonly problems: ReadonlyArray<string>;
  /** The moment up to which the namespace was recovered. */
  readonly prefixMoment: number | undefined;
}

const PROBLEMS_TOLD_MAX = 8;

interface Comparison {
  readonly problems: Array<string>;
  readonly files: Array<{ readonly inode: Inode; readonly found: FoundNode }>;
}

export class CrashCheck {
  private readonly model: Model;
  /** By index in the history's namespace moments, as far as all inode numbers are known. */
  private readonly fingerprints: Array<Fingerprint>;

  constructor(model: Model) {
    this.model = model;
    const first = new Fingerprint();
    for (const inode of model.inodesAtStart()) addTo(first, 1, inode, inode.states.at(0));
    this.fingerprints = [first];
  }

  judge(mark: Mark, tree: FoundTree): Verdict {
    if (tree.problems.length > 0) return { problems: told(tree.problems), prefixMoment: undefined };
    const { history } = this.model;
    const moments = history.namespaceMoments;
    const shown = tree.unreadable.length === 0 ? fingerprintOf(tree) : undefined;
    const floor = history.namespaceIndexAt(history.floorMoment(mark));
    const top = history.namespaceIndexAt(mark.moment);
    for (let index = top; index >= floor; index--) {
      const known = this.fingerprintAt(index);
      if (shown !== undefined && known !== undefined && !known.equals(shown)) continue;
      const problems = this.compare(index, top, mark, tree);
      if (problems.length === 0) return { problems, prefixMoment: moments[index] };
    }
    return this.explain(floor, top, mark, tree);
  }

  /** The sum for the namespace after its change of that index; undefined while an inode number is unknown. */
  private fingerprintAt(index: number): Fingerprint | undefined {
    const { history } = this.model;
    while (this.fingerprints.length <= index) {
      const moment = history.namespaceMoments[this.fingerprints.length] as number;
      const before = history.namespaceMoments[this.fingerprints.length - 1] as number;
      const touched = new Set(history.changes[moment]?.touched);
      for (const inode of touched) if (inode.number === undefined) return undefined;
      const next = (this.fingerprints[this.fingerprints.length - 1] as Fingerprint).copy();
      for (const inode of touched) {
        addTo(next, -1, inode, inode.states.at(before));
        addTo(next, 1, inode, inode.states.at(moment));
      }
      this.fingerprints.push(next);
    }
    return this.fingerprints[index];
  }

  private compare(index: number, top: number, mark: Mark, tree: FoundTree): ReadonlyArray<string> {
    const { history } = this.model;
    const prefixMoment = history.namespaceMoments[index] as number;
    const limitMoment = index < top ? (history.namespaceMoments[index + 1] as number) : mark.moment + 1;
    const { problems, files } = compareNamespace(this.model.root, prefixMoment, mark.moment, tree);
    for (const { inode, found } of files) {
      if (inode.content === undefined) continue;
      const settledMoment = history.settledMoment(mark, inode);
      const wrong = wrongFile(history, inode.content, { settledMoment, prefixMoment, limitMoment }, found);
      if (wrong !== undefined) problems.push(wrong);
    }
    return problems;
  }

  private explain(floor: number, top: number, mark: Mark, tree: FoundTree): Verdict {
    const { history } = this.model;
    let closest: ReadonlyArray<string> | undefined;
    let at = top;
    for (let index = top; index >= floor; index--) {
      const problems = this.compare(index, top, mark, tree);
      if (closest !== undefined && problems.length >= closest.length) continue;
      closest = problems;
      at = index;
    }
    const label = (index: number): string => history.label(history.namespaceMoments[index] as number);
    const range = floor === top ? `the state after ${label(top)}` : `any state from ${label(floor)} to ${label(top)}`;
    const summary = `recovered is not ${range} (crash after #${mark.moment}, ${mark.syncs} syncs completed)`;
    const against = floor === top ? [] : [`closest is the state after ${label(at)}:`];
    return { problems: [summary, ...against, ...told(closest ?? [])], prefixMoment: undefined };
  }
}

function told(problems: ReadonlyArray<string>): ReadonlyArray<string> {
  if (problems.length <= PROBLEMS_TOLD_MAX) return problems;
  return [...problems.slice(0, PROBLEMS_TOLD_MAX), `and ${problems.length - PROBLEMS_TOLD_MAX} more`];
}

function addTo(sum: Fingerprint, sign: 1 | -1, inode: Inode, state: InodeState | undefined): void {
  if (state === undefined || state.links === 0) return;
  const entries: Array<readonly [string, number]> = [];
  for (const [name, child] of state.entries ?? []) entries.push([name, child.number as number]);
  sum.node(sign, inode.number as number, { ...state, xattrs: shownXattrs(state) }, entries);
}

function fingerprintOf(tree: FoundTree): Fingerprint {
  const sum = new Fingerprint();
  for (const { number, attributes, target, xattrs, entries } of tree.nodes.values()) {
    sum.node(1, number, { ...attributes, target, xattrs: xattrs ?? new Map() }, entries ?? []);
  }
  return sum;
}

/** Walks both trees side by side from the root, and pairs the files. */
function compareNamespace(root: Inode, prefixMoment: number, markMoment: number, tree: FoundTree): Comparison {
  const comparison: Comparison = { problems: [], files: [] };
  const pairs = new Map<Inode, number>();
  const todo: Array<{ readonly inode: Inode; readonly number: number; readonly path: string }> = [];
  const pair = (inode: Inode, number: number, path: string): void => {
    const before = pairs.get(inode);
    if (before === number) return;
    if (before !== undefined) {
      comparison.problems.push(`${path}: inode ${number}, but another name of the same file has inode ${before}`);
    } else if (inode.number !== undefined && inode.number !== number) {
      comparison.problems.push(`${path}: inode ${number}, expected ${inode.number}`);
    } else {
      pairs.set(inode, number);
      todo.push({ inode, number, path });
    }
  };
  pair(root, root.number ?? 0, "");
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { inode, path } = next;
    const found = tree.nodes.get(next.number);
    const state = inode.states.at(prefixMoment);
    if (found === undefined || state === undefined) continue;
    comparison.files.push({ inode, found });
    compareNode(inode, state, markMoment, found, path === "" ? "/" : path, comparison.problems);
    if (found.entries === undefined) continue;
    for (const [name, child] of state.entries ?? []) {
      const number = found.entries.get(name);
      if (number === undefined) comparison.problems.push(`${path}/${name}: is missing (${child.title})`);
      else pair(child, number, `${path}/${name}`);
    }
    for (const [name, number] of found.entries) {
      if (state.entries?.has(name) !== true)
        comparison.problems.push(`${path}/${name}: should not be there (inode ${number})`);
    }
  }
  return comparison;
}

function compareNode(
  inode: Inode,
  state: InodeState,
  markMoment: number,
  found: FoundNode,
  path: string,
  problems: Array<string>,
): void {
  const { attributes } = found;
  const differ = (what: string, is: unknown, expected: unknown): void => {
    if (is !== expected) problems.push(`${path}: ${what} is ${String(is)}, expected ${String(expected)}`);
  };
  differ("mode", `0o${attributes.mode.toString(8)}`, `0o${state.mode.toString(8)}`);
  for (const name of ["links", "uid", "gid", "rdev", "compression"] as const)
    differ(name, attributes[name], state[name]);
  // What could not be read is neither right nor wrong.
  if (found.target !== undefined) differ("target", found.target, state.target);
  if (state.entries !== undefined) differ("size", attributes.sizeBytes, state.entries.size);
  if (found.xattrs !== undefined) compareXattrs(shownXattrs(state), found.xattrs, path, problems);
  // A time that was set stands, unless something after the prefix may have changed it already.
  const { modified } = state;
  if (modified === undefined || inode.states.at(markMoment)?.modified !== modified) return;
  if (compareTimes(attributes.modified, modified) !== 0) {
    problems.push(`${path}: modified ${JSON.stringify(attributes.modified)}, set to ${JSON.stringify(modified)}`);
  }
}

function compareXattrs(
  expected: ReadonlyMap<string, Uint8Array>,
  found: ReadonlyMap<string, Uint8Array>,
  path: string,
  problems: Array<string>,
): void {
  for (const [name, value] of expected) {
    const held = found.get(name);
    if (held === undefined) problems.push(`${path}: attribute ${name} is missing`);
    else if (!sameBytes(held, value)) problems.push(`${path}: attribute ${name} has another value`);
  }
  for (const name of found.keys()) {
    if (!expected.has(name)) problems.push(`${path}: attribute ${name} should not be there`);
  }
}
