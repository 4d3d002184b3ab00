/**
 * From the entries found in the journal buckets to the live sequence of entries; pure.
 *
 * Every opening of a pool that writes is an epoch. An entry is dead when a later epoch began at or before its sequence:
 * it was written by an earlier run and then given up, however valid it looks. The live entries from the last one known
 * to be flushed onwards, as far as each was written behind the one before it, are the candidates; whether what they
 * refer to arrived is checked by recovery, which may end the journal earlier, but never before the last known flush.
 */
import type { JournalEntry } from "../format/journal-entry.ts";
import { reached } from "../marks.ts";

export interface FoundEntry {
  /** Index of the bucket in the ring. */
  readonly slot: number;
  readonly entry: JournalEntry;
}

export type Chain =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Damaged"; readonly detail: string }
  | {
      readonly _tag: "Chain";
      /** Each follows the one before it, from the oldest that the last one needs; `entries[0]` may be older than needed. */
      readonly entries: ReadonlyArray<FoundEntry>;
      /** Highest sequence that some entry knows to be flushed. */
      readonly flushedSequence: number;
      /** Highest epoch of any entry, dead ones included. */
      readonly epoch: number;
    };

/**
 * Entries that no later epoch has superseded, by sequence. Of one sequence there can be two: the number of an epoch of
 * which nothing could be read is used again, and what was behind an unreadable part may turn up later.
 */
class Live {
  private readonly bySequence = new Map<number, Array<FoundEntry>>();

  constructor(found: ReadonlyArray<FoundEntry>) {
    const limits = limitsOf(found);
    for (const candidate of found) {
      const { sequence, epoch } = candidate.entry;
      if (sequence < limits.get(epoch)!) this.add(sequence, candidate);
      else reached("journal entry of an earlier epoch ignored");
    }
  }

  private add(sequence: number, candidate: FoundEntry): void {
    const others = this.bySequence.get(sequence);
    if (others === undefined) this.bySequence.set(sequence, [candidate]);
    else others.push(candidate);
  }

  get sequences(): ReadonlyArray<number> {
    return [...this.bySequence.keys()];
  }

  get flushedSequence(): number {
    let flushed = 0;
    for (const each of this.bySequence.values()) {
      for (const { entry } of each) flushed = Math.max(flushed, entry.flushedSequence);
    }
    return flushed;
  }

  at(sequence: number): ReadonlyArray<FoundEntry> {
    return this.bySequence.get(sequence) ?? [];
  }

  /** All that stand before and behind this one, each written behind the one before it. */
  chainThrough(anchor: FoundEntry): ReadonlyArray<FoundEntry> {
    const before: Array<FoundEntry> = [];
    for (let at = anchor.entry; ;) {
      const found = this.at(at.sequence - 1).find(({ entry }) => entry.checksum === at.previous);
      if (found === undefined) break;
      before.push(found);
      at = found.entry;
    }
    const behind: Array<FoundEntry> = [];
    for (let at = anchor.entry; ;) {
      const found = this.at(at.sequence + 1).find(({ entry }) => entry.previous === at.checksum);
      if (found === undefined) break;
      behind.push(found);
      at = found.entry;
    }
    return [...before.reverse(), anchor, ...behind];
  }
}

/** For each epoch the sequence from which on its entries are dead. */
function limitsOf(found: ReadonlyArray<FoundEntry>): ReadonlyMap<number, number> {
  const epochs = new Map<number, number>();
  for (const { entry } of found) epochs.set(entry.epoch, entry.epochStart);
  const newestFirst = [...epochs].sort((a, b) => b[0] - a[0]);
  const limits = new Map<number, number>();
  let limit = Number.POSITIVE_INFINITY;
  for (const [epoch, start] of newestFirst) {
    limits.set(epoch, limit);
    limit = Math.min(limit, start);
  }
  return limits;
}

export function chainOf(found: ReadonlyArray<FoundEntry>): Chain {
  if (found.length === 0) return { _tag: "Empty" };
  const live = new Live(found);
  const { flushedSequence, sequences } = live;
  const anchor = flushedSequence === 0 ? Math.min(...sequences) : flushedSequence;
  let entries: ReadonlyArray<FoundEntry> = [];
  for (const candidate of live.at(anchor)) {
    const chain = live.chainThrough(candidate);
    if (chain.length > entries.length) entries = chain;
  }
  const last = entries.at(-1)?.entry.sequence;
  if (last === undefined) {
    return { _tag: "Damaged", detail: `journal entry ${anchor}, known to be durable, cannot be read` };
  }
  if (Math.max(...sequences) > last) reached("torn journal tail dropped");
  let epoch = 0;
  for (const { entry } of found) epoch = Math.max(epoch, entry.epoch);
  return { _tag: "Chain", entries, flushedSequence, epoch };
}
