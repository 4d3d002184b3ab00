/**
 * The pass over zones that the device has given up: what stands in one that is offline is lost, and is named here.
 *
 * A read-only zone is no damage, since everything in it can be read; it is counted. Comes after the passes that count
 * what each bucket holds.
 */
import type { BucketIo } from "../device/bucket-io.ts";
import type { CheckState } from "./state.ts";

const PASS = "zones";

export function checkZones({ findings, buckets }: CheckState, { zoneWatch }: BucketIo): void {
  for (const { device, bucket, loss } of zoneWatch.losses) {
    findings.count(`${loss} zones`);
    const { dataBytes = 0, nodeBytes = 0 } = buckets.get(`${device}:${bucket}`) ?? {};
    if (loss === "read-only" || dataBytes + nodeBytes === 0) continue;
    const what = `${dataBytes} bytes of data and ${nodeBytes} of nodes`;
    findings.found(PASS, `bucket ${bucket} of device ${device} is a zone that is offline: ${what} are lost`);
  }
}
