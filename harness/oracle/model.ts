/**
 * The reference filesystem: inodes and the namespace over them, in the most obvious way.
 *
 * Each method is one operation, called at the moment at which the engine says that it took effect. It changes the model
 * and returns what the engine must answer. Past states are kept (`Inode.states`, `FileContent`), so the state after any
 * prefix of the history can be looked at later. It never touches the engine and knows nothing of disks; operations on
 * the bytes of files are in `model-files.ts`, the judgement of crashes in `crash-check.ts`.
 */
import {
  FILE_BYTES_MAX,
  FileType,
  NAME_BYTES_MAX,
  ROOT_INODE,
  SYMLINK_BYTES_MAX,
  type AttributeChanges,
  type Attributes,
  type FsReason,
  type Owner,
  type RenameMode,
  type Timestamp,
} from "../../engine/fs/types.ts";
import { COMPRESSION_ATTRIBUTE } from "../../engine/fs/compression-attribute.ts";
import { type Expectation, fails, isRefusal, type Refusal, succeeds } from "./expectation.ts";
import { FileContent, PAGE_BYTES } from "./file-content.ts";
import type { FoundNode, FoundTree } from "./found-tree.ts";
import { History } from "./history.ts";
import { compareTimes, Inode, type InodeState, textOf, typeOf } from "./inode.ts";

/** The call that an operation came from. */
export interface Call {
  readonly label: string;
}

const PERMISSION_BITS = 0o7777;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

export class Model {
  readonly history = new History();
  readonly root: Inode;
  private readonly byNumber = new Map<number, Inode>();
  private created = 0;
  private ticket = 0;

  private readonly beginning: ReadonlyArray<Inode>;

  /** `beginning`: the tree to start from; an empty one if left out. */
  constructor(beginning?: FoundTree) {
    const found = beginning?.nodes ?? new Map<number, FoundNode>();
    const inodes = new Map<number, Inode>();
    for (const node of found.values()) inodes.set(node.number, this.adopt(node));
    for (const { number, entries } of found.values()) {
      const directory = inodes.get(number) as Inode;
      for (const [name, child] of entries ?? []) this.enterAtStart(directory, name, inodes.get(child) as Inode);
    }
    const fresh = emptyState(FileType.directory | 0o755, { uid: 0, gid: 0 }, 2);
    this.root = inodes.get(ROOT_INODE) ?? this.createInode(0, fresh);
    if (inodes.size === 0) inodes.set(ROOT_INODE, this.root);
    for (const [number, inode] of inodes) this.bind(inode, number);
    this.beginning = [...inodes.values()];
  }

  /** What the clock says, if times are to be what it said, however it jumps. */
  clock: (() => Timestamp) | undefined;

  /**
   * Processes die, and the next one cannot know what is still open: an inode that is gone may be there in every respect,
   * a directory too, and be opened and released.
   */
  keepsGone = false;

  /** The inodes that were there at moment 0. */
  inodesAtStart(): ReadonlyArray<Inode> {
    return this.beginning;
  }

  /** The inode of that number, unless it is gone. */
  find(number: number): Inode | undefined {
    const inode = this.byNumber.get(number);
    return inode === undefined || inode.isGone ? undefined : inode;
  }

  /**
   * Why there is no inode of that number. One without names that nobody holds open is removed at some later time;
   * whoever still knows its number may find it until then.
   */
  missing(number: number): Refusal {
    return this.byNumber.has(number) ? { fails: ["NoEntry"], orAnything: true } : fails("NoEntry");
  }

  /** Learns the number of an inode from an answer of the engine; says what is wrong with it, or undefined. */
  bind(inode: Inode, number: number): string | undefined {
    if (inode.number === number) return undefined;
    if (inode.number !== undefined) return `inode number ${number}, expected ${inode.number}`;
    const holder = this.find(number);
    if (holder !== undefined) return `inode number ${number} is given to ${inode.label} and to ${holder.label}`;
    inode.number = number;
    this.byNumber.set(number, inode);
    return undefined;
  }

  /** A new inode that no name refers to yet. */
  createInode(moment: number, state: InodeState): Inode {
    const content = typeOf(state.mode) === FileType.regular ? new FileContent(moment) : undefined;
    return new Inode(`new inode #${++this.created}`, moment, state, content);
  }

