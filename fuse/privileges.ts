/**
 * Giving up root once a mount stands (`-o drop=USER`): what is open stays open, and nothing more can be opened as root.
 *
 * Unmounting takes root, so before giving it up the server starts a shell that can do this one thing: it unmounts this
 * one directory when the server says so through a pipe, and ends with the server. It hears no signals of a terminal.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { resolve } from "node:path";
import { MountPointError, type UnmountManner } from "./mount-point.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Finds the user to become, or says why there is none. */
export function userNamed(name: string): User | MountPointError {
  if (process.geteuid?.() !== 0) return new MountPointError(`drop=${name}: only root can give up root`);
  const idOf = (which: "-u" | "-g"): number =>
    Number(execFileSync("id", [which, "--", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  try {
    const user = { name, uid: idOf("-u"), gid: idOf("-g") };
    return user.uid === 0 ? new MountPointError(`drop=${name}: that is root itself`) : user;
  } catch {
    return new MountPointError(`drop=${name}: there is no such user`);
  }
}

/** From now on this process, with all its threads, is that user's. */
export function become({ uid, gid }: User): void {
  process.setgroups!([]);
  process.setgid!(gid);
  process.setuid!(uid);
}

const SCRIPT = [
  "while read -r manner; do",
  '  case $manner in now) said=$(umount -- "$1" 2>&1);; detach) said=$(umount -l -- "$1" 2>&1);;',
  '    force) said=$(umount -f -l -- "$1" 2>&1);; esac',
  '  printf "%s %s\\n" "$?" "$(printf %s "$said" | head -n 1)"',
  "done",
].join("\n");

/** What is left of root: it can unmount one directory. */
export class Unmounter {
  private readonly target: string;
  private readonly child: ChildProcess;
  private said = "";
  private waiting: ((answer: string) => void) | undefined;

  constructor(directory: string) {
    this.target = resolve(directory);
    this.child = spawn("sh", ["-c", SCRIPT, "varve-unmounter", this.target], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    });
    this.child.stdout!.on("data", (chunk: Buffer) => this.hear(chunk.toString()));
    this.child.stdin!.on("error", () => {});
    for (const event of ["error", "close"] as const) this.child.on(event, () => this.answer("1 its helper is gone"));
  }

  /** Unmounts; rejects with a MountPointError. One call at a time. */
  async unmount(manner: UnmountManner): Promise<void> {
    const answer = await new Promise<string>((settle) => {
      this.waiting = settle;
      this.child.stdin!.write(`${manner}\n`);
    });
    if (answer.startsWith("0 ")) return;
    const why = answer.replace(/^\d+ (umount: )?/, "");
    throw new MountPointError(`${this.target} cannot be unmounted: ${why}`);
  }

  /** Lets it end. */
  close(): void {
    this.child.stdin!.end();
  }

  private hear(text: string): void {
    this.said += text;
    const end = this.said.indexOf("\n");
    if (end < 0) return;
    const line = this.said.slice(0, end);
    this.said = this.said.slice(end + 1);
    this.answer(line);
  }

  private answer(line: string): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.(line);
  }
}
