/**
 * The part of the conformance suite that concerns every device, and conventional ones in particular.
 *
 * Cases overwrite what they like; each begins by emptying what it writes, so they can share a device.
 */
import * as Effect from "effect/Effect";
import type { DeviceError, ZoneGeometry } from "../device.ts";
import { assertGeometry } from "../range.ts";
import { emptied, failureOf, must, pattern, sameBytes } from "./case.ts";
import type { ConformanceCase } from "./case.ts";

const always = (): boolean => true;
const isConventional = (zones: ZoneGeometry | undefined): boolean => zones === undefined;

export const generalCases: ReadonlyArray<ConformanceCase> = [
  {
    title: "has a consistent geometry, and zone verbs exactly if it has zones",
    appliesTo: always,
    run: (device) =>
      Effect.sync(() => {
        assertGeometry(device.geometry);
        must((device.zones === undefined) === (device.geometry.zones === undefined), "zone verbs and geometry differ");
      }),
  },
  {
    title: "reads back what was written, in whole and in parts, before and after a flush",
    appliesTo: always,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes } = device.geometry;
      const start = yield* emptied(device);
      let at = start;
      for (const blocks of [1, 2, 7, 32]) {
        yield* device.write(at, pattern(blocks * blockBytes, blocks));
        at += blocks * blockBytes;
      }
      for (const flushed of [false, true]) {
        if (flushed) yield* device.flush;
        at = start;
        for (const blocks of [1, 2, 7, 32]) {
          const expected = pattern(blocks * blockBytes, blocks);
          must(sameBytes(yield* device.read(at, expected.length), expected), `${blocks} blocks read back differ`);
          const last = yield* device.read(at + (blocks - 1) * blockBytes, blockBytes);
          must(sameBytes(last, expected.subarray(-blockBytes)), "the last block alone differs");
          at += blocks * blockBytes;
        }
        const whole = yield* device.read(start, 42 * blockBytes);
        must(sameBytes(whole.subarray(0, blockBytes), pattern(blockBytes, 1)), "the run as a whole differs");
      }
    }),
  },
  {
    title: "has its own copy of what a completed write gave it",
    appliesTo: always,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes } = device.geometry;
      const start = yield* emptied(device);
      const bytes = pattern(2 * blockBytes, 3);
      yield* device.write(start, bytes);
      bytes.fill(0);
      must(sameBytes(yield* device.read(start, bytes.length), pattern(bytes.length, 3)), "the caller's change is seen");
    }),
  },
  {
    title: "leaves what it once read alone when the range is emptied and written again",
    appliesTo: always,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes } = device.geometry;
      const start = yield* emptied(device);
      yield* device.write(start, pattern(3 * blockBytes, 4));
      const read = yield* device.read(start + blockBytes, blockBytes);
      const kept = read.slice();
      yield* emptied(device);
      yield* device.write(start, pattern(3 * blockBytes, 5));
      must(sameBytes(read, kept), "bytes changed after they had been read");
    }),
  },
  {
    title: "carries out concurrent operations on different ranges",
    appliesTo: isConventional,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes } = device.geometry;
      const numbers = Array.from({ length: 24 }, (_, number) => number);
      yield* Effect.forEach(
        numbers,
        (number) => device.write(number * 2 * blockBytes, pattern(2 * blockBytes, number)),
        { concurrency: "unbounded", discard: true },
      );
      const flushes = [device.flush, device.flush];
      yield* Effect.all(flushes, { concurrency: "unbounded", discard: true });
      const reads = yield* Effect.forEach(numbers, (number) => device.read(number * 2 * blockBytes, 2 * blockBytes), {
        concurrency: "unbounded",
      });
      reads.forEach((bytes, number) => must(sameBytes(bytes, pattern(2 * blockBytes, number)), "a range differs"));
    }),
  },
  {
    title: "refuses ranges that are outside or no whole blocks, and changes nothing",
    appliesTo: always,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes, capacityBytes } = device.geometry;
      const start = yield* emptied(device);
      yield* device.write(start, pattern(2 * blockBytes, 6));
      const ranges: ReadonlyArray<readonly [number, number]> = [
        [capacityBytes, blockBytes],
        [capacityBytes - blockBytes, 2 * blockBytes],
        [-blockBytes, blockBytes],
        [start + 1, blockBytes],
        [start, blockBytes - 1],
        [Number.NaN, blockBytes],
      ];
      for (const [offset, length] of ranges) {
        must((yield* failureOf(device.read(offset, length))) === "OutOfRange", `read of ${length} at ${offset}`);
        const write = device.write(offset, new Uint8Array(length));
        must((yield* failureOf(write)) === "OutOfRange", `write of ${length} at ${offset}`);
        must((yield* failureOf(device.discard(offset, length))) === "OutOfRange", `discard of ${length} at ${offset}`);
      }
      must(sameBytes(yield* device.read(start, 2 * blockBytes), pattern(2 * blockBytes, 6)), "content changed");
    }),
  },
  {
    title: "reaches its last block, and takes an empty range anywhere",
    appliesTo: isConventional,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes, capacityBytes } = device.geometry;
      yield* device.write(capacityBytes - blockBytes, pattern(blockBytes, 7));
      const last = yield* device.read(capacityBytes - blockBytes, blockBytes);
      must(sameBytes(last, pattern(blockBytes, 7)), "the last block differs");
      for (const offset of [0, capacityBytes]) {
        yield* device.write(offset, new Uint8Array(0));
        must((yield* device.read(offset, 0)).length === 0, "an empty read is not empty");
        yield* device.discard(offset, 0);
      }
    }),
  },
  {
    title: "overwrites in place, and keeps the neighbours of what is written and discarded",
    appliesTo: isConventional,
    run: Effect.fnUntraced(function* (device) {
      const { blockBytes } = device.geometry;
      const block = (number: number): Effect.Effect<Uint8Array, DeviceError> =>
        device.read(number * blockBytes, blockBytes);
      for (let number = 0; number < 5; number++) yield* device.write(number * blockBytes, pattern(blockBytes, number));
      yield* device.write(2 * blockBytes, pattern(blockBytes, 99));
      must(sameBytes(yield* block(2), pattern(blockBytes, 99)), "an overwritten block holds something else");
      yield* device.discard(blockBytes, 2 * blockBytes);
      must((yield* block(1)).length === blockBytes, "a discarded block cannot be read");
      yield* device.write(2 * blockBytes, pattern(blockBytes, 98));
      yield* device.flush;
      const expected: ReadonlyArray<readonly [number, number]> = [
        [0, 0],
        [2, 98],
        [3, 3],
        [4, 4],
      ];
      for (const [number, held] of expected) {
        must(sameBytes(yield* block(number), pattern(blockBytes, held)), `block ${number} differs`);
      }
    }),
  },
];
