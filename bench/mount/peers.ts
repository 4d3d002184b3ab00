/**
 * The filesystems that are measured side by side: how each is found, made, mounted and unmounted.
 *
 * Each is a small value: commands with nothing behind them. A new peer is a new value in `peers`. All are taken with
 * the settings that their package or program comes with, but that nothing is discarded: what a discard costs is that of
 * the file below the loop device.
 */
import type { Command } from "./programs.ts";

/** `varve`, filesystems of the kernel, passthrough servers over ext4, and FUSE servers that hold a disk themselves. */
export type Group = "varve" | "kernel" | "passthrough" | "fuse";

/** Where one peer lives; all of it is its own. */
export interface Place {
  readonly device: string;
  /** Where it is mounted. */
  readonly mount: string;
  /** Where a filesystem below it is mounted. */
  readonly base: string;
  /** A folder that holds a link to the device and nothing else. */
  readonly links: string;
  /** A name that nothing else on this machine has. */
  readonly label: string;
}

export interface Peer {
  readonly name: string;
  readonly group: Group;
  /** Programs without which it is left out, with the Debian package that has them. */
  readonly needs: ReadonlyArray<{ readonly program: string; readonly from: string }>;
  /** A filesystem that the kernel must have. */
  readonly kernel?: string;
  /** Serves all through the run; the place is not known to it. */
  readonly daemon?: Command;
  readonly make: (place: Place) => ReadonlyArray<Command>;
  /** Whether the last step of `make` mounts it already. */
  readonly madeMounted?: boolean;
  readonly mount: (place: Place) => ReadonlyArray<Command>;
  readonly unmount: (place: Place) => ReadonlyArray<Command>;
}

/** A build of Varve: the words that run it, and the options of its mounts. */
export interface Build {
  readonly name: string;
  readonly command: Command;
  readonly mountOptions: ReadonlyArray<string>;
  readonly formatOptions: ReadonlyArray<string>;
}

export interface PeerOptions {
  readonly builds: ReadonlyArray<Build>;
  /** The program, from libfuse's examples. */
  readonly passthrough: string;
}

const MOUNT = { program: "mount", from: "the Debian package mount" };
const EXT4_MAKE = (device: string): Command => [
  "mkfs.ext4",
  "-q",
  "-F",
  "-E",
  "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
  device,
];
const umount = (directory: string): Command => ["umount", directory];

function kernelPeer(name: string, make: (device: string) => Command, from: string): Peer {
  return {
    name,
    group: "kernel",
    kernel: name,
    needs: [{ program: make("")[0], from }, MOUNT],
    make: ({ device }) => [make(device)],
    mount: ({ device, mount }) => [["mount", "-t", name, device, mount]],
    unmount: ({ mount }) => [umount(mount)],
  };
}

const varvePeer = ({ name, command, mountOptions, formatOptions }: Build): Peer => ({
  name,
  group: "varve",
  needs: [{ program: command[0], from: "Node.js" }],
  make: ({ device }) => [[...command, "format", "--force", ...formatOptions, device]],
  mount: ({ device, mount }) => [
    [...command, "mount", ...mountOptions.flatMap((option) => ["--option", option]), device, mount],
  ],
  unmount: ({ mount }) => [[...command, "umount", mount]],
});

function passthroughPeer(name: string, program: string, words: ReadonlyArray<string>): Peer {
  return {
    name,
    group: "passthrough",
    kernel: "ext4",
    needs: [
      {
        program,
        from: "libfuse's source (example/passthrough_hp, built with meson): put it on the PATH or use --passthrough",
      },
      { program: "mkfs.ext4", from: "the Debian package e2fsprogs" },
    ],
    make: ({ device }) => [EXT4_MAKE(device)],
    mount: ({ device, base, mount }) => [
      ["mount", "-t", "ext4", device, base],
      [program, ...words, base, mount],
    ],
    unmount: ({ base, mount }) => [umount(mount), umount(base)],
  };
}

export const peers = ({ builds, passthrough }: PeerOptions): ReadonlyArray<Peer> => [
  ...builds.map(varvePeer),
  passthroughPeer("passthrough_hp", passthrough, ["--nopassthrough"]),
  passthroughPeer("passthrough_hp-kernel", passthrough, []),
  kernelPeer("ext4", EXT4_MAKE, "the Debian package e2fsprogs"),
  kernelPeer("xfs", (device) => ["mkfs.xfs", "-q", "-f", "-K", device], "the Debian package xfsprogs"),
  kernelPeer("btrfs", (device) => ["mkfs.btrfs", "-q", "-f", "-K", device], "the Debian package btrfs-progs"),
  {
    name: "fuse2fs",
    group: "fuse",
    needs: [
      { program: "fuse2fs", from: "the Debian package fuse2fs" },
      { program: "mkfs.ext4", from: "the Debian package e2fsprogs" },
    ],
    make: ({ device }) => [EXT4_MAKE(device)],
    mount: ({ device, mount }) => [["fuse2fs", device, mount]],
    unmount: ({ mount }) => [umount(mount)],
  },
  {
    name: "ntfs-3g",
    group: "fuse",
    needs: [
      { program: "ntfs-3g", from: "the Debian package ntfs-3g" },
      { program: "mkntfs", from: "the Debian package ntfs-3g" },
    ],
    make: ({ device }) => [["mkntfs", "--quiet", "--fast", "--force", device]],
    mount: ({ device, mount }) => [["ntfs-3g", "-o", "big_writes", device, mount]],
    unmount: ({ mount }) => [umount(mount)],
  },
  {
    name: "zfs-fuse",
    group: "fuse",
    needs: [
      { program: "zfs-fuse", from: "the Debian package zfs-fuse" },
      { program: "zpool", from: "the Debian package zfs-fuse" },
    ],
    daemon: ["zfs-fuse", "--no-daemon", "--no-kstat-mount"],
    make: ({ device, mount, label }) => [["zpool", "create", "-f", "-o", "cachefile=none", "-m", mount, label, device]],
    madeMounted: true,
    mount: ({ links, label }) => [["zpool", "import", "-d", links, "-o", "cachefile=none", label]],
    unmount: ({ label }) => [["zpool", "export", label]],
  },
];
