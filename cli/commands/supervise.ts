/**
 * `varve supervise DEVICE... DIR`: what `varve mount` leaves in the background, the server below it.
 *
 * Not for people: it expects a pipe to whoever started it, and says there how the first server fared.
 */
import { openSync } from "node:fs";
import { tell } from "../../fuse/handed.ts";
import { supervise } from "../../fuse/supervisor.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status } from "../exit.ts";
import { logTo, logToSystem } from "../log-file.ts";

export const command: CommandSpec = {
  name: "supervise",
  summary: "keep a mount alive: what varve mount leaves in the background",
  arguments: [{ name: "<device-and-directory...>", summary: "as of varve mount" }],
  options: [
    { flags: "-o, --option <k=v,...>", kind: "texts", summary: "mount options" },
    { flags: "--log <file>", kind: "text", summary: "append the log to a file" },
    { flags: "--node <flag>", kind: "texts", summary: "an option of node, for the server" },
    { flags: "--blocking", kind: "flag", summary: "servers wait in their reads" },
  ],
  run,
};

async function run(args: ReadonlyArray<string>, options: Options): Promise<number> {
  const directory = args.at(-1);
  const script = process.argv[1];
  if (directory === undefined || script === undefined) throw new CannotError("there is nothing to supervise");
  const log = options.text("log");
  const words = options.texts("option").flatMap((option) => ["--option", option]);
  if (log !== undefined) words.push("--log", log);
  const node = [process.execPath, ...process.execArgv, ...options.texts("node")];
  const clean = await supervise({
    command: [...node, script, "mount", "--foreground", ...args, ...words],
    directory,
    nonblocking: !options.flag("blocking"),
    errors: log === undefined ? "ignore" : openSync(log, "a"),
    log: log === undefined ? logToSystem(directory) : logTo(log),
    first: tell,
  });
  return clean ? Status.fine : Status.cannot;
}
