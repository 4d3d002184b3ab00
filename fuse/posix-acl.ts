/**
 * POSIX access ACLs, as far as a transport must know them that cannot have the kernel enforce them.
 *
 * The kernel passes an ACL as an extended attribute, little-endian: version (u32, always 2), then entries of tag (u16),
 * permissions (u16) and id (u32). One of three entries (owner, owning group, others) says no more than a mode.
 */

const NAME = "system.posix_acl_access";
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const MODE_ENTRIES = 3;

export const isAccessAcl = (name: string): boolean => name === NAME;

/** Does this ACL say no more than permission bits do? */
export const isMereMode = (value: Uint8Array): boolean => value.length <= HEADER_BYTES + MODE_ENTRIES * ENTRY_BYTES;
