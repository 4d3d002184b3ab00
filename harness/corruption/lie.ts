/**
 * Makes a record say something else, with a right checksum. Pure: changes the bytes that it is given.
 */
import { checksumOf, RECORD_HEADER_BYTES, RecordHeader, viewOf, writeU53 } from "../../engine/format/codec.ts";
import type { Prng } from "../entropy.ts";

/** Numbers at which arithmetic goes wrong. */
const EXTREMES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/** The fixed fields stand in front, and are few. */
const FIELDS_BYTES = 120;

/** Length of the record at `at`, as it says. */
export const lengthAt = (bytes: Uint8Array, at: number): number =>
  viewOf(bytes).getUint32(at + RecordHeader.at.lengthBytes, true);

/** A field of the body, or a byte of it, becomes something else; the checksum is made right again. */
export function lie(random: Prng, bytes: Uint8Array, at: number, lengthBytes: number): string {
  const view = viewOf(bytes);
  const body = lengthBytes - RECORD_HEADER_BYTES;
  const places: Array<number> = [];
  for (let left = random.pick([1, 1, 1, 3]); left > 0; left--) {
    const offset = random.chance(0.5) ? random.below(Math.min(body, FIELDS_BYTES)) : random.below(body);
    const place = at + RECORD_HEADER_BYTES + offset;
    if (random.chance(0.5)) bytes[place]! ^= 1 << random.below(8);
    else if (place + 4 <= at + lengthBytes) view.setUint32(place, random.pick(EXTREMES), true);
    else bytes[place] = random.pick([0, 0xff]);
    places.push(offset);
  }
  if (random.chance(0.05)) writeU53(view, at + RecordHeader.at.sequence, random.pick([0, 1, 2 ** 53 - 1]));
  view.setBigUint64(
    at + RecordHeader.at.checksum,
    checksumOf(bytes, at + RecordHeader.at.magic, at + lengthBytes),
    true,
  );
  return places.join(", ");
}
