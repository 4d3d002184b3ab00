/**
 * A timeline in the making: lanes, events in the order in which they happened, and what changed the medium.
 *
 * Bounded: what is over the limits is counted, not kept. It knows nothing of where events come from.
 */
import type { Lane, LaneKind, MediumChange, TimelineEvent } from "./report-data.ts";

/** Events that one report shows. */
export const EVENTS_SHOWN_MAX = 20_000;
/** Events kept until it is known which of them are shown. */
const EVENTS_RECORDED_MAX = 1_000_000;
const CHANGES_MAX = 50_000;
/** Share of the events shown that lie before the one of interest. */
const BEFORE_SHARE = 0.75;

const LANE_ORDER: ReadonlyArray<LaneKind> = ["client", "actor", "device", "crash", "mark"];

export class Timeline {
  readonly lanes: Array<Lane> = [];
  readonly events: Array<TimelineEvent> = [];
  readonly changes: Array<MediumChange> = [];
  changesCut = 0;
  private readonly laneNumbers = new Map<string, number>();

  /** Position of the next event. */
  get position(): number {
    return this.events.length;
  }

  lane(kind: LaneKind, name: string): number {
    const key = `${kind} ${name}`;
    let lane = this.laneNumbers.get(key);
    if (lane === undefined) {
      lane = this.lanes.push({ kind, name }) - 1;
      this.laneNumbers.set(key, lane);
    }
    return lane;
  }

  add(event: TimelineEvent): number {
    return this.events.length >= EVENTS_RECORDED_MAX ? this.events.length - 1 : this.events.push(event) - 1;
  }

  /** Takes the faults back that were told of behind a position. */
  withoutFaultsBehind(position: number): void {
    for (let index = position; index < this.events.length; index++) {
      const { fault, ...event } = this.events[index]!;
      if (fault !== undefined) this.events[index] = event;
    }
  }

  change(change: MediumChange): void {
    if (this.changes.length < CHANGES_MAX) this.changes.push(change);
    else this.changesCut++;
  }

  /** As many events as a report shows, those before the one of interest above all; lanes in a fixed order of kinds. */
  shown(
    interest: number | undefined,
    shownMax = EVENTS_SHOWN_MAX,
  ): Pick<Shown, "lanes" | "events" | "changes" | "firstPosition"> {
    const order = this.lanes
      .map(({ kind }, lane) => ({ rank: LANE_ORDER.indexOf(kind), lane }))
      .sort((a, b) => a.rank - b.rank || a.lane - b.lane);
    const numbers: Array<number> = [];
    order.forEach(({ lane }, index) => (numbers[lane] = index));
    const last = Math.max(0, this.events.length - shownMax);
    const wanted = interest === undefined ? 0 : interest - Math.floor(shownMax * BEFORE_SHARE);
    const firstPosition = Math.min(last, Math.max(0, wanted));
    const events = this.events.slice(firstPosition, firstPosition + shownMax).map((event) => ({
      ...event,
      lane: numbers[event.lane]!,
      ...(event.from === undefined ? {} : { from: [numbers[event.from[0]]!, event.from[1]] as const }),
      ...(event.to === undefined ? {} : { to: numbers[event.to]! }),
    }));
    const changes = this.changes.map(([position, ms, kind, offset, length, lane]): MediumChange => [
      position,
      ms,
      kind,
      offset,
      length,
      numbers[lane] ?? -1,
    ]);
    return { lanes: order.map(({ lane }) => this.lanes[lane]!), events, changes, firstPosition };
  }
}

interface Shown {
  readonly lanes: ReadonlyArray<Lane>;
  readonly events: ReadonlyArray<TimelineEvent>;
  readonly changes: ReadonlyArray<MediumChange>;
  readonly firstPosition: number;
}
