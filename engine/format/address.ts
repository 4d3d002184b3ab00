/**
 * Branded numbers for what is easily confused: a device's place in the pool, a bucket's place on a device, a byte
 * address on a device, a bucket's generation, a journal sequence.
 *
 * They are plain numbers at run time; the constructors assert the range. A bucket index is never a byte address, and a
 * byte address is never an offset in a file.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

export type DeviceIndex = Branded<"DeviceIndex">;
export type BucketIndex = Branded<"BucketIndex">;
export type ByteAddress = Branded<"ByteAddress">;
export type Generation = Branded<"Generation">;
export type Sequence = Branded<"Sequence">;

export const DEVICES_MAX = 0x1_0000;
export const BUCKETS_MAX = 0x1_0000_0000;
export const GENERATION_MAX = 0xffff_ffff;

function within(n: number, limit: number, what: string): number {
  if (!(Number.isInteger(n) && n >= 0 && n < limit)) throw new Error(`${n} is not a ${what}`);
  return n;
}

export const deviceIndex = (n: number): DeviceIndex => within(n, DEVICES_MAX, "device index") as DeviceIndex;
export const bucketIndex = (n: number): BucketIndex => within(n, BUCKETS_MAX, "bucket index") as BucketIndex;
export const byteAddress = (n: number): ByteAddress => within(n, 2 ** 53, "byte address") as ByteAddress;
export const generation = (n: number): Generation => within(n, GENERATION_MAX + 1, "generation") as Generation;
export const sequence = (n: number): Sequence => within(n, 2 ** 53, "sequence") as Sequence;
