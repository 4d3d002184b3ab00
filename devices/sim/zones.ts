/**
 * The zone state machine of ZNS and host-managed SMR devices: states, write pointers, open and active limits.
 *
 * Pure bookkeeping, in bytes; it holds no data and knows no time. A verb either takes effect and returns undefined, or
 * changes nothing and returns the rule it would have broken. States follow the NVMe Zoned Namespace specification
 * (2.0, "Zone State Machine") and, where that leaves room, Linux' null_blk: a write opens a zone implicitly, and at the
 * open limit another implicitly opened zone is closed for it. Conventional zones come first and have no pointer.
 */
import type { ZoneGeometry, ZoneReport, ZoneState } from "../device.ts";

const EMPTY = 0;
const IMPLICITLY_OPEN = 1;
const EXPLICITLY_OPEN = 2;
const CLOSED = 3;
const FULL = 4;
const READ_ONLY = 5;
const OFFLINE = 6;
const CONVENTIONAL = 7;

const STATE_NAMES: ReadonlyArray<ZoneState> = [
  "empty",
  "open",
  "open",
  "closed",
  "full",
  "read-only",
  "offline",
  "conventional",
];

const isOpen = (state: number): boolean => state === IMPLICITLY_OPEN || state === EXPLICITLY_OPEN;
const isActive = (state: number): boolean => state >= IMPLICITLY_OPEN && state <= CLOSED;

export class ZoneTable {
  readonly geometry: ZoneGeometry;
  private readonly states: Uint8Array;
  /** Written bytes from the start of each zone. */
  private readonly writtenBytes: Float64Array;
  private opened: number;
  private activated: number;
  private offline: number;
  /** Zones that can no longer be reset, whatever their state. Empty almost always. */
  private readonly unresettable: Set<number>;

  private constructor(
    geometry: ZoneGeometry,
    states: Uint8Array,
    writtenBytes: Float64Array,
    open: number,
    active: number,
    offline: number,
    unresettable: Iterable<number> = [],
  ) {
    this.geometry = geometry;
    this.states = states;
    this.writtenBytes = writtenBytes;
    this.opened = open;
    this.activated = active;
    this.offline = offline;
    this.unresettable = new Set(unresettable);
  }

  /** All sequential zones empty. */
  static empty(geometry: ZoneGeometry): ZoneTable {
    const states = new Uint8Array(geometry.zoneCount).fill(EMPTY);
    states.fill(CONVENTIONAL, 0, geometry.conventionalCount);
    return new ZoneTable(geometry, states, new Float64Array(geometry.zoneCount), 0, 0, 0);
  }

  /** An independent copy. */
  fork(): ZoneTable {
    const { geometry, states, writtenBytes, opened, activated, offline, unresettable } = this;
    return new ZoneTable(geometry, states.slice(), writtenBytes.slice(), opened, activated, offline, unresettable);
  }

  /** Zones that the device gave up altogether. */
  get offlineCount(): number {
    return this.offline;
  }

  get openCount(): number {
    return this.opened;
  }

  get activeCount(): number {
    return this.activated;
  }

  zoneOf(offsetBytes: number): number {
    return Math.floor(offsetBytes / this.geometry.zoneBytes);
  }

  startBytes(zone: number): number {
    return zone * this.geometry.zoneBytes;
  }

  state(zone: number): ZoneState {
    return STATE_NAMES[this.code(zone)]!;
  }

  isConventional(zone: number): boolean {
    return this.code(zone) === CONVENTIONAL;
  }

  /** Absolute byte offset of the next write to a sequential zone. */
  writePointerBytes(zone: number): number {
    return this.startBytes(zone) + this.writtenBytes[zone]!;
  }

  report(): Array<ZoneReport> {
    return Array.from(this.states, (code, zone) => ({
      zone,
      state: STATE_NAMES[code]!,
      writePointerBytes: this.writePointerBytes(zone),
    }));
  }

