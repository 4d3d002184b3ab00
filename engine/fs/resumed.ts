/**
 * A request that an earlier process had begun, sent again: its first steps have taken effect and are not done twice.
 *
 * A view that answers the first changes asked of it from what is there by now; everything behind them, and whatever only
 * reads, goes to the view beneath. A step is known by a number: the inode that it made, the offset that an append got, the
 * mode of what had its attributes or links changed, 0 for any other. Knows nothing of what the steps were: whoever asks
 * again asks for the same ones in the same order.
 */
import * as Effect from "effect/Effect";
import { reached } from "../marks.ts";
import type { Attributes, Filesystem, Fs, FsError } from "./types.ts";

type Verb = (...operands: ReadonlyArray<unknown>) => Fs<unknown>;
/** Answers a step that was taken, from its number and what was asked. */
type Answer = (
  there: Filesystem,
  number: number,
  operands: ReadonlyArray<unknown>,
  again: () => Fs<unknown>,
) => Fs<unknown>;

/** What was made may be gone by now: then it is made behind that. */
const made: Answer = (there, inode, _operands, again): Fs<Attributes> =>
  Effect.catch(there.getattr(inode), (error: FsError) =>
    error.reason === "NoEntry" ? (again() as Fs<Attributes>) : Effect.fail(error),
  );
/** What was changed may be gone by now: nobody sees the change, and it was made. */
const attributes: Answer = (there, mode, [inode]): Fs<Attributes> =>
  Effect.catch(there.getattr(inode as number), (error: FsError) => {
    if (error.reason !== "NoEntry" || mode === 0) return Effect.fail(error);
    reached("request answered for an inode that is gone");
    return Effect.succeed(gone(inode as number, mode));
  });
/** Of an inode without names that nobody has open any more. */
function gone(inode: number, mode: number): Attributes {
  const never = { seconds: 0, nanoseconds: 0 };
  const times = { accessed: never, modified: never, changed: never, born: never };
  const sizes = { sizeBytes: 0, allocatedBytes: 0 };
  return { inode, mode, links: 0, uid: 0, gid: 0, rdev: 0, compression: 0, ...sizes, ...times };
}

const nothing: Answer = () => Effect.void;
const itself: Answer = (_there, number) => Effect.succeed(number);

/** Every operation that changes something. */
const ANSWERS: Partial<Record<keyof Filesystem, Answer>> = {
  mknod: made,
  mkdir: made,
  symlink: made,
  tmpfile: made,
  link: attributes,
  setattr: attributes,
  append: itself,
  unlink: nothing,
  rmdir: nothing,
  rename: nothing,
  write: nothing,
  fallocate: nothing,
  setxattr: nothing,
  removexattr: nothing,
};

/** `steps`: the numbers of those that were taken; `there` shows what there is without being a part of the request. */
export function resumed(view: Filesystem, there: Filesystem, steps: ReadonlyArray<number>): Filesystem {
  const left = [...steps];
  const changes = Object.entries(ANSWERS).map(([name, answer]): readonly [string, Verb] => {
    const verb = (view[name as keyof Filesystem] as Verb).bind(view);
    return [
      name,
      (...operands) =>
        Effect.suspend(() => {
          const number = left.shift();
          if (number === undefined) return verb(...operands);
          reached("request answered without doing it again");
          return answer(there, number, operands, () => verb(...operands));
        }),
    ];
  });
  return Object.assign(Object.create(view) as Filesystem, Object.fromEntries(changes));
}
