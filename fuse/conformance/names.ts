/**
 * Names: making, finding, listing, linking, renaming and removing them.
 */
import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { MountCase } from "./case.ts";
import { names, refuses } from "./system.ts";

const renames: ReadonlyArray<MountCase> = [
  {
    title: "rename replaces a file, and its old content is gone",
    run: (at) => {
      fs.writeFileSync(join(at, "old"), "old");
      fs.writeFileSync(join(at, "new"), "new");
      fs.renameSync(join(at, "new"), join(at, "old"));
      assert.deepEqual(names(at), ["old"]);
      assert.equal(fs.readFileSync(join(at, "old"), "utf8"), "new");
    },
  },
  {
    title: "rename of a directory moves everything below it",
    run: (at) => {
      fs.mkdirSync(join(at, "a/b/c"), { recursive: true });
      fs.writeFileSync(join(at, "a/b/c/file"), "x");
      fs.statSync(join(at, "a/b/c/file"));
      fs.mkdirSync(join(at, "target"));
      fs.renameSync(join(at, "a/b"), join(at, "target/moved"));
      assert.equal(fs.readFileSync(join(at, "target/moved/c/file"), "utf8"), "x");
      refuses("ENOENT", () => fs.statSync(join(at, "a/b/c/file")));
      fs.mkdirSync(join(at, "a/b"));
      assert.deepEqual(names(join(at, "a/b")), []);
      assert.equal(fs.statSync(join(at, "a")).nlink, 3);
      assert.equal(fs.statSync(join(at, "target")).nlink, 3);
    },
  },
  {
    title: "rename refuses what POSIX refuses",
    run: (at) => {
      fs.mkdirSync(join(at, "full/inner"), { recursive: true });
      fs.mkdirSync(join(at, "empty"));
      fs.writeFileSync(join(at, "file"), "");
      refuses("ENOTEMPTY", () => fs.renameSync(join(at, "empty"), join(at, "full")));
      refuses("ENOTDIR", () => fs.renameSync(join(at, "empty"), join(at, "file")));
      refuses("EISDIR", () => fs.renameSync(join(at, "file"), join(at, "empty")));
      refuses("EINVAL", () => fs.renameSync(join(at, "full"), join(at, "full/inner/below")));
      refuses("ENOENT", () => fs.renameSync(join(at, "none"), join(at, "file")));
    },
  },
  {
    title: "names of one inode stay when they are renamed onto each other",
    run: (at) => {
      fs.writeFileSync(join(at, "one"), "x");
      fs.linkSync(join(at, "one"), join(at, "two"));
      fs.renameSync(join(at, "one"), join(at, "two"));
      assert.deepEqual(names(at), ["one", "two"]);
    },
  },
];

const links: ReadonlyArray<MountCase> = [
  {
    title: "what is done to a file through one of its names shows through the others at once",
    run: (at) => {
      const one = join(at, "one");
      const two = join(at, "two");
      fs.writeFileSync(one, "x");
      fs.statSync(one);
      fs.linkSync(one, two);
      assert.equal(fs.statSync(one).nlink, 2);
      for (let i = 0; i < 20; i++) {
        const [here, there] = i % 2 === 0 ? [one, two] : [two, one];
        assert.equal(fs.statSync(there).size, i + 1);
        fs.appendFileSync(here, "x");
        assert.equal(fs.statSync(there).size, i + 2);
        fs.chmodSync(here, 0o600 + i);
        assert.equal(fs.statSync(there).mode & 0o777, 0o600 + i);
        assert.equal(fs.readFileSync(there, "utf8"), "x".repeat(i + 2));
      }
      fs.truncateSync(one, 3);
      assert.equal(fs.readFileSync(two, "utf8"), "xxx");
      fs.writeFileSync(join(at, "other"), "");
      fs.statSync(one);
      fs.renameSync(join(at, "other"), two);
      assert.equal(fs.statSync(one).nlink, 1);
      fs.linkSync(one, join(at, "three"));
      fs.statSync(one);
      fs.unlinkSync(join(at, "three"));
      assert.equal(fs.statSync(one).nlink, 1);
    },
  },
  {
    title: "hard links are one inode until the last of them goes",
    run: (at) => {
      fs.writeFileSync(join(at, "one"), "shared");
      fs.linkSync(join(at, "one"), join(at, "two"));
      const { ino, nlink } = fs.statSync(join(at, "two"));
      assert.equal(nlink, 2);
      assert.equal(fs.statSync(join(at, "one")).ino, ino);
      refuses("EEXIST", () => fs.linkSync(join(at, "one"), join(at, "two")));
      fs.unlinkSync(join(at, "one"));
      assert.equal(fs.readFileSync(join(at, "two"), "utf8"), "shared");
    },
  },
  {
    title: "a symbolic link holds any target up to 4095 bytes and is followed",
    run: (at) => {
      fs.writeFileSync(join(at, "file"), "reached");
      fs.symlinkSync("file", join(at, "link"));
      assert.equal(fs.readFileSync(join(at, "link"), "utf8"), "reached");
      assert.equal(fs.lstatSync(join(at, "link")).size, 4);
      const long = "x/".repeat(2047);
      fs.symlinkSync(long, join(at, "long"));
      assert.equal(fs.readlinkSync(join(at, "long")), long);
      fs.symlinkSync("loop", join(at, "loop"));
      refuses("ELOOP", () => fs.statSync(join(at, "loop")));
    },
  },
  {
    title: "fifos, sockets and device nodes keep type, mode and number",
    run: (at) => {
      execFileSync("mkfifo", ["-m", "640", join(at, "fifo")]);
      assert.ok(fs.statSync(join(at, "fifo")).isFIFO());
      assert.equal(fs.statSync(join(at, "fifo")).mode & 0o777, 0o640);
      execFileSync("mknod", [join(at, "device"), "c", "300", "70000"]);
      const { rdev } = fs.statSync(join(at, "device"));
      assert.equal(execFileSync("stat", ["-c", "%t:%T", join(at, "device")], { encoding: "utf8" }).trim(), "12c:11170");
      assert.ok(rdev > 0 && fs.statSync(join(at, "device")).isCharacterDevice());
    },
  },
];

