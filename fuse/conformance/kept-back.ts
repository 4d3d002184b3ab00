/**
 * What a kernel may hold back or remember, and must not get wrong: data not written yet, times, sizes, privileges.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { shell } from "../test-mount.ts";
import type { MountCase } from "./case.ts";
import { pattern, withFile } from "./system.ts";

const later = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));

/** Has the kernel forget what it remembers of names, attributes and data. */
function forgetAll(at: string): void {
  withFile(at, "r", (fd) => fs.fsyncSync(fd));
  try {
    fs.writeFileSync("/proc/sys/vm/drop_caches", "3");
  } catch {
    // Where that is not allowed, less is tested.
  }
}

/** Runs python lines with `other()`, which calls a function as somebody without any rights. */
const python = (at: string, lines: ReadonlyArray<string>): Promise<string> => {
  const script = [
    "import os, stat",
    "def other(call):",
    "    child = os.fork()",
    "    if child == 0:",
    "        try:",
    "            os.setgroups([]); os.setgid(65534); os.setuid(65534); call(); os._exit(0)",
    "        except BaseException as e: print(e); os._exit(1)",
    "    assert os.waitpid(child, 0)[1] == 0",
    "bits = lambda: os.stat('file').st_mode & 0o7777",
    "def fresh():",
    "    open('file', 'wb').write(b'first'); os.chown('file', 65534, 65534); os.chmod('file', 0o6755)",
    "    assert bits() == 0o6755, oct(bits())",
    ...lines,
  ];
  return shell('python3 -c "$SCRIPT"', { cwd: at, env: { SCRIPT: script.join("\n") } });
};

const privileges: ReadonlyArray<MountCase> = [
  {
    title: "set-user-ID bits go when somebody else writes, truncates or opens to truncate, and when the owner changes",
    programs: ["python3"],
    notOn: { "fuse-native": "it is not told who writes" },
    run: (at) =>
      python(at, [
        "def gone(call):",
        "    fresh(); other(call); assert bits() == 0o755, oct(bits())",
        "def write(flags):",
        "    f = os.open('file', os.O_WRONLY | flags); os.write(f, b'x' * 5); os.close(f)",
        "os.chmod('.', 0o777)",
        "gone(lambda: write(0))",
        "gone(lambda: write(os.O_APPEND))",
        "gone(lambda: write(os.O_TRUNC))",
        "gone(lambda: os.truncate('file', 2))",
        "def reserve():",
        "    f = os.open('file', os.O_WRONLY); os.posix_fallocate(f, 0, 9); os.close(f)",
        "def copy():",
        "    f = os.open('file', os.O_RDWR); assert os.copy_file_range(f, f, 2, 0, 3) == 2; os.close(f)",
        "gone(reserve)",
        "gone(copy)",
        "fresh(); os.chmod('file', 0o2646); os.chown('file', 0, 0); os.chmod('file', 0o2646); other(reserve)",
        "assert bits() == 0o646, oct(bits())",
        "fresh(); reserve(); copy(); assert bits() == 0o6755, oct(bits())",
        "fresh(); os.chown('file', 12, 34); assert bits() == 0o755, oct(bits())",
        "fresh(); os.chmod('file', 0o2644); os.chown('file', 12, 34); assert bits() == 0o2644, oct(bits())",
        "fresh(); open('file', 'r+b').write(b'root'); assert bits() == 0o6755, oct(bits())",
        "os.mkdir('d'); os.chmod('d', 0o6755); os.chown('d', 12, 34)",
        "assert os.stat('d').st_mode & 0o7777 == 0o6755",
      ]).then(() => {}),
  },
  {
    title: "capabilities of a file go with the first write",
    programs: ["python3"],
    notOn: { "fuse-native": "it is not told who writes" },
    run: (at) =>
      python(at, [
        "os.chmod('.', 0o777)",
        "caps = bytes.fromhex('0100000200040000000000000000000000000000')",
        "def has(): return 'security.capability' in os.listxattr('file')",
        "for how in (0, os.O_TRUNC):",
        "    fresh(); os.chmod('file', 0o755); os.setxattr('file', 'security.capability', caps); assert has()",
        "    def write():",
        "        f = os.open('file', os.O_WRONLY | how); os.write(f, b'xyz'); os.close(f)",
        "    other(write); assert not has(), how",
      ]).then(() => {}),
  },
];

