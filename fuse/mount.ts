/**
 * Serving a pool on a directory: opening, mounting, waiting for the end, closing.
 *
 * One process serves one mount. The end comes by an unmount from outside, which is noticed by the kernel closing the
 * connection, or by a request to stop, which unmounts first. Either way everything is written back and the pool is
 * closed before the devices are let go. When an invariant of the engine breaks, the pool is read-only from then on: the
 * cause is logged, reading goes on where it can, and the end is not clean.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type * as Scope from "effect/Scope";
import { type DeviceRefused, openFileDevice } from "../devices/file.ts";
import type { PoolFailed } from "../engine/actor.ts";
import type { PoolError } from "../engine/pool/errors.ts";
import { openPool, type Pool } from "../engine/pool/pool.ts";
import { type Control, listen, type ServerEnd } from "./control.ts";
import { type MountOptions, libfuseOptions } from "./mount-options.ts";
import {
  fuseDescriptors,
  inspectMountPoint,
  isFuseDescriptor,
  mountAt,
  MountPointError,
  unmount,
  type UnmountManner,
} from "./mount-point.ts";
import { type Binding, loadBinding, type Mounted, TransportMissing } from "./native-binding.ts";
import { makeNativeTransport, type TransportServices } from "./native.ts";

/** How often a server looks whether its mount is still there. */
const LOOK_EVERY_MS = 50;
/** How long a server that was asked to stop waits for programs to close their files. */
const CLOSE_WITHIN_MS = 5000;

export interface ServeRequest {
  readonly devices: ReadonlyArray<string>;
  readonly directory: string;
  readonly options: MountOptions;
  readonly log: (line: string) => void;
  /** Runs once, when the mount can be used. */
  readonly mounted: () => void;
  /** Completes, with the reason, when the server is to unmount and end. */
  readonly stop: Effect.Effect<string>;
}

export type ServeError = DeviceRefused | PoolError | PoolFailed | MountPointError | TransportMissing;

/** Serves until the mount ends. Not interruptible: it is stopped by `stop` alone. */
export function serve(request: ServeRequest): Effect.Effect<ServerEnd, ServeError> {
  return Effect.uninterruptible(
    Effect.gen(function* () {
      const binding = loadBinding();
      if (binding instanceof TransportMissing) return yield* Effect.fail(binding);
      yield* prepareDirectory(request);
      const controls: Array<Control> = [];
      const end = yield* Effect.scoped(serveIn(request, binding, controls));
      // Only now are the devices free.
      yield* Effect.promise(() => Promise.all(controls.map((control) => control.end(end))));
      request.log(end.clean ? "closed" : `ended uncleanly: ${end.message}`);
      return end;
    }),
  );
}

/** Checks the directory; a mount of ours whose server died is taken away. */
function prepareDirectory({ directory, log }: ServeRequest): Effect.Effect<void, MountPointError> {
  const state = inspectMountPoint(directory);
  if (state instanceof MountPointError) return Effect.fail(state);
  if (state === "ready") return Effect.void;
  log(`${directory}: taking away a mount whose server is gone`);
  return Effect.andThen(
    unmounting(directory, "detach"),
    Effect.suspend(() => prepareDirectoryAgain(directory)),
  );
}

function prepareDirectoryAgain(directory: string): Effect.Effect<void, MountPointError> {
  const state = inspectMountPoint(directory);
  if (state === "ready") return Effect.void;
  return Effect.fail(state === "stale" ? new MountPointError(`${directory} holds several dead mounts`) : state);
}

const unmounting = (directory: string, manner: UnmountManner): Effect.Effect<void, MountPointError> =>
  Effect.tryPromise({
    try: () => unmount(directory, manner),
    catch: (error) => (error instanceof MountPointError ? error : new MountPointError(String(error))),
  });

