/**
 * `varve restart DIR`: another server takes a mount over, with the program as it is now. Programs on it only wait.
 */
import { resolve } from "node:path";
import { findSupervisor } from "../../fuse/find-supervisor.ts";
import { MOUNT_TYPE, mountAt } from "../../fuse/mount-point.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status } from "../exit.ts";
import { Output } from "../output.ts";

export const command: CommandSpec = {
  name: "restart",
  summary: "replace the server of a mount by a new one, as after an upgrade",
  arguments: [{ name: "<directory>", summary: "the directory that the pool is mounted on" }],
  options: [],
  notes: "Programs that use the mount wait for a second or so; their files stay open and nothing is lost.",
  run: restart,
};

async function restart(args: ReadonlyArray<string>, options: Options): Promise<number> {
  const output = new Output(options);
  const directory = resolve(args[0] ?? "");
  const entry = mountAt(directory);
  if (entry === undefined) throw new CannotError(`nothing is mounted on ${directory}`);
  if (entry.type !== MOUNT_TYPE) throw new CannotError(`${directory} is a mount of ${entry.type}, not of a Varve pool`);
  const link = await findSupervisor(entry.device);
  if (link === undefined) throw new CannotError(`the server of ${directory} has no supervisor: unmount and mount it`);
  process.kill(link.supervisor, "SIGUSR2");
  const begun = Date.now();
  const line = await link.next();
  link.close();
  if (line?.server === undefined) throw new CannotError(`${directory} is no longer mounted; the server's log says why`);
  const milliseconds = Date.now() - begun;
  output.print(`server ${line.server} has taken ${directory} over, within ${milliseconds} ms`);
  output.object({ restarted: true, directory, pid: line.server, milliseconds });
  return Status.fine;
}
