/**
 * The trace of a run: a rolling hash over every event, and on demand the events themselves.
 *
 * An event is a kind and up to three integers, or a text. The hash is made of 32-bit operations only, so it is the same
 * on every machine and version of Node. Recorded events are bounded; they serve to name the first one that differs
 * between two runs.
 */

export const EVENTS_RECORDED_MAX = 200_000;

const kindCodes = new Map<string, number>();

/** A crash state was judged without a recovery of its own: see `known-recoveries.ts`. */
export const EQUAL_RECOVERY = "equal recovery";

export class Trace {
  events = 0;
  private low = 0x811c9dc5;
  private high = 0x1234567;
  readonly recorded: Array<string> | undefined;

  constructor(record = false) {
    this.recorded = record ? [] : undefined;
  }

  /** Covers all of a text by one word; the few kinds of events are worked out once. */
  private kind(kind: string): void {
    let code = kindCodes.get(kind);
    if (code === undefined) {
      const own = new Trace();
      for (let index = 0; index < kind.length; index++) own.word(kind.charCodeAt(index));
      code = own.low;
      kindCodes.set(kind, code);
    }
    this.word(code);
  }

  private word(value: number): void {
    this.low = Math.imul(this.low ^ (value & 0xffff), 16777619);
    this.low = Math.imul(this.low ^ (value >>> 16), 16777619);
    this.high = Math.imul(this.high ^ value, 0x85ebca6b);
    this.high ^= this.high >>> 13;
  }

  event(kind: string, a = 0, b = 0, c = 0): void {
    this.events++;
    this.kind(kind);
    this.word(a | 0);
    this.word((a / 2 ** 32) | 0);
    this.word(b | 0);
    this.word((b / 2 ** 32) | 0);
    this.word(c | 0);
    // Made only if wanted: the text costs more than the hash.
    if (this.recorded !== undefined) this.record(`${kind} ${a} ${b} ${c}`);
  }

  text(kind: string, text: string): void {
    this.events++;
    this.kind(kind);
    this.word(text.length);
    for (let index = 0; index < text.length; index++) this.word(text.charCodeAt(index));
    if (this.recorded !== undefined) this.record(`${kind} ${text}`);
  }

  /** Takes in all that another trace has seen, as one event. */
  fold(kind: string, other: Trace): void {
    this.events++;
    this.kind(kind);
    this.word(other.low);
    this.word(other.high);
    if (this.recorded !== undefined) this.record(`${kind} of ${other.events} events: ${other.hash}`);
  }

  private record(line: string): void {
    if (this.recorded !== undefined && this.recorded.length < EVENTS_RECORDED_MAX) this.recorded.push(line);
  }

  get hash(): string {
    const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, "0");
    return hex(this.low) + hex(this.high);
  }
}

/** The first event in which two recorded runs differ, or undefined if one is the beginning of the other. */
export function firstDivergence(a: ReadonlyArray<string>, b: ReadonlyArray<string>): string | undefined {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    if (a[index] !== b[index]) return `event ${index}: "${a[index]}" in one run, "${b[index]}" in the other`;
  }
  if (a.length === b.length) return undefined;
  return `one run ends after ${length} events, the other goes on with "${(a.length > length ? a : b)[length]}"`;
}

/** Hash of texts in order: how results of many seeds become one. */
export function hashOf(texts: ReadonlyArray<string>): string {
  const trace = new Trace();
  for (const text of texts) trace.text("t", text);
  return trace.hash;
}