  put(moment: number, inode: Inode, changes: Partial<InodeState>): void {
    inode.states.set(moment, { ...inode.state, ...changes });
  }

  /** What the inode holds was changed: its time of modification is some time of now. */
  touch(moment: number, inode: Inode): void {
    const { modified, outdated } = inode.state;
    this.put(moment, inode, { modified: undefined, outdated: modified ?? outdated, touched: this.clock?.() });
  }

  attributesOf(inode: Inode): Expectation<Attributes> {
    const state = inode.state;
    const sizeBytes = inode.content?.sizeBytes ?? state.target?.length ?? state.entries?.size;
    const ticket = ++this.ticket;
    return {
      verify: (found) =>
        this.bind(inode, found.inode) ??
        wrongAttributes(inode, state, sizeBytes, found) ??
        (this.clock === undefined ? wentBack(inode, found, ticket) : undefined),
    };
  }

  lookup(parent: number, name: Uint8Array): Expectation<Attributes> {
    const directory = this.directory(parent);
    if (isRefusal(directory)) return directory;
    const child = directory.found.state.entries?.get(textOf(name));
    if (child === undefined) return fails(...wrongName(name), "NoEntry");
    return this.attributesOf(child);
  }

  getattr(number: number): Expectation<Attributes> {
    const inode = this.find(number);
    return inode === undefined ? this.missing(number) : this.attributesOf(inode);
  }

  mknod(
    call: Call,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    owner: Owner,
  ): Expectation<Attributes> {
    const type = typeOf(mode) === 0 ? FileType.regular : typeOf(mode);
    if (type === FileType.directory || type === FileType.symlink) return fails("InvalidArgument", "Exists");
    const isDevice = type === FileType.block || type === FileType.character;
    const state = { ...emptyState(type | (mode & PERMISSION_BITS), owner, 1), rdev: isDevice ? rdev : 0 };
    return this.create(call, parent, name, state);
  }

  mkdir(call: Call, parent: number, name: Uint8Array, mode: number, owner: Owner): Expectation<Attributes> {
    return this.create(call, parent, name, emptyState(FileType.directory | (mode & PERMISSION_BITS), owner, 2));
  }

  symlink(call: Call, parent: number, name: Uint8Array, target: Uint8Array, owner: Owner): Expectation<Attributes> {
    if (target.length > SYMLINK_BYTES_MAX) return fails("NameTooLong", "InvalidArgument", "Exists", "NoEntry");
    if (target.length === 0) return fails("NoEntry", "InvalidArgument", "Exists");
    return this.create(call, parent, name, {
      ...emptyState(FileType.symlink | 0o777, owner, 1),
      target: textOf(target),
    });
  }

  /** No name shows it, so that after a crash it is as if it had never been. */
  tmpfile(call: Call, parent: number, mode: number, owner: Owner): Expectation<Attributes> {
    const directory = this.directory(parent);
    if (isRefusal(directory)) return directory;
    if (directory.found.state.links === 0) return fails("NoEntry");
    const touched: Array<Inode> = [];
    const moment = this.history.advance(call.label, touched);
    const state = emptyState(FileType.regular | (mode & PERMISSION_BITS), owner, 0);
    const { compression } = directory.found.state;
    const inode = this.createInode(moment, { ...state, compression, touched: this.clock?.() });
    touched.push(inode);
    inode.nameless = true;
    inode.opens = 1;
    return this.attributesOf(inode);
  }

  readlink(number: number): Expectation<Uint8Array> {
    const inode = this.find(number);
    if (inode === undefined) return this.missing(number);
    const target = inode.state.target;
    if (target === undefined) return fails("InvalidArgument");
    return {
      verify: (found) => (textOf(found) === target ? undefined : `target "${textOf(found)}", expected "${target}"`),
    };
  }

