/**
 * Bytes that were punched away and came back. A hole over many extents takes several transactions, and takes effect with
 * the first; reads still saw the rows that were left to be taken out. Somebody who wipes a part of a file, and reads it
 * while that goes on, would have seen zeros once and the old bytes after that:
 *
 *     client 1: read(2, 8998912, 500): byte 8998912 is 60 (write 1, its byte 8998912), expected 0 (zeros)
 *
 * Made short from two clients, one of whom punches while the other reads a few times. Seed 1 repeats a run in which a read
 * falls between the transactions.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const readWhilePunched = scripted({
  name: "regressions/read-while-punched",
  summary: "a big file is read while a hole is punched over all of it",
  draws: "hand:17",
  geometry: { capacityBytes: 33554432, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  format: { compression: "none" },
  crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 },
  clients: [
    [
      { kind: "create", path: "/a" },
      { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 9998336, texture: "text" } },
      { kind: "fsync", target: "/a" },
      { kind: "fallocate", target: "/a", mode: "punch", offsetBytes: 0, lengthBytes: 9998336, keepSize: false },
    ],
    [
      { kind: "create", path: "/a" },
      { kind: "fsync", target: "/a" },
      { kind: "read", target: "/a", offsetBytes: 8998912, lengthBytes: 500 },
      { kind: "read", target: "/a", offsetBytes: 8998912, lengthBytes: 500 },
      { kind: "read", target: "/a", offsetBytes: 8998912, lengthBytes: 500 },
      { kind: "read", target: "/a", offsetBytes: 8998912, lengthBytes: 500 },
    ],
  ],
});
