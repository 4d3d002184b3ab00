/**
 * Bugs that real filesystems had, each as the short story that showed it.
 *
 * Found in ext4, btrfs, f2fs and xfs by CrashMonkey and ACE, by xfstests (`generic/NNN`) and by Chipmunk; each of them
 * fails in a few crash states only, so a seed takes one story and crashes it at every I/O. A seed draws which story, and
 * how long things take.
 */
import type { Operation } from "../harness/workload/operation.ts";
import { scriptedProgram } from "../harness/workload/program.ts";
import { pool, STRICT, type Story } from "./pools.ts";

const make = (path: string): Operation => ({ kind: "create", path });
const mkdir = (path: string): Operation => ({ kind: "mkdir", path });
const fsync = (target: string): Operation => ({ kind: "fsync", target });
const link = (target: string, path: string): Operation => ({ kind: "link", target, path });
const unlink = (path: string): Operation => ({ kind: "unlink", path });
const move = (from: string, to: string): Operation => ({ kind: "rename", from, to, mode: "replace" });
const swap = (from: string, to: string): Operation => ({ kind: "rename", from, to, mode: "exchange" });
const sync: Operation = { kind: "syncfs" };
let tags = 0;
const write = (target: string, offsetBytes: number, lengthBytes: number): Operation => ({
  kind: "write",
  target,
  offsetBytes,
  pattern: { tag: 7_000_000 + tags++, lengthBytes, texture: "noise" },
});
const truncate = (target: string, sizeBytes: number): Operation => ({ kind: "truncate", target, sizeBytes });
const setxattr = (target: string, name: string): Operation => ({
  kind: "setxattr",
  target,
  name,
  pattern: { tag: 7_000_000 + tags++, lengthBytes: 100, texture: "text" },
  mode: "set",
});
const fallocate = (
  target: string,
  mode: "allocate" | "punch" | "zero",
  offsetBytes: number,
  lengthBytes: number,
  keepSize: boolean,
): Operation => ({ kind: "fallocate", target, mode, offsetBytes, lengthBytes, keepSize });

interface CrashCase {
  readonly title: string;
  readonly operations: ReadonlyArray<Operation>;
}

