/**
 * Attributes: modes, owners, times, extended attributes, and the figures of the whole filesystem.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { run, shell } from "../test-mount.ts";
import type { MountCase } from "./case.ts";
import { refuses, withFile } from "./system.ts";

const later = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));

const permissions: ReadonlyArray<MountCase> = [
  {
    title: "modes and owners are kept, and the umask counts",
    run: async (at) => {
      await shell("umask 027; touch file; mkdir directory", { cwd: at });
      assert.equal(fs.statSync(join(at, "file")).mode & 0o7777, 0o640);
      assert.equal(fs.statSync(join(at, "directory")).mode & 0o7777, 0o750);
      fs.chmodSync(join(at, "file"), 0o4711);
      fs.chownSync(join(at, "directory"), 1234, 0xfffffffe);
      assert.equal(fs.statSync(join(at, "file")).mode & 0o7777, 0o4711);
      const { uid, gid } = fs.statSync(join(at, "directory"));
      assert.deepEqual([uid, gid], [1234, 0xfffffffe]);
      fs.symlinkSync("file", join(at, "link"));
      fs.lchownSync(join(at, "link"), 5, 6);
      assert.equal(fs.lstatSync(join(at, "link")).uid, 5);
      assert.equal(fs.statSync(join(at, "file")).uid, 0);
    },
  },
  {
    title: "the kernel enforces permissions",
    programs: ["setpriv"],
    run: async (at) => {
      const asNobody = async (script: string): Promise<number> => {
        const words = ["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script];
        return (await run("setpriv", words, { cwd: at })).status;
      };
      // The way to the mount may be closed to others; its permissions are what is tested, from inside.
      fs.writeFileSync(join(at, "secret"), "s", { mode: 0o600 });
      fs.writeFileSync(join(at, "open"), "o", { mode: 0o644 });
      assert.notEqual(await asNobody("cat secret"), 0);
      assert.equal(await asNobody("cat open"), 0);
      assert.notEqual(await asNobody("echo x >> open"), 0);
      assert.notEqual(await asNobody("touch new"), 0);
      fs.mkdirSync(join(at, "theirs"));
      fs.chownSync(join(at, "theirs"), 65534, 65534);
      assert.equal(await asNobody("echo x > theirs/file && cat theirs/file && echo y >> theirs/file"), 0);
      assert.equal(fs.statSync(join(at, "theirs/file")).uid, 65534);
    },
  },
];

const extended: ReadonlyArray<MountCase> = [
  {
    title: "extended attributes are set, listed, read and removed",
    programs: ["setfattr", "getfattr"],
    run: async (at) => {
      const script = [
        "touch file; mkdir directory",
        "setfattr -n user.one -v 1 file; setfattr -n user.two -v 0x00ff00 file; setfattr -n trusted.t -v t directory",
        "setfattr -n user.empty file",
        'test "$(getfattr --only-values -n user.one file)" = 1',
        "getfattr -d -m - -e hex file > listed",
        "grep -q 'user.two=0x00ff00' listed; grep -q user.empty listed; grep -q user.one listed",
        "getfattr -d -m - directory > listed; grep -q trusted.t listed",
        "setfattr -n user.one -v again file; setfattr -x user.two file",
        "if getfattr -n user.two file 2> missing; then false; fi; grep -qi 'no such attribute' missing",
        'test "$(getfattr --only-values -n user.one file)" = again',
        "test $(getfattr -m - file | grep -c user) = 2",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "a file's own compression is an attribute, which what is made in a directory inherits",
    programs: ["setfattr", "getfattr"],
    run: async (at) => {
      const script = [
        'fails() { if "$@" 2> said; then exit 9; fi; }; put() { setfattr -n varve.compression "$@"; }',
        "get() { getfattr -h --only-values -n varve.compression $1; }; is() { test $(get $1) = $2; }",
        "touch file; fails get file; grep -qi 'no such attribute' said",
        "getfattr -m - file > listed; fails grep varve listed; fails setfattr -x varve.compression file",
        "put -v none file; is file none; getfattr -m - file | grep -qx varve.compression",
        "put -v zstd:9 file; is file zstd:9; put -v adaptive file; is file adaptive:1",
        "for wrong in gzip lz4 zstd:20 zstd:0 none:1 zstd:1:1 ' none' NONE; do",
        '  fails put -v "$wrong" file; grep -q "Invalid argument" said; done',
        "is file adaptive:1; put file; fails get file",
        "put -v none file; setfattr -x varve.compression file; fails get file",
        "mkdir d; touch d/before; put -v zstd:4 d; mkdir d/in; touch d/in/file; ln -s file d/link",
        "is d zstd:4; is d/in zstd:4; is d/in/file zstd:4; fails get d/before",
        "fails get d/link; mv d/in/file moved; is moved zstd:4; mkfifo pipe; fails put -v none pipe",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "what is compressed by its own choice takes less space, and what is not takes its full size",
    programs: ["setfattr", "getfattr"],
    run: async (at) => {
      const free = (): number => fs.statfsSync(at).bavail * fs.statfsSync(at).bsize;
      const text = Buffer.alloc(4 * 1024 * 1024, "a line of text, as there are many\n");
      const taken = async (words: string): Promise<number> => {
        const file = join(at, `file-${words}`);
        fs.closeSync(fs.openSync(file, "w"));
        await shell(`setfattr -n varve.compression -v ${words} ${file}`);
        const before = free();
        const fd = fs.openSync(file, "r+");
        fs.writeSync(fd, text);
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        assert.ok(fs.readFileSync(file).equals(text));
        return before - free();
      };
      assert.ok((await taken("none")) >= text.length);
      assert.ok((await taken("zstd:3")) < text.length / 2);
    },
  },
  {
    title: "only its owner, or root, says how a file is compressed",
    programs: ["setpriv", "setfattr"],
    notOn: { "fuse-native": "it does not say who asks" },
    run: async (at) => {
      fs.chmodSync(at, 0o777);
      fs.writeFileSync(join(at, "shared"), "s");
      fs.chmodSync(join(at, "shared"), 0o666);
      const asNobody = async (script: string): Promise<string> => {
        const words = ["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script];
        return (await run("setpriv", words, { cwd: at })).output;
      };
      const set = "setfattr -n varve.compression -v none";
      assert.match(await asNobody(`${set} shared 2>&1`), /not permitted/);
      assert.match(await asNobody("setfattr -x varve.compression shared 2>&1"), /not permitted/);
      assert.equal(await asNobody(`touch mine && ${set} mine 2>&1`), "");
    },
  },
  {
    title: "an extended attribute may have 64 KiB, and a small buffer is refused with ERANGE",
    programs: ["python3"],
    run: async (at) => {
      const script = [
        "import os, errno",
        "open('file', 'w').close()",
        "big = os.urandom(65536)",
        "os.setxattr('file', 'user.big', big)",
        "assert os.getxattr('file', 'user.big') == big",
        "os.setxattr('file', 'user.new', b'1', os.XATTR_CREATE)",
        "def fails(code, call):",
        "    try: call()",
        "    except OSError as e: assert e.errno == code, e",
        "    else: raise AssertionError(code)",
        "fails(errno.EEXIST, lambda: os.setxattr('file', 'user.new', b'1', os.XATTR_CREATE))",
        "fails(errno.ENODATA, lambda: os.setxattr('file', 'user.none', b'1', os.XATTR_REPLACE))",
        "fails(errno.ENODATA, lambda: os.removexattr('file', 'user.none'))",
        "fails(errno.E2BIG, lambda: os.setxattr('file', 'user.big', b'x' * 65537))",
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)",
        "room = ctypes.create_string_buffer(10)",
        "assert libc.getxattr(b'file', b'user.big', room, 10) == -1 and ctypes.get_errno() == errno.ERANGE",
        "assert libc.listxattr(b'file', room, 10) == -1 and ctypes.get_errno() == errno.ERANGE",
      ];
      await shell('python3 -c "$SCRIPT"', { cwd: at, env: { SCRIPT: script.join("\n") } });
    },
  },
  {
    title: "copying with all attributes keeps mode, times and extended attributes",
    programs: ["setfattr", "getfattr"],
    run: async (at) => {
      const script = [
        "echo x > file; chmod 6751 file; touch -d '2011-12-13 14:15:16.171' file; setfattr -n user.kept -v yes file",
        "cp -a file copy",
        "test \"$(stat -c '%a %y' copy)\" = \"$(stat -c '%a %y' file)\"",
        'test "$(getfattr --only-values -n user.kept copy)" = yes',
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
];

const acls: ReadonlyArray<MountCase> = [
  {
    title: "an ACL is kept, sets the mode, follows chmod and can be removed",
    programs: ["setfacl", "getfacl"],
    run: async (at) => {
      const script = [
        "touch file; chmod 640 file; setfacl -m u:1234:rw,g:77:r file",
        "has() { getfacl -cn $1 > acl; grep -q ^$2 acl; }",
        "has file user:1234:rw-; has file mask::rw-; has file group::r--; test $(stat -c %a file) = 660",
        "chmod 600 file; has file mask::---; test $(stat -c %a file) = 600",
        "chmod 755 file; setfacl -b file; test $(stat -c %a file) = 745",
        "if getfattr -n system.posix_acl_access file 2> /dev/null; then false; fi",
        "mkdir d; setfacl -d -m u:1234:rwx d; has d default:user:1234:rwx",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
];

export const attributeCases: ReadonlyArray<MountCase> = [
  {
    title: "one time of a file can be set and the other left alone",
    notOn: { "fuse-native": "libfuse 2 drops the request" },
    run: async (at) => {
      await shell("touch -d @1000000000 file; touch -m -d @1100000000 file; touch -a -d @1200000000 file", { cwd: at });
      const { atimeMs, mtimeMs } = fs.statSync(join(at, "file"));
      assert.deepEqual([atimeMs, mtimeMs], [1_200_000_000_000, 1_100_000_000_000]);
    },
  },
  {
    title: "times are kept to the nanosecond, before 1970 too",
    notOn: { "fuse-native": "it counts in milliseconds since 1970" },
    run: async (at) => {
      const script = [
        "touch -d '2001-02-03 04:05:06.123456789' file; test $(stat -c %.9Y file) = 981173106.123456789",
        "touch -d '1901-02-03 04:05:06.5' file; test \"$(stat -c %y file)\" = '1901-02-03 04:05:06.500000000 +0000'",
      ];
      await shell(script.join("\n"), { cwd: at, env: { TZ: "UTC" } });
    },
  },
  {
    title: "what a user makes belongs to that user",
    programs: ["setpriv"],
    notOn: { "fuse-native": "it does not say who asks; new files get the owner of their directory" },
    run: async (at) => {
      await shell("chmod 777 .; setpriv --reuid=65534 --regid=65534 --clear-groups touch file", { cwd: at });
      assert.equal(fs.statSync(join(at, "file")).uid, 65534);
    },
  },
  {
    title: "both times of a file are kept to the millisecond, each its own",
    run: (at) => {
      fs.writeFileSync(join(at, "file"), "");
      fs.utimesSync(join(at, "file"), 1_000_000_000.125, 1_500_000_000.75);
      const { atimeMs, mtimeMs } = fs.statSync(join(at, "file"));
      assert.deepEqual([atimeMs, mtimeMs], [1_000_000_000_125, 1_500_000_000_750]);
      fs.utimesSync(join(at, "file"), 20_000_000_000, 0);
      assert.deepEqual(fs.statSync(join(at, "file")).atimeMs, 20_000_000_000_000);
      assert.deepEqual(fs.statSync(join(at, "file")).mtimeMs, 0);
    },
  },
  {
    title: "writing, chmod and new names move the times they should and no others",
    run: async (at) => {
      const path = join(at, "file");
      fs.writeFileSync(path, "x");
      const made = fs.statSync(path);
      const before = fs.statSync(at);
      await later(20);
      fs.appendFileSync(path, "y");
      const written = fs.statSync(path);
      assert.ok(written.mtimeMs > made.mtimeMs && written.ctimeMs > made.ctimeMs);
      assert.equal(fs.statSync(at).mtimeMs, before.mtimeMs);
      await later(20);
      fs.chmodSync(path, 0o600);
      const changed = fs.statSync(path);
      assert.ok(changed.ctimeMs > written.ctimeMs);
      assert.equal(changed.mtimeMs, written.mtimeMs);
      await later(20);
      fs.writeFileSync(join(at, "other"), "");
      assert.ok(fs.statSync(at).mtimeMs > before.mtimeMs);
      await later(20);
      withFile(path, "r+", () => {});
      assert.equal(fs.statSync(path).mtimeMs, written.mtimeMs);
    },
  },
  {
    title: "statfs counts what is stored",
    run: async (at) => {
      // What others wrote is set aside at its full length until it is written back, compressed.
      await shell("find .. -type f -exec sync {} +", { cwd: at });
      const before = fs.statfsSync(at);
      assert.ok(before.bavail <= before.bfree && before.bfree <= before.blocks && before.bavail > 0);
      const incompressible = Buffer.from(crypto.getRandomValues(new Uint8Array(65536)));
      withFile(join(at, "file"), "w", (fd) => {
        for (let i = 0; i < 128; i++) {
          incompressible.writeUInt32LE((i * 2654435761) >>> 0, (i * 512) % 65000);
          for (let j = 0; j < 65536; j += 16) incompressible[j] = (incompressible[j]! + i) & 255;
          fs.writeSync(fd, incompressible);
        }
        fs.fsyncSync(fd);
      });
      const after = fs.statfsSync(at);
      const used = (before.bavail - after.bavail) * after.bsize;
      assert.ok(used > 4 * 1024 * 1024 && used < 16 * 1024 * 1024, `${used} bytes used by 8 MiB`);
    },
  },
  {
    title: "a name that is not UTF-8 is kept byte for byte",
    notOn: { "fuse-native": "its paths are text" },
    run: (at) => {
      const name = Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0x66, 0xff, 0xfe])]);
      fs.writeFileSync(name, "x");
      assert.deepEqual(fs.readdirSync(at, { encoding: "buffer" }), [Buffer.from([0x66, 0xff, 0xfe])]);
      assert.equal(fs.readFileSync(name, "utf8"), "x");
    },
  },
  {
    title: "a name that is not UTF-8 is refused and confuses nobody",
    onlyOn: "fuse-native",
    run: (at) => {
      const name = Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0x66, 0xff, 0xfe])]);
      refuses("EILSEQ", () => fs.writeFileSync(name, ""));
      assert.deepEqual(fs.readdirSync(at), []);
    },
  },
  ...permissions,
  ...extended,
  ...acls,
];
