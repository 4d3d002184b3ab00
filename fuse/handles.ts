/**
 * Open files of a transport: small numbers for the kernel, each standing for an inode.
 *
 * A number is handed out again only after its file was closed. Knows how many handles an inode has; calls nobody.
 */

/** The C code passes handles as positive signed 32-bit numbers. */
const HANDLE_MAX = 0x7fff_ffff;

export class Handles {
  private readonly inodes: Map<number, number> = new Map();
  private readonly counts: Map<number, number> = new Map();
  private last = 0;

  add(inode: number): number {
    do {
      this.last = this.last === HANDLE_MAX ? 1 : this.last + 1;
    } while (this.inodes.has(this.last));
    this.inodes.set(this.last, inode);
    this.counts.set(inode, this.countOf(inode) + 1);
    return this.last;
  }

  inodeOf(handle: number): number | undefined {
    return this.inodes.get(handle);
  }

  /** Handles that an inode has. */
  countOf(inode: number): number {
    return this.counts.get(inode) ?? 0;
  }

  /** Forgets the handle and returns its inode. */
  remove(handle: number): number | undefined {
    const inode = this.inodes.get(handle);
    if (inode === undefined) return undefined;
    this.inodes.delete(handle);
    const left = this.countOf(inode) - 1;
    if (left === 0) this.counts.delete(inode);
    else this.counts.set(inode, left);
    return inode;
  }

  /** Inodes of all open handles, one for each handle. */
  all(): ReadonlyArray<number> {
    return [...this.inodes.values()];
  }
}
