/**
 * The process above a server: it holds the connection to the kernel and the memory file, and starts a successor when the
 * server dies.
 *
 * It never looks at either. A server that tells of its end is believed; one that goes without a word is replaced, and so
 * is one that hands over. Programs on the mount wait meanwhile. A server that dies again and again without having served
 * is given up, and with it the mount. Loads nothing of the engine, so that it stays small; serves nobody.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as fs from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { type Handed, handedEnvironment, messages, type ServerMessage } from "./handed.ts";
import { makeMemoryFile } from "./memory-file.ts";

/** A server that lived so long was well. */
const WELL_AFTER_MS = 10_000;
const DEATHS_MAX = 5;
/** Before another try, longer each time. */
const PAUSE_MS = 100;
/** Descriptors of the server: its pipe to the supervisor, the connection, the memory file. */
const [PIPE, CONNECTION_FD, MEMORY_FD] = [3, 4, 5];

export interface SuperviseRequest {
  /** Program and arguments that start a server in the foreground. */
  readonly command: ReadonlyArray<string>;
  readonly directory: string;
  /** Does the server read the connection without waiting in it? */
  readonly nonblocking: boolean;
  /** Where servers write what goes wrong beyond their log. */
  readonly errors: number | "ignore";
  readonly log: (line: string) => void;
  /** Hears the first message of the first server. */
  readonly first: (message: ServerMessage) => void;
}

/** Says who supervises a mount, and of each server that has begun to serve. */
export const supervisorSocket = (device: string): string => `\0varve/supervisor/${device}`;

export interface SupervisorLine {
  readonly supervisor: number;
  readonly server: number | undefined;
  /** Servers so far. */
  readonly started: number;
}

class Supervisor {
  private readonly request: SuperviseRequest;
  private readonly connection: number;
  private readonly memory: number;
  private readonly settle: (clean: boolean) => void;
  private server: ChildProcess | undefined;
  private serving = false;
  private device: string | undefined;
  private last: ServerMessage | undefined;
  private startedMs = 0;
  private diedMs = 0;
  private deaths = 0;
  private started = 0;
  private stopping: NodeJS.Signals | undefined;
  private socket: Server | undefined;
  private readonly clients: Set<Socket> = new Set();

  constructor(request: SuperviseRequest, connection: number, memory: number, settle: (clean: boolean) => void) {
    this.request = request;
    this.connection = connection;
    this.memory = memory;
    this.settle = settle;
  }

  start(): void {
    const { command, errors } = this.request;
    const [program, ...args] = command;
    const own: Handed = { connection: CONNECTION_FD, memory: MEMORY_FD };
    const handed = this.device === undefined ? own : { ...own, device: this.device };
    this.last = undefined;
    this.serving = false;
    this.startedMs = Date.now();
    const server = spawn(program!, args, {
      cwd: "/",
      env: { ...process.env, ...handedEnvironment(handed, PIPE) },
      stdio: ["ignore", "ignore", errors, "pipe", this.connection, this.memory],
    });
    this.server = server;
    const pipe = server.stdio[PIPE] as Readable;
    pipe.setEncoding("utf8");
    pipe.on(
      "data",
      messages((message) => this.heard(message)),
    );
    pipe.on("error", () => {});
    let over = false;
    const end = (how: string): void => {
      if (over) return;
      over = true;
      this.ended(how);
    };
    server.on("error", (error) => end(`cannot be started: ${error.message}`));
    // Its pipe is read to the end by then.
    server.on("close", (code, signal) => end(signal === null ? `ended with status ${code}` : `was ended by ${signal}`));
    if (server.pid !== undefined) spareFromOom(server.pid, false);
  }

  /** Ends the mount: the server unmounts, or the next one does. */
  stop(signal: NodeJS.Signals): void {
    this.stopping = signal;
    this.server?.kill(signal);
  }

