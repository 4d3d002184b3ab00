/**
 * A case of the mount's conformance suite: a promise of POSIX or Linux, kept through real system calls.
 */

export type TransportName = "direct" | "fuse-native";

export interface MountCase {
  readonly title: string;
  /** Programs that it runs; without one of them it is skipped. */
  readonly programs?: ReadonlyArray<string>;
  /** Transports whose interface cannot carry this, and why: they skip it. */
  readonly notOn?: Readonly<Partial<Record<TransportName, string>>>;
  /** The transport whose way around a limit this is. */
  readonly onlyOn?: TransportName;
  /** Gets an empty directory on the mount, and throws when the promise is broken. */
  readonly run: (directory: string) => void | Promise<void>;
}