  link(call: Call, number: number, newParent: number, newName: Uint8Array): Expectation<Attributes> {
    const inode = this.find(number);
    const directory = this.directory(newParent);
    const reasons: Array<FsReason> = [...wrongName(newName)];
    if (inode === undefined || (inode.state.links === 0 && !inode.nameless)) reasons.push("NoEntry");
    else if (inode.isDirectory) reasons.push("NotPermitted");
    if (isRefusal(directory)) reasons.push(...directory.fails);
    else {
      if (directory.found.state.entries?.has(textOf(newName)) === true) reasons.push("Exists");
      if (directory.found.state.links === 0) reasons.push("NoEntry");
    }
    if (reasons.length > 0 || inode === undefined || isRefusal(directory)) return fails(...reasons);
    const moment = this.history.advance(call.label, [inode, directory.found]);
    this.put(moment, inode, { links: inode.state.links + 1 });
    inode.nameless = false;
    this.enter(moment, directory.found, newName, inode);
    return this.attributesOf(inode);
  }

  unlink(call: Call, parent: number, name: Uint8Array): Expectation<unknown> {
    const directory = this.directory(parent);
    if (isRefusal(directory)) return directory;
    const inode = directory.found.state.entries?.get(textOf(name));
    if (inode === undefined) return fails(...wrongName(name), "NoEntry");
    if (inode.isDirectory) return fails("IsDirectory");
    const moment = this.history.advance(call.label, [inode, directory.found]);
    this.enter(moment, directory.found, name, undefined);
    this.put(moment, inode, { links: inode.state.links - 1 });
    return succeeds;
  }

  rmdir(call: Call, parent: number, name: Uint8Array): Expectation<unknown> {
    const directory = this.directory(parent);
    if (isRefusal(directory)) return directory;
    const inode = directory.found.state.entries?.get(textOf(name));
    if (inode === undefined) return fails(...wrongName(name), "NoEntry");
    if (!inode.isDirectory) return fails("NotDirectory");
    if (inode.state.entries?.size !== 0) return fails("NotEmpty");
    const moment = this.history.advance(call.label, [inode, directory.found]);
    this.enter(moment, directory.found, name, undefined);
    this.put(moment, inode, { links: 0 });
    return succeeds;
  }

  rename(
    call: Call,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    mode: RenameMode,
  ): Expectation<unknown> {
    const source = this.directory(parent);
    const destination = this.directory(newParent);
    if (isRefusal(source) || isRefusal(destination)) {
      return fails(...(isRefusal(source) ? source.fails : []), ...(isRefusal(destination) ? destination.fails : []));
    }
    const [from, to] = [source.found, destination.found];
    const moved = from.state.entries?.get(textOf(name));
    const target = to.state.entries?.get(textOf(newName));
    const reasons = [...wrongName(name), ...wrongName(newName), ...renameRefusals(from, to, moved, target, mode)];
    if (reasons.length > 0 || moved === undefined) return fails(...reasons);
    if (moved === target) return succeeds;
    const touched = target === undefined ? [moved, from, to] : [moved, target, from, to];
    const moment = this.history.advance(call.label, touched);
    if (mode === "whiteout") {
      const left = this.createInode(moment, emptyState(FileType.character, { uid: 0, gid: 0 }, 1));
      touched.push(left);
      this.enter(moment, from, name, left);
    } else this.enter(moment, from, name, mode === "exchange" ? target : undefined);
    this.enter(moment, to, newName, moved);
    if (target !== undefined && mode !== "exchange") {
      this.put(moment, target, { links: target.isDirectory ? 0 : target.state.links - 1 });
      moved.content?.settle(moment);
    }
    return succeeds;
  }

  parentOf(number: number): Expectation<number> {
    const directory = this.directory(number);
    if (isRefusal(directory)) return directory;
    const parent = directory.found.state.parent ?? this.root;
    return { verify: (found) => this.bind(parent, found) };
  }

