/**
 * What answers at once are made with, and what they are.
 */
import type { AtOnce } from "../engine/fs/at-once.ts";
import type { FsError, Timestamp } from "../engine/fs/types.ts";
import { errnoOfReason } from "./errno.ts";
import type { KernelReferences } from "./kernel-references.ts";
import type { Notifier } from "./notifier.ts";
import type { Body, Lifetimes } from "./protocol/reply.ts";
import type { KernelRequest } from "./protocol/request.ts";

export interface Answering {
  readonly engine: AtOnce;
  /** The same for a change whose effect the next server must know of. */
  readonly engineFor: (request: KernelRequest) => AtOnce;
  readonly options: Lifetimes & { readonly acls: boolean; readonly writebackCache: boolean };
  readonly references: KernelReferences;
  readonly notifier: Notifier | undefined;
  /** Files are opened without a message. */
  readonly opensFilesSilently: boolean;
  readonly now: () => Timestamp;
}

/** The bytes of an answer, or an error number; `undefined` if it must be asked for the other way. */
export type AnswerAtOnce = Body | number | undefined;

export const errnoIn = (error: FsError | undefined): number | undefined =>
  error === undefined ? undefined : errnoOfReason(error.reason);
