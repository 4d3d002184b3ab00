/**
 * What the devices say of their zones: which were given up, and which still count as active though nobody writes them.
 *
 * The devices' zone reports are the only source, asked when a pool opens and whenever something goes wrong in a zone; so
 * nothing about it has to be kept on disk. A zone that turned read-only or offline stays so for ever. A zone that could
 * not be finished is tried again before another one is emptied, since the limit of active zones is the device's to
 * enforce and never ours to break. Conventional zones and devices without zones are never in here.
 */
import * as Effect from "effect/Effect";
import { type DeviceError, MediumError, type ZoneReport } from "../../devices/device.ts";
import { reached } from "../marks.ts";
import type { Member } from "./bucket-io.ts";
import { retrying } from "./retry.ts";

/** A zone that the device gave up: still readable, or not even that. */
export type ZoneLoss = "read-only" | "offline";

export interface LostZone {
  readonly device: number;
  readonly bucket: number;
  readonly loss: ZoneLoss;
}

const isActive = ({ state }: ZoneReport): boolean => state === "open" || state === "closed";

export class ZoneWatch {
  /** Told of each zone when it is found to be lost, and again if a read-only one goes offline. */
  onLoss: (zone: LostZone) => void = () => {};
  private readonly members: ReadonlyArray<Member>;
  private readonly lost = new Map<string, LostZone>();
  private readonly leftOpen = new Set<string>();
  private readonly unfinished = new Map<string, { readonly device: number; readonly bucket: number }>();

  constructor(members: ReadonlyArray<Member>) {
    this.members = members;
  }

  loss(device: number, bucket: number): ZoneLoss | undefined {
    return this.lost.size === 0 ? undefined : this.lost.get(`${device}:${bucket}`)?.loss;
  }

  /** The zone was partly written when the pool was opened: whoever wrote it had not gone on to another one. */
  noteLeftOpen(device: number, bucket: number): void {
    this.leftOpen.add(`${device}:${bucket}`);
  }

  wasLeftOpen(device: number, bucket: number): boolean {
    return this.leftOpen.has(`${device}:${bucket}`);
  }

  /** All zones that are known to be lost. */
  get losses(): ReadonlyArray<LostZone> {
    return [...this.lost.values()];
  }

  /** Asks the device for its zones, and takes note of those that it has given up. */
  report(device: number): Effect.Effect<ReadonlyArray<ZoneReport>, DeviceError> {
    const { zones } = this.members[device]!.device;
    if (zones === undefined) return Effect.succeed([]);
    return Effect.map(retrying(zones.report), (reports) => {
      for (const { zone, state } of reports) {
        if (state === "read-only" || state === "offline") this.note({ device, bucket: zone, loss: state });
      }
      return reports;
    });
  }

  private note(zone: LostZone): void {
    const key = `${zone.device}:${zone.bucket}`;
    if (this.lost.get(key)?.loss === zone.loss) return;
    const isOffline = zone.loss === "offline";
    reached(isOffline ? "zone found offline" : "zone found read-only");
    this.lost.set(key, zone);
    this.unfinished.delete(key);
    this.onLoss(zone);
  }

  /** Something failed in a zone of this device: is it lost? What the report itself says of the device is not news. */
  ask(device: number): Effect.Effect<void> {
    return Effect.ignore(this.report(device));
  }

  /** Can a write at this address be tried again? Only if the zone goes on, and the failed one left nothing there. */
  takesWriteAt(device: number, bucket: number, addressBytes: number): Effect.Effect<boolean> {
    return Effect.match(this.report(device), {
      onFailure: () => false,
      onSuccess: (reports) => {
        const { state, writePointerBytes } = reports[bucket]!;
        if (state === "full" || writePointerBytes !== addressBytes) reached("write pointer moved by a failed write");
        return (state === "empty" || state === "open" || state === "closed") && writePointerBytes === addressBytes;
      },
    });
  }

  /** Is it partly written, so that it counts as active? */
  isActive(device: number, bucket: number): Effect.Effect<boolean> {
    return Effect.match(this.report(device), {
      onFailure: () => false,
      onSuccess: (reports) => isActive(reports[bucket]!),
    });
  }

  /** A zone that the device would not finish, and did not give up either. */
  leave(device: number, bucket: number): void {
    if (this.loss(device, bucket) !== undefined) return;
    reached("zone left unfinished");
    this.unfinished.set(`${device}:${bucket}`, { device, bucket });
  }

  /** The zone was emptied or finished. */
  settled(device: number, bucket: number): void {
    if (this.unfinished.size > 0) this.unfinished.delete(`${device}:${bucket}`);
  }

  get hasUnfinished(): boolean {
    return this.unfinished.size > 0;
  }

  /** Zones that still have to be finished. */
  get toFinish(): ReadonlyArray<{ readonly device: number; readonly bucket: number }> {
    return [...this.unfinished.values()];
  }

  /** Fails when one more active zone would be too many for the device. */
  admitOneMore(device: number): Effect.Effect<void, DeviceError> {
    const { device: disk, layout } = this.members[device]!;
    const limit = disk.geometry.zones?.activeZonesMax ?? 0;
    if (limit === 0) return Effect.void;
    return Effect.flatMap(this.report(device), (reports) => {
      if (reports.filter(isActive).length < limit) return Effect.void;
      const [stuck] = this.toFinish;
      const at = stuck === undefined ? 0 : layout.start(stuck.bucket);
      return Effect.fail(new MediumError(disk.name, "finish", at, layout.bucketBytes, false));
    });
  }
}
