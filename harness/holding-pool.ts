/**
 * A pool as a kernel uses it: what is open is held, not opened, and the engine hears of it only when a last name goes.
 *
 * Between client and engine; `open` and `release` mean to the client what they always mean. All views share what is held.
 */
import * as Effect from "effect/Effect";
import type { Filesystem, FilesystemUser, Fs } from "../engine/fs/types.ts";
import type { Pool } from "../engine/pool/pool.ts";

export class HoldingPool {
  private readonly pool: Pick<Pool, "filesystemFor">;
  /** How often each inode is held. */
  private readonly held: Map<number, number> = new Map();
  private readonly orphans: Set<number> = new Set();

  constructor(pool: Pick<Pool, "filesystemFor">) {
    this.pool = pool;
  }

  filesystemFor(user: Pick<FilesystemUser, "linearized">): Filesystem {
    let opening: number | undefined;
    const view = this.pool.filesystemFor({
      linearized: () => {
        if (opening !== undefined) this.held.set(opening, (this.held.get(opening) ?? 0) + 1);
        opening = undefined;
        user.linearized();
      },
      holds: (inode) => this.held.has(inode),
      orphaned: (inode) => void this.orphans.add(inode),
    });
    const open = (inode: number): Fs<void> =>
      Effect.suspend(() => {
        opening = inode;
        // What does not exist was held for nothing; its number never comes back.
        return Effect.tapError(Effect.asVoid(view.getattr(inode)), () =>
          Effect.sync(() => {
            if (opening === undefined) this.letGo(inode);
            opening = undefined;
          }),
        );
      });
    const release = (inode: number): Fs<void> =>
      Effect.suspend(() => {
        if (!this.held.has(inode)) return view.release(inode);
        if (this.letGo(inode) && this.orphans.delete(inode)) return view.release(inode);
        user.linearized();
        return Effect.void;
      });
    return Object.assign(Object.create(view) as Filesystem, { open, release });
  }

  /** True if nobody holds it any more. */
  private letGo(inode: number): boolean {
    const left = (this.held.get(inode) ?? 0) - 1;
    if (left > 0) this.held.set(inode, left);
    else this.held.delete(inode);
    return left === 0;
  }
}
