/**
 * What the pools are filled with that are to be corrupted: a bit of everything, then change upon change.
 *
 * Files that stand in the tree, in extents, compressed and not, with holes, of a terabyte, written in small pieces; links
 * of both kinds, special files, attributes long and short, names of strange bytes, a directory of many names. All draws
 * come from the stream that is given.
 */
import * as Effect from "effect/Effect";
import { FileType, type Filesystem, type Fs, type FsError, ROOT_INODE } from "../../engine/fs/types.ts";
import type { Prng } from "../entropy.ts";
import { patternBytes, type Texture } from "../workload/pattern.ts";

const OWNER = { uid: 0, gid: 0 };
const TEBIBYTE = 2 ** 40;
const SMALL_FILES = 120;
const CHANGES = 30;

const encoder = new TextEncoder();

interface File {
  directory: number;
  name: Uint8Array;
  readonly inode: number;
}

export class Inhabitants {
  private readonly fs: Filesystem;
  private readonly random: Prng;
  private readonly directories: Array<number> = [ROOT_INODE];
  private readonly files: Array<File> = [];
  private made = 0;

  constructor(fs: Filesystem, random: Prng) {
    this.fs = fs;
    this.random = random;
  }

  /** Goes on in the same pool, opened anew. */
  in(fs: Filesystem): Inhabitants {
    const next = new Inhabitants(fs, this.random);
    next.directories.push(...this.directories.slice(1));
    next.files.push(...this.files);
    next.made = this.made;
    return next;
  }

  private bytes(length: number, texture: Texture = this.random.pick(["text", "noise"] as const)): Uint8Array {
    return patternBytes(++this.made, length, texture);
  }

  private create(directory: number, name: string | Uint8Array, mode = 0o644): Fs<File> {
    const bytes = typeof name === "string" ? encoder.encode(name) : name;
    return Effect.map(this.fs.mknod(directory, bytes, FileType.regular | mode, 0, OWNER), ({ inode }) => {
      const file = { directory, name: bytes, inode };
      this.files.push(file);
      return file;
    });
  }

  private file(directory: number, name: string | Uint8Array, ...writes: ReadonlyArray<[number, Uint8Array]>): Fs<File> {
    const self = this;
    return Effect.gen(function* () {
      const file = yield* self.create(directory, name);
      for (const [at, bytes] of writes) yield* self.fs.write(file.inode, at, bytes);
      return file;
    });
  }

  private mkdir(parent: number, name: string): Fs<number> {
    return Effect.map(this.fs.mkdir(parent, encoder.encode(name), 0o755, OWNER), ({ inode }) => {
      this.directories.push(inode);
      return inode;
    });
  }

  get moveIn(): Fs<void> {
    const self = this;
    const { fs } = this;
    return Effect.gen(function* () {
      const data = yield* self.mkdir(ROOT_INODE, "data");
      yield* self.file(data, "empty");
      yield* self.file(data, "one byte", [0, self.bytes(1)]);
      yield* self.file(data, "in the tree", [0, self.bytes(1900)]);
      yield* self.file(data, "text", [0, self.bytes(300_000, "text")]);
      yield* self.file(data, "noise", [0, self.bytes(300_000, "noise")]);
      yield* self.file(data, "mixed", [0, self.bytes(70_000, "text")], [70_000, self.bytes(500_000, "noise")]);
      yield* self.file(data, "holes", [9000, self.bytes(20_000)], [800_000, self.bytes(5000)]);
      yield* self.file(
        data,
        "a terabyte",
        [0, self.bytes(6000)],
        [TEBIBYTE / 2, self.bytes(9000)],
        [TEBIBYTE, self.bytes(700)],
      );
      const reserved = yield* self.file(data, "reserved", [0, self.bytes(10_000)]);
      yield* fs.fallocate(reserved.inode, "allocate", 5000, 200_000, false);
      yield* fs.syncfs;
      const patched = yield* self.file(data, "patched", [0, self.bytes(400_000)]);
      yield* fs.fsync(patched.inode);
      for (let patch = 0; patch < 30; patch++) {
        yield* fs.write(patched.inode, self.random.below(400_000), self.bytes(1 + self.random.below(4000)));
        if (patch % 7 === 0) yield* fs.fsync(patched.inode);
      }
      yield* fs.fallocate(patched.inode, "punch", 50_000, 60_000, true);
      yield* self.namesAndKinds;
    });
  }

