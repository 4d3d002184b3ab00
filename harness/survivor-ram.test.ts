import { describe, expect, it } from "vitest";
import { SurvivorRam } from "./survivor-ram.ts";

const bytesOf = (ram: SurvivorRam): Array<number> => [...ram.read(0, ram.sizeBytes())];
const text = (ram: SurvivorRam): string => JSON.stringify(ram);

describe("memory that outlives a simulated process", () => {
  it("shares what was written with a fork, and nothing that is written later", () => {
    const ram = new SurvivorRam();
    ram.write(0, new Uint8Array([1, 2, 3, 4]));
    const fork = ram.fork([2, new Uint8Array([9, 9, 9])]);
    ram.write(1, new Uint8Array([7]));
    expect(bytesOf(ram)).toEqual([1, 7, 3, 4]);
    expect(bytesOf(fork)).toEqual([1, 2, 9, 9, 9]);
  });

  it("is the same text if and only if it holds the same", () => {
    const ram = new SurvivorRam();
    ram.write(5000, new Uint8Array(9000).fill(3));
    const same = ram.fork();
    expect(text(same)).toBe(text(ram));
    const before = text(ram);
    ram.write(9000, new Uint8Array([4]));
    expect(text(ram)).not.toBe(before);
    expect(text(same)).toBe(before);
    ram.write(9000, new Uint8Array([3]));
    expect(text(ram)).toBe(before);
    ram.write(ram.sizeBytes(), new Uint8Array(1));
    expect(text(ram)).not.toBe(before);
  });

  it("grows, and keeps what forks of it hold", () => {
    const ram = new SurvivorRam();
    ram.write(0, new Uint8Array([1]));
    const fork = ram.fork();
    const far = 9 * 1024 * 1024;
    ram.write(far, new Uint8Array([2]));
    ram.write(0, new Uint8Array([5]));
    expect([...ram.read(far, 10)]).toEqual([2]);
    expect(bytesOf(fork)).toEqual([1]);
    expect([...ram.read(far + 1, 10)]).toEqual([]);
  });
});
