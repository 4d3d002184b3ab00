/**
 * Everything that a filesystem shows, read through its public interface: names, attributes, xattrs, contents.
 *
 * A walk also holds the filesystem against itself: what `readdir` lists must be found by `lookup`, a directory has one
 * place and knows its parent. What does not fit is a problem of its own, before any comparison with a history. Where
 * the caller expects damage, `InputOutput` makes things unknown instead.
 */
import * as Effect from "effect/Effect";
import {
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type Fs,
  type FsError,
  ROOT_INODE,
} from "../../engine/fs/types.ts";
import { PAGE_BYTES } from "./file-content.ts";
import { textOf, typeOf } from "./inode.ts";

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
  /** Of a regular file: pages by index; the last may be short. A page that is missing is all zeros. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  readonly unreadablePages: ReadonlySet<number>;
}

export interface FoundTree {
  readonly nodes: ReadonlyMap<number, FoundNode>;
  readonly problems: ReadonlyArray<string>;
  /** What could not be read, where that was to be expected. */
  readonly unreadable: ReadonlyArray<string>;
}

interface Visit {
  readonly path: string;
  readonly parent: number;
  readonly attributes: Attributes;
}

/** Reads the whole tree. Never fails: what fails is a problem, or unreadable where `damageExpected`. */
export function collectTree(fs: Filesystem, damageExpected = false): Effect.Effect<FoundTree> {
  return Effect.suspend(() => new Walk(fs, damageExpected).all());
}

class Walk {
  private readonly fs: Filesystem;
  private readonly damageExpected: boolean;
  private readonly nodes = new Map<number, FoundNode>();
  private readonly problems: Array<string> = [];
  private readonly unreadable: Array<string> = [];
  private readonly visits: Array<Visit> = [];
  private readonly met = new Set<number>([ROOT_INODE]);

  constructor(fs: Filesystem, damageExpected: boolean) {
    this.fs = fs;
    this.damageExpected = damageExpected;
  }

  all(): Effect.Effect<FoundTree> {
    const self = this;
    return Effect.gen(function* () {
      const root = yield* self.attempt("/", "getattr", self.fs.getattr(ROOT_INODE));
      if (root !== undefined) self.visits.push({ path: "", parent: ROOT_INODE, attributes: root });
      for (let visit = self.visits.pop(); visit !== undefined; visit = self.visits.pop()) {
        const node = yield* self.node(visit);
        self.nodes.set(node.number, node);
      }
      return { nodes: self.nodes, problems: self.problems, unreadable: self.unreadable };
    });
  }

  private attempt<A>(path: string, what: string, operation: Fs<A>): Effect.Effect<A | undefined> {
    return Effect.catch(operation, (error: FsError) => {
      const told = `${path}: ${what} fails with ${error.reason}${error.detail === "" ? "" : ` (${error.detail})`}`;
      if (this.damageExpected && error.reason === "InputOutput") this.unreadable.push(told);
      else this.problems.push(told);
      return Effect.succeed(undefined);
    });
  }

  private node(visit: Visit): Effect.Effect<FoundNode> {
    return Effect.gen(() => this.reading(visit));
  }

  private *reading(visit: Visit): Effect.fn.Return<FoundNode> {
    const { path, attributes } = visit;
    const number = attributes.inode;
    const type = typeOf(attributes.mode);
    const pages = new Map<number, Uint8Array>();
    const unreadablePages = new Set<number>();
    const xattrs = yield* this.xattrs(path, number);
    let entries: ReadonlyMap<string, number> | undefined;
    let target: string | undefined;
    if (type === FileType.directory) {
      entries = yield* this.directory(visit);
    } else if (type === FileType.symlink) {
      const bytes = yield* this.attempt(path, "readlink", this.fs.readlink(number));
      target = bytes === undefined ? undefined : textOf(bytes);
    } else if (type === FileType.regular) {
      const ranges = yield* this.rangesToRead(path, attributes);
      for (const { from, to } of ranges) yield* this.contents(path, number, from, to, pages, unreadablePages);
    }
    return { number, path: path === "" ? "/" : path, attributes, entries, xattrs, target, pages, unreadablePages };
  }

  private xattrs(path: string, number: number): Effect.Effect<ReadonlyMap<string, Uint8Array> | undefined> {
    return Effect.gen(() => this.readingXattrs(path, number));
  }