  setattr(call: Call, number: number, changes: AttributeChanges): Expectation<Attributes> {
    const inode = this.find(number);
    if (inode === undefined) return this.missing(number);
    const size = changes.sizeBytes;
    if (size !== undefined) {
      if (inode.content === undefined) return fails("IsDirectory", "InvalidArgument");
      if (size < 0) return fails("InvalidArgument");
      if (size > FILE_BYTES_MAX) return fails("FileTooLarge");
    }
    if (changes.compression !== undefined && !inode.isCompressible) return fails("InvalidArgument");
    const moment = this.history.advance(call.label, [inode]);
    this.put(moment, inode, {
      mode: changes.mode === undefined ? inode.state.mode : typeOf(inode.state.mode) | (changes.mode & PERMISSION_BITS),
      uid: changes.uid ?? inode.state.uid,
      gid: changes.gid ?? inode.state.gid,
      compression: changes.compression ?? inode.state.compression,
    });
    if (size !== undefined) this.touch(moment, inode);
    if (changes.modified !== undefined) {
      this.put(moment, inode, { modified: changes.modified, outdated: undefined, touched: undefined });
    }
    if (size !== undefined) inode.content?.truncate(moment, size);
    const told = this.attributesOf(inode);
    const { accessed } = changes;
    if (accessed === undefined || isRefusal(told)) return told;
    return {
      verify: (found) =>
        told.verify(found) ??
        (compareTimes(found.accessed, accessed) === 0 ? undefined : "accessed is not what was set"),
    };
  }

  /** The directory of that number, or why there is none. */
  directory(number: number): Refusal | { readonly found: Inode } {
    const inode = this.find(number);
    if (inode === undefined) return this.missing(number);
    return inode.isDirectory ? { found: inode } : fails("NotDirectory");
  }

  /** Makes `name` of the directory refer to `inode`, or to nothing. Keeps the directory's count of links. */
  enter(moment: number, directory: Inode, name: Uint8Array, inode: Inode | undefined): void {
    const key = textOf(name);
    const entries = new Map(directory.state.entries);
    const before = entries.get(key);
    if (inode === undefined) entries.delete(key);
    else entries.set(key, inode);
    const links =
      directory.state.links + (inode?.isDirectory === true ? 1 : 0) - (before?.isDirectory === true ? 1 : 0);
    this.put(moment, directory, { entries, links });
    this.touch(moment, directory);
    if (inode?.isDirectory === true) this.put(moment, inode, { parent: directory });
  }

  /** Nobody has anything open any more. */
  releaseAll(): void {
    for (const inode of this.byNumber.values()) inode.opens = 0;
  }

  private adopt({ attributes, target, xattrs, entries, pages }: FoundNode): Inode {
    const { mode, uid, gid, rdev, links, compression, sizeBytes } = attributes;
    const kept = new Map(xattrs);
    kept.delete(COMPRESSION_ATTRIBUTE);
    const state = { ...emptyState(mode, { uid, gid }, links), rdev, compression, target, xattrs: kept };
    const inode = this.createInode(0, entries === undefined ? state : { ...state, entries: new Map() });
    for (const [index, page] of pages) inode.content?.write(0, index * PAGE_BYTES, page);
    inode.content?.truncate(0, sizeBytes);
    return inode;
  }

  private enterAtStart(directory: Inode, name: string, child: Inode): void {
    const entries = new Map(directory.state.entries).set(name, child);
    this.put(0, directory, { entries });
    if (child.isDirectory) this.put(0, child, { parent: directory });
  }

  private create(call: Call, parent: number, name: Uint8Array, state: InodeState): Expectation<Attributes> {
    const directory = this.directory(parent);
    const reasons: Array<FsReason> = [...wrongName(name)];
    if (isRefusal(directory)) reasons.push(...directory.fails);
    else {
      if (directory.found.state.entries?.has(textOf(name)) === true) reasons.push("Exists");
      if (directory.found.state.links === 0) reasons.push("NoEntry");
    }
    if (reasons.length > 0 || isRefusal(directory)) return fails(...reasons);
    const touched: Array<Inode> = [directory.found];
    const moment = this.history.advance(call.label, touched);
    const type = typeOf(state.mode);
    const inherits = type === FileType.regular || type === FileType.directory;
    const compression = inherits ? directory.found.state.compression : 0;
    const inode = this.createInode(moment, { ...state, compression, touched: this.clock?.() });
    touched.push(inode);
    this.enter(moment, directory.found, name, inode);
    return this.attributesOf(inode);
  }
}

