/**
 * What a filesystem may be held to after a crash, by name: what POSIX and its own pages promise, and what Varve
 * promises beyond that (docs/durability.md).
 *
 * A breach is one promise that one crash state did not keep, with what was seen. A state counts once for each promise.
 */

/** Whose word it is. */
export type Promiser = "target" | "varve";

export const PROMISES = {
  mounts: { by: "target", summary: "mounts without help" },
  readable: { by: "target", summary: "every name and file can be read" },
  fsck: { by: "target", summary: "fsck finds nothing after that" },
  syncedData: { by: "target", summary: "fsync and syncfs keep data" },
  fsyncNames: { by: "target", summary: "fsync keeps the names of the file" },
  directoryFsync: { by: "target", summary: "fsync of a directory keeps its names" },
  syncfs: { by: "target", summary: "syncfs keeps all names" },
  rename: { by: "target", summary: "rename is atomic: old or new, not both, not neither" },
  history: { by: "target", summary: "names and modes are of some time" },
  foreign: { by: "target", summary: "no bytes that were never written" },
  prefix: { by: "varve", summary: "all names and modes are of one moment" },
  syncOrder: { by: "varve", summary: "that moment is not before the last sync" },
  zeros: { by: "varve", summary: "no size without its data" },
  replace: { by: "varve", summary: "replacing rename brings its data" },
  law: { by: "varve", summary: "the whole of docs/durability.md" },
} as const satisfies Readonly<Record<string, { readonly by: Promiser; readonly summary: string }>>;

export type PromiseName = keyof typeof PROMISES;

export const promiseNames = Object.keys(PROMISES) as ReadonlyArray<PromiseName>;

export interface Breach {
  readonly promise: PromiseName;
  readonly detail: string;
}
