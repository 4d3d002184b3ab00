/**
 * Everything that a filesystem shows, read through its public interface: names, attributes, xattrs, contents.
 *
 * A walk also holds the filesystem against itself: what `readdir` lists must be found by `lookup`, a directory has one
 * place and knows its parent. What does not fit is a problem of its own, before any comparison with a history. Where
 * the caller expects damage, `InputOutput` makes things unknown instead. Given the calls that are answered at once, it
 * asks those first, and waits only for what is not in memory.
 */
import * as Effect from "effect/Effect";
import type { AtOnce } from "../../engine/fs/at-once.ts";
import {
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type Fs,
  FsError,
  ROOT_INODE,
} from "../../engine/fs/types.ts";
import { PAGE_BYTES } from "./file-content.ts";
import { textOf, typeOf } from "./inode.ts";
import { joined } from "../joined.ts";

const ENTRIES_AT_ONCE = 64;
const READ_BYTES = 128 * 1024;
/** Longer files are read where they say they have data. */
const WHOLE_FILE_BYTES_MAX = 8 * 1024 * 1024;

export interface FoundNode {
  readonly number: number;
  /** One of its paths. */
  readonly path: string;
  readonly attributes: Attributes;
  /** Of a directory: inode number by name. */
  readonly entries: ReadonlyMap<string, number> | undefined;
  /** Undefined where they could not be read. */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  readonly target: string | undefined;
  /** Of a regular file: pages by index; the last may be short. A page that is missing before `searchedBytes` is all zeros. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** Of a long file: so far it could say where it has data. */
  readonly searchedBytes?: number;
  readonly unreadablePages: ReadonlySet<number>;
}

export interface FoundTree {
  readonly nodes: ReadonlyMap<number, FoundNode>;
  readonly problems: ReadonlyArray<string>;
  /** What could not be read, where that was to be expected. */
  readonly unreadable: ReadonlyArray<string>;
}

interface DataRanges {
  readonly ranges: ReadonlyArray<{ readonly from: number; readonly to: number }>;
  readonly searchedBytes: number;
}

interface Visit {
  readonly path: string;
  readonly parent: number;
  readonly attributes: Attributes;
}

export interface WalkOptions {
  /** What cannot be read is no problem. */
  readonly damageExpected?: boolean;
  /** Asked first. */
  readonly atOnce?: WalksAtOnce | undefined;
}

/** What a walk asks without waiting. */
export type WalksAtOnce = Pick<
  AtOnce,
  "getattr" | "listxattr" | "getxattr" | "readlink" | "parentOf" | "readdir" | "lookup" | "read"
>;

/** Reads the whole tree. Never fails: what fails is a problem, or unreadable where `damageExpected`. */
export function collectTree(fs: Filesystem, options: WalkOptions = {}): Effect.Effect<FoundTree> {
  return Effect.gen(() => new Walk(fs, options).all());
}

class Walk {
  private readonly fs: Filesystem;
  private readonly atOnce: WalksAtOnce | undefined;
  private readonly damageExpected: boolean;
  private readonly nodes = new Map<number, FoundNode>();
  private readonly problems: Array<string> = [];
  private readonly unreadable: Array<string> = [];
  private readonly visits: Array<Visit> = [];
  private readonly met = new Set<number>([ROOT_INODE]);

  constructor(fs: Filesystem, { atOnce, damageExpected = false }: WalkOptions) {
    this.fs = fs;
    this.atOnce = atOnce;
    this.damageExpected = damageExpected;
  }

  *all(): Effect.fn.Return<FoundTree> {
    const { fs, atOnce } = this;
    const known = atOnce?.getattr(ROOT_INODE);
    const root = yield* this.asked("/", "getattr", known, () => fs.getattr(ROOT_INODE));
    if (root !== undefined) this.visits.push({ path: "", parent: ROOT_INODE, attributes: root });
    for (let visit = this.visits.pop(); visit !== undefined; visit = this.visits.pop()) {
      const node = yield* this.reading(visit);
      this.nodes.set(node.number, node);
    }
    return { nodes: this.nodes, problems: this.problems, unreadable: this.unreadable };
  }

