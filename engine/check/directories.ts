/**
 * The passes over names: every name stands for an inode that exists and is of the type that the name says, every inode
 * has as many names as links, and every directory hangs in the tree of the root.
 *
 * Completes names, entries and subdirectories of the inodes.
 */
import type * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { decodeDirent, type Dirent, DIRENT_SLOTS } from "../format/values/dirent.ts";
import { eachRow, keyText, type Row } from "./rows.ts";
import { type CheckState, FileTypeBits, type InodeFacts, ROOT } from "./state.ts";

const PASS = "directories";
const NAME_BYTES_MAX = 255;
const SLASH = 0x2f;

const decoder = new TextDecoder();
const quoted = (name: Uint8Array): string => JSON.stringify(decoder.decode(name));

function nameFault(name: Uint8Array): string | undefined {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) return `has ${name.length} bytes`;
  if (name.includes(SLASH) || name.includes(0)) return "has a byte that no name has";
  const text = decoder.decode(name);
  return text === "." || text === ".." ? "is reserved" : undefined;
}

function checkName(state: CheckState, row: Row, directory: InodeFacts | undefined, entry: Dirent): void {
  const { findings, inodes, offsetOfName } = state;
  const what = `name ${quoted(entry.name)} in directory ${row.inode}`;
  const fault = nameFault(entry.name);
  if (fault !== undefined) findings.found(PASS, `${what} ${fault}`);
  if (offsetOfName !== undefined && offsetOfName(entry.name) !== row.offset) {
    findings.found(PASS, `${what} is not where its hash says`);
  }
  if (directory !== undefined) directory.entries++;
  const target = inodes.get(entry.inode);
  if (target === undefined)
    return findings.found(PASS, `${what} stands for inode ${entry.inode}, which does not exist`);
  target.names++;
  if (target.type !== entry.type) {
    findings.found(
      PASS,
      `${what} says type ${entry.type.toString(8)}, its inode ${entry.inode} is ${target.type.toString(8)}`,
    );
  }
  if (target.type !== FileTypeBits.directory) return;
  if (directory !== undefined) directory.subdirectories++;
  if (target.parent !== row.inode) {
    findings.found(PASS, `${what}: directory ${entry.inode} says that its parent is ${target.parent}`);
  }
}

export function checkDirectoryRows(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings, inodes } = state;
  return eachRow(state.transactor, Table.dirents, (row) => {
    const what = `names at ${keyText(row)}`;
    if (row.offset % DIRENT_SLOTS !== 0 || row.snapshot !== SNAPSHOT_ROOT)
      findings.found(PASS, `${what} have no such key`);
    const names = findings.decoded(PASS, what, () => decodeDirent(row.view, row.at, row.length));
    if (names === undefined) return;
    findings.count("names", names.length);
    const directory = inodes.get(row.inode);
    if (directory === undefined) findings.found(PASS, `${what}: the directory does not exist`);
    else if (directory.type !== FileTypeBits.directory)
      findings.found(PASS, `${what}: inode ${row.inode} is no directory`);
    if (new Set(names.map(({ slot }) => slot)).size !== names.length) findings.found(PASS, `${what} share a slot`);
    if (new Set(names.map(({ name }) => name.join())).size !== names.length)
      findings.found(PASS, `${what} repeat a name`);
    for (const entry of names) checkName(state, row, directory, entry);
  });
}

/** Link counts against names, and the sizes of directories against their entries. */
export function checkLinks(state: CheckState): void {
  const { findings, orphans } = state;
  for (const [inode, facts] of state.inodes) {
    const isDirectory = facts.type === FileTypeBits.directory;
    const names = facts.names + (inode === ROOT ? 1 : 0);
    if (isDirectory && facts.entries !== facts.sizeBytes) {
      findings.found("links", `directory ${inode} says ${facts.sizeBytes} entries and has ${facts.entries}`);
    }
    if (orphans.has(inode)) {
      if (names > 0) findings.found("links", `orphan ${inode} has ${names} names`);
      continue;
    }
    if (names === 0 && facts.links > 0) {
      findings.found("links", `inode ${inode} has ${facts.links} links and no name`);
      continue;
    }
    if (isDirectory && names > 1) findings.found("links", `directory ${inode} has ${names} names`);
    const links = isDirectory ? 2 + facts.subdirectories : names;
    if (facts.links !== links && facts.links !== 0) {
      findings.found("links", `inode ${inode} says ${facts.links} links and has ${links}`);
    }
  }
}

/** From every directory the parents lead to the root. */
export function checkReachability(state: CheckState): void {
  const { findings, inodes, orphans } = state;
  const settled = new Set<number>([ROOT]);
  for (const [start, { type }] of inodes) {
    if (type !== FileTypeBits.directory || orphans.has(start)) continue;
    const path = new Set<number>();
    let at = start;
    while (!settled.has(at) && !path.has(at)) {
      path.add(at);
      const facts = inodes.get(at);
      if (facts === undefined || facts.type !== FileTypeBits.directory) {
        findings.found("links", `directory ${start} hangs below inode ${at}, which is no directory`);
        break;
      }
      at = facts.parent;
    }
    if (path.has(at) && at !== start) findings.found("links", `directory ${start} hangs below a loop`);
    else if (path.has(at) && inodes.has(at)) findings.found("links", `directory ${start} is above itself`);
    for (const seen of path) settled.add(seen);
  }
}