  /** What `report` tells, as bytes: the same of tables that tell the same. */
  get reportBytes(): Uint8Array {
    const { states, writtenBytes } = this;
    const bytes = new Uint8Array(states.length + writtenBytes.byteLength);
    bytes.set(states);
    bytes.set(new Uint8Array(writtenBytes.buffer, writtenBytes.byteOffset, writtenBytes.byteLength), states.length);
    return bytes;
  }

  /** The first sequential zone that a range touches. */
  firstSequential(offsetBytes: number, lengthBytes: number): number | undefined {
    const { zoneBytes, zoneCount, conventionalCount } = this.geometry;
    if (lengthBytes === 0 || offsetBytes + lengthBytes <= conventionalCount * zoneBytes) return undefined;
    return Math.min(zoneCount - 1, Math.max(conventionalCount, this.zoneOf(offsetBytes)));
  }

  /** Rule against an append to this zone that has nothing to do with its length. */
  appendRule(zone: number): string | undefined {
    if (this.states[zone] === FULL) return "append to a full zone";
    return this.sequentialRule("append", zone);
  }

  /** Rule against a write at this offset, without doing it. */
  writeRule(offsetBytes: number, lengthBytes: number): string | undefined {
    if (lengthBytes === 0) return undefined;
    const { zoneBytes, zoneCapacityBytes } = this.geometry;
    const zone = this.zoneOf(offsetBytes);
    const state = this.code(zone);
    if (state === CONVENTIONAL) return this.conventionalRule(offsetBytes, lengthBytes);
    if (state === FULL) return "write to a full zone";
    if (state === READ_ONLY || state === OFFLINE) return `write to a zone that is ${STATE_NAMES[state]}`;
    const within = offsetBytes - zone * zoneBytes;
    if (within !== this.writtenBytes[zone]) {
      return `write at ${within} of the zone, not at its write pointer ${this.writtenBytes[zone]}`;
    }
    if (within + lengthBytes > zoneCapacityBytes) return `write of ${lengthBytes} bytes passes the zone's capacity`;
    return this.openingRule(zone, state);
  }

  /** Conventional zones may be written in one go as long as no sequential one is touched. */
  private conventionalRule(offsetBytes: number, lengthBytes: number): string | undefined {
    const end = this.geometry.conventionalCount * this.geometry.zoneBytes;
    return offsetBytes + lengthBytes > end ? "write runs from a conventional into a sequential zone" : undefined;
  }

  /** Moves the write pointer, opening the zone implicitly. */
  write(offsetBytes: number, lengthBytes: number): string | undefined {
    const rule = this.writeRule(offsetBytes, lengthBytes);
    if (rule !== undefined || lengthBytes === 0) return rule;
    const zone = this.zoneOf(offsetBytes);
    if (this.isConventional(zone)) return undefined;
    const state = this.code(zone);
    if (!isOpen(state)) {
      this.makeRoomToOpen();
      this.set(zone, IMPLICITLY_OPEN);
    }
    this.writtenBytes[zone]! += lengthBytes;
    if (this.writtenBytes[zone] === this.geometry.zoneCapacityBytes) this.set(zone, FULL);
    return undefined;
  }

  reset(zone: number): string | undefined {
    const rule = this.sequentialRule("reset", zone);
    if (rule !== undefined) return rule;
    this.set(zone, EMPTY);
    this.writtenBytes[zone] = 0;
    return undefined;
  }

  finish(zone: number): string | undefined {
    const rule = this.sequentialRule("finish", zone);
    if (rule !== undefined) return rule;
    this.set(zone, FULL);
    this.writtenBytes[zone] = this.geometry.zoneCapacityBytes;
    return undefined;
  }

  open(zone: number): string | undefined {
    const rule = this.sequentialRule("open", zone);
    if (rule !== undefined) return rule;
    const state = this.code(zone);
    if (state === FULL) return "open of a full zone";
    if (!isOpen(state)) {
      const limit = this.openingRule(zone, state);
      if (limit !== undefined) return limit;
      this.makeRoomToOpen();
    }
    this.set(zone, EXPLICITLY_OPEN);
    return undefined;
  }

