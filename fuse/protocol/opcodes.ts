/**
 * Numbers of the FUSE kernel protocol, version 7.31 and what later versions added without changing it.
 *
 * From `linux/fuse.h`. Only what the session uses; every other opcode is answered with ENOSYS, after which
 * the kernel does without it.
 */

export const PROTOCOL_MAJOR = 7;
/** What we speak; a newer kernel comes down to it. */
export const PROTOCOL_MINOR = 36;
/** What the kernel must speak at least (Linux 5.4). */
export const PROTOCOL_MINOR_LEAST = 31;

export const Opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  create: 35,
  interrupt: 36,
  destroy: 38,
  ioctl: 39,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
  syncfs: 50,
  tmpfile: 51,
  statx: 52,
  copyFileRangeWide: 53,
} as const;

/** Abilities that kernel and server tell each other of. */
export const InitFlag = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  /** Requests to set an attribute carry flags of the kernel's own. */
  setxattrFlags: 1 << 29,
  /** File handles outlive what the kernel remembers: inodes are looked up by their numbers. */
  exportSupport: 1 << 4,
  bigWrites: 1 << 5,
  dontMask: 1 << 6,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirectIo: 1 << 15,
  writebackCache: 1 << 16,
  openWithoutMessage: 1 << 17,
  parallelDirectories: 1 << 18,
  posixAcl: 1 << 20,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  openDirectoryWithoutMessage: 1 << 24,
  explicitInvalidation: 1 << 25,
  handleKillPrivileges: 1 << 28,
  /** There are more than 32. */
  extended: 1 << 30,
} as const;

/** Abilities behind the first 32. */
export const MoreInitFlag = {
  resend: 1 << 7,
} as const;

/** In the upper half of a request's number: it was sent before. */
export const RESENT = 0x8000_0000;

/** Which fields of a setattr count. */
export const SetattrField = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessed: 1 << 4,
  modified: 1 << 5,
  accessedNow: 1 << 7,
  modifiedNow: 1 << 8,
  changed: 1 << 10,
  killPrivileges: 1 << 11,
} as const;

/** What a write says of itself: it comes from the kernel's cache; set-user-ID bits and capabilities go with it. */
export const WriteFlag = { cache: 1 << 0, killPrivileges: 1 << 2 } as const;

/** What the server tells the kernel unasked, in the place of an error number. */
export const Notification = { invalidInode: 2 } as const;

/** What the answer to an open says of the file. */
export const OpenAnswer = { directIo: 1 << 0, keepCache: 1 << 1, cacheDirectory: 1 << 3 } as const;

export const IN_HEADER_BYTES = 40;
export const OUT_HEADER_BYTES = 16;
export const ATTRIBUTE_BYTES = 88;
export const ENTRY_BYTES = 40 + ATTRIBUTE_BYTES;
