/**
 * Value of the orphans table: an inode that has lost its last name and is to be deleted once nobody has it open.
 *
 * A malformed value throws: it comes from a node that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { bytes, layout, u8 } from "../layout.ts";
import { Malformed } from "../malformed.ts";

export const OrphanKind = { unlinked: 1 } as const;

export interface OrphanValue {
  /** One of `OrphanKind`. */
  readonly kind: number;
}

export const OrphanLayout = layout("orphan", "Row of `orphans`.", [
  u8("kind", "1: has lost its last name"),
  bytes("reserved", 3, "0"),
]);
export const ORPHAN_BYTES = OrphanLayout.bytes;

export function decodeOrphan(view: DataView, at: number, length: number): OrphanValue {
  const reader = new Reader(view, at, at + length);
  const kind = reader.u8();
  reader.zeros(3);
  if (!reader.ok || reader.left !== 0) throw new Malformed("malformed orphan value");
  return { kind };
}

export function encodeOrphan(view: DataView, at: number, value: OrphanValue): void {
  const writer = new Writer(view, at);
  writer.u8(value.kind);
  writer.zeros(3);
}
