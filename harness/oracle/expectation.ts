/**
 * What the reference filesystem expects an operation to answer: one of some failures, or a value that it can verify.
 *
 * Several reasons are allowed where several apply at once, because POSIX does not say which is found first.
 */
import type { FsReason } from "../../engine/fs/types.ts";

export interface Refusal {
  readonly fails: ReadonlyArray<FsReason>;
  /** It may as well succeed, with any answer and without effect: the inode is about to go. */
  readonly orAnything?: true;
}

/** `verify` says what is wrong with the value, or undefined. It holds what was true when the operation took effect. */
export interface Answer<A> {
  /** Reasons for which it may fail all the same. */
  readonly mayFail?: ReadonlyArray<FsReason>;
  readonly verify: (value: A) => string | undefined;
}

export type Expectation<A> = Refusal | Answer<A>;

export function fails(...reasons: ReadonlyArray<FsReason>): Refusal {
  return { fails: reasons };
}

export function isRefusal(outcome: object): outcome is Refusal {
  return "fails" in outcome;
}

/** The operation succeeds and returns nothing of interest. */
export const succeeds: Answer<unknown> = { verify: () => undefined };