  close(zone: number): string | undefined {
    const rule = this.sequentialRule("close", zone);
    if (rule !== undefined) return rule;
    const state = this.code(zone);
    if (!isActive(state)) return `close of a zone that is ${STATE_NAMES[state]}`;
    this.set(zone, this.writtenBytes[zone] === 0 ? EMPTY : CLOSED);
    return undefined;
  }

  /** The device itself gives a zone up; its write pointer means nothing any more. */
  fail(zone: number, state: "read-only" | "offline"): void {
    if (this.code(zone) === CONVENTIONAL) throw new RangeError(`zone ${zone} is conventional`);
    this.set(zone, state === "offline" ? OFFLINE : READ_ONLY);
  }

  /** From now on the zone cannot be reset; otherwise it goes on as it is. */
  refuseReset(zone: number): void {
    this.unresettable.add(zone);
  }

  refusesReset(zone: number): boolean {
    return this.unresettable.has(zone);
  }

  /** Would a write to this zone, or an open of it, have to open it? */
  needsOpening(zone: number): boolean {
    const code = this.code(zone);
    return code === EMPTY || code === CLOSED;
  }

  /** Zones of which the device gave something up. */
  get failedCount(): number {
    let count = this.unresettable.size;
    for (let zone = 0; zone < this.states.length; zone++) {
      if (this.hasFailed(zone) && !this.unresettable.has(zone)) count++;
    }
    return count;
  }

  /** True for a zone that the device gave up. */
  hasFailed(zone: number): boolean {
    const code = this.code(zone);
    return code === READ_ONLY || code === OFFLINE;
  }

  /** What power loss does: open zones are closed, and those without content empty. */
  losePower(): void {
    for (let zone = 0; zone < this.states.length; zone++) {
      if (isOpen(this.states[zone]!)) this.set(zone, this.writtenBytes[zone] === 0 ? EMPTY : CLOSED);
    }
  }

  /**
   * Puts a sequential zone where a crash left it, limits aside: with so many bytes written, or finished. The
   * composition of a crash state checks the limits over all zones when it is done. A failed zone stays failed.
   */
  restore(zone: number, writtenBytes: number): void {
    const { zoneCapacityBytes } = this.geometry;
    if (this.hasFailed(zone)) return;
    this.writtenBytes[zone] = writtenBytes;
    this.set(zone, writtenBytes === 0 ? EMPTY : writtenBytes >= zoneCapacityBytes ? FULL : CLOSED);
  }

  private code(zone: number): number {
    const code = this.states[zone];
    if (code === undefined) throw new RangeError(`no zone ${zone}`);
    return code;
  }

  private set(zone: number, code: number): void {
    const before = this.states[zone]!;
    this.opened += Number(isOpen(code)) - Number(isOpen(before));
    this.activated += Number(isActive(code)) - Number(isActive(before));
    this.offline += Number(code === OFFLINE) - Number(before === OFFLINE);
    this.states[zone] = code;
  }

  private sequentialRule(verb: string, zone: number): string | undefined {
    const state = this.states[zone];
    if (state === undefined) return `${verb} of zone ${zone}, which does not exist`;
    if (state === CONVENTIONAL) return `${verb} of a conventional zone`;
    if (state === READ_ONLY || state === OFFLINE) return `${verb} of a zone that is ${STATE_NAMES[state]}`;
    return undefined;
  }

  private openingRule(zone: number, state: number): string | undefined {
    const { openZonesMax, activeZonesMax } = this.geometry;
    if (isOpen(state)) return undefined;
    if (activeZonesMax > 0 && state !== CLOSED && this.activated >= activeZonesMax) {
      return `zone ${zone} would be one more than ${activeZonesMax} active zones`;
    }
    if (openZonesMax > 0 && this.opened >= openZonesMax && this.implicitlyOpen() < 0) {
      return `zone ${zone} would be one more than ${openZonesMax} open zones`;
    }
    return undefined;
  }

  private implicitlyOpen(): number {
    return this.states.indexOf(IMPLICITLY_OPEN);
  }

  private makeRoomToOpen(): void {
    const { openZonesMax } = this.geometry;
    if (openZonesMax === 0 || this.opened < openZonesMax) return;
    this.set(this.implicitlyOpen(), CLOSED);
  }
}