export const crashCases: ReadonlyArray<CrashCase> = [
  {
    title: "a synced file is replaced by a rename and its directory synced through another file",
    operations: [
      mkdir("/A"),
      mkdir("/B"),
      make("/A/bar"),
      fsync("/A/bar"),
      make("/B/bar"),
      move("/B/bar", "/A/bar"),
      make("/A/foo"),
      fsync("/A/foo"),
      fsync("/A"),
    ],
  },
  {
    title: "a file and its directory are renamed in turn and synced under each name",
    operations: [
      mkdir("/A"),
      mkdir("/B"),
      make("/A/C"),
      move("/A/C", "/B/bar"),
      fsync("/B/bar"),
      move("/B/bar", "/A/bar"),
      { kind: "rmdir", path: "/B" },
      move("/A", "/B"),
      fsync("/B/bar"),
    ],
  },
  {
    title: "a synced file gets a link in a directory that is not synced",
    operations: [
      mkdir("/A"),
      mkdir("/B"),
      mkdir("/A/C"),
      make("/B/foo"),
      fsync("/B/foo"),
      link("/B/foo", "/A/C/foo"),
      fsync("/A"),
    ],
  },
  {
    title: "a directory is renamed and a file synced in its new place",
    operations: [mkdir("/A"), sync, move("/A", "/B"), make("/B/foo"), fsync("/B/foo"), fsync("/B")],
  },
  {
    title: "a link into another directory, then both are synced",
    operations: [
      mkdir("/A"),
      mkdir("/B"),
      make("/A/foo"),
      sync,
      link("/A/foo", "/B/foo"),
      fsync("/A/foo"),
      fsync("/B/foo"),
    ],
  },
  {
    title: "files in a directory and below it, and the directory is synced last",
    operations: [
      mkdir("/test"),
      mkdir("/test/A"),
      make("/test/foo"),
      make("/test/A/foo"),
      fsync("/test/A/foo"),
      fsync("/test"),
    ],
  },
  {
    title: "a new link in another directory, then the file is synced (generic/520)",
    operations: [
      mkdir("/A"),
      make("/foo"),
      sync,
      link("/foo", "/A/bar"),
      fsync("/foo"),
      unlink("/foo"),
      fsync("/A/bar"),
    ],
  },
  {
    title: "allocation behind the end keeps the size (generic/468, 483)",
    operations: [
      make("/f"),
      write("/f", 0, 16_384),
      fsync("/f"),
      fallocate("/f", "allocate", 16_384, 12_288, true),
      fsync("/f"),
      fallocate("/f", "zero", 20_480, 8192, true),
      fsync("/f"),
    ],
  },
  {
    title: "zeroing with the size kept, then growing over it (generic/468)",
    operations: [
      make("/f"),
      write("/f", 0, 16_384),
      fsync("/f"),
      fallocate("/f", "zero", 12_288, 20_000, true),
      fsync("/f"),
      truncate("/f", 30_000),
      fsync("/f"),
    ],
  },
  {
    title: "a file is renamed and a new one takes its name (generic/342, 376, 526)",
    operations: [
      make("/foo"),
      write("/foo", 0, 5000),
      fsync("/foo"),
      move("/foo", "/bar"),
      make("/foo"),
      write("/foo", 0, 3000),
      fsync("/foo"),
    ],
  },
  {
    title: "a directory is renamed and a new one takes its name (generic/341)",
    operations: [
      mkdir("/a"),
      mkdir("/a/x"),
      make("/a/x/foo"),
      make("/a/x/bar"),
      sync,
      move("/a/x", "/a/y"),
      mkdir("/a/x"),
      make("/a/x/new"),
      fsync("/a/x"),
    ],
  },
  {
    title: "files move between directories that are synced one at a time (generic/321, 335)",
    operations: [
      mkdir("/a"),
      mkdir("/a/b"),
      mkdir("/c"),
      make("/a/b/foo"),
      sync,
      move("/a/b/foo", "/c/foo"),
      make("/a/bar"),
      fsync("/a"),
      fsync("/c"),
    ],
  },
  {
    title: "one link moves, another is removed, and a third is synced (generic/336)",
    operations: [
      mkdir("/a"),
      mkdir("/b"),
      mkdir("/c"),
      make("/a/foo"),
      link("/a/foo", "/b/foo_link"),
      make("/b/bar"),
      sync,
      unlink("/b/foo_link"),
      move("/b/bar", "/c/bar"),
      fsync("/a/foo"),
    ],
  },
  {
    title: "directories move and a file of another is synced (generic/343)",
    operations: [
      mkdir("/a"),
      mkdir("/a/x"),
      mkdir("/b"),
      make("/a/foo"),
      make("/a/x/bar"),
      sync,
      link("/a/foo", "/a/bar"),
      move("/a/x", "/b/x"),
      make("/a/x2"),
      fsync("/a/foo"),
    ],
  },
  {
    title: "two synced files are exchanged, and one is synced again",
    operations: [
      mkdir("/A"),
      make("/A/x"),
      make("/y"),
      write("/A/x", 0, 9000),
      write("/y", 0, 100),
      sync,
      swap("/A/x", "/y"),
      write("/y", 100, 4000),
      fsync("/y"),
    ],
  },
  {
    title: "xattrs are removed and the file synced (generic/066)",
    operations: [
      make("/f"),
      setxattr("/f", "user.a"),
      setxattr("/f", "user.b"),
      fsync("/f"),
      { kind: "removexattr", target: "/f", name: "user.a" },
      fsync("/f"),
      setxattr("/f", "user.b"),
      fsync("/f"),
    ],
  },
  {
    title: "a file shrinks, grows and is synced (generic/393)",
    operations: [
      make("/f"),
      write("/f", 0, 131_072),
      fsync("/f"),
      truncate("/f", 3000),
      truncate("/f", 131_072),
      fsync("/f"),
      write("/f", 65_536, 100),
      fsync("/f"),
    ],
  },
  {
    title: "a hole is punched over synced data, written again in part, and synced",
    operations: [
      make("/f"),
      write("/f", 0, 40_000),
      fsync("/f"),
      fallocate("/f", "punch", 5000, 20_000, true),
      write("/f", 8192, 4096),
      fsync("/f"),
    ],
  },
  {
    title: "an unlinked file's name is used again, and only the new one is synced (generic/107)",
    operations: [
      mkdir("/A"),
      make("/A/f"),
      link("/A/f", "/A/g"),
      sync,
      unlink("/A/g"),
      make("/A/g"),
      write("/A/g", 0, 10),
      fsync("/A/g"),
      fsync("/A/f"),
    ],
  },
  {
    title: "a rename replaces unsynced content by unsynced content",
    operations: [
      make("/f"),
      write("/f", 0, 6000),
      fsync("/f"),
      make("/t"),
      write("/t", 0, 100_000),
      move("/t", "/f"),
      make("/t"),
      write("/t", 0, 10),
      move("/t", "/f"),
    ],
  },
];

const crashCaseStory: Story = {
  name: "crash-cases",
  summary: "stories that broke real filesystems, crashed at every I/O",
  plan: (entropy, medium) => {
    const random = entropy.stream("story");
    const { operations } = random.pick(crashCases);
    const pause: Operation = { kind: "sleep", milliseconds: random.pick([1, 300, 2000]) };
    const paused = operations.flatMap((operation) => (random.chance(0.2) ? [operation, pause] : [operation]));
    return {
      ...pool(entropy, medium),
      tolerance: STRICT,
      clients: [scriptedProgram(paused)],
      crash: { statesMax: 100, pointShare: 1, recoveryShare: 0.1 },
    };
  },
};

export const crashCaseStories: ReadonlyArray<Story> = [crashCaseStory];
