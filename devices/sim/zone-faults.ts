/**
 * What faults of zones do to a simulated device: zones that the device gives up, and zone commands that fail.
 *
 * As devices do it (NVMe Zoned Namespace 2.0, "Zone State Machine"; Linux' zonefs, "IO error handling"): a zone turns
 * read-only or offline at any time, by itself, and never comes back; what it held can still be read while it is
 * read-only; its write pointer means nothing any more, and it no longer counts as active. A command that fails leaves
 * the zone as it was. A write that fails may have written some blocks, and then the write pointer stands behind those:
 * whoever tries again must ask for it first. Conventional zones have no such faults.
 */
import type { DeviceOperation } from "../device.ts";
import type { DiskContent } from "./content.ts";
import { findStrike } from "./faults.ts";
import type { FaultKind, Strike } from "./faults.ts";

const COMMAND_FAULTS: Partial<Record<DeviceOperation, FaultKind>> = {
  reset: "reset-error",
  finish: "finish-error",
  open: "open-error",
};

export class ZoneFaults {
  /** Writes and commands on zones that had been given up before: whoever has seen the report does not ask for them. */
  futileOperations = 0;
  private readonly content: DiskContent;

  constructor(content: DiskContent) {
    this.content = content;
  }

  /** A write or a command is about to be tried in this zone. */
  asked(zone: number): void {
    if (this.content.liveZones?.hasFailed(zone) === true) this.futileOperations++;
  }

  /** Zones that the device gives up at an operation on this range. */
  giveUp(strikes: ReadonlyArray<Strike>, offsetBytes: number, lengthBytes: number): void {
    if (strikes.length === 0 || lengthBytes === 0) return;
    const zone = this.content.liveZones?.firstSequential(offsetBytes, lengthBytes);
    if (zone !== undefined) this.giveUpZone(strikes, zone);
  }

  private giveUpZone(strikes: ReadonlyArray<Strike>, zone: number): void {
    const { content } = this;
    if (findStrike(strikes, "zone-offline") !== undefined) content.failZone(zone, "offline");
    else if (findStrike(strikes, "zone-read-only") !== undefined && content.liveZones?.hasFailed(zone) === false) {
      content.failZone(zone, "read-only");
    }
  }

  /** Does a command on a sequential zone fail, and for good? */
  command(strikes: ReadonlyArray<Strike>, operation: DeviceOperation, zone: number): "permanent" | "once" | undefined {
    const { content } = this;
    const zones = content.liveZones!;
    this.asked(zone);
    this.giveUpZone(strikes, zone);
    if (zones.hasFailed(zone)) return "permanent";
    if (operation === "reset" && zones.refusesReset(zone)) return "permanent";
    const kind = COMMAND_FAULTS[operation];
    const failure = kind === undefined ? undefined : findStrike(strikes, kind);
    if (failure === undefined) return undefined;
    if (failure.fault.permanent !== true) return "once";
    if (operation === "reset") content.refuseReset(zone);
    else content.failZone(zone, "read-only");
    return "permanent";
  }

  /** How much of a write that is within the rules reaches a sequential zone, if it fails. */
  cutWrite(
    strikes: ReadonlyArray<Strike>,
    zone: number,
    lengthBytes: number,
  ): { readonly keptBytes: number; readonly permanent: boolean } | undefined {
    const { geometry, liveZones } = this.content;
    const unopened = liveZones!.needsOpening(zone) ? findStrike(strikes, "open-error") : undefined;
    if (unopened !== undefined) return { keptBytes: 0, permanent: unopened.fault.permanent ?? false };
    const cut = findStrike(strikes, "cut-write");
    if (cut === undefined) return undefined;
    const blocks = lengthBytes / geometry.blockBytes;
    return { keptBytes: (cut.key % (blocks + 1)) * geometry.blockBytes, permanent: cut.fault.permanent ?? false };
  }
}
