/**
 * The judgement of a crash of any filesystem: which of the promises does a recovered tree keep?
 *
 * Reuses the oracle's history. Where the oracle asks for one prefix of everything, this asks each name and byte by
 * itself: a sync settles what it covers up to its start, and what is settled must be as it was then or at a time since,
 * up to the crash. What nobody synced may be of any time. Names are judged by the inode numbers that the filesystem gave
 * out, which it may use again: where a number had several owners, any that fits will do. Judging changes nothing.
 */
import { FileType } from "../../engine/fs/types.ts";
import { CrashCheck } from "../oracle/crash-check.ts";
import type { FoundNode, FoundTree } from "../oracle/found-tree.ts";
import type { Mark } from "../oracle/history.ts";
import { type Inode, typeOf } from "../oracle/inode.ts";
import type { Model } from "../oracle/model.ts";
import { contentFault } from "./content-check.ts";
import { findRenames, type Rename } from "./renames.ts";
import type { Breach, PromiseName } from "./promises.ts";

type Scope = Inode | "everything";

interface Crash {
  readonly mark: Mark;
  readonly tree: FoundTree;
  /** Start of the last completed sync of each scope. */
  readonly settled: ReadonlyMap<Scope, number>;
  readonly breach: (promise: PromiseName, detail: string) => void;
}

export class TargetJudge {
  private readonly model: Model;
  private readonly law: CrashCheck;
  private readonly inodes: ReadonlySet<Inode>;
  private readonly byNumber = new Map<number, Array<Inode>>();
  private readonly renames: ReadonlyArray<Rename>;

  /** The model's inodes must have their real numbers; the root has that of `ROOT_INODE`. */
  constructor(model: Model) {
    this.model = model;
    this.law = new CrashCheck(model);
    this.inodes = new Set([model.root, ...model.history.changes.flatMap(({ touched }) => touched ?? [])]);
    for (const inode of this.inodes) {
      const owners = this.byNumber.get(inode.number!) ?? [];
      this.byNumber.set(inode.number!, [...owners, inode]);
    }
    this.renames = findRenames(model.history);
  }

  /** The promises that are not kept, each once. */
  judge(mark: Mark, tree: FoundTree): ReadonlyArray<Breach> {
    const breaches = new Map<PromiseName, Breach>();
    const breach = (promise: PromiseName, detail: string): void => {
      if (!breaches.has(promise)) breaches.set(promise, { promise, detail });
    };
    if (tree.problems.length > 0) {
      breach("readable", tree.problems[0]!);
      return [...breaches.values()];
    }
    const crash: Crash = { mark, tree, settled: this.settledAt(mark), breach };
    for (const [scope, since] of crash.settled) this.checkSync(crash, scope, since);
    this.checkNames(crash);
    this.checkRenames(crash);
    this.checkContents(crash);
    this.checkPrefix(crash);
    const { problems } = this.law.judge(mark, tree);
    if (problems.length > 0) breach("law", problems.join("; "));
    return [...breaches.values()];
  }

  private settledAt(mark: Mark): ReadonlyMap<Scope, number> {
    const settled = new Map<Scope, number>();
    for (const { scope, startedMoment } of this.model.history.syncs.slice(0, mark.syncs)) {
      if (scope === undefined) continue;
      // A file that had lost its last name was to go; that an older name of it comes back says nothing of its data.
      const isNamed = scope === "everything" || (scope.states.at(startedMoment)?.links ?? 0) > 0;
      if (isNamed) settled.set(scope, startedMoment);
    }
    return settled;
  }

  private settledMoment({ settled }: Crash, inode: Inode): number {
    return Math.max(settled.get("everything") ?? 0, settled.get(inode) ?? 0);
  }