  private failed(path: string, what: string, error: FsError): void {
    const told = `${path}: ${what} fails with ${error.reason}${error.detail === "" ? "" : ` (${error.detail})`}`;
    if (this.damageExpected && error.reason === "InputOutput") this.unreadable.push(told);
    else this.problems.push(told);
  }

  /** An answer, if there is one: the one that is `known`, or that somebody waits for. */
  private *asked<A>(
    path: string,
    what: string,
    known: A | FsError | undefined,
    later: () => Fs<A>,
  ): Effect.fn.Return<A | undefined> {
    let answer: A | FsError | undefined = known;
    if (answer === undefined) answer = yield* Effect.catch(later(), (error: FsError) => Effect.succeed(error));
    if (!(answer instanceof FsError)) return answer;
    this.failed(path, what, answer);
    return undefined;
  }

  private *reading(visit: Visit): Effect.fn.Return<FoundNode> {
    const { fs, atOnce } = this;
    const { path, attributes } = visit;
    const number = attributes.inode;
    const type = typeOf(attributes.mode);
    const pages = new Map<number, Uint8Array>();
    const unreadablePages = new Set<number>();
    let searchedBytes = attributes.sizeBytes;
    const xattrs = yield* this.xattrs(path, number);
    let entries: ReadonlyMap<string, number> | undefined;
    let target: string | undefined;
    if (type === FileType.directory) {
      entries = yield* this.directory(visit);
    } else if (type === FileType.symlink) {
      const bytes = yield* this.asked(path, "readlink", atOnce?.readlink(number), () => fs.readlink(number));
      target = bytes === undefined ? undefined : textOf(bytes);
    } else if (type === FileType.regular) {
      const data = yield* this.dataRanges(path, attributes);
      for (const { from, to } of data.ranges) yield* this.contents(path, number, from, to, pages, unreadablePages);
      searchedBytes = data.searchedBytes;
    }
    const where = path === "" ? "/" : path;
    return { number, path: where, attributes, entries, xattrs, target, pages, searchedBytes, unreadablePages };
  }

  private *xattrs(path: string, number: number): Effect.fn.Return<ReadonlyMap<string, Uint8Array> | undefined> {
    const { fs, atOnce } = this;
    const names = yield* this.asked(path, "listxattr", atOnce?.listxattr(number), () => fs.listxattr(number));
    if (names === undefined) return undefined;
    const xattrs = new Map<string, Uint8Array>();
    for (const name of names) {
      const known = atOnce?.getxattr(number, name);
      const value = yield* this.asked(path, `getxattr ${textOf(name)}`, known, () => fs.getxattr(number, name));
      if (value === undefined) return undefined;
      xattrs.set(textOf(name), value);
    }
    return xattrs;
  }

  private *directory(visit: Visit): Effect.fn.Return<ReadonlyMap<string, number> | undefined> {
    const { fs, atOnce } = this;
    const { path, parent, attributes } = visit;
    const number = attributes.inode;
    const above = yield* this.asked(path, "parentOf", atOnce?.parentOf(number), () => fs.parentOf(number));
    if (above !== undefined && above !== parent) this.problems.push(`${path}: its parent is ${above}, not ${parent}`);
    const entries = new Map<string, number>();
    let cookie = 0;
    for (;;) {
      const known = atOnce?.readdir(number, cookie, ENTRIES_AT_ONCE);
      const later = (): Fs<ReadonlyArray<DirectoryEntry>> => fs.readdir(number, cookie, ENTRIES_AT_ONCE);
      const found: ReadonlyArray<DirectoryEntry> | undefined = yield* this.asked(path, "readdir", known, later);
      if (found === undefined) return undefined;
      const last = found[found.length - 1];
      if (last === undefined) return entries;
      for (const entry of found) yield* this.entry(visit, entry, entries);
      cookie = last.cookie;
    }
  }

