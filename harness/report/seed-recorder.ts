/**
 * A trace that is also a timeline: every event of a run is given a lane, a time, and what it belongs to.
 *
 * It hashes exactly as any other trace does. Scheduling choices are counted but not shown. Who asked a device for an
 * operation, which messages went between actors and which marks were reached is heard from the `ActorWatch` and from
 * the map of marks; when an operation took effect, from the model's history, which is told at these moments. Only what
 * the run's own pool or store does is shown, not the recoveries, which are one event each.
 */
import type { DeviceOperation } from "../../devices/device.ts";
import { faultStream, type IoKind } from "../../devices/sim/faults.ts";
import { marks } from "../../engine/marks.ts";
import { describeCrash, type CrashPoint } from "../crash-point.ts";
import type { History } from "../oracle/history.ts";
import type { DiskPlan } from "../scenario.ts";
import { EQUAL_RECOVERY, Trace } from "../trace.ts";
import { type ActorListener, ActorWatch, type Speaker } from "./actor-watch.ts";
import type { EventKind, MediumChangeKind, TimelineEvent } from "./report-data.ts";
import { Timeline } from "./timeline.ts";

/** As the run calls its disk. */
const DISK = "disk0";

const CHANGES: Readonly<Partial<Record<DeviceOperation, MediumChangeKind>>> = {
  write: "write",
  append: "write",
  discard: "discard",
  reset: "reset",
  finish: "finish",
};

const ioKindOf = (operation: DeviceOperation): IoKind => {
  if (operation === "append") return "write";
  return operation === "read" || operation === "write" || operation === "flush" ? operation : "other";
};

/** What the model's history is asked, and a recorder wants to hear of. */
type Heard = Pick<History, "advance" | "syncCompleted">;

export class SeedRecorder extends Trace {
  readonly timeline = new Timeline();
  private history: History | undefined;
  private clients = false;
  private plan: DiskPlan | undefined;
  private readonly watch: ActorWatch;
  /** Virtual time of what ran before the world that runs now, and of that world. */
  private baseMs = 0;
  private nowMs = 0;
  private recoveries = 0;
  /** Positions of what has begun and not ended: operations of the device by index, calls by client. */
  private readonly open = new Map<string, number>();
  private readonly issuedBy = new Map<number, number>();
  private readonly kindCounts: Record<IoKind, number> = { read: 0, write: 0, flush: 0, other: 0 };
  private readonly crashPositions = new Map<string, number>();
  private lastClientPosition = 0;

  constructor() {
    super();
    const listener: ActorListener = {
      position: () => this.timeline.position,
      handled: (actor, sent, text) => {
        const from = sent === undefined ? {} : { from: [this.laneOf(sent.by), sent.position] as const };
        this.add(this.laneOf(actor), "message", text, from);
      },
      replied: (by, to) => {
        const from = [this.laneOf(by), this.timeline.position] as const;
        this.add(this.laneOf(to.by), "reply", `${by.name} answers`, { from });
      },
    };
    this.watch = new ActorWatch(listener);
  }

  private laneOf({ kind, name }: Speaker): number {
    return this.timeline.lane(kind, name);
  }

  private add(lane: number, kind: EventKind, text: string, more: Partial<TimelineEvent> = {}): number {
    const trace = Math.max(0, this.events - 1);
    return this.timeline.add({ trace, ms: this.baseMs + this.nowMs, lane, kind, text, ...more });
  }

  /** Hears the run until the returned function is called. */
  listen(): () => void {
    const quiet = this.watch.start();
    const count = marks.set.bind(marks);
    marks.set = (name, times) => {
      if (this.watch.current() !== undefined) this.add(this.timeline.lane("mark", "marks"), "mark", name);
      return count(name, times);
    };
    return () => {
      quiet();
      Reflect.deleteProperty(marks, "set");
    };
  }

  /** The plan that the run follows. */
  planned(plan: DiskPlan): void {
    this.plan = plan;
  }

  /** From now on faults strike. */
  clientsBegan(): void {
    this.clients = true;
  }

  /** A client begins; the history is that of the model that all clients share. */
  began(history: History): void {
    this.clientsBegan();
    if (this.history === history) return;
    this.history = history;
    const before: Heard = {
      advance: history.advance.bind(history),
      syncCompleted: history.syncCompleted.bind(history),
    };
    history.advance = (label, touched) => {
      const moment = before.advance(label, touched);
      this.tookEffect(`#${moment} ${label}`);
      return moment;
    };
    history.syncCompleted = (startedMoment, scope) => {
      before.syncCompleted(startedMoment, scope);
      this.tookEffect(`synced up to #${startedMoment}`);
    };
  }

  private tookEffect(text: string): void {
    const by = this.watch.current();
    // Operations take effect in the turn of an actor, for a client whose name is in the label.
    const [client = ""] = /client \d+/u.exec(text) ?? [];
    const lane = client !== "" ? this.timeline.lane("client", client) : by === undefined ? -1 : this.laneOf(by);
    if (lane >= 0) this.add(lane, "effect", text);
  }

