/**
 * The pass over the journal as recovery found it: entries in sequence, of one line of epochs, with sane updates.
 *
 * Whether an entry verifies, and where the journal ends, is recovery's business and was settled before.
 */
import type { JournalEntry } from "../format/journal-entry.ts";
import { TABLE_COUNT, VALUE_BYTES_MAX } from "../format/tables.ts";
import type { Findings } from "./findings.ts";

const PASS = "journal";

function checkUpdates(findings: Findings, entry: JournalEntry): void {
  entry.forEach((table, level, inode, offset, snapshot, _words, _word, lengthBytes) => {
    findings.count("journal updates");
    const known = table < TABLE_COUNT && lengthBytes <= VALUE_BYTES_MAX;
    const key = [inode, offset, snapshot].every((part) => Number.isSafeInteger(part) && part >= 0);
    if (!known || !key) {
      findings.found(
        PASS,
        `entry ${entry.sequence}: an update of table ${table}, level ${level}, key (${inode}, ${offset}, ${snapshot})`,
      );
    }
  });
}

export function checkJournal(findings: Findings, entries: ReadonlyArray<JournalEntry>): void {
  let before: JournalEntry | undefined;
  for (const entry of entries) {
    findings.count("journal entries");
    const { sequence, epoch } = entry;
    if (before !== undefined && sequence !== before.sequence + 1) {
      findings.found(PASS, `entry ${sequence} follows entry ${before.sequence}`);
    }
    if (before !== undefined && epoch < before.epoch) {
      findings.found(PASS, `entry ${sequence} is of epoch ${epoch}, the one before it of ${before.epoch}`);
    }
    if (entry.epochStart > sequence)
      findings.found(PASS, `entry ${sequence} is before the start of its epoch, ${entry.epochStart}`);
    if (entry.flushedSequence >= sequence)
      findings.found(PASS, `entry ${sequence} knows of a flush of entry ${entry.flushedSequence}`);
    if (entry.oldestNeeded > sequence) findings.found(PASS, `entry ${sequence} needs entry ${entry.oldestNeeded}`);
    if (new Set(entry.roots.map(({ table }) => table)).size !== entry.roots.length) {
      findings.found(PASS, `entry ${sequence} has two roots of one table`);
    }
    checkUpdates(findings, entry);
    before = entry;
  }
  const first = entries[0];
  if (first !== undefined && before !== undefined && first.sequence > before.oldestNeeded) {
    findings.found(PASS, `entry ${before.oldestNeeded} is needed and is not there`);
  }
}
