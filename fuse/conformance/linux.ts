/**
 * What Linux has beyond POSIX: files without a name, whiteouts, copies in the kernel, statx, flags, capabilities, locks.
 *
 * System calls that Node has not are made by Python.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { shell } from "../test-mount.ts";
import type { MountCase } from "./case.ts";

const LIBRARY = [
  "import ctypes, errno, fcntl, os, struct, sys, time",
  "libc = ctypes.CDLL(None, use_errno=True)",
  "def check(result):",
  "    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))",
  "    return result",
  "def fails(code, call):",
  "    try: call()",
  "    except OSError as e: assert e.errno == code, e",
  "    else: raise AssertionError('no error ' + errno.errorcode[code])",
  "def link(fd, name): check(libc.linkat(-100, b'/proc/self/fd/%d' % fd, -100, name.encode(), 0x400))",
  "def rename(old, new, flags): check(libc.renameat2(-100, old.encode(), -100, new.encode(), flags))",
];

const python = async (at: string, script: ReadonlyArray<string>): Promise<string> =>
  shell('python3 -c "$SCRIPT"', { cwd: at, env: { SCRIPT: [...LIBRARY, ...script].join("\n") } });

const HIGH_LEVEL = "libfuse's high-level interface has no such request";

const nameless: ReadonlyArray<MountCase> = [
  {
    title: "a file without a name is used, shows nowhere, gets its mode from the umask, and can be given a name once",
    programs: ["python3"],
    notOn: { "fuse-native": HIGH_LEVEL },
    run: async (at) => {
      await python(at, [
        "os.umask(0o027)",
        "fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o666)",
        "os.write(fd, b'text' * 5000)",
        "s = os.fstat(fd); assert (s.st_nlink, s.st_size, s.st_mode & 0o7777) == (0, 20000, 0o640), s",
        "assert os.listdir('.') == []",
        "link(fd, 'name'); assert os.fstat(fd).st_nlink == 1",
        "os.fsync(fd); os.close(fd)",
        "assert open('name').read() == 'text' * 5000",
        "fd = os.open('name', os.O_RDWR); os.unlink('name')",
        "fails(errno.ENOENT, lambda: link(fd, 'again'))",
        "other = os.open('.', os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o600)",
        "fails(errno.ENOENT, lambda: link(other, 'never'))",
        "os.close(other); os.close(fd); assert os.listdir('.') == []",
        "many = [os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o600) for _ in range(100)]",
        "for i, fd in enumerate(many): os.write(fd, b'%d' % i)",
        "for i, fd in enumerate(many): link(fd, 'f%d' % i) if i % 2 else None; os.close(fd)",
        "assert len(os.listdir('.')) == 50 and open('f51').read() == '51'",
      ]);
    },
  },
  {
    title: "a rename can leave a whiteout, and refuses flags that exclude each other",
    programs: ["python3"],
    notOn: { "fuse-native": HIGH_LEVEL },
    run: async (at) => {
      await python(at, [
        "open('a', 'w').write('x'); open('b', 'w').write('y')",
        "rename('a', 'b', 4)",
        "s = os.lstat('a'); assert (s.st_mode, s.st_rdev, s.st_nlink) == (0o020000, 0, 1), s",
        "assert open('b').read() == 'x' and sorted(os.listdir('.')) == ['a', 'b']",
        "fails(errno.EEXIST, lambda: rename('b', 'a', 5))",
        "rename('b', 'c', 5); assert sorted(os.listdir('.')) == ['a', 'b', 'c']",
        "fails(errno.EINVAL, lambda: rename('c', 'a', 6))",
        "os.unlink('a'); os.unlink('b')",
      ]);
    },
  },
];

const data: ReadonlyArray<MountCase> = [
  {
    title: "copy_file_range copies what was just written, over what is there, and keeps holes",
    programs: ["python3"],
    notOn: { "fuse-native": "the kernel copies through the page cache, and there are no holes" },
    run: async (at) => {
      await python(at, [
        "a = os.open('a', os.O_RDWR | os.O_CREAT); b = os.open('b', os.O_RDWR | os.O_CREAT)",
        "def copy(length, src, dst):",
        "    done = 0",
        "    while done < length:",
        "        n = os.copy_file_range(a, b, length - done, src + done, dst + done)",
        "        if n == 0: break",
        "        done += n",
        "    return done",
        "noise = os.urandom(3000000); os.pwrite(a, noise, 50_000_000); os.ftruncate(a, 80_000_000)",
        "os.pwrite(b, b'z' * 100_000, 0); assert os.pread(b, 3, 50) == b'zzz'",
        "assert copy(10**9, 0, 0) == 80_000_000",
        "s = os.fstat(b); assert s.st_size == 80_000_000, s",
        "assert os.pread(b, 4, 50) == bytes(4) and os.pread(b, 3000000, 50_000_000) == noise",
        "os.fsync(b); assert os.lseek(b, 0, os.SEEK_DATA) >= 49_900_000",
        "assert os.fstat(b).st_blocks * 512 < 4_000_000, os.fstat(b)",
        "assert copy(100, 50_000_001, 77) == 100 and os.pread(b, 100, 77) == noise[1:101]",
      ]);
    },
  },
  {
    title: "what would reach behind the largest file is too large, and changes nothing",
    programs: ["python3"],
    notOn: { "fuse-native": "the kernel copies through the page cache, and takes what is written there at any offset" },
    run: async (at) => {
      await python(at, [
        "import mmap",
        "f = os.open('f', os.O_RDWR | os.O_CREAT | os.O_DIRECT); block = mmap.mmap(-1, 4096)",
        "os.pwritev(f, [block], 0)",
        "for far in (2**53, 2**60, 2**63 - 8192):",
        "    fails(errno.EFBIG, lambda: os.ftruncate(f, far))",
        "    fails(errno.EFBIG, lambda: os.pwritev(f, [block], far))",
        "    fails(errno.EFBIG, lambda: os.copy_file_range(f, f, 1000, 0, far))",
        "    for mode in (0, 1, 3, 16):",
        "        fails(errno.EFBIG, lambda: check(libc.fallocate(f, mode, ctypes.c_long(far), ctypes.c_long(4096))))",
        "    assert os.preadv(f, [block], far) == 0 and os.fstat(f).st_size == 4096",
      ]);
    },
  },
  {
    title: "a range that is allocated takes no more space when it is written, wherever it begins and ends",
    programs: ["python3"],
    notOn: { "fuse-native": HIGH_LEVEL },
    run: async (at) => {
      await python(at, [
        "for first, length in ((4095, 2), (4097, 4094), (1, 1), (20_000, 9)):",
        "    f = os.open(f'f{first}', os.O_RDWR | os.O_CREAT); os.posix_fallocate(f, first, length)",
        "    before = os.fstat(f); assert before.st_size == first + length, before",
        "    touched = -(-(first + length) // 4096) - first // 4096; assert before.st_blocks == 8 * touched, before",
        "    os.pwrite(f, b'x' * length, first); os.fsync(f)",
        "    after = os.fstat(f); assert (after.st_size, after.st_blocks) == (first + length, before.st_blocks), after",
        "    assert os.pread(f, 50_000, 0) == bytes(first) + b'x' * length",
      ]);
    },
  },
];

const attributes: ReadonlyArray<MountCase> = [
  {
    title: "the time of birth is known, and stays when all other times change",
    notOn: { "fuse-native": HIGH_LEVEL },
    run: async (at) => {
      const script = [
        "before=$(date +%s); touch file; birth=$(stat -c %W file); test $birth -ge $((before - 1))",
        "touch -d '2001-02-03 04:05:06' file; chmod 600 file; mv file other; test $(stat -c %W other) = $birth",
        "mknod device b 291 70000; test $(stat -c %t:%T device) = 123:11170; stat -c %w device | grep -q ^20",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "times far before 1970 and far behind 2038 are kept",
    programs: ["python3"],
    notOn: { "fuse-native": "it counts in milliseconds since 1970" },
    run: async (at) => {
      await python(at, [
        "open('f', 'w').close()",
        "for t in (-(2**33), -(2**31) - 1, -1, 2**31, 2**32 + 5, 2**33):",
        "    os.utime('f', ns=(t * 10**9 + 7, t * 10**9 + 999999999))",
        "    s = os.stat('f'); assert (s.st_atime_ns, s.st_mtime_ns) == (t * 10**9 + 7, t * 10**9 + 999999999), (t, s)",
        "for t in (2**53 - 1, 1 - 2**53): os.utime('f', (t, t)); assert os.stat('f').st_mtime_ns == t * 10**9",
        "fails(errno.EINVAL, lambda: os.utime('f', (2**53, 2**53))); fails(errno.EINVAL, lambda: os.utime('f', (0, -(2**60))))",
        "assert os.stat('f').st_mtime_ns == (1 - 2**53) * 10**9",
      ]);
    },
  },
  {
    title: "lsattr and chattr know how a file is compressed, and are told that no other flags are kept",
    programs: ["lsattr", "chattr", "getfattr", "setfattr"],
    notOn: { "fuse-native": HIGH_LEVEL },
    run: async (at) => {
      const script = [
        'fails() { if "$@" 2> said; then exit 9; fi; }; is() { getfattr --only-values -n varve.compression file | grep -qx "$1"; }',
        "touch file; mkdir d; lsattr -v file | grep -q '^0 *-* file'; lsattr -d d | grep -q '^-* d'",
        "for flag in i a d; do fails chattr +$flag file; grep -q 'not supported' said; done",
        "chattr +m file; lsattr file | grep -q '^-*m-* file'; is none; fails chattr +c file",
        "chattr -m +c file; lsattr file | grep -q '^-*c-* file'; chattr +c d; touch d/new; lsattr d/new | grep -q '^-*c-* d/new'",
        "setfattr -n varve.compression -v zstd:7 file; chattr +c file; is zstd:7",
        "chattr -c file; lsattr file | grep -q '^-* file'; fails getfattr -n varve.compression file; rm -r file d said",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "writing and truncating take capabilities and set-ID bits from a program",
    programs: ["setcap", "getcap", "setpriv"],
    run: async (at) => {
      const as = "setpriv --reuid=1234 --regid=1234 --clear-groups";
      const script = [
        "chmod 777 .; for f in one two three four; do echo x > $f; chmod 6777 $f; done",
        "setcap cap_net_raw+ep one; setcap cap_net_raw+ep two; getcap one | grep -q net_raw",
        "setcap cap_net_raw+ep three; chmod 6777 one two three",
        `${as} sh -c 'echo y >> one'; ${as} sh -c ': > two'; ${as} truncate -s 100 three; chown 5:6 four`,
        'for f in one two three; do test -z "$(getcap $f)"; done; test "$(stat -c %a one two three four | uniq)" = 777',
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "an ACL that somebody sets who is not of the file's group takes its set-group-ID bit",
    programs: ["setpriv", "setfacl"],
    notOn: { "fuse-native": "its kernel protocol does not say who sets an attribute" },
    run: async (at) => {
      const script = [
        "chmod 777 .; for f in mine other; do echo x > $f; chown 100:100 $f; chmod 2755 $f; done",
        "setpriv --reuid=100 --regid=100 --clear-groups setfacl -m u::rwx,g::rwx,o::rwx mine",
        "setpriv --reuid=100 --regid=101 --clear-groups setfacl -m u::rwx,g::rwx,o::rwx other",
        'test "$(stat -c %a mine other | xargs)" = "2777 777"',
        "chmod 2755 other; setpriv --reuid=100 --regid=101 --clear-groups setfacl -m u:5:rwx other",
        "test $(stat -c %a other) = 775; setfattr -n user.a -v b other; getfattr -n user.a other | grep -q b",
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "a file may have more than 65536 names",
    programs: ["python3"],
    notOn: { "fuse-native": "so many calls by path take it minutes" },
    run: async (at) => {
      fs.mkdirSync(join(at, "names"));
      fs.writeFileSync(join(at, "file"), "");
      const step = 16_500;
      for (let from = 0; from < 4 * step; from += step) {
        await python(at, [`for i in range(${from}, ${from + step}): os.link('file', 'names/%d' % i)`]);
      }
      assert.equal(fs.statSync(join(at, "file")).nlink, 4 * step + 1);
      await python(at, ["for i in range(0, 66000, 660): os.unlink('names/%d' % i)"]);
      assert.equal(fs.statSync(join(at, "names/65999")).nlink, 4 * step + 1 - 100);
    },
  },
];

/** Holds a lock in a process of its own while `meanwhile` runs. */
const holding = (take: string, meanwhile: ReadonlyArray<string>): ReadonlyArray<string> => [
  "r, w = os.pipe(); back, go = os.pipe()",
  "holder = os.fork()",
  "if holder == 0:",
  "    fd = os.open('file', os.O_RDWR)",
  `    ${take}`,
  "    os.write(w, b'1'); os.read(back, 1); os._exit(0)",
  "os.read(r, 1)",
  "fd = os.open('file', os.O_RDWR)",
  ...meanwhile,
  "os.write(go, b'1'); os.waitpid(holder, 0)",
];

