/**
 * Reads a mounted filesystem whole, by real system calls, into the form in which the oracle looks at trees.
 *
 * The root gets the number that it has for us. Of a directory, size and links are made those of our own filesystem
 * (entries, and two more than subdirectories), because filesystems count them each in their own way. The directory
 * `lost+found` of the root is no part of the tree. What cannot be read is a problem and never thrown.
 */
import * as fs from "node:fs";
import { type Attributes, FileType, ROOT_INODE } from "../../engine/fs/types.ts";
import { PAGE_BYTES } from "../../harness/oracle/file-content.ts";
import type { FoundNode, FoundTree } from "../../harness/oracle/found-tree.ts";
import { typeOf } from "../../harness/oracle/inode.ts";

const LOST_AND_FOUND = "lost+found";
const ROOT_LINKS = 2;

interface Visit {
  /** The root's is empty. */
  readonly path: string;
  readonly number: number;
  readonly stats: fs.Stats;
}

export function walk(root: string): FoundTree {
  const walking = new Walking(root);
  walking.all();
  return { nodes: walking.nodes, problems: walking.problems, unreadable: [] };
}

class Walking {
  readonly nodes = new Map<number, FoundNode>();
  readonly problems: Array<string> = [];
  private readonly root: string;
  private readonly visits: Array<Visit> = [];
  private readonly met = new Set<number>([ROOT_INODE]);

  constructor(root: string) {
    this.root = root;
  }

  all(): void {
    const stats = this.attempt("/", () => fs.lstatSync(this.root));
    if (stats !== undefined) this.visits.push({ path: "", number: ROOT_INODE, stats });
    for (let visit = this.visits.pop(); visit !== undefined; visit = this.visits.pop()) {
      this.nodes.set(visit.number, this.node(visit));
    }
  }

  private attempt<A>(path: string, read: () => A): A | undefined {
    try {
      return read();
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      this.problems.push(`${path}: ${syscall ?? "reading"} fails with ${code ?? String(error)}`);
      return undefined;
    }
  }

  private node({ path, number, stats }: Visit): FoundNode {
    const pages = new Map<number, Uint8Array>();
    const place = `${this.root}${path}`;
    let entries: Map<string, number> | undefined;
    let target: string | undefined;
    let attributes = attributesOf(number, stats);
    const type = typeOf(stats.mode);
    if (type === FileType.directory) {
      const subdirectories = { count: 0 };
      entries = this.entries(path, subdirectories);
      attributes = { ...attributes, sizeBytes: entries.size, links: ROOT_LINKS + subdirectories.count };
    } else if (type === FileType.symlink) {
      target = this.attempt(path, () => fs.readlinkSync(place, "latin1"));
    } else if (type === FileType.regular) {
      const bytes = this.attempt(path, () => fs.readFileSync(place));
      if (bytes !== undefined && bytes.length !== stats.size) {
        this.problems.push(`${path}: its size is ${stats.size}, reading gives ${bytes.length} bytes`);
      }
      for (let at = 0; at < (bytes?.length ?? 0); at += PAGE_BYTES) {
        pages.set(at / PAGE_BYTES, bytes!.subarray(at, at + PAGE_BYTES));
      }
    }
    const where = path === "" ? "/" : path;
    const unreadablePages = new Set<number>();
    return { number, path: where, attributes, entries, xattrs: undefined, target, pages, unreadablePages };
  }

  private entries(path: string, subdirectories: { count: number }): Map<string, number> {
    const entries = new Map<string, number>();
    for (const name of this.attempt(path, () => fs.readdirSync(`${this.root}${path}/`, "latin1")) ?? []) {
      if (path === "" && name === LOST_AND_FOUND) continue;
      const below = `${path}/${name}`;
      const stats = this.attempt(below, () => fs.lstatSync(`${this.root}${below}`));
      if (stats === undefined) continue;
      entries.set(name, stats.ino);
      if (stats.isDirectory()) subdirectories.count++;
      if (this.met.has(stats.ino)) {
        if (stats.isDirectory()) this.problems.push(`${below}: the directory is in two places`);
        continue;
      }
      this.met.add(stats.ino);
      this.visits.push({ path: below, number: stats.ino, stats });
    }
    return entries;
  }
}

function attributesOf(inode: number, stats: fs.Stats): Attributes {
  const time = (milliseconds: number): Attributes["modified"] => {
    const seconds = Math.floor(milliseconds / 1000);
    return { seconds, nanoseconds: Math.floor((milliseconds - seconds * 1000) * 1e6) };
  };
  return {
    inode,
    mode: stats.mode,
    links: stats.nlink,
    uid: stats.uid,
    gid: stats.gid,
    rdev: stats.rdev,
    compression: 0,
    sizeBytes: stats.size,
    allocatedBytes: stats.blocks * 512,
    accessed: time(stats.atimeMs),
    modified: time(stats.mtimeMs),
    changed: time(stats.ctimeMs),
    born: time(stats.birthtimeMs),
  };
}
