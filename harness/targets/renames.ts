/**
 * The renames of a history, read off the names: at one moment an inode loses one name and gets another.
 *
 * Whether something was replaced is part of it. Nothing here knows what a crash may do.
 */
import type { History } from "../oracle/history.ts";
import type { Inode } from "../oracle/inode.ts";

export interface Place {
  readonly directory: Inode;
  readonly name: string;
}

export interface Rename {
  readonly moment: number;
  readonly inode: Inode;
  readonly from: Place;
  readonly to: Place;
  /** A regular file took the place of another. */
  readonly replaces: boolean;
}

/** In the order in which they happened. */
export function findRenames(history: History): ReadonlyArray<Rename> {
  const renames: Array<Rename> = [];
  history.changes.forEach(({ touched }, moment) => {
    const lost = new Map<Inode, Place>();
    const got = new Map<Inode, { readonly place: Place; readonly before: Inode | undefined }>();
    for (const directory of new Set(touched)) {
      const before = directory.states.at(moment - 1)?.entries;
      const after = directory.states.at(moment)?.entries;
      if (before === undefined || after === undefined || before === after) continue;
      for (const [name, inode] of before) if (after.get(name) !== inode) lost.set(inode, { directory, name });
      for (const [name, inode] of after) {
        if (before.get(name) !== inode) got.set(inode, { place: { directory, name }, before: before.get(name) });
      }
    }
    for (const [inode, { place, before }] of got) {
      const from = lost.get(inode);
      if (from === undefined) continue;
      const replaces = before?.content !== undefined && inode.content !== undefined;
      renames.push({ moment, inode, from, to: place, replaces });
    }
  });
  return renames;
}
