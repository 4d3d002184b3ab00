import { expect, it } from "vitest";
import { BusyWait } from "./busy-wait.ts";

const TURN_MS = 0.01;

/** Requests that come so long behind the answer before, each; the time that was spent looking for them. */
function lookedFor(wait: BusyWait, gaps: ReadonlyArray<number>, from = 1000): number {
  let [now, looked] = [from, 0];
  for (const gap of gaps) {
    wait.came(now);
    let looking = wait.done(now);
    for (let at = 0; looking && at < gap; at += TURN_MS) {
      looking = wait.patient(now + at);
      looked += TURN_MS;
    }
    now += gap;
  }
  return looked;
}

const times = (count: number, gap: number): Array<number> => Array.from({ length: count }, () => gap);

it("looks for nearly every request while they come close to each other", () => {
  expect(lookedFor(new BusyWait({ windowMs: 1 }), times(1000, 0.05))).toBeGreaterThan(0.9 * 1000 * 0.05);
});

it("sleeps through requests that come seldom, or neither closely nor seldom, save for a small share of the time", () => {
  for (const gap of [0.3, 0.9, 1.1, 5, 1000]) {
    const time = 5000 * gap;
    expect(lookedFor(new BusyWait({ windowMs: 1 }), times(5000, gap)) / time).toBeLessThan(
      0.1 / Math.min(gap, 1) + 0.01,
    );
  }
});

it("looks for one window when requests end, and begins again with the next ones", () => {
  const wait = new BusyWait({ windowMs: 1 });
  for (let round = 0; round < 20; round++) {
    const looked = lookedFor(wait, [...times(100, 0.02), 10_000]);
    expect(looked).toBeGreaterThan(1);
    expect(looked).toBeLessThan(100 * 0.02 + 1 + 2 * TURN_MS);
  }
});

it("pays for looking in vain: bursts far from each other are looked for in no more than they earn", () => {
  const burst = [0.05, 0.05, 0.05, 20];
  const looked = lookedFor(new BusyWait({ windowMs: 1 }), Array.from({ length: 500 }, () => burst).flat());
  expect(looked / (500 * 20)).toBeLessThan(0.03);
});

it("never looks where it may not", () => {
  expect(lookedFor(new BusyWait({ windowMs: 0 }), times(1000, 0.01))).toBe(0);
});

it("rests while the processor is taken away for others, and looks again once it is not", () => {
  let [asked, taken] = [0, 0];
  let contended = true;
  const wait = new BusyWait({
    windowMs: 1,
    timesTaken: () => {
      asked++;
      return contended ? (taken += 64) : taken;
    },
  });
  const close = times(20_000, 0.05);
  const time = 20_000 * 0.05;
  expect(lookedFor(wait, close)).toBeLessThan(0.05 * time);
  expect(asked).toBeLessThan(20);
  contended = false;
  expect(lookedFor(wait, close, 1000 + time)).toBeGreaterThan(0.7 * time);
});