export const keptBackCases: ReadonlyArray<MountCase> = [
  {
    title: "data that was only just written is no hole, and is in a sparse copy",
    programs: ["cmp"],
    run: async (at) => {
      for (const how of ["always", "auto"]) {
        await withOpen(join(at, `sparse-${how}`), async (fd) => {
          fs.ftruncateSync(fd, 1024 * 1024);
          fs.fsyncSync(fd);
          fs.writeSync(fd, pattern(5000, 3), 0, 5000, 512 * 1024 + 100);
          await shell(`cp --sparse=${how} sparse-${how} copy-${how}; cmp sparse-${how} copy-${how}`, { cwd: at });
        });
      }
    },
  },
  {
    title: "data that was written through a memory map is no hole",
    programs: ["python3"],
    run: (at) =>
      shell('python3 -c "$SCRIPT"; cmp file copy', {
        cwd: at,
        env: {
          SCRIPT: [
            "import mmap, os",
            "f = os.open('file', os.O_RDWR | os.O_CREAT); os.ftruncate(f, 1 << 20); os.fsync(f)",
            "m = mmap.mmap(f, 1 << 20); m[700000:700004] = b'here'",
            "assert os.system('cp file copy; cmp file copy') == 0",
          ].join("\n"),
        },
      }).then(() => {}),
  },
  {
    title: "times of a file stay what they were when the kernel forgets the file",
    run: async (at) => {
      const path = join(at, "file");
      const written = withFile(path, "w", (fd) => {
        fs.writeSync(fd, pattern(100_000, 4));
        return fs.fstatSync(fd, { bigint: true });
      });
      await later(50);
      forgetAll(at);
      const after = fs.statSync(path, { bigint: true });
      assert.deepEqual([after.mtimeNs, after.size], [written.mtimeNs, 100_000n]);
      fs.chmodSync(path, 0o600);
      fs.linkSync(path, join(at, "second"));
      const changed = fs.statSync(path, { bigint: true });
      forgetAll(at);
      assert.equal(fs.statSync(path, { bigint: true }).ctimeNs, changed.ctimeNs);
    },
  },
  {
    title: "a few bytes written to a file that is open for writing alone leave the bytes around them",
    run: (at) => {
      const path = join(at, "file");
      const expected = pattern(50_000, 5);
      fs.writeFileSync(path, expected);
      forgetAll(at);
      withFile(path, fs.constants.O_WRONLY, (fd) => {
        for (const offset of [0, 4090, 12_345, 49_999]) {
          fs.writeSync(fd, "****", offset);
          expected.fill("*", offset, Math.min(offset + 4, expected.length));
        }
      });
      forgetAll(at);
      assert.deepEqual(fs.readFileSync(path), Buffer.concat([expected, Buffer.from("***")]));
    },
  },
  {
    title: "how much space an open file takes shows in time, and an end that moves shows at once",
    notOn: { "fuse-native": "blocks are those of the last time that the file was closed" },
    run: (at) =>
      withOpen(join(at, "file"), async (fd) => {
        fs.writeSync(fd, pattern(300_000, 6));
        assert.equal(fs.statSync(join(at, "file")).size, 300_000);
        fs.fsyncSync(fd);
        for (let left = 100; fs.fstatSync(fd).blocks < 500; left--) {
          assert.ok(left > 0, `${fs.fstatSync(fd).blocks} blocks`);
          await later(100);
        }
      }),
  },
  ...privileges,
];

async function withOpen(path: string, use: (fd: number) => Promise<void>): Promise<void> {
  const fd = fs.openSync(path, "w+");
  try {
    await use(fd);
  } finally {
    fs.closeSync(fd);
  }
}
