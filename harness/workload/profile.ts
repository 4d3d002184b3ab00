/**
 * What a random workload is like: how often which operation comes, over which names, with how many bytes.
 *
 * A profile is data; scenarios derive theirs from `GENERAL`. `swarm` leaves some kinds of operations out, a different
 * choice in each seed, because bugs hide where some other operation always tidies up in time.
 */
import type { Prng } from "../entropy.ts";
import type { OperationKind } from "./operation.ts";

export type Weights = Partial<Record<OperationKind, number>>;

/** Lengths of writes by weight. */
export interface WriteLengths {
  /** 1 to 100 bytes. */
  readonly tiny: number;
  /** Some hundred bytes to 6000, of no alignment. */
  readonly small: number;
  /** One to eight blocks of 4096 bytes. */
  readonly blocks: number;
  /** Up to 300 KiB. */
  readonly large: number;
}

export interface Profile {
  readonly weights: Weights;
  readonly directoryNames: ReadonlyArray<string>;
  readonly fileNames: ReadonlyArray<string>;
  /** Directories are made no deeper than this. */
  readonly depthMax: number;
  readonly writeLengths: WriteLengths;
  /** Files are written up to about this length. */
  readonly fileBytesMax: number;
  /** Share of writes far behind the end, that leave a big hole. */
  readonly farShare: number;
  /** Share of choices of a path that take one that exists, where one is wanted. */
  readonly existingShare: number;
  readonly xattrBytesMax: number;
  readonly sleepMsMax: number;
  /** Files that one client holds open at most. */
  readonly handlesMax: number;
}

export const GENERAL: Profile = {
  weights: {
    create: 10,
    mkdir: 4,
    mknod: 1,
    symlink: 2,
    link: 4,
    unlink: 6,
    rmdir: 2,
    rename: 8,
    write: 16,
    append: 6,
    truncate: 5,
    fallocate: 3,
    read: 6,
    seek: 1,
    getattr: 3,
    setattr: 4,
    compress: 2,
    readlink: 1,
    readdir: 2,
    fsync: 6,
    syncfs: 1,
    open: 3,
    release: 3,
    getxattr: 1,
    setxattr: 3,
    listxattr: 1,
    removexattr: 1,
    statfs: 1,
    sleep: 2,
  },
  directoryNames: ["a", "b", "c"],
  fileNames: ["x", "y", "z", "w"],
  depthMax: 3,
  writeLengths: { tiny: 3, small: 3, blocks: 3, large: 1 },
  fileBytesMax: 400_000,
  farShare: 0.02,
  existingShare: 0.85,
  xattrBytesMax: 3000,
  sleepMsMax: 3000,
  handlesMax: 3,
};

/** The general profile with some of it changed; weights are replaced as a whole. */
export function profile(changes: Partial<Profile>): Profile {
  return { ...GENERAL, ...changes };
}

/** Kinds without which a workload would do nothing. */
const ALWAYS: ReadonlySet<OperationKind> = new Set(["create", "write", "mkdir"]);

export function swarm(whole: Profile, random: Prng, leaveOutShare = 0.3): Profile {
  const weights: Weights = {};
  for (const [kind, weight] of Object.entries(whole.weights) as Array<[OperationKind, number]>) {
    const isOut = random.chance(leaveOutShare) && !ALWAYS.has(kind);
    if (!isOut) weights[kind] = weight * (random.chance(0.2) ? 3 : 1);
  }
  return { ...whole, weights };
}
