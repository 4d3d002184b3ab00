import { describe, expect, it } from "vitest";
import { ReadAhead } from "./read-ahead.ts";

const KIB = 1024;
const MIB = KIB * KIB;

describe("reading ahead", () => {
  it("of a file read from its front goes on before its reader, further and further, without gaps", () => {
    const ahead = new ReadAhead();
    let until = 0;
    let longest = 0;
    for (let at = 0; at < 64 * MIB; at += 128 * KIB) {
      const end = at + 128 * KIB;
      const range = ahead.next(7, at, end, 16 * MIB);
      if (range !== undefined) {
        expect(range.start).toBe(Math.max(end, until));
        until = range.end;
      }
      expect(until).toBeGreaterThan(end);
      longest = Math.max(longest, until - end);
    }
    expect(longest).toBe(12 * MIB);
  });

  it("takes requests that come a little out of order for those of one reader", () => {
    const ahead = new ReadAhead();
    const fetched: Array<number> = [];
    for (let pair = 0; pair < 64; pair++) {
      for (const index of [2 * pair + 1, 2 * pair]) {
        const range = ahead.next(7, index * 128 * KIB, (index + 1) * 128 * KIB, 16 * MIB);
        if (range !== undefined) fetched.push(range.start, range.end);
      }
    }
    expect(fetched.length).toBeGreaterThan(4);
    expect(fetched).toEqual([...fetched].sort((one, other) => one - other));
  });

  it("leaves alone who reads here and there, until he goes on from there", () => {
    const ahead = new ReadAhead();
    for (let index = 1; index < 20; index++) {
      const at = ((index * 7919) % 100) * 8 * MIB + 4 * MIB;
      expect(ahead.next(7, at, at + 4 * KIB, 16 * MIB)).toBeUndefined();
    }
    expect(ahead.next(7, 900 * MIB, 901 * MIB, 16 * MIB)).toBeUndefined();
    expect(ahead.next(7, 901 * MIB, 902 * MIB, 16 * MIB)).toEqual({ start: 902 * MIB, end: 902.5 * MIB });
  });

  it("stays within what it is given, and does nothing where that is too little", () => {
    const ahead = new ReadAhead();
    expect(ahead.next(7, 0, 4 * KIB, 64 * KIB)).toEqual({ start: 4 * KIB, end: 68 * KIB });
    expect(ahead.next(8, 0, 4 * KIB, 0)).toBeUndefined();
  });
});
