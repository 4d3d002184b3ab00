import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Media, Page, PAGE_BYTES, SHARED, sharedPages } from "./media.ts";

const SIZE = 40 * PAGE_BYTES;
const GARBAGE = new Page(new Uint8Array(PAGE_BYTES).fill(0xa5), SHARED);

type Step =
  | { readonly verb: "write"; readonly on: number; readonly at: number; readonly bytes: number; readonly value: number }
  | { readonly verb: "fill"; readonly on: number; readonly at: number; readonly bytes: number; readonly value: number }
  | { readonly verb: "flip"; readonly on: number; readonly at: number }
  | { readonly verb: "fork"; readonly on: number };

const sector = fc.nat(SIZE / 512 - 1).map((number) => number * 512);
const on = fc.nat(7);
const range = {
  on,
  at: sector,
  bytes: fc.integer({ min: 1, max: 40 }).map((number) => number * 512),
  value: fc.nat(255),
};
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ verb: fc.constant("write" as const), ...range }),
  fc.record({ verb: fc.constant("fill" as const), ...range, value: fc.constantFrom(0, 0xa5) }),
  fc.record({ verb: fc.constant("flip" as const), on, at: fc.nat(SIZE - 1) }),
  fc.record({ verb: fc.constant("fork" as const), on }),
);

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

interface Pair {
  readonly media: Media;
  readonly model: Uint8Array;
}

function take(pairs: Array<Pair>, step: Step, number: number): void {
  const pair = pairs[step.on % pairs.length]!;
  const { media, model } = pair;
  if (step.verb === "fork") {
    pairs.push({ media: media.fork(), model: model.slice() });
  } else if (step.verb === "flip") {
    media.flip(step.at, number);
    model[step.at]! ^= 1 << (number & 7);
  } else {
    const length = Math.min(step.bytes, SIZE - step.at);
    const filler = step.value === 0 ? undefined : GARBAGE;
    if (step.verb === "fill") media.fill(step.at, length, step.value, filler);
    else media.write(step.at, new Uint8Array(length).fill(step.value));
    model.fill(step.value, step.at, step.at + length);
  }
}

describe("copy-on-write media", () => {
  it("hold what flat copies would, whatever is written to which fork", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pairs: Array<Pair> = [{ media: Media.empty(SIZE), model: new Uint8Array(SIZE) }];
        steps.forEach((step, number) => take(pairs, step, number));
        return pairs.every(({ media, model }) => same(media.read(0, SIZE), model));
      }),
      { numRuns: 200 },
    );
  });

  it("never change bytes that were read from them", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(sector, { minLength: 1 }), (steps, offsets) => {
        const pairs: Array<Pair> = [{ media: Media.empty(SIZE), model: new Uint8Array(SIZE) }];
        const reads: Array<{ readonly view: Uint8Array; readonly copy: Uint8Array }> = [];
        steps.forEach((step, number) => {
          take(pairs, step, number);
          const at = offsets[number % offsets.length]!;
          const length = Math.min(SIZE - at, 512 * (1 + (number % 3) * 11));
          const view = pairs[number % pairs.length]!.media.read(at, length);
          reads.push({ view, copy: view.slice() });
        });
        return reads.every(({ view, copy }) => same(view, copy));
      }),
      { numRuns: 200 },
    );
  });

  it("are shared by reference until somebody writes", () => {
    const media = Media.empty(SIZE);
    media.write(0, new Uint8Array(3 * PAGE_BYTES).fill(1));
    const fork = media.fork();
    fork.write(PAGE_BYTES, new Uint8Array(512));
    expect(fork.page(0)).toBe(media.page(0));
    expect(fork.page(1)).not.toBe(media.page(1));
    expect(media.page(7)).toBeUndefined();
  });

  it("give a run of pages that were written as one back without copying it", () => {
    const media = Media.empty(SIZE);
    sharedPages(new Uint8Array(4 * PAGE_BYTES).fill(7)).forEach((page, number) => media.adopt(number, page));
    const views = [media.read(0, 3 * PAGE_BYTES), media.read(512, 2 * PAGE_BYTES)];
    expect(new Set([media.page(0)!.bytes.buffer, ...views.map(({ buffer }) => buffer)]).size).toBe(1);
    media.flip(PAGE_BYTES, 0);
    expect(media.read(0, 3 * PAGE_BYTES)[PAGE_BYTES]).toBe(6);
    expect(views[0]![PAGE_BYTES]).toBe(7);
  });

  it("copy a run whose later pages may still be written in place, though it lies side by side", () => {
    const media = Media.empty(SIZE);
    media.write(0, new Uint8Array(PAGE_BYTES).fill(1));
    media.fork();
    media.write(PAGE_BYTES, new Uint8Array(PAGE_BYTES).fill(2));
    const read = media.read(0, 2 * PAGE_BYTES);
    media.write(PAGE_BYTES, new Uint8Array(PAGE_BYTES).fill(3));
    expect(read[PAGE_BYTES]).toBe(2);
  });

  it("refuse ranges outside", () => {
    const media = Media.empty(SIZE);
    expect(() => media.read(SIZE, 1)).toThrow(RangeError);
    expect(() => media.write(SIZE - 1, new Uint8Array(2))).toThrow(RangeError);
    expect(() => media.read(Number.NaN, 1)).toThrow(RangeError);
  });
});
