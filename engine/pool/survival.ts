/**
 * Going on where an earlier process stopped: what it kept in memory that outlived it, on top of what the devices hold.
 *
 * What was kept counts only if the journal ends where its process can have left it; if anything else was written since,
 * or an entry is missing, it is refused rather than laid over what it does not fit. Taking over is one step: the next
 * generation holds everything that the last one held before it counts, and nothing is written to a device before that.
 */
import { areUpdates, visitUpdates } from "../format/journal-entry.ts";
import { Malformed } from "../format/malformed.ts";
import type { EntryName, SurvivorRecord } from "../format/survivor-frame.ts";
import { Table } from "../format/tables.ts";
import type { SurvivorLog } from "../journal/survivor-log.ts";
import type { Generation } from "../journal/survivor-scan.ts";
import { reached } from "../marks.ts";
import type { RecoveredJournal } from "./recovery.ts";
import type { Runtime } from "./runtime.ts";

export interface Survival {
  /** The pool goes on as it was, for whoever had files open. */
  readonly hot: boolean;
  readonly commits: ReadonlyArray<Int32Array>;
  readonly records: ReadonlyArray<SurvivorRecord>;
  readonly note: Uint8Array;
}

const COLD: Survival = { hot: false, commits: [], records: [], note: new Uint8Array(0) };

const isEntry = ({ last }: RecoveredJournal, { sequence, checksum }: EntryName): boolean =>
  last !== undefined && last.sequence === sequence && last.checksum === checksum;

/** Why the journal cannot be what the process of this generation left; undefined if it can. */
function misfit(recovered: RecoveredJournal, generation: Generation, uuid: Uint8Array): string | undefined {
  const { last } = recovered;
  const { epoch, base, sequenceBefore } = generation;
  if (last === undefined || !generation.uuid.every((byte, at) => byte === uuid[at])) return "it is of another pool";
  const own = last.epoch === epoch && last.epochStart === base.sequence + 1;
  if (recovered.epoch > epoch || !(own || isEntry(recovered, base))) return "the pool was used by others since";
  if (last.sequence < sequenceBefore) return `journal entry ${sequenceBefore}, which was written, cannot be read`;
  return undefined;
}

/** What the process before left for this one, or why that cannot be used. */
export function survivalOf(log: SurvivorLog, recovered: RecoveredJournal, uuid: Uint8Array): Survival | string {
  const { survived } = log.found;
  switch (survived._tag) {
    case "Nothing":
      return COLD;
    case "Unusable":
      return survived.why;
    case "Settled":
      if (!isEntry(recovered, survived.end)) return "the pool was used by others since";
      reached("settled pool taken over");
      return { ...COLD, hot: true, note: survived.note };
    case "Generation": {
      const why = misfit(recovered, survived.generation, uuid);
      if (why !== undefined) return why;
      const { records } = survived.generation;
      const end = recovered.last!.sequence;
      const commits: Array<Int32Array> = [];
      for (const record of records) {
        if (record.kind !== "transaction" || record.sequence <= end) continue;
        if (!areUpdates(record.words)) throw new Malformed("a commit that was kept is not one");
        commits.push(record.words);
      }
      if (commits.length > 0) reached("commits taken over");
      return { hot: true, commits, records, note: new Uint8Array(0) };
    }
  }
}

/** Begins to keep what happens from now on, with all that is still needed of what was kept before. */
export function takeOver(log: SurvivorLog, runtime: Runtime, recovered: RecoveredJournal, survival: Survival): void {
  const { journal, buckets, superblock } = runtime;
  const { last } = recovered;
  const base = { sequence: last?.sequence ?? 0, checksum: last?.checksum ?? 0n };
  log.begin(superblock.uuid, journal.epoch, base);
  journal.readmit(survival.commits, log);
  // What these commits made free must wait until they are known to be durable, as it did before: where the journal is full
  // nodes are written first.
  for (const words of survival.commits) {
    visitUpdates(words, (table, level, device, bucket) => {
      if (table === Table.alloc && level === 0) buckets.keepUntil({ device, bucket }, journal.gathering.sequence);
    });
  }
  log.inherit(survival.records, survival.note);
  for (const record of survival.records) log.repeat(record);
  log.complete();
}
