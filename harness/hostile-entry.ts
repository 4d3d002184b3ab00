/**
 * Journal entries with right checksums that say absurd things, and the rows that they are made of.
 *
 * Behind a journal one more entry is put, linked and sealed as the engine would, with rows that were turned upside down:
 * values with extreme numbers, keys of other rows, lengths that fit nothing, pointers to anywhere. Pure but for reading
 * the pool.
 */
import * as Effect from "effect/Effect";
import { eachRow } from "../engine/check/rows.ts";
import {
  encodeEntry,
  type EntryHead,
  type EntryRoot,
  type JournalEntry,
  UPDATE_HEAD_WORDS,
  UpdateBuffer,
} from "../engine/format/journal-entry.ts";
import { encodePointer, pointerBytes } from "../engine/format/pointer.ts";
import { SNAPSHOT_ROOT, TABLE_COUNT, VALUE_BYTES_MAX } from "../engine/format/tables.ts";
import type { Pool } from "../engine/pool/pool.ts";
import { readJournal } from "../engine/pool/recovery.ts";
import type { Prng } from "./entropy.ts";

const UPDATE_BYTES_MAX = 64 * 1024;
/** Numbers at which arithmetic goes wrong. */
const EXTREMES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const FAR = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER];

export interface Row {
  readonly table: number;
  readonly level: number;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly value: Uint8Array;
}

/** What a closed pool holds, and where its journal ends. */
export interface JournalledRows {
  readonly rows: ReadonlyArray<Row>;
  readonly last: JournalEntry;
  /** Byte address behind the last entry, and how much room is there. */
  readonly endBytes: number;
  readonly roomBytes: number;
}

export function journalledRows(opened: Pool): Effect.Effect<JournalledRows, unknown> {
  const { io, superblock, btree, trees } = opened.runtime;
  return Effect.gen(function* () {
    const rows: Array<Row> = [];
    for (let table = 0; table < TABLE_COUNT; table++) {
      yield* eachRow(btree, table, ({ inode, offset, snapshot, view, at, length }) => {
        rows.push({ table, level: 0, inode, offset, snapshot, value: new Uint8Array(view.buffer, at, length).slice() });
      });
    }
    for (const tree of trees.all) {
      for (const { level, lowInode, lowOffset, lowSnapshot, pointer } of tree.nodes()) {
        if (pointer === undefined) continue;
        const value = new Uint8Array(pointerBytes(pointer));
        encodePointer(new DataView(value.buffer), 0, pointer);
        const [inode, offset, snapshot] = [lowInode, lowOffset, lowSnapshot];
        rows.push({ table: tree.root.table, level: level + 1, inode, offset, snapshot, value });
      }
    }
    const { entries } = yield* readJournal(io, superblock);
    const { slot, entry: last } = entries.at(-1)!;
    const { device, bucket } = superblock.journalBuckets[slot]!;
    const { layout } = io.member(device);
    const usedBytes = yield* usedBytesOf(opened, slot);
    return { rows, last, endBytes: layout.start(bucket) + usedBytes, roomBytes: layout.usableBytes - usedBytes };
  });
}

/** Bytes of the journal bucket up to the end of the last entry, which a clean close leaves as the last thing in it. */
function usedBytesOf(opened: Pool, slot: number): Effect.Effect<number, unknown> {
  const { io, superblock } = opened.runtime;
  const { device, bucket } = superblock.journalBuckets[slot]!;
  const { layout } = io.member(device);
  return Effect.map(io.read(device, layout.start(bucket), layout.usableBytes), (bytes) => {
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    return layout.roundUp(used);
  });
}

/** Turns one row into something that nobody would write. */
function deranged(random: Prng, row: Row, rows: ReadonlyArray<Row>): Row {
  const value = row.value.slice();
  const view = new DataView(value.buffer);
  switch (random.below(8)) {
    case 0:
    case 1:
      for (let turned = 0; turned < 1 + random.below(4) && value.length > 0; turned++) {
        value[random.below(value.length)]! ^= 1 << random.below(8);
      }
      return { ...row, value };
    case 2:
    case 3:
      if (value.length >= 4) view.setUint32(random.below(value.length - 3), random.pick(EXTREMES), true);
      return { ...row, value };
    case 4: {
      const length = random.pick([0, 1, value.length - 1, value.length + 1, value.length * 2, VALUE_BYTES_MAX]);
      const other = new Uint8Array(Math.min(VALUE_BYTES_MAX, Math.max(0, length)));
      other.set(value.subarray(0, other.length));
      return { ...row, value: other };
    }
    case 5:
      return random.chance(0.5) ? { ...row, inode: random.pick(FAR) } : { ...row, offset: random.pick(FAR) };
    case 6: {
      const { inode, offset } = random.pick(rows);
      return random.chance(0.5) ? { ...row, inode } : { ...row, offset };
    }
    default:
      return random.chance(0.7)
        ? { ...row, table: random.below(TABLE_COUNT) }
        : { ...row, level: random.below(3), snapshot: random.pick([0, 1, SNAPSHOT_ROOT]) };
  }
}

function put(updates: UpdateBuffer, { table, level, inode, offset, snapshot, value }: Row): void {
  const words = new Int32Array(Math.ceil(value.length / 4));
  new Uint8Array(words.buffer).set(value);
  updates.put(table, level, inode, offset, snapshot, words, 0, value.length);
}

/** An entry that verifies, as the next one of the journal. */
export function hostileEntry(
  random: Prng,
  { rows, last }: JournalledRows,
  uuid: Uint8Array,
  blockBytes: number,
): Uint8Array {
  const updates = new UpdateBuffer(UPDATE_BYTES_MAX);
  for (let count = 1 + random.below(12); count > 0; count--) {
    const row = random.pick(rows);
    if (updates.remainingWords < 2 * UPDATE_HEAD_WORDS + VALUE_BYTES_MAX / 4) break;
    if (random.chance(0.15)) updates.remove(row.table, row.level, row.inode, row.offset, row.snapshot);
    else put(updates, deranged(random, row, rows));
  }
  const strange = (root: EntryRoot): EntryRoot =>
    random.chance(0.5) ? { ...root, level: random.below(4) } : { ...root, pointer: random.pick(last.roots).pointer };
  const head: EntryHead = {
    sequence: last.sequence + 1,
    epoch: last.epoch + random.pick([0, 1, 1, 1]),
    epochStart: last.sequence + 1,
    flushedSequence: last.sequence,
    oldestNeeded: random.chance(0.9) ? last.sequence + 1 : last.oldestNeeded,
    clean: random.chance(0.2),
    previous: last.checksum,
    roots: random.chance(0.1) ? last.roots.map((root) => (random.chance(0.3) ? strange(root) : root)) : last.roots,
    refs: [],
  };
  return encodeEntry(head, updates, uuid, blockBytes);
}

/** A typed failure is an answer; one that carries a stack was thrown by what broke. */
export const isBroken = (failure: unknown): boolean =>
  /\n\s+at /u.test(JSON.stringify(failure).replaceAll("\\n", "\n"));
