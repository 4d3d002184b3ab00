import { describe, expect, it } from "vitest";
import { Company, FLUSHES_ALONE_MIN } from "./company.ts";

const flushes = (company: Company, count: number, inFlight = 1): Array<boolean> =>
  Array.from({ length: count }, () => company.aloneAtFlush(inFlight));

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
    expect(company.aloneAtFlush(1)).toBe(true);
  });

  it("is what else the same one has under way, too", () => {
    const company = new Company();
    company.asked(7);
    flushes(company, 100);
    expect(company.aloneAtFlush(2)).toBe(false);
    expect(flushes(company, FLUSHES_ALONE_MIN - 1)).not.toContain(true);
  });
});
