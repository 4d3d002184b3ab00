import { expect, it } from "vitest";
import { ReadCache } from "./read-cache.ts";
import { Pieces, ReadMemory } from "./read-memory.ts";

it("memory of a read is used again when cache and answers have let go of it, and not before", () => {
  let reused = 0;
  const memory = new ReadMemory(() => reused++);
  const cache = new ReadCache({ readCacheBytes: 100 });
  const bytes = new Uint8Array(60);
  cache.put("one", { bytes: bytes.subarray(0, 30), memory });
  cache.put("other", { bytes: bytes.subarray(30), memory });
  memory.hold();
  const answer = new Pieces([bytes.subarray(0, 30)], [{ memory }]);
  memory.release();
  cache.put("new", { bytes: new Uint8Array(70), memory: undefined });
  expect([cache.has("one"), cache.has("other"), reused]).toEqual([false, true, 0]);
  cache.drop("other");
  expect(reused).toBe(0);
  answer.release();
  answer.release();
  expect(reused).toBe(1);
});

it("memory that is held or let go of once more than it may be is a broken invariant", () => {
  const memory = new ReadMemory(() => {});
  memory.release();
  expect(() => memory.release()).toThrow("more often");
  expect(() => memory.hold()).toThrow("let go of by all");
});
