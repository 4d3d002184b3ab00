/**
 * Words of Linux that requests are made of: flags and modes of system calls, as numbers.
 *
 * The values are those of the generic ABI (x86-64 and arm64), which is also what the FUSE protocol carries.
 */

export const OpenFlag = {
  accessMask: 0o3,
  readOnly: 0o0,
  writeOnly: 0o1,
  readWrite: 0o2,
  truncate: 0o1000,
  append: 0o2000,
} as const;

export const XattrFlag = { create: 1, replace: 2 } as const;

/** Flags of renameat2. */
export const RenameFlag = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** Flags of fallocate. */
export const FallocateFlag = {
  keepSize: 0x01,
  punchHole: 0x02,
  zeroRange: 0x10,
} as const;

export const Whence = { data: 3, hole: 4 } as const;

/** "Leave it as it is" in chown. */
export const OWNER_UNCHANGED = 0xffff_ffff;

/** Who asked, as far as a transport knows. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** Permissions that new inodes must not get; 0 where the kernel has taken them off the mode already. */
  readonly umask: number;
}
