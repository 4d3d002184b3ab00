/**
 * `varve mount DEVICE... DIR`: checks the command line, then serves, or starts a server in the background and waits
 * until it says that the mount can be used.
 *
 * The background server is this same program with `--foreground`, and a pipe (its number in `VARVE_READY_FD`) through
 * which it reports one line of JSON: that it is mounted, or why not.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import * as Cause from "effect/Cause";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scheduler from "effect/Scheduler";
import type { ServerEnd } from "../../fuse/control.ts";
import { MOUNT_DEFAULTS, mountOptionHelp, MountOptionError, parseMountOptions } from "../../fuse/mount-options.ts";
import { allocatorEnvironment, type MemoryShares, MemoryTooSmall, nodeOptions } from "../../fuse/memory-budget.ts";
import { memoryShares } from "../../fuse/memory-watch.ts";
import { serve } from "../../fuse/mount.ts";
import { ProductionScheduler } from "../../fuse/scheduler.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status, UsageError } from "../exit.ts";
import { invocation } from "../invocation.ts";
import { Output } from "../output.ts";
import { parseBytes, parseMilliseconds } from "../quantity.ts";
import { describeFailure } from "../runtime.ts";

const READY_FD = "VARVE_READY_FD";

/** What a server in the background reports to whoever started it. */
type Report = { readonly mounted: true; readonly pid: number } | { readonly error: string };

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
  if (!options.flag("foreground")) return inBackground(plan, shares, options, output);

  const report = reporter();
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
              mounted: () => {
                report({ mounted: true, pid: process.pid });
                announce(output, plan, process.pid);
              },
              stop: signalled,
            }),
          ),
          (exit) => Effect.sync(() => endOf(exit)),
        ),
      ),
    );
    if (!end.clean) throw new CannotError(end.message);
    return Status.fine;
  } catch (error) {
    report({ error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

function endOf(exit: Exit.Exit<ServerEnd, unknown>): ServerEnd {
  if (Exit.isSuccess(exit)) return exit.value;
  const failure = Cause.findErrorOption(exit.cause);
  if (failure._tag === "Some") throw new CannotError(describeFailure(failure.value));
  throw new Error(Cause.pretty(exit.cause));
}

function announce(output: Output, { devices, directory }: Plan, pid: number): void {
  output.print(`${devices.join(",")} is mounted on ${directory}; unmount with: ${invocation()} umount ${directory}`);
  output.object({ mounted: true, devices, directory, pid });
}

/** Completes with the first of the signals that ask a server to end. */
const signalled: Effect.Effect<string> = Effect.callback((resume) => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    // A second signal must not end the process while the pool is being closed.
    process.on(signal, () => resume(Effect.succeed(signal)));
  }
});

function logTo(path: string | undefined): (line: string) => void {
  const descriptor = path === undefined ? 2 : openSync(path, "a");
  return (line) => {
    try {
      writeSync(descriptor, `${new Date().toISOString()} ${line}\n`);
    } catch {
      // A log that cannot be written, on a full disk or a closed terminal, is no reason to stop serving.
    }
  };
}

/** Tells whoever started this server, once; nobody if it was started by hand. */
function reporter(): (report: Report) => void {
  const text = process.env[READY_FD];
  let descriptor = text === undefined ? undefined : Number(text);
  return (report) => {
    if (descriptor === undefined) return;
    writeSync(descriptor, `${JSON.stringify(report)}\n`);
    closeSync(descriptor);
    descriptor = undefined;
  };
}

async function inBackground(plan: Plan, shares: MemoryShares, options: Options, output: Output): Promise<number> {
  const log = options.text("log");
  const words = [...plan.devices, plan.directory, "--foreground"];
  for (const option of options.texts("option")) words.push("--option", option);
  if (log !== undefined) words.push("--log", resolve(log));
  const script = process.argv[1];
  if (script === undefined) throw new CannotError("the program does not know its own path; use --foreground");
  const child = spawn(process.execPath, [...process.execArgv, ...nodeOptions(shares), script, "mount", ...words], {
    cwd: "/",
    detached: true,
    // Readers of requests hold threads of the pool for good; the device needs others.
    env: { UV_THREADPOOL_SIZE: "8", ...allocatorEnvironment, ...process.env, [READY_FD]: "3" },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const report = await reportOf(child);
  if ("error" in report) throw new CannotError(report.error);
  child.unref();
  announce(output, plan, report.pid);
  return Status.fine;
}

function reportOf(child: ReturnType<typeof spawn>): Promise<Report> {
  const pipe = child.stdio[3] as Readable;
  return new Promise((settle) => {
    let text = "";
    const read = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0) return;
      pipe.destroy();
      settle(JSON.parse(text.slice(0, end)) as Report);
    };
    pipe.setEncoding("utf8");
    pipe.on("data", read);
    child.on("error", (error) => settle({ error: `the server cannot be started: ${error.message}` }));
    child.on("exit", (code, signal) =>
      settle({ error: `the server ended before the mount stood (${signal ?? `status ${code}`})` }),
    );
  });
}