export function emptyState(mode: number, owner: Owner, links: number): InodeState {
  return {
    mode,
    uid: owner.uid,
    gid: owner.gid,
    rdev: 0,
    links,
    compression: 0,
    target: undefined,
    xattrs: NO_XATTRS,
    entries: typeOf(mode) === FileType.directory ? new Map<string, Inode>() : undefined,
    parent: undefined,
    modified: undefined,
    touched: undefined,
    outdated: undefined,
  };
}

function wrongName(name: Uint8Array): ReadonlyArray<FsReason> {
  if (name.length > NAME_BYTES_MAX) return ["NameTooLong"];
  if (name.length === 0) return ["NoEntry", "InvalidArgument"];
  const text = textOf(name);
  const isWrong = text === "." || text === ".." || text.includes("/") || text.includes("\0");
  return isWrong ? ["InvalidArgument"] : [];
}

function renameRefusals(
  from: Inode,
  to: Inode,
  moved: Inode | undefined,
  target: Inode | undefined,
  mode: RenameMode,
): ReadonlyArray<FsReason> {
  const reasons: Array<FsReason> = [];
  if (moved === undefined || (mode === "exchange" && target === undefined)) reasons.push("NoEntry");
  if (to.state.links === 0) reasons.push("NoEntry");
  if (mode === "no-replace" && target !== undefined) reasons.push("Exists");
  if (moved?.isDirectory === true && isWithin(to, moved)) reasons.push("InvalidArgument");
  if (mode === "exchange" && target?.isDirectory === true && isWithin(from, target)) reasons.push("InvalidArgument");
  if ((mode === "replace" || mode === "whiteout") && moved !== undefined && target !== undefined && moved !== target) {
    if (moved.isDirectory && !target.isDirectory) reasons.push("NotDirectory");
    if (!moved.isDirectory && target.isDirectory) reasons.push("IsDirectory");
    if (target.isDirectory && target.state.entries?.size !== 0) reasons.push("NotEmpty");
  }
  return reasons;
}

/** Is `directory` the other one, or somewhere below it? */
function isWithin(directory: Inode, other: Inode): boolean {
  for (let at: Inode | undefined = directory; at !== undefined; at = at.state.parent) if (at === other) return true;
  return false;
}

function wrongAttributes(
  inode: Inode,
  state: InodeState,
  sizeBytes: number | undefined,
  found: Attributes,
): string | undefined {
  const expected: ReadonlyArray<readonly [keyof Attributes, number | undefined]> = [
    ["mode", state.mode],
    ["links", state.links],
    ["uid", state.uid],
    ["gid", state.gid],
    ["rdev", state.rdev],
    ["compression", state.compression],
    ["sizeBytes", sizeBytes],
  ];
  for (const [name, value] of expected) {
    if (value !== undefined && found[name] !== value) {
      return `${inode.title} has ${name} ${show(name, found[name] as number)}, expected ${show(name, value)}`;
    }
  }
  if (state.modified !== undefined && compareTimes(state.modified, found.modified) !== 0) {
    return `${inode.title} was modified at ${JSON.stringify(found.modified)}, expected ${JSON.stringify(state.modified)}`;
  }
  const { touched } = state;
  if (touched !== undefined && compareTimes(touched, found.modified) !== 0) {
    return `${inode.title} was modified at ${JSON.stringify(found.modified)}, the clock said ${JSON.stringify(touched)}`;
  }
  if (state.outdated !== undefined && touched === undefined && compareTimes(state.outdated, found.modified) === 0) {
    return `${inode.title} was modified at ${JSON.stringify(found.modified)}, which was set before its last change`;
  }
  return undefined;
}

/** Only of a clock that never goes back. */
function wentBack(inode: Inode, found: Attributes, ticket: number): string | undefined {
  const seen = inode.changedSeen;
  if (seen === undefined || seen.ticket < ticket) {
    if (seen !== undefined && compareTimes(found.changed, seen.changed) < 0) {
      return `the change time of ${inode.title} went back from ${JSON.stringify(seen.changed)} to ${JSON.stringify(found.changed)}`;
    }
    inode.changedSeen = { ticket, changed: found.changed };
  }
  return undefined;
}

function show(name: string, value: number): string {
  return name === "mode" ? `0o${value.toString(8)}` : String(value);
}
