/**
 * How a command ends: the exit statuses, and the two errors that become one line on standard error.
 *
 * Anything else that is thrown is a bug of ours and ends with `Status.cannot` and its trace.
 */

export const Status = {
  fine: 0,
  /** The command did its work and found something: a failing seed, damage. */
  found: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The command could not do its work. */
  cannot: 3,
} as const;

/** The command line is wrong; `message` says how, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The work cannot be done; `message` says what is wrong and what to do, in one line. */
export class CannotError extends Error {
  override readonly name = "CannotError";
}