  /** What one sync covers must be there, or what came after it. */
  private checkSync(crash: Crash, scope: Scope, since: number): void {
    const promise = scope === "everything" ? "syncfs" : scope.isDirectory ? "directoryFsync" : "fsyncNames";
    const covered = scope === "everything" ? this.inodes : new Set([scope]);
    for (const inode of covered) this.checkReached(crash, promise, inode, since);
    for (const directory of this.inodes) {
      const before = directory.states.at(since);
      const isCovered = scope === "everything" || scope === directory;
      if (before?.entries === undefined || !this.livesThrough(directory, since, crash.mark.moment)) continue;
      const found = crash.tree.nodes.get(directory.number!);
      if (found?.entries === undefined) continue;
      const names = new Set(before.entries.keys());
      if (isCovered) for (const name of found.entries.keys()) names.add(name);
      for (const name of names) {
        if (isCovered || before.entries.get(name) === scope) {
          this.checkEntry(crash, promise, directory, name, found, since);
        }
      }
    }
  }

  private checkReached(crash: Crash, promise: PromiseName, inode: Inode, since: number): void {
    const { mark, tree, breach } = crash;
    if (!this.livesThrough(inode, since, mark.moment)) return;
    const found = tree.nodes.get(inode.number!);
    if (found !== undefined && typeOf(found.attributes.mode) === typeOf(inode.state.mode)) return;
    const renamed = this.renames.some(
      (rename) => rename.inode === inode && rename.moment > since && rename.moment <= mark.moment,
    );
    const lost = `${inode.title} has no name; it was synced at moment ${since} and had one ever since`;
    breach(renamed ? "rename" : promise, lost);
  }

  private checkEntry(
    crash: Crash,
    promise: PromiseName,
    directory: Inode,
    name: string,
    found: FoundNode,
    since: number,
  ): void {
    const { mark, breach } = crash;
    const number = found.entries!.get(name);
    const held = directory.states.during(since, mark.moment).map(({ entries }) => entries?.get(name));
    if (held.some((inode) => inode?.number === number)) return;
    const renamed = this.renames.some(
      ({ moment, to }) => moment > since && moment <= mark.moment && to.directory === directory && to.name === name,
    );
    const is = number === undefined ? "is missing" : `is inode ${number}`;
    const was = [...new Set(held)].map((inode) => (inode === undefined ? "nothing" : inode.title)).join(", ");
    const where = `${found.path === "/" ? "" : found.path}/${name}`;
    breach(
      renamed && number === undefined ? "rename" : promise,
      `${where} ${is}; since the sync at moment ${since} it was ${was}`,
    );
  }

  /** It had a name at every moment of the time. */
  private livesThrough(inode: Inode, since: number, until: number): boolean {
    return inode.states.at(since) !== undefined && inode.states.during(since, until).every(({ links }) => links > 0);
  }

  /** Every name is one that was there at some time, and every mode one that was set. */
  private checkNames({ mark, tree, breach }: Crash): void {
    for (const node of tree.nodes.values()) {
      const owners = this.ownersOf(node, mark.moment);
      const { mode } = node.attributes;
      const modes = owners.flatMap((inode) => inode.states.during(0, mark.moment).map((state) => state.mode));
      if (!modes.includes(mode)) breach("history", `${node.path}: its mode was never 0o${mode.toString(8)}`);
      if (node.target !== undefined && !owners.some((inode) => inode.state.target === node.target)) {
        breach("history", `${node.path}: it never led to "${node.target}"`);
      }
      for (const [name, number] of node.entries ?? []) {
        const was = owners.some((directory) =>
          directory.states.during(0, mark.moment).some(({ entries }) => entries?.get(name)?.number === number),
        );
        if (!was) breach("history", `${node.path}: ${name} was never inode ${number}`);
      }
    }
  }