  private get namesAndKinds(): Fs<void> {
    const self = this;
    const { fs, random } = this;
    return Effect.gen(function* () {
      const names = yield* self.mkdir(ROOT_INODE, "names");
      yield* self.file(names, Uint8Array.of(0xff, 0x0a, 0x01, 0x80), [0, self.bytes(50)]);
      yield* self.file(names, "n".repeat(255), [0, self.bytes(50)]);
      yield* fs.symlink(names, encoder.encode("short"), encoder.encode("../data/text"), OWNER);
      yield* fs.symlink(names, encoder.encode("long"), encoder.encode("x/".repeat(2000)), OWNER);
      const special = [FileType.fifo, FileType.socket, FileType.character];
      for (const type of special) yield* fs.mknod(names, encoder.encode(`special ${type}`), type | 0o600, 259, OWNER);
      const linked = yield* self.file(names, "linked", [0, self.bytes(40_000)]);
      for (let link = 0; link < 5; link++) yield* fs.link(linked.inode, names, encoder.encode(`link ${link}`));
      yield* fs.setxattr(linked.inode, encoder.encode("user.small"), self.bytes(20), "set");
      yield* fs.setxattr(linked.inode, encoder.encode("user.large"), self.bytes(40_000), "set");
      yield* fs.setattr(linked.inode, { mode: 0o4711, uid: 1000, gid: 2000 });
      let deep = names;
      for (let depth = 0; depth < 12; depth++) deep = yield* self.mkdir(deep, `depth ${depth}`);
      yield* self.file(deep, "bottom", [0, self.bytes(3000)]);
      const many = yield* self.mkdir(ROOT_INODE, "many");
      for (let index = 0; index < SMALL_FILES; index++) {
        yield* self.file(many, `file ${index}`, [0, self.bytes(random.below(3000))]);
      }
    });
  }

  /** Some changes of all kinds, without a sync. */
  get change(): Fs<void> {
    const self = this;
    return Effect.gen(function* () {
      for (let count = 0; count < CHANGES; count++) {
        // Time passes, so that times tell one state from another.
        yield* Effect.sleep(7);
        yield* self.oneChange;
      }
    });
  }

  /** Names that lead nowhere any more, or stand already, are refused and left at that. */
  private get oneChange(): Fs<void> {
    const { fs, random } = this;
    const file = random.pick(this.files);
    const directory = random.pick(this.directories);
    const name = encoder.encode(`changed ${++this.made}`);
    const change = (): Fs<unknown> => {
      switch (random.below(10)) {
        case 0:
          return this.file(directory, name, [0, this.bytes(random.below(20_000))]);
        case 1:
          return this.file(directory, name, [0, this.bytes(random.below(1500))]);
        case 2:
          return fs.write(file.inode, random.below(30_000), this.bytes(1 + random.below(30_000)));
        case 3:
          return fs.append(file.inode, this.bytes(1 + random.below(5000)));
        case 4:
          return fs.setattr(file.inode, { sizeBytes: random.below(20_000) });
        case 5:
          return Effect.tap(fs.rename(file.directory, file.name, directory, name, "replace"), () =>
            Effect.sync(() => Object.assign(file, { directory, name })),
          );
        case 6:
          this.files.splice(this.files.indexOf(file), 1);
          return fs.unlink(file.directory, file.name);
        case 7:
          return fs.link(file.inode, directory, name);
        case 8:
          return fs.setxattr(
            file.inode,
            encoder.encode(`user.${random.below(3)}`),
            this.bytes(random.below(3000)),
            "set",
          );
        default:
          return fs.setattr(file.inode, { mode: random.below(0o1000), uid: random.below(3) });
      }
    };
    return Effect.catch(Effect.asVoid(change()), (error) =>
      error.reason === "InputOutput" || error.reason === "NoSpace" ? Effect.fail(error) : Effect.void,
    );
  }

  /** A file that is made and synced; then it is open and has no name, so that recovery takes it away. */
  orphan(between: Effect.Effect<void, FsError>): Fs<void> {
    const self = this;
    const { fs } = this;
    return Effect.gen(function* () {
      const { inode, name } = yield* self.file(ROOT_INODE, "orphan", [0, self.bytes(90_000)]);
      yield* fs.fsync(inode);
      yield* between;
      yield* fs.open(inode);
      yield* fs.unlink(ROOT_INODE, name);
      self.files.pop();
    });
  }
}
