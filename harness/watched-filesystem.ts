/**
 * A view of a filesystem that tells what is asked of it and what comes back, for traces and for naming who waits.
 *
 * Text only, short, and the same in every run: names, numbers and lengths, never content. It changes no answer.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { Filesystem, Fs } from "../engine/fs/types.ts";
import { textOf } from "./oracle/inode.ts";

export interface Watcher {
  readonly called: (operation: string) => void;
  readonly returned: (outcome: string) => void;
}

/** Names are bytes too; whatever is longer is content. */
const NAME_BYTES_SHOWN = 32;

function argumentText(value: unknown): string {
  if (value instanceof Uint8Array && value.length <= NAME_BYTES_SHOWN) return textOf(value);
  return valueText(value);
}

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `${value.length} entries`;
  return JSON.stringify(value) ?? "done";
}

function outcomeText(exit: Exit.Exit<unknown, { readonly reason: string }>): string {
  if (Exit.isSuccess(exit)) return valueText(exit.value);
  const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail");
  return failure === undefined ? "no answer" : failure.error.reason;
}

export function watchFilesystem(filesystem: Filesystem, watcher: Watcher): Filesystem {
  const watch = (operation: string, effect: () => Fs<unknown>): Fs<unknown> =>
    Effect.suspend(() => {
      watcher.called(operation);
      return Effect.onExit(effect(), (exit) => Effect.sync(() => watcher.returned(outcomeText(exit))));
    });
  const view: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(filesystem) as Array<[string, unknown]>) {
    if (Effect.isEffect(member)) {
      view[name] = watch(name, () => member as Fs<unknown>);
      continue;
    }
    const verb = member as (...operands: ReadonlyArray<unknown>) => Fs<unknown>;
    view[name] = (...operands: ReadonlyArray<unknown>) =>
      watch(`${name}(${operands.map(argumentText).join(", ")})`, () => verb(...operands));
  }
  return view as unknown as Filesystem;
}