  /** A renamed inode is not at both places, unless it was at some time. */
  private checkRenames({ mark, tree, breach }: Crash): void {
    const { namespaceMoments } = this.model.history;
    for (const { moment, inode, from, to } of this.renames) {
      if (moment > mark.moment) break;
      const isThere = ({ directory, name }: Rename["from"]): boolean =>
        tree.nodes.get(directory.number!)?.entries?.get(name) === inode.number;
      if (!isThere(from) || !isThere(to)) continue;
      const held = (place: Rename["from"], at: number): boolean =>
        place.directory.states.at(at)?.entries?.get(place.name)?.number === inode.number;
      const wereBoth = namespaceMoments.some((at) => at <= mark.moment && held(from, at) && held(to, at));
      if (!wereBoth) breach("rename", `${inode.title} is at both ends of ${this.model.history.label(moment)}`);
    }
  }

  private checkContents(crash: Crash): void {
    const { mark, tree, breach } = crash;
    for (const node of tree.nodes.values()) {
      if (typeOf(node.attributes.mode) !== FileType.regular) continue;
      const owners = this.ownersOf(node, mark.moment);
      const faults = owners.map((inode) =>
        contentFault(inode.content!, this.settledMoment(crash, inode), mark.moment, node),
      );
      const fault = faults.includes(undefined) ? undefined : faults.at(-1);
      if (fault !== undefined) breach(fault.kind === "synced" ? "syncedData" : fault.kind, fault.detail);
      if (owners.length === 1) this.checkReplaced(crash, node, owners[0]!);
    }
  }

  /** A file that was renamed over another, and is found there, holds at least what it held then. */
  private checkReplaced(crash: Crash, node: FoundNode, inode: Inode): void {
    const { mark, tree, breach } = crash;
    const { history } = this.model;
    for (const rename of this.renames) {
      if (rename.inode !== inode || rename.moment > mark.moment || !rename.replaces) continue;
      const { directory, name } = rename.to;
      if (tree.nodes.get(directory.number!)?.entries?.get(name) !== inode.number) continue;
      // It may have had this name before: then nothing tells that the rename is there.
      const was = directory.states.during(0, rename.moment - 1).some(({ entries }) => entries?.get(name) === inode);
      if (was) continue;
      const settled = Math.max(rename.moment, this.settledMoment(crash, inode));
      const fault = contentFault(inode.content!, settled, mark.moment, node);
      if (fault !== undefined) breach("replace", `${fault.detail}, after ${history.label(rename.moment)}`);
    }
  }

  private checkPrefix({ mark, tree, breach }: Crash): void {
    const { history } = this.model;
    const floor = history.namespaceIndexAt(history.floorMoment(mark));
    const top = history.namespaceIndexAt(mark.moment);
    for (let index = top; index >= 0; index--) {
      if (!this.isNamespaceAt(history.namespaceMoments[index]!, tree)) continue;
      if (index < floor) {
        const [found, synced] = [index, floor].map((at) => history.label(history.namespaceMoments[at]!));
        breach("syncOrder", `names are those after ${found}, a sync completed after ${synced}`);
      }
      return;
    }
    breach("prefix", `names and modes are those of no moment up to ${history.label(mark.moment)}`);
  }

  private isNamespaceAt(moment: number, tree: FoundTree): boolean {
    const matches = (inode: Inode): boolean => {
      const state = inode.states.at(moment);
      const found = tree.nodes.get(inode.number!);
      if (state === undefined || found === undefined || found.attributes.mode !== state.mode) return false;
      if (state.entries === undefined) return true;
      if (found.entries?.size !== state.entries.size) return false;
      for (const [name, child] of state.entries) {
        if (found.entries.get(name) !== child.number || !matches(child)) return false;
      }
      return true;
    };
    return matches(this.model.root);
  }

  /** Inodes that had this number and type before the crash. */
  private ownersOf({ number, attributes }: FoundNode, topMoment: number): ReadonlyArray<Inode> {
    const owners = this.byNumber.get(number) ?? [];
    const type = typeOf(attributes.mode);
    return owners.filter(({ states, state }) => states.bornMoment <= topMoment && typeOf(state.mode) === type);
  }
}