export const nameCases: ReadonlyArray<MountCase> = [
  {
    title: "a directory counts its subdirectories as links and is removed only when empty",
    run: (at) => {
      fs.mkdirSync(join(at, "parent"));
      assert.equal(fs.statSync(join(at, "parent")).nlink, 2);
      fs.mkdirSync(join(at, "parent/child"));
      assert.equal(fs.statSync(join(at, "parent")).nlink, 3);
      refuses("ENOTEMPTY", () => fs.rmdirSync(join(at, "parent")));
      fs.rmdirSync(join(at, "parent/child"));
      fs.rmdirSync(join(at, "parent"));
      refuses("ENOENT", () => fs.statSync(join(at, "parent")));
    },
  },
  {
    title: "names may have 255 bytes of UTF-8, and not one more",
    run: (at) => {
      const longest = `${"ü".repeat(127)}x`;
      fs.writeFileSync(join(at, longest), "long");
      assert.deepEqual(names(at), [longest]);
      assert.equal(fs.readFileSync(join(at, longest), "utf8"), "long");
      refuses("ENAMETOOLONG", () => fs.writeFileSync(join(at, `${longest}x`), ""));
    },
  },
  {
    title: "the wrong kind of thing is refused with the right error",
    run: (at) => {
      fs.writeFileSync(join(at, "file"), "");
      fs.mkdirSync(join(at, "directory"));
      refuses("EEXIST", () => fs.mkdirSync(join(at, "file")));
      refuses("ENOTDIR", () => fs.statSync(join(at, "file/below")));
      refuses("ENOTDIR", () => fs.rmdirSync(join(at, "file")));
      refuses("EISDIR", () => fs.openSync(join(at, "directory"), "r+"));
      refuses("EEXIST", () => fs.openSync(join(at, "file"), "wx"));
      refuses("ENOENT", () => fs.unlinkSync(join(at, "none")));
    },
  },
  {
    title: "a directory of 5000 entries lists each of them once, with its type",
    run: (at) => {
      const made: Array<string> = [];
      for (let i = 0; i < 5000; i++) {
        const name = `entry-${i}`;
        if (i % 100 === 0) fs.mkdirSync(join(at, name));
        else fs.writeFileSync(join(at, name), "");
        made.push(name);
      }
      const listed = fs.readdirSync(at, { withFileTypes: true });
      assert.deepEqual(listed.map(({ name }) => name).toSorted(), made.toSorted());
      assert.equal(listed.filter((entry) => entry.isDirectory()).length, 50);
      for (const name of made.slice(0, 2500)) fs.rmSync(join(at, name), { recursive: true });
      assert.deepEqual(names(at), made.slice(2500).toSorted());
    },
  },
  {
    title: "the listing has the inode numbers of . and ..",
    run: (at) => {
      fs.mkdirSync(join(at, "inner"));
      const inodes = execFileSync("ls", ["-fi1", join(at, "inner")], { encoding: "utf8" });
      const of = (name: string): number => Number(new RegExp(`(\\d+) ${name}\\n`).exec(inodes)?.[1]);
      assert.equal(of("\\."), fs.statSync(join(at, "inner")).ino);
      assert.equal(of("\\.\\."), fs.statSync(at).ino);
    },
  },
  ...renames,
  ...links,
];