  private *entry(visit: Visit, entry: DirectoryEntry, entries: Map<string, number>): Effect.fn.Return<void> {
    const { fs, atOnce } = this;
    const directory = visit.attributes.inode;
    const name = textOf(entry.name);
    const path = `${visit.path}/${name}`;
    if (entries.has(name)) this.problems.push(`${path}: listed twice`);
    entries.set(name, entry.inode);
    const known = atOnce?.lookup(directory, entry.name);
    const attributes = yield* this.asked(path, "lookup", known, () => fs.lookup(directory, entry.name));
    if (attributes === undefined) return;
    const type = typeOf(attributes.mode);
    if (attributes.inode !== entry.inode) {
      this.problems.push(`${path}: readdir says inode ${entry.inode}, lookup ${attributes.inode}`);
    }
    if (type !== entry.type) this.problems.push(`${path}: readdir says type 0o${entry.type.toString(8)}`);
    if (!this.met.has(attributes.inode)) {
      this.met.add(attributes.inode);
      this.visits.push({ path, parent: directory, attributes });
    } else if (type === FileType.directory) {
      this.problems.push(`${path}: the directory is in two places`);
    }
  }

  private *dataRanges(path: string, { inode, sizeBytes }: Attributes): Effect.fn.Return<DataRanges> {
    if (sizeBytes === 0) return { ranges: [], searchedBytes: 0 };
    if (sizeBytes <= WHOLE_FILE_BYTES_MAX) return { ranges: [{ from: 0, to: sizeBytes }], searchedBytes: sizeBytes };
    const { fs } = this;
    const ranges: Array<{ from: number; to: number }> = [];
    const data = (at: number): Fs<number> =>
      Effect.catch(fs.seek(inode, at, "data"), (error: FsError) =>
        error.reason === "NoSuchOffset" ? Effect.succeed(sizeBytes) : Effect.fail(error),
      );
    for (let at = 0; at < sizeBytes;) {
      const from = yield* this.asked(path, "seek", undefined, () => data(at));
      if (from === undefined) return { ranges, searchedBytes: at };
      if (from >= sizeBytes) break;
      const to: number | undefined = yield* this.asked(path, "seek", undefined, () => fs.seek(inode, from, "hole"));
      if (to === undefined) return { ranges, searchedBytes: from };
      if (to <= from) {
        this.problems.push(`${path}: data at ${from}, and a hole at ${to} behind it`);
        break;
      }
      ranges.push({
        from: from - (from % PAGE_BYTES),
        to: Math.min(sizeBytes, Math.ceil(to / PAGE_BYTES) * PAGE_BYTES),
      });
      at = to;
    }
    return { ranges, searchedBytes: sizeBytes };
  }

  private *contents(
    path: string,
    number: number,
    from: number,
    to: number,
    pages: Map<number, Uint8Array>,
    unreadablePages: Set<number>,
  ): Effect.fn.Return<void> {
    const { fs, atOnce } = this;
    for (let at = from; at < to; at += READ_BYTES) {
      const length = Math.min(READ_BYTES, to - at);
      const known = atOnce?.read(number, at, length);
      const pieces = known === undefined || known instanceof FsError ? known : joined(known.list);
      const bytes = yield* this.asked(path, `read at ${at}`, pieces, () => fs.read(number, at, length));
      if (bytes !== undefined && bytes.length !== length) {
        this.problems.push(`${path}: read of ${length} bytes at ${at} gives ${bytes.length}`);
      }
      for (let offset = 0; offset < length; offset += PAGE_BYTES) {
        const index = (at + offset) / PAGE_BYTES;
        if (bytes === undefined) unreadablePages.add(index);
        else pages.set(index, bytes.subarray(offset, offset + PAGE_BYTES));
      }
    }
  }
}
