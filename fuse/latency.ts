/**
 * Latencies in buckets whose widths grow with them, four to a doubling: fixed in size and exact to an eighth; pure.
 *
 * The unit is a quarter of a microsecond; what takes longer than nine minutes counts as that. Counts of two moments can
 * be subtracted, so that a reader makes its own intervals.
 */

export const LATENCY_BUCKETS = 128;
const UNITS_PER_US = 4;
const UNITS_MAX = 2 ** 31 - 1;

export function bucketOfLatency(microseconds: number): number {
  const units = Math.min(UNITS_MAX, microseconds * UNITS_PER_US) | 0;
  if (units < 4) return units < 0 ? 0 : units;
  const exponent = 31 - Math.clz32(units);
  return (exponent - 1) * 4 + ((units >> (exponent - 2)) & 3);
}

/** Where a bucket begins, in microseconds. */
export function latencyOfBucket(bucket: number): number {
  if (bucket < 4) return bucket / UNITS_PER_US;
  return ((4 + (bucket & 3)) * 2 ** ((bucket >> 2) - 1)) / UNITS_PER_US;
}

/** Buckets that counted something: index and count, ascending. */
export type LatencyCounts = ReadonlyArray<readonly [bucket: number, count: number]>;

/** Latency that this share of what was counted did not exceed, in microseconds; undefined if nothing was. */
export function latencyAt(share: number, counts: LatencyCounts): number | undefined {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  let left = share * total;
  for (const [bucket, count] of counts) {
    if (left <= count) {
      const from = latencyOfBucket(bucket);
      return from + (latencyOfBucket(bucket + 1) - from) * (left / count);
    }
    left -= count;
  }
  return latencyOfBucket(counts.at(-1)![0] + 1);
}

/** What was counted between two moments. */
export function latencyBetween(before: LatencyCounts, after: LatencyCounts): LatencyCounts {
  const earlier = new Map(before);
  return after
    .map(([bucket, count]) => [bucket, count - (earlier.get(bucket) ?? 0)] as const)
    .filter(([, count]) => count > 0);
}
