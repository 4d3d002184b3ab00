/**
 * A request that an earlier process had begun, sent again: its first steps have taken effect and are not done twice.
 *
 * A view that answers the first changes asked of it from what is there by now; everything behind them, and whatever only
 * reads, goes to the view beneath. A step is known by a number: the inode that it made, the offset that an append got, 0
 * for any other. Knows nothing of what the steps were: whoever asks again asks for the same ones in the same order.
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
const attributes: Answer = (there, _number, [inode]) => there.getattr(inode as number);
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
