import { describe, expect, it } from "vitest";
import type { Attributes } from "../../engine/fs/types.ts";
import { Entropy } from "../entropy.ts";
import { PAGE_BYTES } from "../oracle/file-content.ts";
import type { FoundNode, FoundTree } from "../oracle/found-tree.ts";
import type { Inode } from "../oracle/inode.ts";
import type { Model } from "../oracle/model.ts";
import type { Operation } from "../workload/operation.ts";
import { TargetJudge } from "./judge.ts";
import type { PromiseName } from "./promises.ts";
import { type Rehearsal, rehearse, rehearseScript } from "./rehearsal.ts";

const time = { seconds: 0, nanoseconds: 0 };
const create = (path: string): Operation => ({ kind: "create", path });
const mkdir = (path: string): Operation => ({ kind: "mkdir", path });
const rename = (from: string, to: string): Operation => ({ kind: "rename", from, to, mode: "replace" });
const fsync = (target: string): Operation => ({ kind: "fsync", target });
const unlink = (path: string): Operation => ({ kind: "unlink", path });
const write = (target: string, offsetBytes = 0, lengthBytes = 6000): Operation => ({
  kind: "write",
  target,
  offsetBytes,
  pattern: { tag: 1 + offsetBytes, lengthBytes, texture: "text" },
});

/** The tree as it was after a moment, with the contents of another if told. */
function treeAt(model: Model, moment: number, contentMoment = moment): FoundTree {
  const nodes = new Map<number, FoundNode>();
  const visit = (inode: Inode, path: string): void => {
    const state = inode.states.at(moment)!;
    const number = inode.number!;
    const sizeBytes = inode.content?.sizeAt(contentMoment) ?? state.target?.length ?? state.entries!.size;
    const pages = new Map<number, Uint8Array>();
    for (let at = 0; inode.content !== undefined && at < sizeBytes; at += PAGE_BYTES) {
      const page = inode.content.pageAt(contentMoment, at / PAGE_BYTES) ?? new Uint8Array(PAGE_BYTES);
      pages.set(at / PAGE_BYTES, page.slice(0, sizeBytes - at));
    }
    const { mode, uid, gid, rdev, links, target } = state;
    const attributes: Attributes = {
      ...{ inode: number, mode, uid, gid, rdev, links, sizeBytes, allocatedBytes: 0, compression: 0 },
      ...{ accessed: time, modified: time, changed: time, born: time },
    };
    const entries =
      state.entries === undefined
        ? undefined
        : new Map([...state.entries].map(([name, child]) => [name, child.number!] as const));
    const unreadablePages = new Set<number>();
    nodes.set(number, {
      number,
      path: path === "" ? "/" : path,
      attributes,
      entries,
      xattrs: undefined,
      target,
      pages,
      unreadablePages,
    });
    for (const [name, child] of state.entries ?? []) visit(child, `${path}/${name}`);
  };
  visit(model.root, "");
  return { nodes, problems: [], unreadable: [] };
}

function broken({ model }: Rehearsal, tree: FoundTree, mark = model.history.mark()): ReadonlyArray<PromiseName> {
  return new TargetJudge(model)
    .judge(mark, tree)
    .map(({ promise }) => promise)
    .filter((promise) => promise !== "law");
}

/** The tree with some names of the root set or, by undefined, taken away; what has no name left is gone. */
function renamed(tree: FoundTree, names: Readonly<Record<string, number | undefined>>): FoundTree {
  const root = tree.nodes.get(1)!;
  const entries = new Map(root.entries);
  for (const [name, number] of Object.entries(names)) {
    if (number === undefined) entries.delete(name);
    else entries.set(name, number);
  }
  const nodes = new Map([...tree.nodes].filter(([number]) => number === 1 || [...entries.values()].includes(number)));
  return { ...tree, nodes: nodes.set(1, { ...root, entries }) };
}

/** The tree with the bytes of a file changed. */
function rewritten(tree: FoundTree, path: string, change: (bytes: Uint8Array) => Uint8Array): FoundTree {
  const node = [...tree.nodes.values()].find((found) => found.path === path)!;
  const bytes = change(Uint8Array.from(Buffer.concat([...node.pages.values()])));
  const pages = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) pages.set(at / PAGE_BYTES, bytes.slice(at, at + PAGE_BYTES));
  const attributes = { ...node.attributes, sizeBytes: bytes.length };
  return { ...tree, nodes: new Map(tree.nodes).set(node.number, { ...node, attributes, pages }) };
}

