import { describe, expect, it } from "vitest";
import { Company, FLUSHES_ALONE_MIN, REST_MS, WaitBetweenSyncs } from "./company.ts";

const flushes = (company: Company, count: number, inFlight = 1): Array<boolean> =>
  Array.from({ length: count }, () => company.aloneAtFlush(0, inFlight));

describe("company", () => {
  it("is nobody's as long as nobody has asked", () => {
    expect(flushes(new Company(), 3 * FLUSHES_ALONE_MIN)).not.toContain(true);
  });

  it("has gone when one asks alone for a while, whatever the kernel asks for itself", () => {
    const company = new Company();
    company.asked(7);
    expect(flushes(company, FLUSHES_ALONE_MIN)).not.toContain(true);
    company.asked(7);
    company.asked(0);
    expect(flushes(company, 100)).not.toContain(false);
  });

  it("is back with the first request of somebody else, and stays while that one comes now and then", () => {
    const company = new Company();
    company.asked(7);
    flushes(company, 100);
    for (let round = 0; round < 10; round++) {
      company.asked(8);
      company.asked(7);
      expect(flushes(company, FLUSHES_ALONE_MIN)).not.toContain(true);
    }
    expect(company.aloneAtFlush(0, 1)).toBe(true);
  });

  it("is what else the same one has under way, too", () => {
    const company = new Company();
    company.asked(7);
    flushes(company, 100);
    expect(company.aloneAtFlush(0, 2)).toBe(false);
    expect(flushes(company, FLUSHES_ALONE_MIN - 1)).not.toContain(true);
  });
});

describe("waiting awake", () => {
  const credited = (company: Company): WaitBetweenSyncs => {
    const wait = new WaitBetweenSyncs(company, { windowMs: 1 });
    for (let nowMs = 0; nowMs < 10; nowMs += 0.1) {
      wait.came(nowMs);
      wait.done(nowMs);
    }
    return wait;
  };

  it("goes on when something is flushed now and then", () => {
    const company = new Company();
    const wait = credited(company);
    for (let nowMs = 10; nowMs < 5000; nowMs += 1000) company.aloneAtFlush(nowMs, 1);
    expect(wait.done(4011)).toBe(true);
    expect(wait.patient(4011.5)).toBe(true);
  });

  it("ends when flush follows flush, and is back a while behind the last", () => {
    const company = new Company();
    const wait = credited(company);
    expect(wait.done(10)).toBe(true);
    company.aloneAtFlush(10, 1);
    company.aloneAtFlush(10.5, 1);
    expect(wait.patient(10.6)).toBe(false);
    expect(wait.done(10.7)).toBe(false);
    expect(wait.done(11 + REST_MS)).toBe(true);
  });
});
