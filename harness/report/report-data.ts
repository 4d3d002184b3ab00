/**
 * What a report shows, as plain data: the contract between those who gather it and the page that draws it.
 *
 * Types only, so that the page's scripts may import them. Everything can be written as JSON. A *position* is the index
 * of an event in the whole recording of a seed, whether the report holds that event or not.
 */

export interface ScenarioRow {
  readonly scenario: string;
  readonly seeds: number;
  readonly crashStates: number;
  readonly failures: number;
  readonly events: number;
  readonly simulatedMs: number;
}

export interface FailedSeed {
  readonly scenario: string;
  readonly seed: number;
  readonly message: string;
  /** The command that shows it again. */
  readonly replay: string;
}

export type LaneKind = "client" | "actor" | "device" | "crash" | "mark";

export interface Lane {
  readonly name: string;
  readonly kind: LaneKind;
}

export type EventKind =
  /** A client calls an operation, the operation takes effect, its answer comes. */
  | "call"
  | "effect"
  | "return"
  /** An actor handles a message; somebody answers one that was asked. */
  | "message"
  | "reply"
  /** A device operation. */
  | "issue"
  | "complete"
  | "fail"
  /** A crash state is taken from the disk, and later recovered and judged. */
  | "crash"
  | "recovery"
  /** The engine reached a marked place. */
  | "mark"
  | "failure";

export interface TimelineEvent {
  /** Number of the latest event of the trace, as `replay --trace` prints it. */
  readonly trace: number;
  /** Virtual time since the start of the run. */
  readonly ms: number;
  readonly lane: number;
  readonly kind: EventKind;
  readonly text: string;
  /** Position of the event that this one ends: together they are a bar. */
  readonly begin?: number;
  /** Where the message came from: a lane, at a position. */
  readonly from?: readonly [lane: number, position: number];
  /** Lane of whoever waited for it. */
  readonly to?: number;
  /** The fault that strikes the operation. */
  readonly fault?: string;
}

/** `[position, ms, what, offsetBytes, lengthBytes, lane of who asked for it, or -1]` */
export type MediumChange = readonly [number, number, MediumChangeKind, number, number, number];

export type MediumChangeKind = "write" | "discard" | "reset" | "finish";

export interface BucketShape {
  readonly zoned: boolean;
  readonly bucketBytes: number;
  /** Bytes of a bucket that can be written. */
  readonly usableBytes: number;
  readonly count: number;
  readonly capacityBytes: number;
}

/** One thing in which what was found differs from what is allowed. */
export interface Difference {
  readonly path: string;
  readonly what: string;
  readonly found: string;
  readonly allowed: string;
}

export interface TreeLine {
  readonly depth: number;
  readonly name: string;
  readonly detail: string;
  readonly state: "same" | "missing" | "extra" | "differs";
}

export interface FailureView {
  readonly where: "run" | "crash" | "end";
  readonly message: string;
  /** The crash that showed it, in words, and the position of the I/O at which it was. */
  readonly crash?: string;
  readonly position?: number;
  /** Changes of the namespace after which the state would have been allowed, the closest one told. */
  readonly allowed: ReadonlyArray<{ readonly label: string; readonly closest: boolean }>;
  readonly differences: ReadonlyArray<Difference>;
  /** The closest allowed tree, with what was found marked in it; undefined where the oracle compared no trees. */
  readonly tree?: ReadonlyArray<TreeLine>;
}

export interface SeedRecord {
  readonly scenario: string;
  readonly summary: string;
  readonly seed: number;
  readonly hash: string;
  readonly crashStates: number;
  readonly simulatedMs: number;
  /** Events of the trace, those of recoveries included. */
  readonly traceEvents: number;
  readonly lanes: ReadonlyArray<Lane>;
  readonly events: ReadonlyArray<TimelineEvent>;
  /** Position of the first of `events`; how many there are in all. */
  readonly firstPosition: number;
  readonly positions: number;
  readonly buckets: BucketShape;
  readonly changes: ReadonlyArray<MediumChange>;
  /** Changes of the medium behind those, for which there was no room. */
  readonly changesCut: number;
  readonly failure?: FailureView;
}

export interface ReportData {
  readonly title: string;
  /** The command line that made the report. */
  readonly command: string;
  /** Of the campaign, or of the replayed seed. */
  readonly hash: string;
  readonly seeds: number;
  readonly rows: ReadonlyArray<ScenarioRow>;
  readonly failures: ReadonlyArray<FailedSeed>;
  readonly marks: ReadonlyArray<readonly [name: string, count: number]>;
  readonly seed?: SeedRecord;
}
