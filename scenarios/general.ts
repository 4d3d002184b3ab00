/**
 * The stories that every filesystem must live through, each a random workload with a character of its own.
 */
import { GENERAL, profile, type Profile, swarm, type Weights } from "../harness/workload/profile.ts";
import { CRASHES, randomStory, type Story } from "./pools.ts";

const OPERATIONS = 60;

/** One to three clients share the operations: what goes wrong between two is found by no one alone. */
function story(
  name: string,
  summary: string,
  weights: Weights,
  changes: Partial<Profile> = {},
  operations = OPERATIONS,
): Story {
  const lively = profile({ weights, ...changes });
  return randomStory(name, summary, (random) => {
    const count = random.pick([1, 1, 2, 3]);
    const chosen = swarm(lively, random, 0.1);
    return Array.from({ length: count }, () => ({ profile: chosen, operations: Math.ceil(operations / count) }));
  });
}

const NAMES_ONLY = { farShare: 0, fileBytesMax: 4000, writeLengths: { tiny: 1, small: 1, blocks: 0, large: 0 } };

/** Files that are open lose their names. */
export const OPEN_UNLINKED: Weights = {
  create: 12,
  open: 16,
  unlink: 12,
  write: 12,
  append: 4,
  read: 6,
  truncate: 4,
  release: 8,
  rename: 6,
  fsync: 5,
  syncfs: 1,
  sleep: 2,
  link: 2,
};

export const generalStories: ReadonlyArray<Story> = [
  story("create-write-fsync", "files are created, written and synced, some of them again and again", {
    create: 8,
    write: 20,
    fsync: 12,
    read: 4,
    append: 4,
    unlink: 2,
    syncfs: 1,
    sleep: 2,
    mkdir: 1,
  }),
  story(
    "rename-replace",
    "files are written under one name and renamed over another",
    {
      create: 10,
      write: 12,
      rename: 16,
      fsync: 3,
      unlink: 2,
      mkdir: 2,
      read: 4,
      sleep: 2,
      truncate: 1,
    },
    { fileBytesMax: 100_000 },
  ),
  story(
    "append-log",
    "logs grow by appending, are synced now and then, and are cut",
    {
      create: 3,
      append: 40,
      fsync: 8,
      read: 4,
      truncate: 2,
      rename: 1,
      sleep: 4,
    },
    { fileNames: ["x", "y"], writeLengths: { tiny: 6, small: 6, blocks: 1, large: 1 } },
  ),
  story(
    "hard-links",
    "files have many names, which come, go and replace each other",
    {
      create: 6,
      link: 20,
      unlink: 10,
      rename: 14,
      mkdir: 3,
      fsync: 5,
      setattr: 4,
      getattr: 3,
      write: 4,
      rmdir: 1,
      readdir: 2,
    },
    NAMES_ONLY,
  ),
  story(
    "deep-tree",
    "directories are nested deep, moved, exchanged and removed",
    {
      mkdir: 30,
      create: 6,
      rename: 24,
      rmdir: 10,
      unlink: 4,
      readdir: 4,
      fsync: 4,
      syncfs: 1,
      symlink: 2,
      getattr: 2,
      sleep: 1,
    },
    { ...NAMES_ONLY, depthMax: 12 },
  ),
  story(
    "truncate-and-extend",
    "files shrink and grow by truncate, write and fallocate",
    {
      create: 4,
      write: 16,
      truncate: 24,
      append: 8,
      fallocate: 4,
      fsync: 5,
      read: 8,
      sleep: 2,
    },
    { fileNames: ["x", "y"] },
  ),
  story(
    "sparse",
    "files have holes: far writes, punches, zeroing, allocation, and seeks",
    {
      create: 4,
      write: 20,
      fallocate: 20,
      truncate: 6,
      seek: 10,
      read: 10,
      fsync: 5,
      sleep: 2,
    },
    { fileNames: ["x", "y", "z"], farShare: 0.15 },
  ),
  story(
    "xattrs",
    "files and directories have attributes that come, change and go",
    {
      create: 5,
      mkdir: 3,
      symlink: 2,
      setxattr: 30,
      removexattr: 8,
      getxattr: 8,
      listxattr: 5,
      unlink: 3,
      fsync: 5,
      rename: 3,
      link: 2,
    },
    { ...NAMES_ONLY, xattrBytesMax: 30_000 },
  ),
  story("open-unlinked", "files that are open lose their names and are still used", OPEN_UNLINKED, { handlesMax: 5 }),
  story(
    "nameless-files",
    "files are made without a name, written and synced, and get a name or go; renames leave whiteouts",
    {
      create: 4,
      mkdir: 3,
      tmpfile: 20,
      link: 16,
      write: 14,
      fsync: 8,
      release: 8,
      unlink: 6,
      whiteout: 10,
      rename: 4,
      read: 3,
      syncfs: 1,
      sleep: 2,
      readdir: 2,
    },
    { handlesMax: 5 },
  ),
  story(
    "attributes",
    "modes, owners, times and compression change among everything else",
    {
      create: 6,
      mkdir: 3,
      symlink: 3,
      mknod: 4,
      setattr: 30,
      compress: 10,
      getattr: 8,
      write: 6,
      fsync: 5,
      rename: 4,
      readlink: 3,
      unlink: 3,
      statfs: 1,
    },
    NAMES_ONLY,
  ),
  story(
    "many-small-files",
    "hundreds of small files in a few directories",
    {
      create: 60,
      write: 40,
      unlink: 14,
      rename: 6,
      mkdir: 2,
      readdir: 3,
      fsync: 1,
      read: 6,
      getattr: 4,
      sleep: 1,
    },
    {
      ...NAMES_ONLY,
      fileNames: Array.from(
        { length: 120 },
        (_, index) => `file-${index}${index % 10 === 0 ? "-with-a-long-name".repeat(12) : ""}`,
      ),
      existingShare: 0.6,
    },
    300,
  ),
  randomStory("everything", "one client does everything there is", (random) => [
    { profile: swarm(GENERAL, random), operations: 80 },
  ]),
  randomStory("concurrent-mixed", "several clients do everything there is at the same time", (random) =>
    Array.from({ length: random.between(2, 4) }, () => ({ profile: swarm(GENERAL, random), operations: 30 })),
  ),
  randomStory("concurrent-names", "several clients fight for the same few names", (random) => {
    const names = profile({ ...NAMES_ONLY, directoryNames: ["a", "b"], fileNames: ["x", "y"], existingShare: 0.6 });
    const weights = {
      ...GENERAL.weights,
      rename: 30,
      link: 12,
      unlink: 12,
      create: 16,
      mkdir: 8,
      rmdir: 6,
      write: 6,
      append: 2,
    };
    return Array.from({ length: 4 }, () => ({ profile: swarm({ ...names, weights }, random), operations: 25 }));
  }),
  randomStory(
    "crash-in-recovery",
    "every recovery is crashed too, and must succeed when it is run again",
    (random) => [{ profile: swarm(GENERAL, random), operations: 50 }],
    { crash: { ...CRASHES, statesMax: 24, recoveryShare: 1 } },
  ),
];
