/**
 * The events of the recorded seed, arranged for drawing: by order or by time, as bars, marks and arrows.
 *
 * Positions count over the whole recording; only those that the report holds can be asked for. Pure.
 */
import type { EventKind, SeedRecord, TimelineEvent } from "../report-data.ts";

export type Axis = "order" | "time";

export interface Bar {
  readonly lane: number;
  readonly from: number;
  readonly to: number;
  readonly position: number;
  /** Bars of one lane that overlap lie above each other, in so many slots. */
  readonly slot: number;
  readonly slots: number;
  readonly faulty: boolean;
}

export interface Arrow {
  readonly x: number;
  readonly lane: number;
  readonly fromX: number;
  readonly fromLane: number;
  readonly reply: boolean;
}

/** What is shown and stepped through, in groups that can be switched off. */
export const GROUPS: Readonly<Record<string, ReadonlyArray<EventKind>>> = {
  operations: ["call", "effect", "return"],
  messages: ["message", "reply"],
  device: ["issue", "complete", "fail"],
  crashes: ["crash", "recovery", "failure"],
  marks: ["mark"],
};

const SLOTS_MAX = 3;

export class Events {
  readonly seed: SeedRecord;
  readonly bars: ReadonlyArray<Bar>;
  private readonly ends = new Map<number, number>();

  constructor(seed: SeedRecord) {
    this.seed = seed;
    seed.events.forEach(({ begin }, index) => {
      if (begin !== undefined) this.ends.set(begin, index + this.first);
    });
    this.bars = this.makeBars();
  }

  get first(): number {
    return this.seed.firstPosition;
  }

  /** Position of the last event that the report holds. */
  get last(): number {
    return this.first + this.seed.events.length - 1;
  }

  at(position: number): TimelineEvent | undefined {
    return this.seed.events[position - this.first];
  }

  /** Where a position lies on the axis. */
  x(position: number, axis: Axis): number {
    return axis === "order" ? position : (this.at(position)?.ms ?? 0);
  }

  /** The first position that is not before a point of the axis. */
  positionAt(x: number, axis: Axis): number {
    if (axis === "order") return Math.min(this.last, Math.max(this.first, Math.ceil(x)));
    let low = this.first;
    let high = this.last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x(middle, axis) < x) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the bar ends that begins at a position. */
  endOf(position: number): number | undefined {
    return this.ends.get(position);
  }

  private makeBars(): ReadonlyArray<Bar> {
    const busyUntil = new Map<number, Array<number>>();
    const bars: Array<Omit<Bar, "slots">> = [];
    this.seed.events.forEach(({ kind, lane, fault }, index) => {
      if (kind !== "call" && kind !== "issue") return;
      const position = index + this.first;
      const to = this.ends.get(position) ?? this.last;
      let slots = busyUntil.get(lane);
      if (slots === undefined) busyUntil.set(lane, (slots = []));
      const free = Array.from({ length: SLOTS_MAX }, (_, slot) => slot).find((slot) => (slots[slot] ?? -1) < position);
      const slot = free ?? position % SLOTS_MAX;
      slots[slot] = to;
      const faulty = fault !== undefined || this.at(to)?.kind === "fail";
      bars.push({ lane, from: position, to, position, slot, faulty });
    });
    return bars.map((bar) => ({ ...bar, slots: busyUntil.get(bar.lane)?.length ?? 1 }));
  }

  /** Where a reader may begin: shortly before the first call of a client, behind all that makes and opens the pool. */
  get beginning(): number {
    const call = this.seed.events.findIndex(({ kind }) => kind === "call");
    return this.first + Math.max(0, call);
  }

  /** Arrows that end between two positions. */
  arrows(from: number, to: number, axis: Axis, shown: (event: TimelineEvent) => boolean): ReadonlyArray<Arrow> {
    const arrows: Array<Arrow> = [];
    for (let position = from; position <= to; position++) {
      const event = this.at(position);
      if (event === undefined || !shown(event)) continue;
      const x = this.x(position, axis);
      if (event.from !== undefined) {
        const [fromLane, sent] = event.from;
        if (sent < this.first) continue;
        const fromX = this.x(Math.min(sent, position), axis);
        arrows.push({ x, lane: event.lane, fromX, fromLane, reply: event.kind === "reply" });
      }
      if (event.to !== undefined) arrows.push({ x, lane: event.to, fromX: x, fromLane: event.lane, reply: true });
    }
    return arrows;
  }

  /** The next position, in a direction, of an event that is shown. */
  next(position: number, step: 1 | -1, shown: (event: TimelineEvent) => boolean): number {
    for (let at = position + step; at >= this.first && at <= this.last; at += step) {
      const event = this.at(at);
      if (event !== undefined && shown(event)) return at;
    }
    return position;
  }
}
