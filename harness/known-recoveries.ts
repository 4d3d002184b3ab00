/**
 * Recoveries that need not be done again: what a state differs in from one recovered before was never looked at.
 *
 * Of each recovery that found nothing wrong it keeps which bytes of the disk were read until all had been looked at. A
 * recovery without faults depends on these bytes, the state of the zones and the time alone, schedules and what
 * discarded blocks read as excepted, which are drawn anew for each state. So a state that has the same bytes there
 * shows the same tree and passes the same check; its own mark is judged against that tree. Nothing is told from
 * equality but that a state is right: whoever finds something wrong recovers it.
 */
import type { CrashImage } from "../devices/sim/crash.ts";
import { type Media, PAGE_BYTES } from "../devices/sim/media.ts";

/** What is wrong with what was found, as the outcome of a crash at another mark; undefined if that cannot be said. */
export type JudgeAgain<M> = (mark: M) => ReadonlyArray<string> | undefined;

interface Known<M> {
  readonly media: Media;
  readonly zones: Uint8Array;
  readonly startMs: number;
  /** Offset and end of each range that was read, apart from one another, ascending. */
  readonly ranges: ReadonlyArray<readonly [from: number, to: number]>;
  readonly judge: JudgeAgain<M>;
}

const ZEROS = new Uint8Array(PAGE_BYTES);

const NO_ZONES = new Uint8Array(0);

const zonesOf = ({ zones }: CrashImage): Uint8Array => zones?.reportBytes ?? NO_ZONES;

/** Ranges that touch or overlap become one. */
function merged(reads: ReadonlyArray<readonly [from: number, to: number]>): Array<readonly [number, number]> {
  const ranges: Array<readonly [number, number]> = [];
  for (const [from, to] of reads.toSorted((a, b) => a[0] - b[0])) {
    const last = ranges.at(-1);
    if (last === undefined || from > last[1]) ranges.push([from, to]);
    else if (to > last[1]) ranges[ranges.length - 1] = [last[0], to];
  }
  return ranges;
}

function isSame(one: Media, other: Media, [from, to]: readonly [number, number]): boolean {
  for (let number = Math.floor(from / PAGE_BYTES); number * PAGE_BYTES < to; number++) {
    const [a, b] = [one.page(number), other.page(number)];
    if (a === b) continue;
    const start = Math.max(0, from - number * PAGE_BYTES);
    const end = Math.min(PAGE_BYTES, to - number * PAGE_BYTES);
    const bytes = (a?.bytes ?? ZEROS).subarray(start, end);
    if (Buffer.compare(bytes, (b?.bytes ?? ZEROS).subarray(start, end)) !== 0) return false;
  }
  return true;
}

export class KnownRecoveries<M> {
  /** By whose history it was judged. */
  private readonly known: WeakMap<object, Array<Known<M>>> = new WeakMap();

  /** Does a recovery of the image depend on nothing but its bytes and zones? */
  static covers({ bad }: CrashImage): boolean {
    return bad.isNone;
  }

  /** `history`: whose marks `judge` takes. */
  keep(
    history: object,
    image: CrashImage,
    startMs: number,
    reads: ReadonlyArray<readonly [from: number, to: number]>,
    judge: JudgeAgain<M>,
  ): void {
    let list = this.known.get(history);
    if (list === undefined) this.known.set(history, (list = []));
    list.push({ media: image.media, zones: zonesOf(image), startMs, ranges: merged(reads), judge });
  }

  /** Is it known that this state is recovered to what the mark allows? */
  isRight(history: object, image: CrashImage, startMs: number, mark: M): boolean {
    const zones = zonesOf(image);
    const known = this.known
      .get(history)
      ?.findLast(
        (each) =>
          each.startMs === startMs &&
          Buffer.compare(each.zones, zones) === 0 &&
          each.ranges.every((range) => isSame(each.media, image.media, range)),
      );
    return known?.judge(mark)?.length === 0;
  }
}
