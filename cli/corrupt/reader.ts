/**
 * A program that reads a mounted tree whole, by real system calls, and says what it found and what failed.
 *
 * Started with a channel to whoever asks. What is to be read of large files is said by the states that the image may
 * hold; all else is read as it is found. Errors are recorded, never thrown. Attributes are read through `getfattr`,
 * since Node has no call for them.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Found, FoundEntry } from "../../harness/corruption/judge.ts";
import type { ReadRequest } from "./names.ts";
import { checksumText, type Manifest, type Piece } from "../../harness/corruption/manifest.ts";

const TYPE_MASK = 0o170000;
const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const SYMLINK = 0o120000;
/** Entries of a tree that has lost its mind. */
const ENTRIES_MAX = 5000;
const ATTRIBUTES_TIMEOUT_MS = 20_000;

class Reading {
  readonly entries: Record<string, FoundEntry> = {};
  readonly errors: Array<string> = [];
  private readonly root: string;
  private readonly pieces: ReadonlyMap<string, ReadonlyArray<Piece>>;

  constructor(root: string, pieces: ReadonlyMap<string, ReadonlyArray<Piece>>) {
    this.root = root;
    this.pieces = pieces;
  }

  private attempt<A>(path: string, read: (place: Buffer) => A): A | undefined {
    try {
      return read(Buffer.from(this.root + path, "latin1"));
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      this.errors.push(`${path}: ${syscall ?? "reading"} fails with ${code ?? String(error)}`);
      return undefined;
    }
  }

  all(): void {
    const visits = [""];
    for (let path = visits.pop(); path !== undefined; path = visits.pop()) {
      const entry = this.entry(path);
      if (entry === undefined) continue;
      this.entries[path] = entry;
      if (Object.keys(this.entries).length > ENTRIES_MAX) return;
      for (const name of entry.names ?? []) visits.push(`${path}/${name}`);
    }
  }

  private entry(path: string): FoundEntry | undefined {
    const stats = this.attempt(path, (place) => fs.lstatSync(place, { bigint: true }));
    if (stats === undefined) return undefined;
    const mode = Number(stats.mode);
    const type = mode & TYPE_MASK;
    const plain = {
      mode,
      links: Number(stats.nlink),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      rdev: Number(stats.rdev),
      sizeBytes: Number(stats.size),
      modified: `${stats.mtimeNs / 1_000_000_000n}.${stats.mtimeNs % 1_000_000_000n}`,
    };
    if (type === DIRECTORY) return { ...plain, ...given("names", this.names(path)) };
    if (type === SYMLINK) {
      return {
        ...plain,
        ...given(
          "target",
          this.attempt(path, (place) => fs.readlinkSync(place, "latin1")),
        ),
      };
    }
    return type === REGULAR ? { ...plain, pieces: this.content(path) } : plain;
  }

  private names(path: string): Array<string> | undefined {
    // The slash has a directory that is none refused.
    return this.attempt(`${path}/`, (place) => fs.readdirSync(place, "latin1"));
  }

  private content(path: string): Record<string, string> {
    const found: Record<string, string> = {};
    const fd = this.attempt(path, (place) => fs.openSync(place, "r"));
    if (fd === undefined) return found;
    for (const [offset, length] of this.pieces.get(path) ?? []) {
      const bytes = Buffer.alloc(length);
      const count = this.attempt(path, () => {
        let done = 0;
        for (let read = -1; read !== 0 && done < length; done += read) {
          read = fs.readSync(fd, bytes, done, length - done, offset + done);
        }
        return done;
      });
      if (count !== undefined) found[`${offset}+${length}`] = checksumText(bytes.subarray(0, count));
    }
    fs.closeSync(fd);
    return found;
  }

  /** One run of `getfattr` tells of all; what it cannot read it says on standard error. */
  attributes(): void {
    const words = ["-R", "-h", "-P", "-d", "-m", "-", "-e", "hex", "--absolute-names", "--", this.root];
    let output = "";
    let complete = true;
    try {
      const options = { encoding: "latin1", timeout: ATTRIBUTES_TIMEOUT_MS, maxBuffer: 1 << 28 } as const;
      output = execFileSync("getfattr", words, { ...options, stdio: ["ignore", "pipe", "ignore"] });
    } catch (error) {
      const failed = error as { readonly stdout?: string };
      output = failed.stdout ?? "";
      complete = false;
      this.errors.push("some attributes cannot be read");
    }
    const read = attributesIn(output, this.root);
    for (const [path, entry] of Object.entries(this.entries)) {
      const xattrs = read.get(path);
      // A file of which nothing is said has none, if nothing failed.
      if (complete) this.entries[path] = { ...entry, xattrs: xattrs ?? {} };
    }
  }
}

const given = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, V>);

/** `getfattr` writes bytes that are not plain as three octal digits behind a backslash. */
const plainOf = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

function attributesIn(output: string, root: string): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  for (const block of output.split("\n\n")) {
    const [head, ...lines] = block.split("\n").filter((line) => line !== "");
    if (head?.startsWith("# file: ") !== true) continue;
    const xattrs: Record<string, string> = {};
    for (const line of lines) {
      const equals = line.indexOf("=0x");
      if (equals < 0) xattrs[plainOf(line.replace(/=.*/, ""))] = checksumText(new Uint8Array(0));
      else xattrs[plainOf(line.slice(0, equals))] = checksumText(Buffer.from(line.slice(equals + 3), "hex"));
    }
    found.set(plainOf(head.slice("# file: ".length)).slice(root.length), xattrs);
  }
  return found;
}

/** All that may have to be read of each file, whichever state it is in. */
function piecesOf(states: ReadonlyArray<Manifest>): ReadonlyMap<string, ReadonlyArray<Piece>> {
  const pieces = new Map<string, Map<string, Piece>>();
  for (const state of states) {
    for (const [path, entry] of Object.entries(state)) {
      const known = pieces.get(path) ?? new Map<string, Piece>();
      for (const piece of entry.pieces ?? []) known.set(`${piece[0]}+${piece[1]}`, piece);
      pieces.set(path, known);
    }
  }
  return new Map([...pieces].map(([path, known]) => [path, [...known.values()]]));
}

function write(root: string): void {
  try {
    const fd = fs.openSync(join(root, "written"), "w");
    fs.writeSync(fd, Buffer.alloc(50_000, "written behind damage "));
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.mkdirSync(join(root, "made"));
    fs.renameSync(join(root, "written"), join(root, "made/moved"));
    fs.rmSync(join(root, "made"), { recursive: true });
  } catch {
    // Writing may be refused; what is there must stay right.
  }
}

let statesFile = "";
let pieces: ReadonlyMap<string, ReadonlyArray<Piece>> = new Map();

process.on("message", ({ directory, states, xattrs, writes }: ReadRequest) => {
  if (states !== statesFile) {
    pieces = piecesOf(JSON.parse(fs.readFileSync(states, "utf8")) as ReadonlyArray<Manifest>);
    statesFile = states;
  }
  const reading = new Reading(directory, pieces);
  reading.all();
  if (xattrs) reading.attributes();
  if (writes) write(directory);
  process.send?.({ entries: reading.entries, errors: reading.errors } satisfies Found);
});
process.on("disconnect", () => process.exit(1));
