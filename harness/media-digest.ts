/**
 * A digest of all that a simulated disk holds, so that two runs which did the same I/O with different bytes differ.
 *
 * Holes are skipped and cost nothing; it reads the pages themselves, not through the device.
 */
import { xxh64 } from "@node-rs/xxhash";
import type { CrashImage } from "../devices/sim/crash.ts";
import type { SimDisk } from "../devices/sim/disk.ts";
import { type Leaf, type Media, type Page, PAGE_BYTES } from "../devices/sim/media.ts";
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

/** Of what nobody writes any more: pages and leaves of an image belong to it or are shared. */
const pageDigests = new WeakMap<Page, bigint>();
const leafDigests = new WeakMap<Leaf, bigint>();

/** Of pairs of a number and a digest. */
class Digests {
  private readonly words: BigUint64Array<ArrayBuffer>;
  private used = 0;

  constructor(pairsMax: number) {
    this.words = new BigUint64Array(2 * pairsMax);
  }

  take(number: number, digest: bigint): void {
    this.words[this.used++] = BigInt(number);
    this.words[this.used++] = digest;
  }

  /** 0n of none. */
  get all(): bigint {
    return this.used === 0 ? 0n : xxh64(new Uint8Array(this.words.buffer, 0, this.used * 8));
  }
}

function digestOfPage(page: Page): bigint {
  let known = pageDigests.get(page);
  if (known === undefined) pageDigests.set(page, (known = xxh64(page.bytes)));
  return known;
}

function digestOfLeaf(leaf: Leaf): bigint {
  let known = leafDigests.get(leaf);
  if (known !== undefined) return known;
  const digests = new Digests(leaf.pages.length);
  leaf.pages.forEach((page, index) => {
    if (page !== undefined) digests.take(index, digestOfPage(page));
  });
  leafDigests.set(leaf, (known = digests.all));
  return known;
}

/** A digest of a medium that is not written any more; media that share pages cost little. */
export function digestOfMedia({ leaves }: Media, more?: bigint): string {
  const digests = new Digests(leaves.length + 1);
  leaves.forEach((leaf, index) => {
    const digest = leaf === undefined ? 0n : digestOfLeaf(leaf);
    // A run of holes is no other than one that never was anything else.
    if (digest !== 0n) digests.take(index, digest);
  });
  if (more !== undefined) digests.take(leaves.length, more);
  return digests.all.toString(16).padStart(16, "0");
}

/** A digest of what a crash left, the state of its zones included. */
export const digestOfImage = ({ media, zones }: CrashImage): string =>
  digestOfMedia(media, zones === undefined ? undefined : xxh64(zones.reportBytes));
