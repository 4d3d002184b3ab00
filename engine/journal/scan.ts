/**
 * From the entries found in the journal buckets to the live sequence of entries; pure.
 *
 * Every opening of a pool that writes is an epoch. An entry is dead when a later epoch began at or before its sequence:
 * it was written by an earlier run and then given up, however valid it looks. The live entries from the last one known
 * to be flushed onwards, as far as none is missing, are the candidates; whether what they refer to arrived is checked
 * by recovery, which may end the journal earlier, but never before the last known flush.
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
      /** Contiguous by sequence, from the oldest that the last one needs; `entries[0]` may be older than needed. */
      readonly entries: ReadonlyArray<FoundEntry>;
      /** Highest sequence that some entry knows to be flushed. */
      readonly flushedSequence: number;
      /** Highest epoch of any entry, dead ones included. */
      readonly epoch: number;
    };

/** Entries that no later epoch has superseded, by sequence. */
function liveBySequence(found: ReadonlyArray<FoundEntry>): Map<number, FoundEntry> {
  const epochs = new Map<number, number>();
  for (const { entry } of found) epochs.set(entry.epoch, entry.epochStart);
  const newestFirst = [...epochs].sort((a, b) => b[0] - a[0]);
  const limits = new Map<number, number>();
  let limit = Number.POSITIVE_INFINITY;
  for (const [epoch, start] of newestFirst) {
    limits.set(epoch, limit);
    limit = Math.min(limit, start);
  }
  const live = new Map<number, FoundEntry>();
  for (const candidate of found) {
    const { sequence, epoch } = candidate.entry;
    if (sequence < limits.get(epoch)!) live.set(sequence, candidate);
    else reached("journal entry of an earlier epoch ignored");
  }
  return live;
}

export function chainOf(found: ReadonlyArray<FoundEntry>): Chain {
  if (found.length === 0) return { _tag: "Empty" };
  const live = liveBySequence(found);
  let flushedSequence = 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (const [sequence, { entry }] of live) {
    flushedSequence = Math.max(flushedSequence, entry.flushedSequence);
    lowest = Math.min(lowest, sequence);
  }
  const anchor = flushedSequence === 0 ? lowest : flushedSequence;
  if (!live.has(anchor)) {
    return { _tag: "Damaged", detail: `journal entry ${anchor}, known to be durable, cannot be read` };
  }
  let last = anchor;
  while (live.has(last + 1)) last++;
  if (live.size > 0 && Math.max(...live.keys()) > last) reached("torn journal tail dropped");
  let first = anchor;
  while (live.has(first - 1)) first--;
  const entries: Array<FoundEntry> = [];
  for (let sequence = first; sequence <= last; sequence++) entries.push(live.get(sequence)!);
  let epoch = 0;
  for (const { entry } of found) epoch = Math.max(epoch, entry.epoch);
  return { _tag: "Chain", entries, flushedSequence, epoch };
}