  /** A successor takes over, with the program as it is now. */
  restart(): void {
    this.request.log(this.serving ? "handing over to a new server" : "no server is there to hand over");
    if (this.serving) this.server?.kill("SIGUSR2");
  }

  private heard(message: ServerMessage): void {
    this.last = message;
    if (!("mounted" in message)) return;
    this.serving = true;
    this.started++;
    if (this.device === undefined) {
      this.device = message.device;
      this.listen(message.device);
      this.request.first(message);
    } else {
      const pause = this.diedMs === 0 ? 0 : Date.now() - this.diedMs;
      this.request.log(`server ${message.pid} took over after ${pause} ms`);
    }
    if (this.stopping !== undefined) this.server?.kill(this.stopping);
    for (const client of this.clients) client.write(this.line);
  }

  private ended(how: string): void {
    const { request, last } = this;
    this.server = undefined;
    if (this.device === undefined) {
      request.first(
        last !== undefined && "error" in last ? last : { error: `the server ${how} before the mount stood` },
      );
      return this.settle(false);
    }
    if (last !== undefined && "ended" in last) return this.settle(last.clean);
    if (last !== undefined && "error" in last) return this.giveUp(`the server cannot go on: ${last.error}`);
    this.diedMs = Date.now();
    const handedOver = last !== undefined && "handedOver" in last;
    const well = this.serving && (handedOver || this.diedMs - this.startedMs > WELL_AFTER_MS);
    this.deaths = well ? 0 : this.deaths + 1;
    if (!handedOver) request.log(`the server ${how}; starting another`);
    if (this.deaths > DEATHS_MAX) return this.giveUp(`${this.deaths} servers died within seconds`);
    setTimeout(() => this.start(), this.deaths <= 1 ? 0 : PAUSE_MS * 2 ** this.deaths);
  }

  /** Programs that use the mount get errors from now on. */
  private giveUp(why: string): void {
    const { log, directory } = this.request;
    log(`given up, the mount ends: ${why}`);
    fs.closeSync(this.connection);
    execFile("umount", ["-l", directory], () => this.settle(false));
  }

  private get line(): string {
    const line: SupervisorLine = { supervisor: process.pid, server: this.server?.pid, started: this.started };
    return `${JSON.stringify(line)}\n`;
  }

  private listen(device: string): void {
    const socket = createServer((client) => {
      this.clients.add(client);
      client.on("error", () => client.destroy());
      client.on("close", () => this.clients.delete(client));
      client.write(this.line);
    });
    socket.on("error", (error) => this.request.log(`nobody will find this supervisor: ${error.message}`));
    socket.listen(supervisorSocket(device));
    socket.unref();
    this.socket = socket;
  }

  close(): void {
    this.socket?.close();
    for (const client of this.clients) client.destroy();
  }
}

/** Where memory runs out, the server should go, and not who can replace it. */
function spareFromOom(pid: number, spare: boolean): void {
  try {
    fs.writeFileSync(`/proc/${pid}/oom_score_adj`, spare ? "-500" : "0");
  } catch {
    // It takes privileges, and /proc.
  }
}

/** Supervises until the mount ends; false if it did not end cleanly. */
export function supervise(request: SuperviseRequest): Promise<boolean> {
  const { O_RDWR, O_NONBLOCK } = fs.constants;
  const memory = makeMemoryFile();
  if (memory === undefined) {
    request.first({ error: "there is no /dev/shm for what must outlive a server; mount with -o norestart" });
    return Promise.resolve(false);
  }
  const connection = fs.openSync("/dev/fuse", request.nonblocking ? O_RDWR | O_NONBLOCK : O_RDWR);
  spareFromOom(process.pid, true);
  return new Promise((settle) => {
    const supervisor = new Supervisor(request, connection, memory, (clean) => {
      supervisor.close();
      settle(clean);
    });
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => supervisor.stop(signal));
    process.on("SIGUSR2", () => supervisor.restart());
    supervisor.start();
  });
}
