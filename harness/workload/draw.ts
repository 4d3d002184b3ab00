/**
 * Draws the next operation of a random workload: by weight, over the names that exist at that moment.
 *
 * All choices come from one stream, so a client's operations depend on the seed and on the state of the filesystem when
 * each is drawn. The space of names is small on purpose: collisions, replaced and reused names are what matters.
 */
import { COMPRESSION_ATTRIBUTE } from "../../engine/fs/compression-attribute.ts";
import { OwnCompression, ownCompression } from "../../engine/format/values/own-compression.ts";
import type { Timestamp } from "../../engine/fs/types.ts";
import type { Prng } from "../entropy.ts";
import type { Inode } from "../oracle/inode.ts";
import type { Model } from "../oracle/model.ts";
import type { Operation, OperationKind, Pattern } from "./operation.ts";
import type { Profile, WriteLengths } from "./profile.ts";

const BLOCK_BYTES = 4096;
const LARGE_BYTES_MAX = 300 * 1024;
const FAR_BYTES_MAX = 2 ** 40;
/** Of little effort, so that campaigns are not about zstd. */
const COMPRESSIONS = [
  OwnCompression.unset,
  OwnCompression.none,
  ownCompression(OwnCompression.zstd, 1),
  ownCompression(OwnCompression.zstd, 5),
  ownCompression(OwnCompression.adaptive, 2),
];
const XATTR_NAMES = ["user.a", "user.b", "user.long-name-of-an-attribute", "trusted.c"];

/** What exists when an operation is drawn. */
interface Names {
  readonly files: Array<string>;
  readonly others: Array<string>;
  /** The root is "". */
  readonly directories: Array<string>;
  readonly sizes: Map<string, number>;
}

export class Draw {
  private readonly random: Prng;
  private readonly model: Model;
  private readonly profile: Profile;
  private readonly kinds: ReadonlyArray<OperationKind>;
  private readonly weightSum: number;
  private readonly openHandles: ReadonlyMap<string, number>;
  private names: Names = namesIn(undefined);
  private handles = 0;
  private tag: number;

  /** `openHandles`: what the client holds open, as it changes. */
  constructor(random: Prng, model: Model, profile: Profile, openHandles: ReadonlyMap<string, number>) {
    this.random = random;
    this.model = model;
    this.profile = profile;
    this.openHandles = openHandles;
    this.kinds = Object.keys(profile.weights) as ReadonlyArray<OperationKind>;
    this.weightSum = this.kinds.reduce((sum, kind) => sum + (profile.weights[kind] ?? 0), 0);
    this.tag = random.below(9000) * 1000;
  }

  next(): Operation {
    this.names = namesIn(this.model.root);
    let rest = this.random.float() * this.weightSum;
    for (const kind of this.kinds) {
      rest -= this.profile.weights[kind] ?? 0;
      if (rest < 0) return this.operation(kind);
    }
    return { kind: "syncfs" };
  }

  private operation(kind: OperationKind): Operation {
    const { random, profile } = this;
    switch (kind) {
      case "create":
        return { kind, path: this.newPath(profile.fileNames), mode: random.pick([0o644, 0o600, 0o755]) };
      case "mkdir":
        return { kind, path: this.newPath(profile.directoryNames), mode: random.pick([0o755, 0o700, 0o1777]) };
      case "mknod":
        return {
          kind,
          path: this.newPath(profile.fileNames),
          type: random.pick(["fifo", "socket", "block", "character"]),
          rdev: random.below(0x10000),
        };
      case "symlink":
        return {
          kind,
          path: this.newPath(profile.fileNames),
          target: "../".repeat(random.below(4)) + "t".repeat(random.pick([1, 9, 60, 300, 2500])),
        };
      case "link":
        return { kind, target: this.file(), path: this.newPath(profile.fileNames) };
      case "unlink":
        return { kind, path: this.entry() };
      case "rmdir":
        return { kind, path: this.directory() };
      case "rename":
        return this.rename();
      case "whiteout":
        return { kind, from: this.entry(), to: random.chance(0.5) ? this.entry() : this.newPath(profile.fileNames) };
      case "tmpfile":
        if (this.openHandles.size >= profile.handlesMax) return this.releaseOrOpen();
        return { kind, path: this.directory(), handle: String(++this.handles) };
      case "open":
        return this.openOrRelease();
      case "release":
        return this.releaseOrOpen();
      case "readdir":
        return { kind, target: this.directory(), countMax: random.pick([1, 3, 100]) };
      case "syncfs":
      case "statfs":
        return { kind };
      case "sleep":
        return { kind, milliseconds: 1 + random.below(profile.sleepMsMax) };
      case "getattr":
      case "readlink":
      case "listxattr":
        return { kind, target: this.anything() };
      case "fsync":
        return { kind, target: random.chance(0.2) ? this.directory() : this.file() };
      case "getxattr":
      case "removexattr":
        return { kind, target: this.anything(), name: random.pick([...XATTR_NAMES, COMPRESSION_ATTRIBUTE]) };
      case "setxattr":
        return this.setxattr();
      case "setattr":
        return this.setattr();
      case "compress":
        return this.compress();
      default:
        return this.onBytes(kind);
    }
  }

