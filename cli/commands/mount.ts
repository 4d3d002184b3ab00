/**
 * `varve mount DEVICE... DIR`: checks the command line, then serves, or starts a server in the background and waits
 * until it says that the mount can be used.
 *
 * The background server is this same program with `--foreground`, below a supervisor (`supervise.ts`) if it can be
 * replaced; through a pipe it reports that it is mounted, or why not (`fuse/handed.ts`).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import * as Cause from "effect/Cause";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scheduler from "effect/Scheduler";
import { directObstacle } from "../../fuse/direct-session.ts";
import { handed, messages, READY_FD, type ServerMessage, tell } from "../../fuse/handed.ts";
import {
  MOUNT_DEFAULTS,
  mountOptionHelp,
  MountOptionError,
  type MountOptions,
  parseMountOptions,
} from "../../fuse/mount-options.ts";
import { allocatorEnvironment, type MemoryShares, MemoryTooSmall, nodeOptions } from "../../fuse/memory-budget.ts";
import { memoryShares } from "../../fuse/memory-watch.ts";
import { serve, type ServeEnd } from "../../fuse/mount.ts";
import { ProductionScheduler } from "../../fuse/scheduler.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { invocation } from "../invocation.ts";
import { Output } from "../output.ts";
import { logTo } from "../log-file.ts";
import { parseBytes, parseMilliseconds } from "../quantity.ts";
import { describeFailure } from "../runtime.ts";

export const command: CommandSpec = {
  name: "mount",
  summary: "mount a pool on a directory",
  arguments: [{ name: "<device-and-directory...>", summary: "the devices or files of the pool, then the directory" }],
  options: [
    { flags: "-o, --option <k=v,...>", kind: "texts", summary: "mount options, see below" },
    { flags: "-f, --foreground", kind: "flag", summary: "serve in this process until the mount ends" },
    { flags: "--log <file>", kind: "text", summary: "append the server's log to a file" },
  ],
  notes: ["Mount options:", ...mountOptionHelp, "", "Unmount with: varve umount DIR"].join("\n"),
  run: mount,
};

interface Plan {
  readonly devices: ReadonlyArray<string>;
  readonly directory: string;
}

function planOf(args: ReadonlyArray<string>): Plan {
  const paths = args.map((path) => resolve(path));
  const directory = paths.at(-1);
  if (directory === undefined || paths.length < 2) {
    throw new UsageError("mount needs at least one device and a directory: varve mount DEVICE... DIR");
  }
  const devices = paths.slice(0, -1);
  for (const device of devices) if (!existsSync(device)) throw new CannotError(`${device}: no such file or device`);
  return { devices, directory };
}

async function mount(args: ReadonlyArray<string>, options: Options): Promise<number> {
  const plan = planOf(args);
  const defaults = { ...MOUNT_DEFAULTS, allowOther: process.geteuid?.() === 0 };
  const readers = { bytes: parseBytes, milliseconds: parseMilliseconds };
  const parsed = parseMountOptions(options.texts("option"), readers, defaults);
  if (parsed instanceof MountOptionError) throw new UsageError(parsed.message);
  const shares = memoryShares(parsed.memoryBytes, parsed.engine);
  if (shares instanceof MemoryTooSmall) throw new UsageError(shares.message);
  const output = new Output(options);
  if (!options.flag("foreground")) return inBackground(plan, parsed, shares, options, output);

  const own = handed();
  try {
    const end = await Effect.runPromiseWith(Context.make(Scheduler.Scheduler, new ProductionScheduler()))(
      Effect.flatten(
        Effect.map(
          Effect.exit(
            serve({
              ...plan,
              options: parsed,
              memory: shares,
              log: logTo(options.text("log")),
              mounted: (device) => {
                tell({ mounted: true, pid: process.pid, device });
                announce(output, plan, process.pid);
              },
              stop: signalled("SIGTERM", "SIGINT", "SIGHUP"),
              ...(own === undefined ? {} : { handed: own, handOver: signalled("SIGUSR2") }),
            }),
          ),
          (exit) => Effect.sync(() => endOf(exit)),
        ),
      ),
    );
    if (end.handedOver === true) {
      tell({ handedOver: true });
      // A thread may wait for a request for ever, and would hold up an end in good order.
      process.kill(process.pid, "SIGKILL");
    }
    tell({ ended: true, clean: end.clean, message: end.message });
    if (!end.clean) throw new CannotError(end.message);
    return Status.fine;
  } catch (error) {
    tell({ error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** Without root there is no connection that could be handed on. */
const canRestart = ({ restart, transport }: MountOptions): boolean =>
  restart && transport !== "fuse-native" && directObstacle() === undefined;

function endOf(exit: Exit.Exit<ServeEnd, unknown>): ServeEnd {
  if (Exit.isSuccess(exit)) return exit.value;
  const failure = Cause.findErrorOption(exit.cause);
  if (failure._tag === "Some") throw new CannotError(describeFailure(failure.value));
  throw new Error(Cause.pretty(exit.cause));
}

function announce(output: Output, { devices, directory }: Plan, pid: number): void {
  output.print(`${devices.join(",")} is mounted on ${directory}; unmount with: ${invocation()} umount ${directory}`);
  output.object({ mounted: true, devices, directory, pid });
}

/** Completes with the first of these signals. */
const signalled = (...signals: ReadonlyArray<NodeJS.Signals>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    for (const signal of signals) {
      // A second signal must not end the process while the pool is being closed.
      process.on(signal, () => resume(Effect.succeed(signal)));
    }
  });

async function inBackground(
  plan: Plan,
  parsed: MountOptions,
  shares: MemoryShares,
  options: Options,
  output: Output,
): Promise<number> {
  const log = options.text("log");
  const words = [...plan.devices, plan.directory];
  for (const option of options.texts("option")) words.push("--option", option);
  if (log !== undefined) words.push("--log", resolve(log));
  const script = process.argv[1];
  if (script === undefined) throw new CannotError("the program does not know its own path; use --foreground");
  const forServer = nodeOptions(shares);
  const blocking = parsed.reader === "thread-pool" ? ["--blocking"] : [];
  const flags = forServer.map((flag) => `--node=${flag}`);
  const command = canRestart(parsed)
    ? [...process.execArgv, script, "supervise", ...blocking, ...flags, ...words]
    : [...process.execArgv, ...forServer, script, "mount", "--foreground", ...words];
  const child = spawn(process.execPath, command, {
    cwd: "/",
    detached: true,
    // Readers of requests hold threads of the pool for good; the device needs others.
    env: { UV_THREADPOOL_SIZE: "8", ...allocatorEnvironment, ...process.env, [READY_FD]: "3" },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const report = await reportOf(child);
  if (!("mounted" in report)) throw new CannotError("error" in report ? report.error : "the mount ended at once");
  child.unref();
  announce(output, plan, report.pid);
  return Status.fine;
}

function reportOf(child: ReturnType<typeof spawn>): Promise<ServerMessage> {
  const pipe = child.stdio[3] as Readable;
  return new Promise((settle) => {
    const read = messages((message) => {
      pipe.destroy();
      settle(message);
    });
    pipe.setEncoding("utf8");
    pipe.on("data", read);
    child.on("error", (error) => settle({ error: `the server cannot be started: ${error.message}` }));
    child.on("exit", (code, signal) =>
      settle({ error: `the server ended before the mount stood (${signal ?? `status ${code}`})` }),
    );
  });
}
