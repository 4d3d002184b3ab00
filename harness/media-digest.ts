/**
 * A digest of all that a simulated disk holds, so that two runs which did the same I/O with different bytes differ.
 *
 * Holes are skipped and cost nothing; it reads the pages themselves, not through the device.
 */
import { xxh64 } from "@node-rs/xxhash";
import type { SimDisk } from "../devices/sim/disk.ts";
import { PAGE_BYTES } from "../devices/sim/media.ts";
import { survivesAll } from "../devices/sim/survival.ts";

export function digestOf(disk: SimDisk): string {
  const { media } = disk.crash(survivesAll);
  let digest = 0n;
  for (let number = 0; number * PAGE_BYTES < media.sizeBytes; number++) {
    const page = media.page(number);
    if (page !== undefined) digest = xxh64(page.bytes, digest ^ BigInt(number));
  }
  return digest.toString(16);
}
