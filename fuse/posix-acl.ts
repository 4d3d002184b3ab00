/**
 * POSIX access ACLs as the kernel passes them in an extended attribute, and their tie to the permission bits.
 *
 * Little-endian: version (u32, always 2), then entries of tag (u16), permissions (u16) and id (u32). An ACL of three
 * entries says no more than a mode. The group bits of a mode are the ACL's mask where it has one, as on every Linux
 * filesystem. Pure.
 */

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;

export const ACCESS_ACL: Uint8Array = new TextEncoder().encode("system.posix_acl_access");
export const DEFAULT_ACL: Uint8Array = new TextEncoder().encode("system.posix_acl_default");

const Tag = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;
const TAGS: ReadonlySet<number> = new Set(Object.values(Tag));

export interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

export type Acl = ReadonlyArray<AclEntry>;

/** Is this the attribute that holds an inode's access ACL? */
export const isAccessAcl = (name: Uint8Array): boolean =>
  name.length === ACCESS_ACL.length && name.every((byte, at) => byte === ACCESS_ACL[at]);

const find = (acl: Acl, tag: number): AclEntry | undefined => acl.find((entry) => entry.tag === tag);

/** The ACL in an attribute's value; undefined if it is malformed. */
export function aclOf(value: Uint8Array): Acl | undefined {
  if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(0, true) !== VERSION) return undefined;
  const acl: Array<AclEntry> = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const tag = view.getUint16(at, true);
    const permissions = view.getUint16(at + 2, true);
    if (!TAGS.has(tag) || permissions > 7) return undefined;
    acl.push({ tag, permissions, id: view.getUint32(at + 4, true) });
  }
  for (const tag of [Tag.owner, Tag.owningGroup, Tag.other]) if (find(acl, tag) === undefined) return undefined;
  const named = acl.some(({ tag }) => tag === Tag.user || tag === Tag.group);
  return named && find(acl, Tag.mask) === undefined ? undefined : acl;
}

export function encodeAcl(acl: Acl): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + acl.length * ENTRY_BYTES);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  acl.forEach(({ tag, permissions, id }, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    view.setUint32(at + 4, id, true);
  });
  return value;
}

/** Does the ACL say no more than permission bits do? */
export const isMereMode = (acl: Acl): boolean => acl.length === 3;

/** The permission bits of a file with this ACL. */
export function modeOfAcl(acl: Acl): number {
  const owner = find(acl, Tag.owner)!;
  const group = find(acl, Tag.mask) ?? find(acl, Tag.owningGroup)!;
  return (owner.permissions << 6) | (group.permissions << 3) | find(acl, Tag.other)!.permissions;
}

/** Permissions by the tag of the entry that a mode's bits stand for. */
function bitsByTag(acl: Acl, mode: number): ReadonlyMap<number, number> {
  const groupTag = find(acl, Tag.mask) === undefined ? Tag.owningGroup : Tag.mask;
  return new Map([
    [Tag.owner, (mode >> 6) & 7],
    [groupTag, (mode >> 3) & 7],
    [Tag.other, mode & 7],
  ]);
}

/** The ACL after a chmod: the group bits go into the mask. */
export function aclAfterChmod(acl: Acl, mode: number): Acl {
  const bits = bitsByTag(acl, mode);
  return acl.map((entry) => ({ ...entry, permissions: bits.get(entry.tag) ?? entry.permissions }));
}

/** The access ACL of a new inode in a directory with this default ACL: no more than its maker's mode asks for. */
export function inheritedAcl(acl: Acl, mode: number): Acl {
  const bits = bitsByTag(acl, mode);
  return acl.map((entry) => ({ ...entry, permissions: entry.permissions & (bits.get(entry.tag) ?? 7) }));
}