  /** A crash state is taken, at the I/O that was told last; or behind all of them. */
  crashed(): void {
    const at = this.timeline.events.at(-1);
    if (at === undefined || !(at.kind === "issue" || at.kind === "complete")) return;
    this.add(this.timeline.lane("crash", "crash states"), "crash", `crash state taken at ${at.text}`);
  }

  /** Position of the I/O at which a crash was. */
  positionOf({ phase, operation, index }: CrashPoint): number | undefined {
    return this.crashPositions.get(`${phase} ${operation} ${index}`);
  }

  /** Adds how it ended. */
  failed(message: string, crash: CrashPoint | undefined): void {
    const at = crash === undefined ? undefined : this.positionOf(crash);
    const text = crash === undefined ? message : `${describeCrash(crash)}\n${message}`;
    const lane = this.timeline.lane("crash", "crash states");
    const from = at === undefined ? {} : { from: [this.timeline.lane("device", DISK), at] as const };
    this.add(lane, "failure", text, from);
  }

  override event(kind: string, a = 0, b = 0, c = 0): void {
    super.event(kind, a, b, c);
    if (kind === "s") return;
    if (kind === "t") return this.timePasses(a / 1000);
    if (kind === EQUAL_RECOVERY) return this.recovered("known from an equal one");
    const [phase = "", operation = ""] = kind.split(" ");
    if (phase === "issue") this.issued(operation as DeviceOperation, a, b, c);
    else this.ended(phase === "fail" ? "fail" : "complete", operation, a, b, c);
  }

  /** A later world of the seed begins at the same date again. */
  private timePasses(ms: number): void {
    if (ms < this.nowMs) this.baseMs += this.nowMs;
    this.nowMs = ms;
  }

  private issued(operation: DeviceOperation, offset: number, length: number, index: number): void {
    const lane = this.timeline.lane("device", DISK);
    const by = this.watch.current();
    const byLane = by === undefined ? -1 : this.laneOf(by);
    const { position } = this.timeline;
    const fault = this.strikes(operation, offset, length, index);
    this.add(lane, "issue", ioText(operation, offset, length, index), {
      ...(by === undefined ? {} : { from: [byLane, position] as const }),
      ...(fault === undefined ? {} : { fault }),
    });
    this.open.set(`${DISK} ${index}`, position);
    this.issuedBy.set(index, byLane);
    this.crashPositions.set(`issue ${operation} ${index}`, position);
    const change = CHANGES[operation];
    const ms = this.baseMs + this.nowMs;
    if (change !== undefined) this.timeline.change([position, ms, change, offset, length, byLane]);
  }

  /** Whether a fault strikes is a function of the operation, so it can be asked a second time. */
  private strikes(operation: DeviceOperation, offset: number, length: number, index: number): string | undefined {
    const kind = ioKindOf(operation);
    const kindIndex = this.kindCounts[kind]++;
    const faults = this.plan?.disk?.faults;
    if (faults === undefined || !this.clients || this.recoveries > 0) return undefined;
    const io = { kind, kindIndex, index, offsetBytes: offset, lengthBytes: length };
    const struck = faults.strikes(faultStream(DISK), io).map(({ fault }) => fault.kind);
    return struck.length === 0 ? undefined : struck.join(", ");
  }

  private ended(kind: "complete" | "fail", operation: string, offset: number, length: number, index: number): void {
    const begin = this.open.get(`${DISK} ${index}`);
    const to = this.issuedBy.get(index) ?? -1;
    const lane = this.timeline.lane("device", DISK);
    const position = this.add(lane, kind, ioText(operation, offset, length, index), {
      ...(begin === undefined ? {} : { begin }),
      ...(to < 0 ? {} : { to }),
    });
    this.crashPositions.set(`${kind} ${operation} ${index}`, position);
  }

  override text(kind: string, text: string): void {
    super.text(kind, text);
    if (!/^client \d+$/u.test(kind)) return;
    const lane = this.timeline.lane("client", kind);
    const begin = this.open.get(kind);
    if (begin === undefined) this.open.set(kind, this.add(lane, "call", text));
    else {
      this.open.delete(kind);
      this.lastClientPosition = this.add(lane, "return", text, { begin });
    }
  }

  override fold(kind: string, other: Trace): void {
    super.fold(kind, other);
    this.recovered(`${other.events} events`);
  }

  private recovered(how: string): void {
    const lane = this.timeline.lane("crash", "recoveries");
    this.add(lane, "recovery", `recovery ${++this.recoveries} of a crash state, ${how}`);
  }

  /** The run is over. Faults ended with the clients: those told of later operations did not strike. */
  end(): void {
    this.timeline.withoutFaultsBehind(this.lastClientPosition);
  }
}

const ioText = (operation: string, offset: number, length: number, index: number): string =>
  operation === "flush" ? `flush ${index}` : `${operation} ${index}: ${length} bytes at ${offset}`;
