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
import type { DeviceRefused } from "../devices/file.ts";
import type { PoolFailed } from "../engine/actor.ts";
import type { PoolError } from "../engine/pool/errors.ts";
import { openPool, type Pool } from "../engine/pool/pool.ts";
import { Company } from "./company.ts";
import { type Control, listen, type Questions, type ServerEnd } from "./control.ts";
import { directObstacle, startDirect } from "./direct-session.ts";
import { DirectTransport, WRITE_BYTES_MAX, READAHEAD_BYTES } from "./direct.ts";
import { tuneKernel } from "./mount-tuning.ts";
import { describeFailure } from "./errno.ts";
import type { Handed } from "./handed.ts";
import type { MemoryShares } from "./memory-budget.ts";
import { MemoryControl } from "./memory-control.ts";
import { processMemory, watchMemory } from "./memory-watch.ts";
import { MeteredTransport } from "./metered-transport.ts";
import { Metrics } from "./metrics.ts";
import { CompressionPool, defaultThreads } from "./compression-pool.ts";
import { kernelOptions, libfuseOptions, type MountOptions } from "./mount-options.ts";
import { handOver, inspectMountPoint, MountPointError, unmount, type UnmountManner } from "./mount-point.ts";
import { loadBinding } from "./native-binding.ts";
import { ServerLog } from "./server-log.ts";
import { statusOf } from "./status.ts";
import { watchDevice } from "./watched-device.ts";
import { startNative } from "./native-session.ts";
import { ATTRIBUTE_SECONDS_COHERENT, makeNativeTransport } from "./native.ts";
import { become, Unmounter, type User, userNamed } from "./privileges.ts";
import { handingOver, openDevices, outlivingOf, survivorsIn } from "./taking-over.ts";
import { type Session, TransportMissing, type TransportServices } from "./transport.ts";

/** How long a server that was asked to stop waits for programs to close their files. */
const CLOSE_WITHIN_MS = 3000;
/** Requests that the kernel may have under way on its own account, however little memory there is. */
const BACKGROUND_MIN = 4;
const RETRY_EVERY_MS = 250;
/** Changes come through the kernel, which knows of all of them or is told. */
const DIRECT_ATTRIBUTE_SECONDS = 86_400;

export interface ServeRequest {
  readonly devices: ReadonlyArray<string>;
  readonly directory: string;
  readonly options: MountOptions;
  /** How the memory of this process is divided. */
  readonly memory: MemoryShares;
  readonly log: (line: string) => void;
  /** Runs once, when the mount can be used, with its device number. */
  readonly mounted: (device: string) => void;
  /** Completes, with the reason, when the server is to unmount and end. */
  readonly stop: Effect.Effect<string>;
  /** What a supervisor handed to this server. */
  readonly handed?: Handed | undefined;
  /** Completes when another server is to take over; only asked of one that was handed something. */
  readonly handOver?: Effect.Effect<string>;
}

/** How serving ended: the mount is over, or another server goes on. */
export type ServeEnd = ServerEnd & { readonly handedOver?: true };

export type ServeError = DeviceRefused | PoolError | PoolFailed | MountPointError | TransportMissing;

