/**
 * A lane: a process that mounts, a process that reads, and one image after another between them, each within a limit.
 *
 * Whoever does not answer in time hangs; whoever ends has crashed. Then both are killed, the mount is taken away, and
 * the next image gets new ones. Nothing is left behind by `close`, whatever state the lane is in.
 */
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { mountAt } from "../../fuse/mount-point.ts";
import { type Found, judge, type Verdict } from "../../harness/corruption/judge.ts";
import type { Manifest } from "../../harness/corruption/manifest.ts";
import { program } from "../targets/programs.ts";
import { type ReadRequest, WRITTEN } from "./names.ts";
import type { ServerAnswer, ServerRequest } from "./server.ts";

const STACK = /\n\s+at /u;
const SETTLE_TRIES = 50;
const SETTLE_MS = 20;

export interface Trial {
  readonly bytes: Uint8Array;
  readonly states: ReadonlyArray<Manifest>;
  /** A file with the same states, for the reader. */
  readonly statesFile: string;
  readonly sealed: boolean;
  readonly earlierAllowed: boolean;
  readonly readOnly: boolean;
  /** Writes something, mounts again and reads again. */
  readonly again: boolean;
}

class Hang {
  readonly during: string;
  constructor(during: string) {
    this.during = during;
  }
}
class Gone {
  readonly how: string;
  constructor(how: string) {
    this.how = how;
  }
}

/** A child process that answers messages. */
class Peer {
  private readonly child: ChildProcess;
  private waiting: ((answer: unknown) => void) | undefined;
  private readonly answers: Array<unknown> = [];
  private said = "";

  constructor(script: URL) {
    this.child = fork(script, [], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { UV_THREADPOOL_SIZE: "8", ...process.env },
    });
    this.child.stderr?.on("data", (chunk: Buffer) => (this.said = (this.said + chunk.toString()).slice(-4000)));
    this.child.on("message", (message) => this.answer(message));
    this.child.on("exit", (status, signal) => this.answer(new Gone(`${signal ?? `status ${status}`}: ${this.said}`)));
    this.child.on("error", (error) => this.answer(new Gone(error.message)));
  }

  private answer(answer: unknown): void {
    if (this.waiting === undefined) return void this.answers.push(answer);
    this.waiting(answer);
    this.waiting = undefined;
  }

  send(message: ServerRequest | ReadRequest): void {
    if (this.child.connected) this.child.send(message);
  }

  /** The next answer. Rejects with `Hang` or `Gone`. */
  async next<A>(limitMs: number, during: string): Promise<A> {
    const ready = this.answers.shift();
    let timer: NodeJS.Timeout | undefined;
    const answer =
      ready ??
      (await new Promise<unknown>((settle) => {
        this.waiting = settle;
        timer = setTimeout(() => settle(new Hang(during)), limitMs);
      }));
    clearTimeout(timer);
    this.waiting = undefined;
    if (answer instanceof Hang || answer instanceof Gone) throw answer;
    return answer as A;
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

/** Without what the reader wrote itself, at the top of the tree. */
function withoutWritten({ entries, errors }: Found): Found {
  const kept = Object.entries(entries).filter(([path]) => path !== "" && !WRITTEN.has(path.split("/")[1]!));
  const { names, mode } = entries[""] ?? {};
  const top = {
    ...(mode === undefined ? {} : { mode }),
    ...(names === undefined ? {} : { names: names.filter((name) => !WRITTEN.has(name)) }),
  };
  return { entries: { "": top, ...Object.fromEntries(kept) }, errors };
}

export class Lane {
  private readonly image: string;
  private readonly directory: string;
  private readonly limitMs: number;
  private readonly xattrs: boolean;
  private server: Peer | undefined;
  private reader: Peer | undefined;

  constructor(folder: string, index: number, limitMs: number, xattrs: boolean) {
    this.image = join(folder, `image-${index}`);
    this.directory = join(folder, `mount-${index}`);
    this.limitMs = limitMs;
    this.xattrs = xattrs;
    mkdirSync(this.directory);
    writeFileSync(this.image, "");
  }

  async run(trial: Trial): Promise<Verdict> {
    this.put(trial.bytes);
    try {
      const first = await this.mountAndRead(trial, trial.again);
      if (!trial.again || ["refused", "CRASH", "WRONG"].includes(first.outcome)) return first;
      const second = await this.mountAndRead(trial, false, withoutWritten);
      const worse = ["CRASH", "WRONG"].includes(second.outcome);
      return worse ? { ...second, details: ["mounted again after writing", ...second.details] } : first;
    } catch (error) {
      await this.restart();
      if (error instanceof Hang) return { outcome: "HANG", details: [error.during] };
      if (error instanceof Gone) return { outcome: "CRASH", details: [error.how] };
      throw error;
    }
  }

  /** Over what is there, which costs less than a new file. */
  private put(bytes: Uint8Array): void {
    const image = openSync(this.image, "r+");
    for (let at = 0; at < bytes.length;) at += writeSync(image, bytes, at, bytes.length - at, at);
    ftruncateSync(image, bytes.length);
    closeSync(image);
  }

  private async mountAndRead(
    trial: Trial,
    writes: boolean,
    view: (found: Found) => Found = (found) => found,
  ): Promise<Verdict> {
    const { directory, image, limitMs, xattrs } = this;
    const server = (this.server ??= new Peer(new URL("./server.js", import.meta.url)));
    const reader = (this.reader ??= new Peer(new URL("./reader.js", import.meta.url)));
    server.send({ kind: "mount", image, directory, readOnly: trial.readOnly });
    const begin = await server.next<ServerAnswer>(limitMs, "mounting");
    if (begin.kind === "ended") {
      if (begin.broken !== undefined) return { outcome: "CRASH", details: [begin.broken] };
      const said = begin.refused ?? "";
      return said === "" || STACK.test(said)
        ? { outcome: "CRASH", details: [`refused with: ${said}`] }
        : { outcome: "refused", details: [said] };
    }
    reader.send({ directory, states: trial.statesFile, xattrs, writes });
    const found = await reader.next<Found>(limitMs, "reading");
    server.send({ kind: "stop" });
    const end = await server.next<ServerAnswer>(limitMs, "unmounting");
    if (end.kind === "mounted") throw new Error("mounted twice");
    const broken = end.broken ?? end.log.find((line) => STACK.test(line));
    if (broken !== undefined) return { outcome: "CRASH", details: [broken] };
    return judge(view(found), trial.states, trial);
  }

  private async restart(): Promise<void> {
    this.server?.kill();
    this.reader?.kill();
    this.server = undefined;
    this.reader = undefined;
    for (let tries = 0; tries < SETTLE_TRIES && mountAt(this.directory) !== undefined; tries++) {
      await program("umount", ["-l", this.directory]);
      await new Promise((settle) => setTimeout(settle, SETTLE_MS));
    }
  }

  async close(): Promise<void> {
    await this.restart();
  }
}
