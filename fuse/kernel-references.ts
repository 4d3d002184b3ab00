/**
 * Which inodes the kernel refers to, and which of those have lost their last name.
 *
 * Every answer with an entry adds a reference, and the kernel says how many it gives back. An inode without a name stays
 * until the last one is back; then whoever asked must release it, once.
 */
import type { FilesystemUser } from "../engine/fs/types.ts";
import { LookupCounts } from "./lookup-counts.ts";

export class KernelReferences implements FilesystemUser {
  readonly counts = new LookupCounts();
  private readonly orphans: Set<number> = new Set();

  linearized(): void {}

  holds(inode: number): boolean {
    return this.counts.has(inode);
  }

  orphaned(inode: number): void {
    this.orphans.add(inode);
  }

  /** The kernel is told of an inode in an entry. */
  told(inode: number): void {
    this.counts.add(inode);
  }

  /** The kernel is told of an inode that never had a name, and is opened once. */
  toldNameless(inode: number): void {
    this.counts.add(inode);
    this.orphans.add(inode);
  }

  /** An inode got a name; true if it had none, and is to be released. */
  named(inode: number): boolean {
    return this.orphans.delete(inode);
  }

  /** The kernel gives references back; true if the inode is to be released now. */
  forgets(inode: number, times: number): boolean {
    return inode !== 0 && this.counts.subtract(inode, times) && this.orphans.delete(inode);
  }

  /** Those without names, which are all to be released now. */
  takeOrphans(): ReadonlyArray<number> {
    const left = [...this.orphans];
    this.orphans.clear();
    return left;
  }
}