  private onBytes(kind: "write" | "append" | "truncate" | "fallocate" | "read" | "seek"): Operation {
    const { random, profile } = this;
    const target = this.file();
    const size =
      this.names.sizes.get(target) ??
      this.model.find(this.openHandles.get(target.slice(1)) ?? 0)?.content?.sizeBytes ??
      0;
    switch (kind) {
      case "write":
        return {
          kind,
          target,
          offsetBytes: this.writeOffset(size),
          pattern: this.pattern(this.length(profile.writeLengths)),
        };
      case "append":
        // A file of great length from elsewhere is not made longer still.
        return size > profile.fileBytesMax
          ? { kind: "truncate", target, sizeBytes: random.below(profile.fileBytesMax) }
          : { kind, target, pattern: this.pattern(this.length(profile.writeLengths)) };
      case "truncate":
        return {
          kind,
          target,
          sizeBytes: this.aligned(
            random.pick([0, size, random.below(size + 1), random.below(Math.min(size + 50_000, profile.fileBytesMax))]),
          ),
        };
      case "fallocate":
        return {
          kind,
          target,
          mode: random.pick(["allocate", "punch", "zero"]),
          offsetBytes: this.aligned(random.below(Math.min(size, profile.fileBytesMax) + 8192)),
          lengthBytes: 1 + this.aligned(random.below(80_000)),
          keepSize: random.chance(0.5),
        };
      case "read":
        return {
          kind,
          target,
          offsetBytes: random.below(size + 100),
          lengthBytes: random.pick([10, 4096, 50_000, 400_000]),
        };
      case "seek":
        return { kind, target, offsetBytes: random.below(size + 10), what: random.pick(["data", "hole"]) };
    }
  }

  private writeOffset(size: number): number {
    const { random, profile } = this;
    if (random.chance(profile.farShare)) return random.below(FAR_BYTES_MAX);
    const end = Math.min(size, profile.fileBytesMax);
    const offset = random.pick([0, random.below(end + 1), end, end + random.below(20_000)]);
    return offset === size ? offset : this.aligned(offset);
  }

  private aligned(offset: number): number {
    return this.random.chance(0.4) ? offset - (offset % BLOCK_BYTES) : offset;
  }

  private length(lengths: WriteLengths): number {
    const { random } = this;
    let rest = random.float() * (lengths.tiny + lengths.small + lengths.blocks + lengths.large);
    if ((rest -= lengths.tiny) < 0) return random.between(1, 100);
    if ((rest -= lengths.small) < 0) return random.between(200, 6000);
    if ((rest -= lengths.blocks) < 0) return random.between(1, 8) * BLOCK_BYTES;
    return random.between(10_000, LARGE_BYTES_MAX);
  }

  private pattern(lengthBytes: number): Pattern {
    return { tag: ++this.tag, lengthBytes, texture: this.random.pick(["text", "noise"]) };
  }