const locks: ReadonlyArray<MountCase> = [
  {
    title: "flock: who holds a file keeps others out, and lets them in by ending",
    programs: ["python3"],
    run: async (at) => {
      fs.writeFileSync(join(at, "file"), "");
      await python(at, [
        ...holding("fcntl.flock(fd, fcntl.LOCK_EX)", [
          "fails(errno.EWOULDBLOCK, lambda: fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB))",
        ]),
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
      ]);
    },
  },
  {
    title: "fcntl: ranges of a file are locked, by process and by open file, and told of",
    programs: ["python3"],
    run: async (at) => {
      fs.writeFileSync(join(at, "file"), "");
      const lock = "fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, %d)";
      await python(at, [
        ...holding("fcntl.lockf(fd, fcntl.LOCK_EX, 10, 100)", [
          `fails(errno.EAGAIN, lambda: ${lock.replace("%d", "105")})`,
          lock.replace("%d", "110"),
          "told = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 200, 0))",
          "assert struct.unpack('hhqqi4x', told)[4] == holder, told",
        ]),
        lock.replace("%d", "105"),
        "OFD_SETLK = 37; other = os.open('file', os.O_RDWR)",
        "whole = struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0)",
        "fails(errno.EAGAIN, lambda: fcntl.fcntl(other, OFD_SETLK, whole))",
        "fcntl.lockf(fd, fcntl.LOCK_UN); fcntl.fcntl(other, OFD_SETLK, whole)",
        "fails(errno.EAGAIN, lambda: fcntl.fcntl(fd, OFD_SETLK, whole))",
      ]);
    },
  },
  {
    title: "of processes that count under a lock none loses a count",
    programs: ["python3"],
    run: async (at) => {
      fs.writeFileSync(join(at, "file"), "0");
      await python(at, [
        "for child in range(4):",
        "    if os.fork() == 0:",
        "        fd = os.open('file', os.O_RDWR)",
        "        for i in range(50):",
        "            fcntl.lockf(fd, fcntl.LOCK_EX) if child % 2 else fcntl.flock(fd, fcntl.LOCK_EX)",
        "            if child % 2 == 0: fcntl.lockf(fd, fcntl.LOCK_EX)",
        "            n = int(os.pread(fd, 20, 0)); os.pwrite(fd, b'%d' % (n + 1), 0)",
        "            fcntl.lockf(fd, fcntl.LOCK_UN)",
        "            if child % 2 == 0: fcntl.flock(fd, fcntl.LOCK_UN)",
        "        os._exit(0)",
        "for child in range(4): assert os.wait()[1] == 0",
      ]);
      assert.equal(fs.readFileSync(join(at, "file"), "utf8"), "200");
    },
  },
];

export const linuxCases: ReadonlyArray<MountCase> = [...nameless, ...data, ...attributes, ...locks];
