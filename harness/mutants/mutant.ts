/**
 * A mutant: one planted bug, as a change of the built engine's text. It never exists in shipped code.
 */

export interface Edit {
  /** Text that stands exactly once in the built file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly id: string;
  /** What it breaks, in a line. */
  readonly breaks: string;
  /** Built file, from the root of the build. */
  readonly file: string;
  readonly edits: ReadonlyArray<Edit>;
  /** Scenarios that have a chance to see it; at least one. */
  readonly scenarios: ReadonlyArray<string>;
  /** Why nobody can tell it from the engine as it is: another mechanism does the same. It is run only by its name. */
  readonly equivalent?: string;
}

/** Scenarios that see most of what breaks durability. */
export const GENERAL: ReadonlyArray<string> = [
  "create-write-fsync",
  "rename-replace",
  "concurrent-mixed",
  "append-log",
];

/** The text with the edits made; throws when one does not fit exactly once. */
export function applyEdits(text: string, { id, edits }: Mutant): string {
  let result = text;
  for (const { find, replace } of edits) {
    const parts = result.split(find);
    if (parts.length !== 2) throw new Error(`mutant ${id}: "${find}" stands ${parts.length - 1} times in the file`);
    result = parts.join(replace);
  }
  return result;
}
