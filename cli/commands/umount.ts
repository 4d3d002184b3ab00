/**
 * `varve umount DIR`: takes the mount away and waits until its server has closed the pool.
 *
 * When it returns, the devices are free: a check, or another mount, can begin at once. A mount whose server is gone is
 * taken away too; there is nothing to wait for then.
 */
import { resolve } from "node:path";
import { findServer, type ServerEnd } from "../../fuse/control.ts";
import { MOUNT_TYPE, mountAt, MountPointError, unmount } from "../../fuse/mount-point.ts";
import { describeUsers, usersOf } from "../../fuse/mount-users.ts";
import type { CommandSpec, Options } from "../command.ts";
import { CannotError, Status } from "../exit.ts";
import { Output } from "../output.ts";

export const command: CommandSpec = {
  name: "umount",
  summary: "unmount a pool cleanly",
  arguments: [{ name: "<directory>", summary: "the directory that the pool is mounted on" }],
  options: [
    { flags: "--detach", kind: "flag", summary: "take it out of sight now, though files on it are open" },
    { flags: "--timeout <duration>", kind: "milliseconds", summary: "how long to wait for the pool to close" },
  ],
  run: umount,
};

async function umount(args: ReadonlyArray<string>, options: Options): Promise<number> {
  const output = new Output(options);
  const directory = resolve(args[0] ?? "");
  const entry = mountAt(directory);
  if (entry === undefined) throw new CannotError(`nothing is mounted on ${directory}`);
  if (entry.type !== MOUNT_TYPE) throw new CannotError(`${directory} is a mount of ${entry.type}, not of a Varve pool`);
  const server = await findServer(entry.device);
  const manner = server === undefined || options.flag("detach") ? "detach" : "now";
  try {
    await unmount(directory, manner);
  } catch (error) {
    server?.close();
    if (!(error instanceof MountPointError)) throw error;
    const users = /busy/u.test(error.message) ? describeUsers(usersOf(directory)) : "";
    throw new CannotError(users === "" ? error.message : `${error.message} It is used by ${users}`);
  }
  if (server === undefined) {
    output.print(`${directory} is unmounted; its server was gone already`);
    output.object({ unmounted: true, directory, server: false });
    return Status.fine;
  }
  const end = await within(server.ended, options.number("timeout"));
  server.close();
  if (end === undefined) throw new CannotError(`${directory} is unmounted, but its pool is not closed yet`);
  if (!end.clean) throw new CannotError(`${directory} is unmounted, but its pool was not closed: ${end.message}`);
  output.print(`${directory} is unmounted`);
  output.object({ unmounted: true, directory, server: true });
  return Status.fine;
}

/** Undefined when the time is over first. */
async function within(end: Promise<ServerEnd>, milliseconds: number | undefined): Promise<ServerEnd | undefined> {
  if (milliseconds === undefined) return end;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((settle) => {
    timer = setTimeout(() => settle(undefined), milliseconds);
  });
  try {
    return await Promise.race([end, late]);
  } finally {
    clearTimeout(timer);
  }
}
