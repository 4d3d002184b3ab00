/**
 * The range rule that every device shares: offsets and lengths are whole blocks inside the device.
 *
 * A breach is a value, not an exception, because the contract gives it to the caller as `OutOfRange`. An empty range
 * is fine anywhere up to the end and touches nothing.
 */
import { OutOfRange } from "./device.ts";
import type { Geometry, ZoneGeometry } from "./device.ts";

/** The error of a call with this range, or undefined if it is in order. NaN and fractions are out of order. */
export function rangeError(
  device: string,
  geometry: Geometry,
  offsetBytes: number,
  lengthBytes: number,
): OutOfRange | undefined {
  const { blockBytes, capacityBytes } = geometry;
  const aligned = offsetBytes % blockBytes === 0 && lengthBytes % blockBytes === 0;
  if (aligned && offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= capacityBytes) return undefined;
  return new OutOfRange(device, offsetBytes, lengthBytes);
}

const isPositiveInteger = (value: number): boolean => Number.isSafeInteger(value) && value > 0;

/** Throws when a geometry contradicts itself: a mistake in the program or profile that describes the device. */
export function assertGeometry(geometry: Geometry): void {
  const { capacityBytes, blockBytes, atomicWriteBytes, zones } = geometry;
  const power = isPositiveInteger(blockBytes) && blockBytes >= 512 && Number.isInteger(Math.log2(blockBytes));
  if (!power) throw new RangeError(`block of ${blockBytes} bytes: must be a power of two, at least 512`);
  if (!isPositiveInteger(capacityBytes) || capacityBytes % blockBytes !== 0) {
    throw new RangeError(`capacity of ${capacityBytes} bytes: must be whole blocks of ${blockBytes} bytes`);
  }
  if (!isPositiveInteger(atomicWriteBytes) || atomicWriteBytes % 512 !== 0) {
    throw new RangeError(`atomic write of ${atomicWriteBytes} bytes: must be a multiple of 512`);
  }
  if (zones !== undefined) assertZones(zones, capacityBytes, blockBytes);
}

function assertZones(zones: ZoneGeometry, capacityBytes: number, blockBytes: number): void {
  const { zoneBytes, zoneCapacityBytes, zoneCount, conventionalCount, openZonesMax, activeZonesMax } = zones;
  const sizes = isPositiveInteger(zoneBytes) && isPositiveInteger(zoneCapacityBytes) && isPositiveInteger(zoneCount);
  if (!sizes || zoneBytes % blockBytes !== 0 || zoneCapacityBytes % blockBytes !== 0) {
    throw new RangeError("zone size and capacity must be whole blocks");
  }
  if (zoneCapacityBytes > zoneBytes) throw new RangeError("zone capacity exceeds the zone size");
  if (zoneCount * zoneBytes !== capacityBytes) throw new RangeError("zones do not add up to the capacity");
  if (!(conventionalCount >= 0 && conventionalCount <= zoneCount)) throw new RangeError("too many conventional zones");
  if (!(openZonesMax >= 0 && activeZonesMax >= 0)) throw new RangeError("a zone limit is negative");
  if (openZonesMax > 0 && activeZonesMax > 0 && openZonesMax > activeZonesMax) {
    throw new RangeError("more zones may be open than active");
  }
}
