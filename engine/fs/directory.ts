/**
 * Directories inside transactions: rows of names by hash.
 *
 * A row holds all names of one hash, each in a slot that it keeps; hash and slot make the cookie of readdir, so a name
 * is found again behind its cookie whatever comes and goes around it. The size of a directory is its number of entries.
 */
import type { Transaction } from "../btree/transaction.ts";
import { SNAPSHOT_ROOT, Table, VALUE_BYTES_MAX } from "../format/tables.ts";
import { decodeDirent, type Dirent, DIRENT_SLOTS, direntBytes, encodeDirent } from "../format/values/dirent.ts";
import { reached } from "../marks.ts";
import { sameName } from "./names.ts";
import { type DirectoryEntry, FsError } from "./types.ts";

/** A name with its place in a directory. */
export interface NamePlace {
  readonly directory: number;
  readonly name: Uint8Array;
  /** Offset of the row: the hash with room for the slots. */
  readonly offset: number;
}

export const offsetOfHash = (hash: number): number => hash * DIRENT_SLOTS;

function namesAt(tx: Transaction, { directory, offset }: NamePlace): ReadonlyArray<Dirent> {
  if (!tx.find(Table.dirents, directory, offset, SNAPSHOT_ROOT)) return [];
  return decodeDirent(tx.view, tx.at, tx.length);
}

function storeNames(tx: Transaction, { directory, offset }: NamePlace, names: ReadonlyArray<Dirent>): void {
  if (names.length === 0) return tx.remove(Table.dirents, directory, offset, SNAPSHOT_ROOT);
  tx.put(Table.dirents, directory, offset, SNAPSHOT_ROOT, direntBytes(names));
  encodeDirent(tx.out, tx.outAt, names);
}

export function findName(tx: Transaction, place: NamePlace): Dirent | undefined {
  return namesAt(tx, place).find(({ name }) => sameName(name, place.name));
}

/** Adds a name; an error when it is there already or the row has no slot left. */
export function addName(tx: Transaction, place: NamePlace, inode: number, type: number): FsError | undefined {
  const names = namesAt(tx, place);
  if (names.some(({ name }) => sameName(name, place.name))) return new FsError("Exists");
  if (names.length > 0) reached("names of one hash");
  let slot = 0;
  while (names.some((other) => other.slot === slot)) slot++;
  const all = [...names, { inode, type, slot, name: place.name }];
  if (slot >= DIRENT_SLOTS || direntBytes(all) > VALUE_BYTES_MAX) {
    return new FsError("NoSpace", "too many names of one hash");
  }
  storeNames(tx, place, all);
  return undefined;
}

export function removeName(tx: Transaction, place: NamePlace): void {
  storeNames(
    tx,
    place,
    namesAt(tx, place).filter(({ name }) => !sameName(name, place.name)),
  );
}

/** Makes a name stand for another inode; it keeps its slot. */
export function replaceName(tx: Transaction, place: NamePlace, inode: number, type: number): void {
  storeNames(
    tx,
    place,
    namesAt(tx, place).map((entry) => (sameName(entry.name, place.name) ? { ...entry, inode, type } : entry)),
  );
}

/** Entries behind a cookie, at most `countMax`. */
export function listNames(tx: Transaction, directory: number, cookie: number, countMax: number): Array<DirectoryEntry> {
  const found: Array<DirectoryEntry> = [];
  const from = cookie === 0 ? 0 : cookie - 1 - ((cookie - 1) % DIRENT_SLOTS);
  const scan = tx.scan(Table.dirents, directory, from, 0);
  while (found.length < countMax && scan.next() && scan.inode === directory) {
    const names = [...decodeDirent(scan.view, scan.at, scan.length)].sort((a, b) => a.slot - b.slot);
    for (const { inode, type, slot, name } of names) {
      const own = scan.offset + slot + 1;
      if (own > cookie && found.length < countMax) found.push({ name, inode, type, cookie: own });
    }
  }
  return found;
}

export function isEmpty(tx: Transaction, directory: number): boolean {
  const scan = tx.scan(Table.dirents, directory, 0, 0);
  return !scan.next() || scan.inode !== directory;
}
