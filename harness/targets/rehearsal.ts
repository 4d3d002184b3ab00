/**
 * A workload for another filesystem, thought through on the reference filesystem before anything real happens.
 *
 * Operations are drawn as for our own engine and applied to a `Model`; those that it refuses are left out, so that each
 * step must succeed on a real filesystem, too. Left out as well is what cannot be asked for by the plain system calls
 * of Node (fallocate, xattrs, exchange, special files) and what filesystems do not agree on (owners, times). Pure: the
 * steps follow from the stream of random numbers alone. The model's inode numbers are invented; whoever carries the
 * steps out puts the real ones in their place.
 */
import { FileType, ROOT_INODE } from "../../engine/fs/types.ts";
import type { Prng } from "../entropy.ts";
import { isRefusal } from "../oracle/expectation.ts";
import type { CompletedSync } from "../oracle/history.ts";
import { bytesOf, type Inode, typeOf } from "../oracle/inode.ts";
import { Model } from "../oracle/model.ts";
import * as files from "../oracle/model-files.ts";
import { Draw } from "../workload/draw.ts";
import type { Operation } from "../workload/operation.ts";
import { patternBytes } from "../workload/pattern.ts";
import { profile, type Profile, swarm } from "../workload/profile.ts";

export interface Step {
  readonly operation: Operation;
  /** What the step made, if it made something. */
  readonly created: Inode | undefined;
  /** The history's moment behind the step. */
  readonly endMoment: number;
  readonly isSync: boolean;
}

export interface Rehearsal {
  readonly steps: ReadonlyArray<Step>;
  readonly model: Model;
}

/** Names and files as for our own engine; no files of terabytes, since files are read whole. */
export const TARGET_PROFILE: Profile = profile({
  weights: {
    create: 10,
    mkdir: 4,
    symlink: 2,
    link: 4,
    unlink: 6,
    rmdir: 2,
    rename: 10,
    write: 16,
    append: 6,
    truncate: 4,
    setattr: 2,
    fsync: 9,
    syncfs: 1,
    open: 2,
    release: 2,
    sleep: 1,
  },
  farShare: 0,
  fileBytesMax: 200_000,
  sleepMsMax: 1200,
});

const OWNER = { uid: 0, gid: 0 };
const PERMISSIONS = 0o777;
const SYMLINK_BYTES_MAX = 255;
/** Draws for each step that is wanted, before giving up. */
const DRAWS_A_STEP_MAX = 50;

/** A workload in which the seed leaves some kinds of operations out. */
export function rehearse(random: Prng, steps: number): Rehearsal {
  const chosen = swarm(TARGET_PROFILE, random, 0.15);
  const rehearsing = new Rehearsing();
  const draw = new Draw(random, rehearsing.model, chosen, rehearsing.handles);
  for (let left = steps * DRAWS_A_STEP_MAX; left > 0 && rehearsing.steps.length < steps; left--) {
    rehearsing.attempt(draw.next());
  }
  return rehearsing;
}

/** The given operations, those that are refused left out. */
export function rehearseScript(operations: ReadonlyArray<Operation>): Rehearsal {
  const rehearsing = new Rehearsing();
  for (const operation of operations) rehearsing.attempt(operation);
  return rehearsing;
}

class Rehearsing implements Rehearsal {
  readonly model = new Model();
  readonly steps: Array<Step> = [];
  readonly handles = new Map<string, number>();
  private numbers = ROOT_INODE;

  attempt(drawn: Operation): void {
    const operation = portable(drawn);
    if (operation === undefined) return;
    const { history } = this.model;
    const syncs = history.syncs.length;
    const created = this.apply(operation);
    if (created === false) return;
    const isSync = history.syncs.length > syncs;
    this.steps.push({ operation, created: created === true ? undefined : created, endMoment: history.moment, isSync });
  }

  /** False if it is refused; else the inode that it made, or true. */
  private apply(operation: Operation): Inode | boolean {
    switch (operation.kind) {
      case "create":
      case "mkdir":
      case "symlink":
        return this.create(operation);
      case "link":
      case "unlink":
      case "rmdir":
      case "rename":
        return this.onNames(operation);
      case "write":
      case "append":
      case "truncate":
      case "setattr":
        return this.onInode(operation);
      case "open":
      case "release":
        return this.onHandle(operation);
      case "fsync":
        return this.fsync(operation.target);
      case "syncfs":
        return this.synced("everything");
      case "sleep":
        return true;
      default:
        return false;
    }
  }

  private create(operation: Extract<Operation, { kind: "create" | "mkdir" | "symlink" }>): Inode | false {
    const place = this.place(operation.path);
    if (place === undefined) return false;
    const call = { label: describeOperation(operation) };
    const { parent, name } = place;
    const number = parent.number!;
    const { model } = this;
    const answer =
      operation.kind === "symlink"
        ? model.symlink(call, number, name, bytesOf(operation.target), OWNER)
        : operation.kind === "mkdir"
          ? model.mkdir(call, number, name, operation.mode ?? 0o755, OWNER)
          : model.mknod(call, number, name, FileType.regular | (operation.mode ?? 0o644), 0, OWNER);
    if (isRefusal(answer)) return false;
    const made = this.find(operation.path)!;
    const wrong = model.bind(made, ++this.numbers);
    if (wrong !== undefined) throw new Error(wrong);
    return made;
  }

