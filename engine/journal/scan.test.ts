import { describe, expect, it } from "vitest";
import { JournalEntry } from "../format/journal-entry.ts";
import { chainOf, type FoundEntry } from "./scan.ts";

interface Spec {
  readonly sequence: number;
  readonly epoch?: number;
  readonly epochStart?: number;
  readonly flushed?: number;
  /** Tells entries of one sequence and epoch apart. */
  readonly twin?: number;
  /** Epoch and twin of the entry that it was written behind; its own if not said. */
  readonly behind?: readonly [epoch: number, twin: number];
}

const checksumFor = (sequence: number, epoch: number, twin: number): bigint =>
  BigInt(sequence * 100 + epoch * 10 + twin);

function entry({
  sequence,
  epoch = 1,
  epochStart = 1,
  flushed = 0,
  twin = 0,
  behind = [epoch, twin],
}: Spec): FoundEntry {
  const head = {
    sequence,
    epoch,
    epochStart,
    flushedSequence: flushed,
    oldestNeeded: 1,
    clean: false,
    previous: checksumFor(sequence - 1, ...behind),
    roots: [],
    refs: [],
  };
  return { slot: 0, entry: new JournalEntry(head, checksumFor(sequence, epoch, twin), 4096, new Int32Array(0)) };
}

const sequences = (specs: ReadonlyArray<Spec>): ReadonlyArray<string> => {
  const chain = chainOf(specs.map(entry));
  if (chain._tag !== "Chain") return [chain._tag];
  return chain.entries.map(({ entry: { sequence, epoch } }) => `${sequence}/${epoch}`);
};

describe("journal chain", () => {
  it("takes the entries in sequence, whatever order they were found in", () => {
    expect(sequences([{ sequence: 3 }, { sequence: 1 }, { sequence: 2 }])).toEqual(["1/1", "2/1", "3/1"]);
  });

  it("ends at the first missing entry behind the last known flush", () => {
    expect(sequences([{ sequence: 1 }, { sequence: 2, flushed: 1 }, { sequence: 4, flushed: 2 }])).toEqual([
      "1/1",
      "2/1",
    ]);
  });

  it("ignores entries of an earlier epoch at or behind the start of a later one", () => {
    const specs: ReadonlyArray<Spec> = [
      { sequence: 1 },
      { sequence: 2, flushed: 1 },
      { sequence: 3 },
      { sequence: 4 },
      { sequence: 3, epoch: 2, epochStart: 3, flushed: 2, behind: [1, 0] },
    ];
    expect(sequences(specs)).toEqual(["1/1", "2/1", "3/2"]);
  });

  it("does not let an old entry stand in for a torn one of the new epoch", () => {
    const specs = [
      { sequence: 1 },
      { sequence: 2, flushed: 1 },
      { sequence: 3 },
      { sequence: 4, epoch: 2, epochStart: 3, flushed: 2 },
    ];
    expect(sequences(specs)).toEqual(["1/1", "2/1"]);
  });

  it("does not let an entry that was given up stand behind one of the same epoch that was written in its place", () => {
    // The entries of the twin could not be read when the number of the epoch was used again.
    const given = [
      { sequence: 4, epoch: 2, epochStart: 3, twin: 1 },
      { sequence: 5, epoch: 2, epochStart: 3, twin: 1 },
    ];
    const first: Spec = { sequence: 3, epoch: 2, epochStart: 3, flushed: 2, behind: [1, 0] };
    const durable: ReadonlyArray<Spec> = [{ sequence: 1 }, { sequence: 2, flushed: 1 }, first];
    expect(sequences([...durable, ...given])).toEqual(["1/1", "2/1", "3/2"]);
    const next: Spec = { sequence: 4, epoch: 2, epochStart: 3 };
    for (const found of [
      [...durable, next, ...given],
      [...given, ...durable, next],
    ]) {
      expect(sequences(found)).toEqual(["1/1", "2/1", "3/2", "4/2"]);
    }
  });

  it("calls the journal damaged when an entry known to be durable is gone", () => {
    expect(sequences([{ sequence: 5, flushed: 4 }])).toEqual(["Damaged"]);
  });

  it("is empty when nothing was found", () => {
    expect(sequences([])).toEqual(["Empty"]);
  });
});
