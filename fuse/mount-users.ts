/**
 * Who uses a mount: processes with a directory or file of it open, for whoever cannot unmount.
 *
 * Reads what `/proc` shows of each process that may be looked at, never the mount itself.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export interface MountUser {
  readonly pid: number;
  readonly name: string;
  /** As what it uses something there, and the first such thing. */
  readonly as: "directory" | "root" | "program" | "file";
  readonly path: string;
}

const LINKS = [
  ["cwd", "directory"],
  ["root", "root"],
  ["exe", "program"],
] as const;

/** What a link of `/proc` leads to, if it is there and may be read. */
function linked(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function openFiles(process: string): ReadonlyArray<string> {
  const folder = join(process, "fd");
  try {
    return readdirSync(folder).flatMap((fd) => linked(join(folder, fd)) ?? []);
  } catch {
    return [];
  }
}

function nameOf(process: string): string {
  try {
    return readFileSync(join(process, "comm"), "utf8").trim();
  } catch {
    return "?";
  }
}

/** Processes that use the mount on this directory, an absolute path; `proc`: where processes are shown. */
export function usersOf(directory: string, proc = "/proc"): ReadonlyArray<MountUser> {
  const isThere = (path: string | undefined): path is string =>
    path !== undefined && (path === directory || path.startsWith(`${directory}/`));
  return readdirSync(proc)
    .filter((entry) => /^\d+$/u.test(entry))
    .flatMap((entry): ReadonlyArray<MountUser> => {
      const process = join(proc, entry);
      const who = { pid: Number(entry), name: nameOf(process) };
      for (const [link, as] of LINKS) {
        const path = linked(join(process, link));
        if (isThere(path)) return [{ ...who, as, path }];
      }
      const path = openFiles(process).find(isThere);
      return path === undefined ? [] : [{ ...who, as: "file", path }];
    });
}

/** The first few of them in words; empty if there is none. */
export function describeUsers(users: ReadonlyArray<MountUser>, most = 3): string {
  const named = users.slice(0, most).map(({ pid, name, as, path }) => `${name} (process ${pid}, ${as} ${path})`);
  if (users.length > most) named.push(`${users.length - most} more`);
  return named.join(", ");
}
