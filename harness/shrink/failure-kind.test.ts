import { describe, expect, it } from "vitest";
import type { SeedFailure } from "../run.ts";
import { kindOf } from "./failure-kind.ts";

const crash = (...lines: ReadonlyArray<string>): SeedFailure => ({
  where: "crash",
  message: ["crash state 3 (issue of write 41: everything survives):", ...lines].join("\n"),
});
const run = (message: string): SeedFailure => ({ where: "run", message });

describe("the kind of a failure", () => {
  it.each([
    [
      crash("recovered is not the state after #1 a (crash after #2, 1 syncs completed)", "/a/x: is missing (inode 2)"),
      crash(
        "recovered is not any state from #1 a to #3 b",
        "closest is the state after #3 b:",
        "/z: is missing (inode 9)",
      ),
      "crash: is missing",
    ],
    [
      crash(
        "recovery crashed at write 8: nothing volatile survives: recovered is not the state after #7",
        "recovery crashed at write 8: nothing volatile survives: /x: byte 17 is 0 (zeros), allowed are 5",
      ),
      crash("recovered is not the state after #1", "/y: byte 4096 is 255 (unknown bytes), allowed are none"),
      "crash: byte N is wrong",
    ],
    [
      crash("check, extents: extent (2, 100, 4294967295) has data behind the end of the file at 0"),
      crash("check, extents: something else"),
      "crash: check, extents",
    ],
    [
      crash("used and crashed again at issue of write 4: the first 2 volatile operations survive: check, extents: x"),
      crash(
        "recovery crashed at flush 8: everything survives: used and crashed again at complete of discard 9: nothing volatile survives: check, extents: y",
      ),
      "crash: check, extents",
    ],
    [
      crash(
        "used and crashed again at issue of write 4: everything survives: client of the next life: read(2): NoEntry",
      ),
      crash("client of the next life: read(7, 0, 10): NoEntry"),
      "crash: answer to read: NoEntry",
    ],
    [
      { where: "end", message: "after a clean close:\n3 inodes are kept that no name leads to" },
      { where: "end", message: "after a clean close:\n1 inodes are kept that no name leads to" },
      "end: N inodes are kept that no name leads to",
    ],
    [
      run("client 0: lookup(1/y): inode 2 has links 3, expected 2"),
      run("client 2: lookup(7/long: name): inode 30 has links 2, expected 1"),
      "run: answer to lookup: inode N has links N",
    ],
    [
      run("Error: block 12 is not free\n    at f (engine/a.js:1:2)\n    at g"),
      run("Error: block 7 is not free\n    at other"),
      "run: Error: block N is wrong",
    ],
    [
      run("at 86400.000 s it goes on; waiting: client 0, fsync(7)"),
      run("at 86399.100 s it goes on; waiting: client 1, the pool (run)"),
      "run: it goes on",
    ],
  ] as const)("leaves out numbers, names and places: %#", (one, other, kind) => {
    expect([kindOf(one), kindOf(other)]).toEqual([kind, kind]);
  });

  it("tells apart what is wrong, what was asked, which pass found it, and when", () => {
    const kinds = [
      crash("recovered is not the state after #1", "/a: is missing (inode 2)"),
      crash("recovered is not the state after #1", "/a: should not be there (inode 2)"),
      crash("recovered is not the state after #1", "/a: its size is 4, allowed are 3"),
      crash("recovered is not the state after #1", "/a: links is 4, expected 3"),
      crash("check, extents: x"),
      crash("check, inodes: x"),
      run("client 0: read(2, 0, 10): NoEntry, expected success"),
      run("client 0: write(2, 0, 10 bytes): NoEntry, expected success"),
      run("client 0: write(2, 0, 10 bytes): InputOutput, expected success"),
      { where: "end" as const, message: "after a clean close:\ncheck, extents: x" },
    ].map(kindOf);
    expect(new Set(kinds).size).toBe(kinds.length);
  });
});
