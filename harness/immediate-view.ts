/**
 * A view of the filesystem whose calls are tried at once first, as a mount does, and go the other way where they must
 * wait. Which calls are tried, the seed decides.
 */
import * as Effect from "effect/Effect";
import type { AtOnce } from "../engine/fs/at-once.ts";
import { type Filesystem, type FilesystemUser, type Fs, FsError } from "../engine/fs/types.ts";
import type { Pool } from "../engine/pool/pool.ts";
import { Pieces } from "../engine/data/read-memory.ts";
import { joined } from "./joined.ts";

type Verb<A> = (...operands: ReadonlyArray<never>) => A;

const CALLS = [
  "lookup",
  "getattr",
  "setattr",
  "mknod",
  "mkdir",
  "unlink",
  "rmdir",
  "rename",
  "readdir",
  "getxattr",
  "read",
  "write",
  "release",
] as const satisfies ReadonlyArray<keyof AtOnce & keyof Filesystem>;

export function immediateView(view: Filesystem, atOnce: AtOnce, tried: () => boolean): Filesystem {
  const calls = CALLS.map((name): readonly [string, Verb<Fs<unknown>>] => {
    const slowly = (view[name] as Verb<Fs<unknown>>).bind(view);
    const quickly = (atOnce[name] as Verb<unknown>).bind(atOnce);
    return [
      name,
      (...operands) =>
        Effect.suspend(() => {
          const answer = tried() ? quickly(...operands) : undefined;
          if (answer === undefined) return slowly(...operands);
          if (answer instanceof FsError) return Effect.fail(answer);
          if (answer instanceof Pieces) {
            const bytes = joined(answer.list).slice();
            answer.release();
            return Effect.succeed(bytes);
          }
          return Effect.succeed(answer === true ? undefined : answer);
        }),
    ];
  });
  return Object.assign(Object.create(view) as Filesystem, Object.fromEntries(calls));
}

/** A pool whose views are all such. */
export class ImmediatePool {
  private readonly pool: Pick<Pool, "filesystemFor" | "atOnceFor">;
  private readonly tried: () => boolean;

  constructor(pool: Pick<Pool, "filesystemFor" | "atOnceFor">, tried: () => boolean) {
    this.pool = pool;
    this.tried = tried;
  }

  filesystemFor(user: FilesystemUser): Filesystem {
    return immediateView(this.pool.filesystemFor(user), this.pool.atOnceFor(user), this.tried);
  }
}