describe("the judge of other filesystems", () => {
  it("finds nothing in any state that the history went through since the last sync", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rehearsal = rehearse(new Entropy(String(seed)).stream("workload"), 50);
      const { history } = rehearsal.model;
      const judge = new TargetJudge(rehearsal.model);
      const mark = history.mark();
      for (let moment = history.floorMoment(mark); moment <= mark.moment; moment++) {
        const breaches = judge.judge(mark, treeAt(rehearsal.model, moment));
        expect(breaches).toEqual([]);
      }
    }
  });

  it("misses the data and the name of a file that was synced, and not those of one that was not", () => {
    const synced = rehearseScript([create("/x"), write("/x"), fsync("/x")]);
    const unsynced = rehearseScript([create("/x"), write("/x")]);
    const shortened = (bytes: Uint8Array): Uint8Array => bytes.slice(0, 100);
    const whole = treeAt(synced.model, 2);
    expect(broken(synced, whole)).toEqual([]);
    expect(broken(synced, rewritten(whole, "/x", shortened))).toEqual(["syncedData"]);
    expect(broken(unsynced, rewritten(treeAt(unsynced.model, 2), "/x", shortened))).toEqual([]);
    expect(broken(synced, treeAt(synced.model, 0))).toEqual(["fsyncNames", "syncOrder"]);
    expect(broken(unsynced, treeAt(unsynced.model, 0))).toEqual([]);
  });

  it("takes a truncate that was synced and undone for lost, not for bytes from elsewhere", () => {
    const truncate: Operation = { kind: "truncate", target: "/x", sizeBytes: 100 };
    const rehearsal = rehearseScript([create("/x"), write("/x"), fsync("/x"), truncate, fsync("/x")]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 3, 2))).toEqual(["syncedData"]);
    const overwritten = rehearseScript([create("/x"), write("/x"), truncate, write("/x", 50), fsync("/x")]);
    expect(broken(overwritten, treeAt(overwritten.model, 4, 3))).toEqual(["syncedData"]);
  });

  it("asks nothing of a sync of a file that has no name any more, when an older name comes back", () => {
    const open: Operation = { kind: "open", path: "/x", handle: "1" };
    const rehearsal = rehearseScript([create("/x"), open, unlink("/x"), write("@1"), fsync("@1")]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 1))).toEqual(["syncOrder"]);
  });

  it("holds a sync for completed only when the mark says so", () => {
    const synced = rehearseScript([create("/x"), write("/x"), fsync("/x")]);
    expect(broken(synced, treeAt(synced.model, 0), { moment: 2, syncs: 0 })).toEqual([]);
  });

  it("takes an unlink that nobody synced for undone, and not one that was synced with its directory", () => {
    const unsynced = rehearseScript([mkdir("/a"), create("/a/x"), fsync("/a/x"), unlink("/a/x")]);
    const synced = rehearseScript([mkdir("/a"), create("/a/x"), fsync("/a/x"), unlink("/a/x"), fsync("/a")]);
    expect(broken(unsynced, treeAt(unsynced.model, 2))).toEqual([]);
    expect(broken(synced, treeAt(synced.model, 2))).toEqual(["directoryFsync", "syncOrder"]);
  });

  it("wants all names after syncfs", () => {
    const rehearsal = rehearseScript([create("/x"), mkdir("/a"), { kind: "syncfs" }]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 1))).toEqual(["syncfs", "syncOrder"]);
  });

  it("tells bytes from elsewhere and zeros that nobody wrote apart, where nothing was synced", () => {
    const rehearsal = rehearseScript([create("/x"), write("/x")]);
    const whole = treeAt(rehearsal.model, 2);
    expect(
      broken(
        rehearsal,
        rewritten(whole, "/x", (bytes) => bytes.fill(0, 5000)),
      ),
    ).toEqual(["zeros"]);
    expect(
      broken(
        rehearsal,
        rewritten(whole, "/x", (bytes) => bytes.fill(9, 5000)),
      ),
    ).toEqual(["foreign"]);
    const longer = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...bytes, 1]);
    expect(broken(rehearsal, rewritten(whole, "/x", longer))).toEqual(["foreign"]);
  });

  it("does not mind the zeros of a hole", () => {
    const rehearsal = rehearseScript([create("/x"), write("/x", 0, 100), write("/x", 10_000, 100)]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 3))).toEqual([]);
  });

  it("allows a file that is renamed at either place, but not at both or neither", () => {
    const rehearsal = rehearseScript([create("/x"), fsync("/x"), rename("/x", "/y")]);
    const [before, after] = [treeAt(rehearsal.model, 1), treeAt(rehearsal.model, 2)];
    expect(broken(rehearsal, before)).toEqual([]);
    expect(broken(rehearsal, after)).toEqual([]);
    expect(broken(rehearsal, renamed(after, { x: 2 }))).toEqual(["rename", "prefix"]);
    expect(broken(rehearsal, renamed(after, { y: undefined }))).toContain("rename");
  });

  it("does not take a hard link for half a rename", () => {
    const link: Operation = { kind: "link", target: "/y", path: "/x" };
    const rehearsal = rehearseScript([create("/x"), rename("/x", "/y"), link]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 3))).toEqual([]);
  });

  it("asks of a replacing rename that its data come along, which POSIX does not", () => {
    const rehearsal = rehearseScript([create("/x"), fsync("/x"), create("/y"), write("/y"), rename("/y", "/x")]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 4))).toEqual([]);
    expect(broken(rehearsal, treeAt(rehearsal.model, 4, 2))).toEqual(["replace"]);
  });

  it("sees a name that never was and a mode that nobody set", () => {
    const rehearsal = rehearseScript([create("/x"), create("/y")]);
    const tree = treeAt(rehearsal.model, 2);
    expect(broken(rehearsal, renamed(tree, { z: 2 }))).toEqual(["history", "prefix"]);
    const node = tree.nodes.get(2)!;
    const attributes = { ...node.attributes, mode: 0o100777 };
    const odd = { ...tree, nodes: new Map(tree.nodes).set(2, { ...node, attributes }) };
    expect(broken(rehearsal, odd)).toEqual(["history", "prefix"]);
  });

  it("finds names of two moments at once, which POSIX allows", () => {
    const rehearsal = rehearseScript([create("/x"), create("/y")]);
    const tree = renamed(treeAt(rehearsal.model, 2), { x: undefined });
    expect(broken(rehearsal, tree)).toEqual(["prefix"]);
  });

  it("accepts a number that was given to two files in turn", () => {
    const rehearsal = rehearseScript([create("/x"), unlink("/x"), create("/y"), write("/y"), fsync("/y")]);
    const [first, second] = rehearsal.steps.flatMap(({ created }) => created ?? []);
    second!.number = first!.number;
    const { model } = rehearsal;
    expect(broken(rehearsal, treeAt(model, 4))).toEqual([]);
    expect(broken(rehearsal, treeAt(model, 1), { moment: 4, syncs: 0 })).toEqual([]);
    expect(broken(rehearsal, treeAt(model, 1))).toContain("fsyncNames");
  });

  it("says only that a tree cannot be read, if it cannot", () => {
    const rehearsal = rehearseScript([create("/x"), fsync("/x")]);
    const tree = { ...treeAt(rehearsal.model, 0), problems: ["/x: lstat fails with EIO"] };
    expect(broken(rehearsal, tree)).toEqual(["readable"]);
  });
});

describe("a rehearsal", () => {
  it("is made of steps that all succeed, of every kind that was left in, the same each time", () => {
    const draw = (seed: number): Rehearsal => rehearse(new Entropy(String(seed)).stream("workload"), 60);
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const { steps, model } = draw(seed);
      expect(steps.length).toBe(60);
      expect(JSON.stringify(draw(seed).steps.map(({ operation }) => operation))).toBe(
        JSON.stringify(steps.map(({ operation }) => operation)),
      );
      expect(steps.filter(({ isSync }) => isSync).length).toBe(model.history.syncs.length);
      for (const { operation } of steps) kinds.add(operation.kind);
    }
    expect([...kinds].toSorted().join(" ")).toBe(
      "append create fsync link mkdir open release rename rmdir setattr sleep symlink syncfs truncate unlink write",
    );
  });

  it("leaves out what the reference filesystem refuses", () => {
    const { steps } = rehearseScript([unlink("/none"), create("/x"), create("/x"), mkdir("/none/a")]);
    expect(steps.map(({ operation }) => operation.kind)).toEqual(["create"]);
  });
});
