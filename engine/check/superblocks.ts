/**
 * The pass over the superblocks: each member has one that verifies, they agree, and what they say fits the devices.
 */
import * as Effect from "effect/Effect";
import type { BucketIo } from "../device/bucket-io.ts";
import { findSuperblock, SUPERBLOCK_BUCKETS } from "../device/superblock-log.ts";
import type { Superblock } from "../format/superblock.ts";
import type { Findings } from "./findings.ts";

const PASS = "superblocks";

function checkShape(findings: Findings, io: BucketIo, superblock: Superblock): void {
  const { members, journalBuckets } = superblock;
  members.forEach((member, index) => {
    const { device, layout } = io.member(index);
    if (member.buckets > layout.count) {
      findings.found(PASS, `member ${index} has ${member.buckets} buckets, ${device.name} only ${layout.count}`);
    }
    if (member.capacityBytes > device.geometry.capacityBytes) {
      findings.found(
        PASS,
        `member ${index} has ${member.capacityBytes} bytes, ${device.name} only ${device.geometry.capacityBytes}`,
      );
    }
  });
  const seen = new Set<string>();
  for (const { device, bucket } of journalBuckets) {
    const key = `${device}:${bucket}`;
    if (seen.has(key)) findings.found(PASS, `journal bucket ${bucket} of device ${device} is listed twice`);
    seen.add(key);
    const outside = device >= members.length || bucket >= members[device]!.buckets;
    if (outside || bucket < SUPERBLOCK_BUCKETS) {
      findings.found(PASS, `journal bucket ${bucket} of device ${device} cannot be one`);
    }
  }
}

/** `superblock` is the one that the pool was opened with. */
export const checkSuperblocks = Effect.fnUntraced(function* (
  findings: Findings,
  io: BucketIo,
  superblock: Superblock,
): Effect.fn.Return<void> {
  checkShape(findings, io, superblock);
  for (const [index, { device }] of io.members.entries()) {
    const found = yield* Effect.result(findSuperblock(device));
    if (found._tag === "Failure") {
      findings.found(PASS, `the superblock of ${device.name} cannot be read: ${found.failure._tag}`);
      continue;
    }
    if (typeof found.success === "string") {
      findings.found(PASS, `${device.name} has no superblock that is whole: ${found.success}`);
      continue;
    }
    findings.count("superblocks");
    const { sequence, deviceIndex, uuid } = found.success.superblock;
    if (deviceIndex !== index)
      findings.found(PASS, `${device.name} says that it is member ${deviceIndex}, not ${index}`);
    if (sequence !== superblock.sequence) {
      findings.found(PASS, `${device.name} has superblock ${sequence}, the pool ${superblock.sequence}`);
    }
    if (!uuid.every((byte, at) => byte === superblock.uuid[at]))
      findings.found(PASS, `${device.name} is of another pool`);
  }
});
