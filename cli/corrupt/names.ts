/**
 * What the reader is asked, and the names that it makes when it is to write.
 */

export interface ReadRequest {
  readonly directory: string;
  /** Names a file with the states that the image may hold: an array of manifests. */
  readonly states: string;
  readonly xattrs: boolean;
  /** Changes something too, and syncs; what comes of it is not looked at. */
  readonly writes: boolean;
}

/** Names at the top of the tree that the reader makes and takes away again, if it can. */
export const WRITTEN: ReadonlySet<string> = new Set(["written", "made"]);
