/**
 * What came of mounting a corrupted image and reading it: compares what was found with what the pool is known to hold.
 *
 * Everything that was read must be as it was at one moment of the pool's life. What could not be read says nothing; a
 * name that is missing from a directory that could be read is wrong. Pure.
 */
import type { Entry, Manifest } from "./manifest.ts";

/** What a reader found at a path: whatever could be read of it. */
export interface FoundEntry extends Partial<Omit<Entry, "pieces">> {
  /** Checksums by offset and length, `offset+length`; undefined: not read, or not a file. */
  readonly pieces?: Readonly<Record<string, string>>;
  /** Names, of a directory that could be listed. */
  readonly names?: ReadonlyArray<string>;
}

export interface Found {
  readonly entries: Readonly<Record<string, FoundEntry>>;
  /** What could not be read, with the error. */
  readonly errors: ReadonlyArray<string>;
}

/** How an image ended. The last three must never be. */
export const OUTCOMES = ["refused", "right", "earlier", "errors", "changed", "WRONG", "CRASH", "HANG"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export const FINDINGS: ReadonlySet<Outcome> = new Set(["WRONG", "CRASH", "HANG"]);

const FIELDS = ["mode", "links", "uid", "gid", "rdev", "sizeBytes", "modified", "target"] as const;
const DIFFERENCES_MAX = 5;

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

function namesBelow(manifest: Manifest): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const path of Object.keys(manifest)) {
    if (path === "") continue;
    const parent = parentOf(path);
    const below = names.get(parent) ?? new Set();
    names.set(parent, below.add(nameOf(path)));
  }
  return names;
}

function* entryDifferences(path: string, found: FoundEntry, expected: Entry): Generator<string> {
  for (const field of FIELDS) {
    const is = found[field];
    if (is !== undefined && is !== expected[field]) yield `${path}: ${field} is ${is}, was ${expected[field]}`;
  }
  if (found.pieces !== undefined) {
    for (const [offset, length, checksum] of expected.pieces ?? []) {
      const is = found.pieces[`${offset}+${length}`];
      if (is !== undefined && is !== checksum) yield `${path}: other content from ${offset}, ${length} bytes`;
    }
  }
  if (found.xattrs !== undefined) {
    for (const name of new Set([...Object.keys(found.xattrs), ...Object.keys(expected.xattrs)])) {
      const [is, was] = [found.xattrs[name], expected.xattrs[name]];
      if (is !== was) yield `${path}: attribute ${name} is ${is}, was ${was}`;
    }
  }
}

/** In what the found tree differs from a state; empty if all that could be read is as it was. */
export function differences({ entries }: Found, state: Manifest): ReadonlyArray<string> {
  const names = namesBelow(state);
  const list: Array<string> = [];
  for (const [path, found] of Object.entries(entries)) {
    if (list.length >= DIFFERENCES_MAX) break;
    const expected = state[path];
    if (expected === undefined) {
      list.push(`${path}: was not there`);
      continue;
    }
    list.push(...entryDifferences(path, found, expected));
    if (found.names === undefined) continue;
    const there = new Set(found.names);
    for (const name of names.get(path) ?? []) if (!there.has(name)) list.push(`${path}/${name}: is missing`);
    if (there.size !== found.names.length) list.push(`${path}: a name is listed twice`);
  }
  return list;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly details: ReadonlyArray<string>;
}

/** `states`: newest first. `earlierAllowed`: what a pool that was stopped, or put back, may show. */
export function judge(
  found: Found,
  states: ReadonlyArray<Manifest>,
  { sealed, earlierAllowed }: { readonly sealed: boolean; readonly earlierAllowed: boolean },
): Verdict {
  const newest = differences(found, states[0]!);
  if (newest.length === 0) return { outcome: found.errors.length === 0 ? "right" : "errors", details: found.errors };
  if (sealed) return { outcome: "changed", details: newest };
  const earlier = states.slice(1).some((state) => differences(found, state).length === 0);
  return { outcome: earlier && earlierAllowed ? "earlier" : "WRONG", details: newest };
}
