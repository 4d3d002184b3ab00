/**
 * A digest of all that a simulated disk holds, so that two runs which did the same I/O with different bytes differ.
 *
 * Holes are skipped and cost nothing; it reads the pages themselves, not through the device.
 */
import { xxh64 } from "@node-rs/xxhash";
import type { CrashImage } from "../devices/sim/crash.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import { type Page, PAGE_BYTES } from "../devices/sim/media.ts";
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

/** Of pages that nobody writes any more: those of an image belong to it or are shared. */
const pageDigests = new WeakMap<Page, bigint>();

/** A digest of what a crash left, the state of its zones included. Images that share pages cost little. */
export function digestOfImage({ media, zones }: CrashImage): string {
  let digest = 0n;
  const numbers = new BigUint64Array(2);
  const bytes = new Uint8Array(numbers.buffer);
  const take = (number: number, value: bigint): void => {
    numbers[0] = BigInt(number);
    numbers[1] = value;
    digest = xxh64(bytes, digest);
  };
  for (let number = 0; number * PAGE_BYTES < media.sizeBytes; number++) {
    const page = media.page(number);
    if (page === undefined) continue;
    let known = pageDigests.get(page);
    if (known === undefined) pageDigests.set(page, (known = xxh64(page.bytes)));
    take(number, known);
  }
  if (zones !== undefined) take(-1 >>> 0, xxh64(JSON.stringify(zones.report())));
  return digest.toString(16).padStart(16, "0");
}
