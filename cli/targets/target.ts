/**
 * The filesystems of the kernel that can be crashed: how each is made, mounted and checked, and what that takes.
 *
 * Plain data and words for command lines. `fsck` changes nothing and exits with 0 when it finds nothing.
 */
import { firstLine, type Outcome } from "./programs.ts";

export interface Target {
  readonly name: string;
  /** The Debian package of its programs. */
  readonly debianPackage: string;
  /** Size of the disk, as small as the filesystem is happy with. */
  readonly sizeBytes: number;
  readonly make: readonly [program: string, ...words: ReadonlyArray<string>];
  /** Words for `mount -o`. */
  readonly mountOptions: string;
  readonly fsck: readonly [program: string, ...words: ReadonlyArray<string>];
  /** One line of what fsck found. */
  readonly finding: (outcome: Outcome) => string;
}

const MIB = 1024 * 1024;

/** The first line of those that match. */
const lineLike =
  (wanted: RegExp) =>
  (outcome: Outcome): string =>
    `${outcome.output}\n${outcome.errors}`
      .split("\n")
      .find((line) => wanted.test(line))
      ?.trim() ?? firstLine(outcome);

export const targets: ReadonlyArray<Target> = [
  {
    name: "ext4",
    debianPackage: "e2fsprogs",
    sizeBytes: 256 * MIB,
    // Tables are written at once, so that no thread of the kernel writes them while the workload runs.
    make: ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    mountOptions: "commit=1",
    fsck: ["e2fsck", "-fn"],
    finding: lineLike(/^(?!Pass \d|e2fsck |\/dev\/|$)/),
  },
  {
    name: "xfs",
    debianPackage: "xfsprogs",
    sizeBytes: 320 * MIB,
    make: ["mkfs.xfs", "-q", "-f"],
    mountOptions: "nouuid",
    fsck: ["xfs_repair", "-n"],
    finding: lineLike(/^(?!Phase |\s*- |No modify flag|$)/),
  },
  {
    name: "btrfs",
    debianPackage: "btrfs-progs",
    sizeBytes: 256 * MIB,
    make: ["mkfs.btrfs", "-q", "-f"],
    mountOptions: "commit=1",
    fsck: ["btrfs", "check", "--readonly"],
    finding: lineLike(/error|mismatch|wrong|unresolved|missing|bad|corrupt/i),
  },
];