  private onNames(operation: Extract<Operation, { kind: "link" | "unlink" | "rmdir" | "rename" }>): boolean {
    const { model } = this;
    const call = { label: describeOperation(operation) };
    if (operation.kind === "rename") {
      const [from, to] = [this.place(operation.from), this.place(operation.to)];
      if (from === undefined || to === undefined) return false;
      const [parent, newParent] = [from.parent.number!, to.parent.number!];
      return !isRefusal(model.rename(call, parent, from.name, newParent, to.name, operation.mode));
    }
    const place = this.place(operation.path);
    if (place === undefined) return false;
    const parent = place.parent.number!;
    if (operation.kind === "unlink") return !isRefusal(model.unlink(call, parent, place.name));
    if (operation.kind === "rmdir") return !isRefusal(model.rmdir(call, parent, place.name));
    const linked = operation.target.startsWith("@") ? undefined : this.find(operation.target);
    return linked !== undefined && !isRefusal(model.link(call, linked.number!, parent, place.name));
  }

  private onInode(operation: Extract<Operation, { kind: "write" | "append" | "truncate" | "setattr" }>): boolean {
    const { model } = this;
    const call = { label: describeOperation(operation) };
    const inode = this.find(operation.target);
    if (inode === undefined) return false;
    const number = inode.number!;
    if (operation.kind === "setattr") {
      return (
        typeOf(inode.state.mode) !== FileType.symlink && !isRefusal(model.setattr(call, number, operation.changes))
      );
    }
    if (inode.content === undefined) return false;
    if (operation.kind === "truncate") {
      return !isRefusal(model.setattr(call, number, { sizeBytes: operation.sizeBytes }));
    }
    const { tag, lengthBytes, texture } = operation.pattern;
    const bytes = patternBytes(tag, lengthBytes, texture);
    if (operation.kind === "append") return !isRefusal(files.append(model, call, number, bytes));
    return !isRefusal(files.write(model, call, number, operation.offsetBytes, bytes));
  }

  private onHandle(operation: Extract<Operation, { kind: "open" | "release" }>): boolean {
    const { handles, model } = this;
    if (operation.kind === "release") {
      const number = handles.get(operation.handle);
      if (number === undefined) return false;
      handles.delete(operation.handle);
      return !isRefusal(files.releaseInode(model, number));
    }
    const inode = this.find(operation.path);
    if (inode?.content === undefined || handles.has(operation.handle)) return false;
    handles.set(operation.handle, inode.number!);
    return !isRefusal(files.openInode(model, inode.number!));
  }

  private fsync(target: string): boolean {
    const inode = this.find(target);
    if (inode === undefined || typeOf(inode.state.mode) === FileType.symlink) return false;
    return this.synced(inode);
  }

  private synced(scope: CompletedSync["scope"]): boolean {
    const { history } = this.model;
    history.syncCompleted(history.moment, scope);
    return true;
  }

  private place(path: string): { readonly parent: Inode; readonly name: Uint8Array } | undefined {
    const cut = path.lastIndexOf("/");
    const parent = this.find(path.slice(0, cut));
    return parent?.isDirectory === true ? { parent, name: bytesOf(path.slice(cut + 1)) } : undefined;
  }

  private find(target: string): Inode | undefined {
    if (target.startsWith("@")) return this.model.find(this.handles.get(target.slice(1)) ?? 0);
    let inode: Inode | undefined = this.model.root;
    for (const name of target.split("/")) if (name !== "") inode = inode?.state.entries?.get(name);
    return inode;
  }
}

/** The nearest operation that every filesystem does alike; undefined if there is none. */
function portable(operation: Operation): Operation | undefined {
  switch (operation.kind) {
    case "rename":
      return { ...operation, mode: "replace" };
    case "whiteout":
      return { kind: "rename", from: operation.from, to: operation.to, mode: "replace" };
    case "tmpfile":
      return undefined;
    case "symlink":
      return { ...operation, target: operation.target.slice(0, SYMLINK_BYTES_MAX) };
    case "setattr": {
      const { mode } = operation.changes;
      return mode === undefined ? undefined : { ...operation, changes: { mode: mode & PERMISSIONS } };
    }
    default:
      return operation;
  }
}

/** In a few words, for labels. */
export function describeOperation(operation: Operation): string {
  switch (operation.kind) {
    case "rename":
    case "whiteout":
      return `${operation.kind} ${operation.from} to ${operation.to}`;
    case "link":
      return `link ${operation.target} as ${operation.path}`;
    case "write":
      return `write ${operation.target}, ${operation.pattern.lengthBytes} bytes at ${operation.offsetBytes}`;
    case "append":
      return `append to ${operation.target}, ${operation.pattern.lengthBytes} bytes`;
    case "truncate":
      return `truncate ${operation.target} to ${operation.sizeBytes}`;
    case "open":
      return `open ${operation.path} as @${operation.handle}`;
    case "release":
      return `close @${operation.handle}`;
    case "sleep":
      return `sleep ${operation.milliseconds} ms`;
    case "syncfs":
    case "statfs":
      return operation.kind;
    default:
      return `${operation.kind} ${"path" in operation ? operation.path : operation.target}`;
  }
}
