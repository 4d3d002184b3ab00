/**
 * A case of the mount's conformance suite: a promise of POSIX or Linux, kept through real system calls.
 */
export interface MountCase {
  readonly title: string;
  /** Programs that it runs; without one of them it is skipped. */
  readonly programs?: ReadonlyArray<string>;
  /** Gets an empty directory on the mount, and throws when the promise is broken. */
  readonly run: (directory: string) => void | Promise<void>;
}