function serveIn(
  request: ServeRequest,
  binding: Binding,
  controls: Array<Control>,
): Effect.Effect<ServerEnd, ServeError, Scope.Scope> {
  const { devices: paths, directory, options, log } = request;
  return Effect.gen(function* () {
    const { readOnly } = options;
    const devices = yield* Effect.forEach(paths, (path) => openFileDevice(path, { readOnly }));
    const pool = yield* openPool(devices, { ...options.engine, readOnly });
    const services: TransportServices = { run: yield* runner, report: log };
    const transport = makeNativeTransport(pool.filesystem, binding, services, options);
    const session = yield* startSession(request, () =>
      binding.mount(directory, libfuseOptions(options, paths.join(",")), transport.handlers),
    );
    let failure: string | undefined;
    services.run(pool.died, (exit) => {
      if (!Exit.isSuccess(exit)) return;
      failure = exit.value;
      log(`the pool is read-only from now on: ${failure}`);
    });
    const { pid } = process;
    const control = yield* Effect.promise(() =>
      listen(session.device, { pid, directory, devices: paths }).catch((error: unknown) =>
        log(`umount will not be able to wait for this server: ${String(error)}`),
      ),
    );
    if (control !== undefined) controls.push(control);
    log(`mounted ${paths.join(",")} on ${directory}`);
    request.mounted();
    yield* Effect.interruptible(Effect.raceFirst(session.ended, stopping(request, session)));
    session.forget();
    yield* transport.close;
    return yield* closing(pool, readOnly, () => failure);
  });
}

/** Runs an effect on its own, and tells at once how it ended if it need not wait. */
const runner: Effect.Effect<TransportServices["run"]> = Effect.map(Effect.context<never>(), (context) => {
  const fork = Effect.runForkWith(context);
  return (effect, ended) => {
    // An effect that is its own result need not be run.
    if (Exit.isExit(effect)) return ended(effect as Exit.Exit<never, never>);
    const fiber = fork(effect);
    const exit = fiber.pollUnsafe();
    if (exit === undefined) fiber.addObserver(ended);
    else ended(exit);
  };
});

interface Session extends Mounted {
  /** Device number of the mounted filesystem. */
  readonly device: string;
  /** Completes when the kernel has let go of the mount. */
  readonly ended: Effect.Effect<void>;
}

function startSession({ directory }: ServeRequest, mount: () => Mounted): Effect.Effect<Session, MountPointError> {
  return Effect.suspend(() => {
    const before = fuseDescriptors();
    let mounted: Mounted;
    try {
      mounted = mount();
    } catch {
      return Effect.fail(new MountPointError(`${directory}: ${whyNoMount()}`));
    }
    const descriptor = [...fuseDescriptors()].find((candidate) => !before.has(candidate));
    const entry = mountAt(directory);
    if (descriptor === undefined || entry === undefined) {
      mounted.forget();
      return Effect.fail(new MountPointError(`${directory}: the mount did not appear`));
    }
    const ended = Effect.callback<void>((resume) => {
      const timer = setInterval(() => {
        if (isFuseDescriptor(descriptor)) return;
        clearInterval(timer);
        resume(Effect.void);
      }, LOOK_EVERY_MS);
      return Effect.sync(() => clearInterval(timer));
    });
    return Effect.succeed({ ...mounted, device: entry.device, ended });
  });
}

/** libfuse says on standard error why it cannot mount; these are the usual reasons. */
function whyNoMount(): string {
  if (process.geteuid?.() === 0)
    return "the kernel refused to mount; is /dev/fuse there, and may this container mount?";
  return "mounting failed; without root it needs fusermount, and allow_other must be allowed in /etc/fuse.conf";
}

/** Waits for the request to stop and unmounts; files that stay open for too long lose their filesystem. */
function stopping({ stop, directory, log }: ServeRequest, session: Session): Effect.Effect<void> {
  return Effect.gen(function* () {
    log(`stopping: ${yield* stop}`);
    const gone = yield* Effect.exit(unmounting(directory, "now"));
    if (Exit.isFailure(gone)) {
      log("files are open; detaching");
      yield* Effect.ignore(unmounting(directory, "detach"));
    }
    yield* Effect.raceFirst(session.ended, Effect.sleep(CLOSE_WITHIN_MS));
  });
}

function closing(pool: Pool, readOnly: boolean, failure: () => string | undefined): Effect.Effect<ServerEnd> {
  const close = readOnly ? Effect.void : pool.close;
  return Effect.map(Effect.exit(close), (exit) => {
    const cause = failure();
    if (cause !== undefined) return { clean: false, message: cause };
    if (Exit.isSuccess(exit)) return { clean: true, message: "" };
    return { clean: false, message: `closing the pool failed: ${JSON.stringify(exit.cause.reasons)}` };
  });
}
