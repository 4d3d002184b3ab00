/**
 * All sequences of up to so many steps, each once, numbered: from a number to its sequence without the ones before it.
 *
 * Shorter sequences come first, so a sequence keeps its number when longer ones are explored. A sequence counts if each
 * of its steps can succeed (`sketch.ts`), if no other sequence equals it under renaming, whose steps stand before it in
 * the alphabet's order, and if each sync in it has something to do: none is first, behind a syncfs, or the same as the
 * step before. How many sequences begin in a certain way is counted once for each state that a beginning leads to.
 */
import type { Alphabet, Step } from "./alphabet.ts";
import { Sketch } from "./sketch.ts";

export interface Sequence {
  readonly index: number;
  readonly steps: ReadonlyArray<Step>;
}

const isSync = ({ kind }: Step): boolean => kind === "fsync" || kind === "syncfs";

/** What a beginning leaves for the steps behind it. */
class Beginning {
  readonly sketch: Sketch;
  /** The last step, if there is one. */
  readonly last: Step | undefined;
  /** Renamings that leave all steps so far as they are. */
  readonly fixing: ReadonlyArray<number>;

  constructor(sketch: Sketch, last: Step | undefined, fixing: ReadonlyArray<number>) {
    this.sketch = sketch;
    this.last = last;
    this.fixing = fixing;
  }

  /** With one more step; undefined if there is no such sequence. */
  with({ steps, renamings }: Alphabet, index: number): Beginning | undefined {
    const step = steps[index]!;
    const { last } = this;
    if (isSync(step) && (last === undefined || last === step || last.kind === "syncfs")) return undefined;
    const fixing: Array<number> = [];
    for (const renaming of this.fixing) {
      const image = renamings[renaming]![index]!;
      if (image < index) return undefined;
      if (image === index) fixing.push(renaming);
    }
    const sketch = this.sketch.after(step);
    return sketch === undefined ? undefined : new Beginning(sketch, step, fixing);
  }

  get key(): string {
    const { last } = this;
    return `${last === undefined ? "first" : isSync(last) ? last.text : ""}|${this.fixing.join(",")}|${this.sketch.key}`;
  }
}

export class Enumeration {
  readonly alphabet: Alphabet;
  readonly operationsMax: number;
  /** By length: how many sequences of that length there are; none of length 0. */
  readonly counts: ReadonlyArray<number>;
  private readonly known = new Map<string, number>();
  private readonly start: Beginning;

  constructor(alphabet: Alphabet, operationsMax: number) {
    this.alphabet = alphabet;
    this.operationsMax = operationsMax;
    this.start = new Beginning(Sketch.blank(), undefined, [...alphabet.renamings.keys()]);
    const lengths = Array.from({ length: operationsMax }, (_, index) => index + 1);
    this.counts = [0, ...lengths.map((length) => this.endings(this.start, length))];
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** The sequence of that number, from 0 to `total - 1`. */
  at(index: number): Sequence {
    let left = index;
    let length = 1;
    while (length <= this.operationsMax && left >= this.counts[length]!) left -= this.counts[length++]!;
    if (index < 0 || length > this.operationsMax) throw new RangeError(`no sequence ${index}: there are ${this.total}`);
    const steps: Array<Step> = [];
    let beginning = this.start;
    while (steps.length < length) {
      let step = 0;
      for (; ; step++) {
        const next = beginning.with(this.alphabet, step);
        const count = next === undefined ? 0 : this.endings(next, length - steps.length - 1);
        if (left < count) {
          beginning = next!;
          break;
        }
        left -= count;
      }
      steps.push(this.alphabet.steps[step]!);
    }
    return { index, steps };
  }

  /** In how many ways so many steps can follow. */
  private endings(beginning: Beginning, steps: number): number {
    if (steps === 0) return 1;
    const key = `${steps}|${beginning.key}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    let count = 0;
    for (let step = 0; step < this.alphabet.steps.length; step++) {
      const next = beginning.with(this.alphabet, step);
      if (next !== undefined) count += this.endings(next, steps - 1);
    }
    this.known.set(key, count);
    return count;
  }
}

/** The sketch behind steps that are given by hand; undefined if one of them cannot succeed. */
export function sketchOf(steps: ReadonlyArray<Step>): Sketch | undefined {
  let sketch: Sketch | undefined = Sketch.blank();
  for (const step of steps) sketch = sketch?.after(step);
  return sketch;
}
