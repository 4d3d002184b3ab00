/**
 * Small files over a few hundred names, one operation after another: created, written, appended to, cut, renamed, read
 * and removed, as a sequence of its own decides. The same operations in every run.
 */
import * as Effect from "effect/Effect";
import { type Filesystem, ROOT_INODE } from "../engine/fs/types.ts";
import { text } from "./memory-pool.ts";

const NAMES = 300;
const DIRECTORIES = 10;
const OWNER = { uid: 0, gid: 0 };

export class Mix {
  private state = 0x2545f491;
  private readonly filesystem: Filesystem;
  private readonly directories: ReadonlyArray<number>;
  private readonly files: Map<string, number> = new Map();

  private constructor(filesystem: Filesystem, directories: ReadonlyArray<number>) {
    this.filesystem = filesystem;
    this.directories = directories;
  }

  /** Makes the directories. */
  static begin(filesystem: Filesystem): Effect.Effect<Mix, unknown> {
    const names = Array.from({ length: DIRECTORIES }, (_, index) => text(`d${index}`));
    const made = Effect.forEach(names, (name) => filesystem.mkdir(ROOT_INODE, name, 0o755, OWNER));
    return Effect.map(
      made,
      (directories) =>
        new Mix(
          filesystem,
          directories.map(({ inode }) => inode),
        ),
    );
  }

  private below(count: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % count;
  }

  private bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.below(256);
    return bytes;
  }

  /** One operation on a name drawn at random: what is not there is created first. */
  step(): Effect.Effect<unknown, unknown> {
    const number = this.below(NAMES);
    const key = `f${number}`;
    const directory = this.directories[number % DIRECTORIES]!;
    const inode = this.files.get(key);
    const { filesystem } = this;
    if (inode === undefined) {
      return Effect.flatMap(filesystem.mknod(directory, text(key), 0o100644, 0, OWNER), (made) => {
        this.files.set(key, made.inode);
        return filesystem.write(made.inode, 0, this.bytes(1 + this.below(12_000)));
      });
    }
    switch (this.below(6)) {
      case 0:
        return filesystem.write(inode, this.below(8000), this.bytes(1 + this.below(6000)));
      case 1:
        return filesystem.append(inode, this.bytes(1 + this.below(500)));
      case 2:
        return filesystem.setattr(inode, { sizeBytes: this.below(10_000) });
      case 3:
        return Effect.andThen(
          filesystem.rename(directory, text(key), directory, text(`${key}.new`), "replace"),
          filesystem.rename(directory, text(`${key}.new`), directory, text(key), "replace"),
        );
      case 4:
        return filesystem.read(inode, 0, 12_000);
      default:
        this.files.delete(key);
        return filesystem.unlink(directory, text(key));
    }
  }
}
