/**
 * One walk through a directory by several `readdir` calls, checked as a whole.
 *
 * Each entry of a call must be there at that moment. Over the whole walk, a name that was there all the time comes
 * exactly once; a name that came or went meanwhile may come or not.
 */
import type { DirectoryEntry } from "../../engine/fs/types.ts";
import { type Expectation, fails, isRefusal } from "./expectation.ts";
import { type Inode, textOf, typeOf } from "./inode.ts";
import type { Model } from "./model.ts";

export class Listing {
  private readonly model: Model;
  private readonly directory: Inode;
  private readonly startMoment: number;
  private readonly seen = new Map<string, Inode>();
  private lastCookie = 0;

  constructor(model: Model, directory: Inode) {
    this.model = model;
    this.directory = directory;
    this.startMoment = model.history.moment;
  }

  continuesAt(directory: Inode, cookie: number): boolean {
    return this.directory === directory && this.lastCookie === cookie;
  }

  /** What the call that takes effect now must return. */
  expect(countMax: number): Expectation<ReadonlyArray<DirectoryEntry>> {
    const moment = this.model.history.moment;
    const entries = this.directory.state.entries as ReadonlyMap<string, Inode>;
    return {
      verify: (found) => {
        if (found.length > countMax) return `${found.length} entries, at most ${countMax} were asked for`;
        for (const entry of found) {
          const wrong = this.wrongEntry(entry, entries, moment);
          if (wrong !== undefined) return wrong;
          this.lastCookie = entry.cookie;
        }
        return found.length === 0 && countMax > 0 ? this.missing(moment) : undefined;
      },
    };
  }

  private wrongEntry(entry: DirectoryEntry, entries: ReadonlyMap<string, Inode>, moment: number): string | undefined {
    const name = textOf(entry.name);
    const inode = entries.get(name);
    if (inode === undefined) return `an entry "${name}", which does not exist`;
    const wrong = this.model.bind(inode, entry.inode);
    if (wrong !== undefined) return `entry "${name}" has ${wrong}`;
    if (entry.type !== typeOf(inode.state.mode)) return `entry "${name}" has type 0o${entry.type.toString(8)}`;
    if (this.seen.get(name) === inode && this.stayed(name, inode, moment)) return `entry "${name}" came twice`;
    this.seen.set(name, inode);
    return undefined;
  }

  private missing(moment: number): string | undefined {
    for (const [name, inode] of this.directory.states.at(this.startMoment)?.entries ?? []) {
      if (!this.seen.has(name) && this.stayed(name, inode, moment)) return `entry "${name}" never came`;
    }
    return undefined;
  }

  private stayed(name: string, inode: Inode, moment: number): boolean {
    return this.directory.states.during(this.startMoment, moment).every((state) => state.entries?.get(name) === inode);
  }
}

/** Begins a listing or goes on with `current`; `keep` is told which. */
export function expectListing(
  model: Model,
  current: Listing | undefined,
  number: number,
  cookie: number,
  countMax: number,
  keep: (listing: Listing) => void,
): Expectation<ReadonlyArray<DirectoryEntry>> {
  const directory = model.directory(number);
  if (isRefusal(directory)) return model.keepsGone ? directory : fails(...directory.fails);
  const goesOn = cookie !== 0 && current !== undefined && current.continuesAt(directory.found, cookie);
  const listing = goesOn ? current : new Listing(model, directory.found);
  keep(listing);
  return listing.expect(countMax);
}
