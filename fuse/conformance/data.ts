/**
 * Data: what was written is what is read, through every way in and out.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { MountCase } from "./case.ts";
import { pattern, readAll, refuses, withFile } from "./system.ts";
import { shell } from "../test-mount.ts";

const MIB = 1024 * 1024;

const unlinked: ReadonlyArray<MountCase> = [
  {
    title: "a file that is unlinked while open can be read, written and measured, and shows nowhere",
    run: (at) => {
      withFile(join(at, "file"), "w+", (fd) => {
        fs.writeSync(fd, pattern(100_000, 1));
        fs.unlinkSync(join(at, "file"));
        assert.deepEqual(fs.readdirSync(at), []);
        refuses("ENOENT", () => fs.statSync(join(at, "file")));
        assert.equal(fs.fstatSync(fd).nlink, 0);
        fs.writeSync(fd, "tail", 100_000);
        assert.equal(fs.fstatSync(fd).size, 100_004);
        fs.ftruncateSync(fd, 50_000);
        fs.fsyncSync(fd);
        assert.deepEqual(readAll(fd), pattern(100_000, 1).subarray(0, 50_000));
      });
      assert.deepEqual(fs.readdirSync(at), []);
    },
  },
  {
    title: "a name of an unlinked, open file can be used again at once",
    run: (at) => {
      withFile(join(at, "file"), "w+", (first) => {
        fs.writeSync(first, "first");
        fs.unlinkSync(join(at, "file"));
        fs.writeFileSync(join(at, "file"), "second");
        assert.equal(readAll(first).toString(), "first");
        assert.equal(fs.readFileSync(join(at, "file"), "utf8"), "second");
      });
      assert.deepEqual(fs.readdirSync(at), ["file"]);
    },
  },
  {
    title: "a file that is replaced by rename while open stays readable, and its directory shows the new one alone",
    run: (at) => {
      fs.writeFileSync(join(at, "file"), "old");
      withFile(join(at, "file"), "r", (fd) => {
        fs.writeFileSync(join(at, "next"), "new");
        fs.renameSync(join(at, "next"), join(at, "file"));
        assert.deepEqual(fs.readdirSync(at), ["file"]);
        assert.equal(readAll(fd).toString(), "old");
        assert.equal(fs.readFileSync(join(at, "file"), "utf8"), "new");
      });
    },
  },
  {
    title: "a directory is empty when all that was in it is unlinked, though still open",
    run: (at) => {
      fs.mkdirSync(join(at, "inner"));
      withFile(join(at, "inner/file"), "w+", () => {
        fs.unlinkSync(join(at, "inner/file"));
        fs.rmdirSync(join(at, "inner"));
      });
      assert.deepEqual(fs.readdirSync(at), []);
    },
  },
];

const lengths: ReadonlyArray<MountCase> = [
  {
    title: "truncation cuts, and what grows again reads as zeros",
    run: (at) => {
      const path = join(at, "file");
      fs.writeFileSync(path, pattern(300_000, 2));
      fs.truncateSync(path, 100_001);
      fs.truncateSync(path, 200_000);
      const expected = Buffer.alloc(200_000);
      pattern(300_000, 2).copy(expected, 0, 0, 100_001);
      assert.deepEqual(fs.readFileSync(path), expected);
      withFile(path, "w", () => {});
      assert.equal(fs.statSync(path).size, 0);
    },
  },
  {
    title: "a write far behind the end leaves a hole of zeros that takes no space",
    run: (at) => {
      const path = join(at, "sparse");
      const far = 1024 * 1024 * MIB;
      withFile(path, "w+", (fd) => {
        fs.writeSync(fd, "end", far);
        assert.equal(fs.fstatSync(fd).size, far + 3);
        const middle = Buffer.alloc(4096, 1);
        fs.readSync(fd, middle, 0, 4096, far / 2);
        assert.deepEqual(middle, Buffer.alloc(4096));
        fs.fsyncSync(fd);
      });
      assert.ok(fs.statSync(path).blocks * 512 < MIB);
    },
  },
  {
    title: "appends of several descriptors go one behind the other",
    run: (at) => {
      const path = join(at, "log");
      withFile(path, "a", (first) => {
        withFile(path, "a", (second) => {
          for (let i = 0; i < 200; i++) fs.writeSync(i % 2 === 0 ? first : second, `${i}\n`);
        });
      });
      const expected = Array.from({ length: 200 }, (_, i) => `${i}\n`).join("");
      assert.equal(fs.readFileSync(path, "utf8"), expected);
    },
  },
];

export const dataCases: ReadonlyArray<MountCase> = [
  {
    title: "random overwrites of any length and alignment read back",
    run: (at) => {
      const size = 3 * MIB;
      const model = Buffer.alloc(size);
      withFile(join(at, "file"), "w+", (fd) => {
        fs.ftruncateSync(fd, size);
        let state = 12345;
        const draw = (below: number): number => (state = (state * 1103515245 + 12345) & 0x7fffffff) % below;
        for (let i = 0; i < 400; i++) {
          const offset = draw(size - 1);
          const length = Math.min(size - offset, 1 + draw(i % 10 === 0 ? 400_000 : 9000));
          const bytes = pattern(length, i + 1);
          bytes.copy(model, offset);
          fs.writeSync(fd, bytes, 0, length, offset);
          if (i % 50 === 0) fs.fsyncSync(fd);
        }
        assert.ok(readAll(fd).equals(model));
      });
      assert.ok(fs.readFileSync(join(at, "file")).equals(model));
    },
  },
  {
    title: "data is the same past the page cache",
    programs: ["dd", "cmp"],
    run: async (at) => {
      fs.writeFileSync(join(at, "file"), pattern(5 * MIB + 123, 9));
      await shell("sync file; dd if=file iflag=direct bs=1M of=copy status=none; cmp file copy", { cwd: at });
    },
  },
  {
    title: "a shared memory map writes through to the file and sees it",
    programs: ["python3"],
    run: async (at) => {
      fs.writeFileSync(join(at, "file"), pattern(64 * 1024, 4));
      const script = [
        "import mmap, os",
        "fd = os.open('file', os.O_RDWR)",
        "m = mmap.mmap(fd, 65536)",
        "assert m[:] == open('file', 'rb').read()",
        "m[40000:40005] = b'hello'",
        "m.flush()",
        "assert os.pread(fd, 5, 40000) == b'hello'",
        "m.close(); os.close(fd)",
      ];
      await shell('python3 -c "$SCRIPT"', { cwd: at, env: { SCRIPT: script.join("\n") } });
      assert.equal(fs.readFileSync(join(at, "file")).subarray(40000, 40005).toString(), "hello");
    },
  },
  {
    title: "O_SYNC writes, fsync of files and directories, and fdatasync succeed",
    run: (at) => {
      const { O_CREAT, O_RDWR, O_SYNC, O_RDONLY, O_DIRECTORY } = fs.constants;
      withFile(join(at, "file"), O_CREAT | O_RDWR | O_SYNC, (fd) => {
        fs.writeSync(fd, "now");
        fs.fdatasyncSync(fd);
        fs.fsyncSync(fd);
      });
      withFile(at, O_RDONLY | O_DIRECTORY, (fd) => fs.fsyncSync(fd));
    },
  },
  ...lengths,
  ...unlinked,
];
