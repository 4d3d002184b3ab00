/**
 * A program that mounts one image after another, as `varve mount` does, and says how each mount began and ended.
 *
 * Started with a channel to whoever asks. One mount at a time; the tree is read by another process, since this one must
 * be free to answer. Everything that the server logs is handed over with the end.
 */
import * as Cause from "effect/Cause";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scheduler from "effect/Scheduler";
import { type MemoryShares, MemoryTooSmall } from "../../fuse/memory-budget.ts";
import { memoryShares } from "../../fuse/memory-watch.ts";
import { MOUNT_DEFAULTS } from "../../fuse/mount-options.ts";
import { serve } from "../../fuse/mount.ts";
import { ProductionScheduler } from "../../fuse/scheduler.ts";
import { describeFailure } from "../runtime.ts";

export type ServerRequest =
  | { readonly kind: "mount"; readonly image: string; readonly directory: string; readonly readOnly: boolean }
  | { readonly kind: "stop" };

export type ServerAnswer =
  | { readonly kind: "mounted" }
  /** `broken`: a defect, not a failure that somebody thought of. */
  | {
      readonly kind: "ended";
      readonly refused?: string;
      readonly broken?: string;
      readonly log: ReadonlyArray<string>;
    };

const context = Context.make(Scheduler.Scheduler, new ProductionScheduler());
const LOG_LINES_MAX = 200;
const BUDGET_BYTES = 512 * 1024 * 1024;

function budget(): MemoryShares {
  const shares = memoryShares(BUDGET_BYTES, {});
  if (shares instanceof MemoryTooSmall) throw new Error(shares.message);
  return shares;
}

const say = (answer: ServerAnswer): void => void process.send?.(answer);
let stop: () => void = () => {};

async function mount(image: string, directory: string, readOnly: boolean): Promise<void> {
  const log: Array<string> = [];
  const serving = serve({
    devices: [image],
    directory,
    options: { ...MOUNT_DEFAULTS, readOnly },
    memory: budget(),
    log: (line) => void (log.length < LOG_LINES_MAX && log.push(line)),
    mounted: () => say({ kind: "mounted" }),
    stop: Effect.callback((resume) => {
      stop = () => resume(Effect.succeed("asked to"));
    }),
  });
  const exit = await Effect.runPromiseExitWith(context)(serving);
  if (Exit.isSuccess(exit)) return say({ kind: "ended", log });
  const failure = Cause.findErrorOption(exit.cause);
  if (failure._tag === "Some") return say({ kind: "ended", refused: describeFailure(failure.value), log });
  say({ kind: "ended", broken: Cause.pretty(exit.cause), log });
}

process.on("message", (request: ServerRequest) => {
  if (request.kind === "stop") stop();
  else void mount(request.image, request.directory, request.readOnly);
});
process.on("disconnect", () => process.exit(1));