  private *readingXattrs(path: string, number: number): Effect.fn.Return<ReadonlyMap<string, Uint8Array> | undefined> {
    const xattrs = new Map<string, Uint8Array>();
    const names = yield* this.attempt(path, "listxattr", this.fs.listxattr(number));
    if (names === undefined) return undefined;
    for (const name of names) {
      const value = yield* this.attempt(path, `getxattr ${textOf(name)}`, this.fs.getxattr(number, name));
      if (value === undefined) return undefined;
      xattrs.set(textOf(name), value);
    }
    return xattrs;
  }

  private directory(visit: Visit): Effect.Effect<ReadonlyMap<string, number> | undefined> {
    return Effect.gen(() => this.readingDirectory(visit));
  }

  private *readingDirectory(visit: Visit): Effect.fn.Return<ReadonlyMap<string, number> | undefined> {
    const { path, parent, attributes } = visit;
    const number = attributes.inode;
    const above = yield* this.attempt(path, "parentOf", this.fs.parentOf(number));
    if (above !== undefined && above !== parent) this.problems.push(`${path}: its parent is ${above}, not ${parent}`);
    const entries = new Map<string, number>();
    let cookie = 0;
    for (;;) {
      const found: ReadonlyArray<DirectoryEntry> | undefined = yield* this.attempt(
        path,
        "readdir",
        this.fs.readdir(number, cookie, ENTRIES_AT_ONCE),
      );
      if (found === undefined) return undefined;
      const last = found[found.length - 1];
      if (last === undefined) return entries;
      for (const entry of found) yield* this.entry(visit, entry, entries);
      cookie = last.cookie;
    }
  }

  private entry(visit: Visit, entry: DirectoryEntry, entries: Map<string, number>): Effect.Effect<void> {
    const name = textOf(entry.name);
    const path = `${visit.path}/${name}`;
    if (entries.has(name)) this.problems.push(`${path}: listed twice`);
    entries.set(name, entry.inode);
    return Effect.map(
      this.attempt(path, "lookup", this.fs.lookup(visit.attributes.inode, entry.name)),
      (attributes) => {
        if (attributes === undefined) return;
        const type = typeOf(attributes.mode);
        if (attributes.inode !== entry.inode) {
          this.problems.push(`${path}: readdir says inode ${entry.inode}, lookup ${attributes.inode}`);
        }
        if (type !== entry.type) this.problems.push(`${path}: readdir says type 0o${entry.type.toString(8)}`);
        if (!this.met.has(attributes.inode)) {
          this.met.add(attributes.inode);
          this.visits.push({ path, parent: visit.attributes.inode, attributes });
        } else if (type === FileType.directory) {
          this.problems.push(`${path}: the directory is in two places`);
        }
      },
    );
  }

  private rangesToRead(
    path: string,
    { inode, sizeBytes }: Attributes,
  ): Effect.Effect<ReadonlyArray<{ readonly from: number; readonly to: number }>> {
    if (sizeBytes === 0) return Effect.succeed([]);
    if (sizeBytes <= WHOLE_FILE_BYTES_MAX) return Effect.succeed([{ from: 0, to: sizeBytes }]);
    const self = this;
    return Effect.gen(function* () {
      const ranges: Array<{ from: number; to: number }> = [];
      for (let at = 0; at < sizeBytes;) {
        const from = yield* Effect.catch(self.fs.seek(inode, at, "data"), () => Effect.succeed(sizeBytes));
        if (from >= sizeBytes) break;
        const to = yield* self.attempt(path, "seek", self.fs.seek(inode, from, "hole"));
        if (to === undefined || to <= from) break;
        ranges.push({
          from: from - (from % PAGE_BYTES),
          to: Math.min(sizeBytes, Math.ceil(to / PAGE_BYTES) * PAGE_BYTES),
        });
        at = to;
      }
      return ranges;
    });
  }

  private contents(
    path: string,
    number: number,
    from: number,
    to: number,
    pages: Map<number, Uint8Array>,
    unreadablePages: Set<number>,
  ): Effect.Effect<void> {
    return Effect.gen(() => this.readingContents(path, number, from, to, pages, unreadablePages));
  }

  private *readingContents(
    path: string,
    number: number,
    from: number,
    to: number,
    pages: Map<number, Uint8Array>,
    unreadablePages: Set<number>,
  ): Effect.fn.Return<void> {
    for (let at = from; at < to; at += READ_BYTES) {
      const length = Math.min(READ_BYTES, to - at);
      const bytes = yield* this.attempt(path, `read of ${length} bytes at ${at}`, this.fs.read(number, at, length));
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
