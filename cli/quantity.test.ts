import { describe, expect, test } from "vitest";
import { formatBytes, formatDuration, parseBytes, parseCount, parseMilliseconds } from "./quantity.ts";

describe("quantities", () => {
  test.each([
    ["0", 0],
    ["512", 512],
    ["4k", 4096],
    ["64M", 67_108_864],
    ["64MiB", 67_108_864],
    ["1.5 G", 1_610_612_736],
    ["1e3", undefined],
    ["-1", undefined],
    ["64X", undefined],
    ["", undefined],
    ["99999999P", undefined],
  ])("%j is %j bytes", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test("durations need no unit for seconds", () => {
    expect(["60", "60s", "1.5m", "200ms", "1h"].map(parseMilliseconds)).toEqual([
      60_000, 60_000, 90_000, 200, 3_600_000,
    ]);
    expect(["", "s", "1d", "-1s"].map(parseMilliseconds)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("a count is a whole number and nothing else", () => {
    expect(["7", "007", "1.5", "-1", "x", "9".repeat(20)].map(parseCount)).toEqual([
      7,
      7,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("what is printed is short and says its unit", () => {
    expect([0, 1023, 1024, 1536, 67_108_864, 1.5 * 2 ** 40].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1 KiB",
      "1.5 KiB",
      "64 MiB",
      "1.5 TiB",
    ]);
    expect([1200, 59_000, 95_000, 3_720_000].map(formatDuration)).toEqual(["1.2s", "59s", "1m35s", "1h02m"]);
  });
});