/** Serves until the mount ends. Not interruptible: it is stopped by `stop` alone. */
export function serve(request: ServeRequest): Effect.Effect<ServeEnd, ServeError> {
  return Effect.uninterruptible(
    Effect.gen(function* () {
      if (request.handed?.device === undefined) yield* prepareDirectory(request);
      const { dropTo } = request.options;
      const user = dropTo === undefined ? undefined : userNamed(dropTo);
      if (user instanceof MountPointError) return yield* Effect.fail(user);
      const controls: Array<Control> = [];
      const end = yield* Effect.scoped(serveIn(request, user, controls));
      // Only now are the devices free.
      yield* Effect.promise(() => Promise.all(controls.map((control) => control.end(end))));
      if (end.handedOver === true) request.log("handed over");
      else request.log(end.clean ? "closed" : `ended uncleanly: ${end.message}`);
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

const unmounting = (
  directory: string,
  manner: UnmountManner,
  unmounter?: Unmounter,
): Effect.Effect<void, MountPointError> =>
  Effect.tryPromise({
    try: () => (unmounter === undefined ? unmount(directory, manner) : unmounter.unmount(manner)),
    catch: (error) => (error instanceof MountPointError ? error : new MountPointError(String(error))),
  });

function serveIn(
  asked: ServeRequest,
  user: User | undefined,
  controls: Array<Control>,
): Effect.Effect<ServeEnd, ServeError, Scope.Scope> {
  const startedMs = Date.now();
  const log = new ServerLog(asked.log);
  const request = { ...asked, log: log.say };
  const { devices: paths, directory, options, memory, handed } = request;
  return Effect.gen(function* () {
    const { readOnly } = options;
    const [metrics, company] = [new Metrics(), new Company()];
    const alone = (): boolean => company.aloneAtFlush(performance.now(), metrics.inFlight);
    const { nodeCacheBytes, dirtyBytesMax, readCacheBytes } = memory;
    const opened = yield* openDevices(paths, readOnly, handed, alone, readCacheBytes);
    const devices = opened.map((device) => watchDevice(device, log.say));
    const limits = { nodeCacheBytes, dirtyBytesMax, readCacheBytes };
    const survivors = readOnly ? undefined : survivorsIn(handed, dirtyBytesMax, log.say);
    const compressor = readOnly ? undefined : yield* compressorOf(threadsOf(options, memory), log.say);
    const pool = yield* openPool(devices, { ...options.engine, ...limits, readOnly, survivors, compressor });
    const control = new MemoryControl(memory);
    yield* Effect.forkScoped(Effect.interruptible(watchMemory(pool, control, processMemory, log.say)));
    const outliving = outlivingOf(pool, survivors);
    const services: TransportServices = { run: yield* runner, report: log.say, outliving };
    const transport = yield* chooseTransport(options);
    const session = yield* startSession(request, pool, services, transport, metrics, company);
    let failure: string | undefined;
    services.run(pool.died, (exit) => {
      if (!Exit.isSuccess(exit)) return;
      failure = exit.value;
      log.say(`the pool is read-only from now on: ${failure}`);
    });
    const words = optionWords(options, memory);
    const sources = { directory, transport, readOnly, pool, devices, memory, control, metrics, log, startedMs };
    const status = statusOf({ ...sources, options: words, failure: () => failure });
    yield* startControl(session, request, controls, { status: () => promised(services, status) });
    const unmounter = user === undefined ? undefined : new Unmounter(directory);
    if (user !== undefined) {
      become(user);
      log.say(`root is given up for ${user.name}`);
    }
    request.mounted(session.device);
    const over = Effect.as(Effect.raceFirst(session.ended, stopping(request, session, unmounter)), false);
    const letGo = handingOver(request.handOver, pool, session, log.say);
    const handedOver = yield* Effect.interruptible(Effect.raceFirst(over, letGo));
    unmounter?.close();
    if (handedOver) return { clean: true, message: "", handedOver };
    yield* session.close;
    return yield* closing(pool, readOnly, () => failure);
  });
}

const threadsOf = ({ compressionThreads }: MountOptions, { budgetBytes }: MemoryShares): number =>
  compressionThreads ?? defaultThreads(budgetBytes);

/** Threads that compress for a pool, unless it is to have none; they outlive it. */
function compressorOf(
  threads: number,
  report: (line: string) => void,
): Effect.Effect<CompressionPool | undefined, never, Scope.Scope> {
  if (threads === 0) return Effect.succeed(undefined);
  return Effect.acquireRelease(
    Effect.sync(() => new CompressionPool(threads, report)),
    (pool) => Effect.sync(() => pool.close()),
  );
}

/** The options that count, those included that nobody gave. */
function optionWords(options: MountOptions, memory: MemoryShares): ReadonlyArray<string> {
  const { commitIntervalMs, writebackIntervalMs } = options.engine;
  return [
    ...kernelOptions(options),
    options.acls ? "acl" : "noacl",
    options.spinMs === 0 ? "nospin" : `spin=${options.spinMs}ms`,
    `memory=${memory.budgetBytes}`,
    `workers=${threadsOf(options, memory)}`,
    ...(commitIntervalMs === undefined ? [] : [`commit=${commitIntervalMs}ms`]),
    ...(writebackIntervalMs === undefined ? [] : [`writeback=${writebackIntervalMs}ms`]),
  ];
}

/** Lets commands find this server, and answers what they ask. */
function startControl(
  session: Session,
  { devices, directory, log }: ServeRequest,
  controls: Array<Control>,
  questions: Questions,
): Effect.Effect<void> {
  const { pid } = process;
  const listening = listen(session.device, { pid, directory, devices }, questions).catch((error: unknown) =>
    log(`umount will not be able to wait for this server: ${String(error)}`),
  );
  return Effect.map(
    Effect.promise(() => listening),
    (control) => {
      if (control !== undefined) controls.push(control);
    },
  );
}

const promised = <A, E>({ run }: TransportServices, effect: Effect.Effect<A, E>): Promise<A> =>
  new Promise((settle, reject) => {
    run(effect, (exit) =>
      Exit.isSuccess(exit) ? settle(exit.value) : reject(new Error(`it cannot tell: ${describeFailure(exit)}`)),
    );
  });

/** The transport that was asked for, or the best one that can be had. */
function chooseTransport({ transport }: MountOptions): Effect.Effect<"direct" | "fuse-native", TransportMissing> {
  const obstacle = transport === "fuse-native" ? "it was not asked for" : directObstacle();
  if (obstacle === undefined) return Effect.succeed("direct");
  return transport === "direct" ? Effect.fail(new TransportMissing("direct", obstacle)) : Effect.succeed("fuse-native");
}

/** Mounts. */
function startSession(
  { devices, directory, options, memory, log, handed }: ServeRequest,
  pool: Pool,
  services: TransportServices,
  transport: "direct" | "fuse-native",
  metrics: Metrics,
  company: Company,
): Effect.Effect<Session, MountPointError | TransportMissing> {
  const source = devices.join(",");
  if (transport === "direct") {
    const { entrySeconds, acls, attributeSeconds = DIRECT_ATTRIBUTE_SECONDS, writebackCache, reader, spinMs } = options;
    // Each keeps a buffer of its own, whether it is worked on or waits.
    const backgroundMax = Math.max(BACKGROUND_MIN, Math.floor(memory.inFlightBytesMax / WRITE_BYTES_MAX));
    const kept = { entrySeconds, attributeSeconds, acls, writebackCache, backgroundMax };
    const direct = new DirectTransport(pool, services, kept);
    const metered = new MeteredTransport(direct, metrics, memory.inFlightBytesMax, company);
    const { connection, device } = handed ?? {};
    log(device === undefined ? `mounting ${source} on ${directory}, directly` : `taking ${directory} over`);
    const mount = { directory, source, options: kernelOptions(options), report: log, reader, spinMs, company };
    const started = startDirect({ ...mount, spareBuffers: backgroundMax, connection, device }, metered);
    return Effect.tap(started, ({ device }) => Effect.sync(() => tuneKernel(device, READAHEAD_BYTES, log)));
  }
  const binding = loadBinding();
  if (binding instanceof TransportMissing) {
    const { message } = binding;
    const asked = options.transport === "fuse-native";
    return Effect.fail(asked ? binding : new TransportMissing("direct", `${directObstacle()}. Otherwise ${message}`));
  }
  const { acls, attributeSeconds = ATTRIBUTE_SECONDS_COHERENT } = options;
  const native = makeNativeTransport(pool.filesystem, binding, services, { attributeSeconds, acls });
  log(`mounting ${source} on ${directory}, through fuse-native`);
  return startNative(directory, libfuseOptions(options, source, attributeSeconds), binding, native);
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

/** Waits for the request to stop and unmounts; programs that do not let go in time lose the filesystem. */
function stopping(
  { stop, directory, log }: ServeRequest,
  session: Session,
  unmounter: Unmounter | undefined,
): Effect.Effect<void> {
  return Effect.gen(function* () {
    log(`stopping: ${yield* stop}`);
    for (let left = CLOSE_WITHIN_MS; left > 0; left -= RETRY_EVERY_MS) {
      if (Exit.isSuccess(yield* Effect.exit(unmounting(directory, "now", unmounter)))) return yield* session.ended;
      if (left === CLOSE_WITHIN_MS) log("files are open; waiting for them");
      yield* Effect.sleep(RETRY_EVERY_MS);
    }
    log("files are still open; unmounting all the same");
    // The kernel would throw away what it gathered of them.
    const handedOver = Effect.tryPromise(() => handOver(directory));
    yield* Effect.ignore(Effect.raceFirst(handedOver, Effect.sleep(CLOSE_WITHIN_MS)));
    yield* Effect.ignore(unmounting(directory, "force", unmounter));
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
