import { expect, it } from "vitest";
import { CrashImage } from "../devices/sim/crash.ts";
import { DiskContent } from "../devices/sim/content.ts";
import { runSeed } from "./run.ts";
import { KnownRecoveries } from "./known-recoveries.ts";
import { scenarios } from "../scenarios/index.ts";

const GEOMETRY = {
  capacityBytes: 1024 * 1024,
  blockBytes: 512,
  atomicWriteBytes: 512,
  rotational: false,
  zones: undefined,
};

/** An image whose bytes are zero but for those given. */
function imageOf(...written: ReadonlyArray<readonly [offsetBytes: number, value: number]>): CrashImage {
  const image = DiskContent.blank(GEOMETRY);
  const media = image.media.fork();
  for (const [offsetBytes, value] of written) media.write(offsetBytes, new Uint8Array(512).fill(value));
  return new CrashImage(GEOMETRY, media, undefined, image.bad);
}

const history = {};

it("knows a state by what was read, whatever lies beside that", () => {
  const known = new KnownRecoveries<number>();
  known.keep(
    history,
    imageOf([512, 1], [8192, 2]),
    7,
    [
      [8192, 8704],
      [0, 1024],
    ],
    () => [],
  );
  const isRight = (image: CrashImage, startMs = 7, of = history): boolean => known.isRight(of, image, startMs, 1);
  expect(isRight(imageOf([512, 1], [8192, 2]))).toBe(true);
  expect(isRight(imageOf([512, 1], [8192, 2], [1024, 9], [65_536, 9]))).toBe(true);
  expect(isRight(imageOf([512, 3], [8192, 2]))).toBe(false);
  expect(isRight(imageOf([512, 1]))).toBe(false);
  expect(isRight(imageOf([0, 1], [512, 1], [8192, 2]))).toBe(false);
  expect(isRight(imageOf([512, 1], [8192, 2]), 8)).toBe(false);
  expect(isRight(imageOf([512, 1], [8192, 2]), 7, {})).toBe(false);
});

it("holds what was found against the mark of each state, and calls no state wrong", () => {
  const known = new KnownRecoveries<number>();
  known.keep(history, imageOf(), 0, [[0, 512]], (mark) => (mark === 1 ? [] : mark === 2 ? ["lost"] : undefined));
  const isRight = (mark: number): boolean => known.isRight(history, imageOf(), 0, mark);
  expect([isRight(1), isRight(2), isRight(3)]).toEqual([true, false, false]);
});

it("tells of states that were judged so, fewer than there are", () => {
  const scenario = scenarios.find(({ name }) => name === "concurrent-mixed")!;
  const { crashStates, equalStates, failure } = runSeed(scenario, 3);
  expect(failure).toBeUndefined();
  expect(equalStates).toBeGreaterThan(0);
  expect(equalStates).toBeLessThan(crashStates / 2);
});