  private rename(): Operation {
    const { random, profile } = this;
    const mode = random.pick(["replace", "replace", "replace", "no-replace", "exchange"] as const);
    const isDirectory = this.names.directories.length > 1 && random.chance(0.25);
    const from = isDirectory ? this.directory() : this.entry();
    const wantsTarget = mode === "exchange" || random.chance(0.5);
    const names = isDirectory ? profile.directoryNames : profile.fileNames;
    const to = wantsTarget ? (isDirectory ? this.directory() : this.entry()) : this.newPath(names);
    return { kind: "rename", from, to, mode };
  }

  private setattr(): Operation {
    const { random } = this;
    const time = (): Timestamp => ({
      seconds: random.between(-1_000_000_000, 4_000_000_000),
      nanoseconds: random.below(1e9),
    });
    const changes = random.pick([
      { mode: random.below(0o10000) },
      { uid: random.below(70_000), gid: random.below(70_000) },
      { modified: time() },
      { accessed: time(), modified: time() },
    ]);
    return { kind: "setattr", target: this.anything(), changes };
  }

  private compress(): Operation {
    const { random } = this;
    const compression = random.pick(COMPRESSIONS);
    return { kind: "compress", target: this.anything(), compression, inWords: random.chance(0.5) };
  }

  private setxattr(): Operation {
    const { random, profile } = this;
    const lengthBytes = random.chance(0.5) ? random.below(64) : random.below(profile.xattrBytesMax + 1);
    const mode = random.pick(["set", "set", "create", "replace"] as const);
    return {
      kind: "setxattr",
      target: this.anything(),
      name: random.pick(XATTR_NAMES),
      pattern: this.pattern(lengthBytes),
      mode,
    };
  }

  private openOrRelease(): Operation {
    if (this.openHandles.size >= this.profile.handlesMax) return this.releaseOrOpen();
    return { kind: "open", path: this.namedFile(), handle: String(++this.handles) };
  }

  private releaseOrOpen(): Operation {
    const handles = [...this.openHandles.keys()];
    if (handles.length > 0) return { kind: "release", handle: this.random.pick(handles) };
    return { kind: "open", path: this.namedFile(), handle: String(++this.handles) };
  }

  /** A regular file, by name or by handle. */
  private file(): string {
    const handles = [...this.openHandles.keys()];
    if (handles.length > 0 && this.random.chance(0.3)) return `@${this.random.pick(handles)}`;
    return this.namedFile();
  }

  private namedFile(): string {
    return this.choose(this.names.files, this.profile.fileNames);
  }

  private entry(): string {
    return this.choose([...this.names.files, ...this.names.others], this.profile.fileNames);
  }

  private anything(): string {
    return this.random.chance(0.25) ? this.directory() : this.entry();
  }

  /** Not the root, except where there is nothing else. */
  private directory(): string {
    return this.choose(this.names.directories.slice(1), this.profile.directoryNames);
  }

  private choose(existing: ReadonlyArray<string>, names: ReadonlyArray<string>): string {
    const takes = existing.length > 0 && this.random.chance(this.profile.existingShare);
    return takes ? this.random.pick(existing) : this.newPath(names);
  }

  /** A path that need not exist, in a directory that does. */
  private newPath(names: ReadonlyArray<string>): string {
    const shallow = this.names.directories.filter((path) => path.split("/").length <= this.profile.depthMax);
    const directory = shallow.length === 0 ? "" : this.random.pick(shallow);
    return `${directory}/${this.random.pick(names)}`;
  }
}

function namesIn(root: Inode | undefined): Names {
  const names: Names = { files: [], others: [], directories: [], sizes: new Map() };
  const visit = (directory: Inode, path: string): void => {
    names.directories.push(path);
    for (const [name, inode] of directory.state.entries ?? []) {
      const below = `${path}/${name}`;
      if (inode.isDirectory) visit(inode, below);
      else if (inode.content === undefined) names.others.push(below);
      else {
        names.files.push(below);
        names.sizes.set(below, inode.content.sizeBytes);
      }
    }
  };
  if (root !== undefined) visit(root, "");
  return names;
}
