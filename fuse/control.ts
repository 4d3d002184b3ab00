/**
 * How a command finds the server of a mount, and hears that it has closed its pool.
 *
 * A server listens on a socket in Linux's abstract namespace, named after the device number of its mount: nothing lies
 * about in a directory, and it goes with the process. To whoever connects it sends a line that says who it is, and a
 * last line when the pool is closed and its devices are free. In between it answers questions, a line each: `{"ask":
 * "status"}` is answered by `{"answer": ...}` or `{"refused": "why"}`, in the order in which they were asked.
 */
import { connect, createServer, type Socket } from "node:net";

export interface ServerIdentity {
  readonly pid: number;
  readonly directory: string;
  readonly devices: ReadonlyArray<string>;
}

/** How a server ended: `clean` if everything was written back and the pool was closed. */
export interface ServerEnd {
  readonly clean: boolean;
  readonly message: string;
}

export interface Control {
  /** Tells everyone who is connected, and stops listening. */
  readonly end: (end: ServerEnd) => Promise<void>;
}

type Reply = { readonly answer: unknown } | { readonly refused: string };

/** What can be asked of a server, by name. */
export type Questions = Readonly<Record<string, () => Promise<unknown>>>;

export interface ServerLink {
  readonly identity: ServerIdentity;
  /** The answer to a question; rejects if the server ends before, does not know it, or says nothing for some seconds. */
  readonly ask: (question: string) => Promise<unknown>;
  /** Settles when the server has ended; `clean` is false if it went without a word. */
  readonly ended: Promise<ServerEnd>;
  /** Stops listening to the server. */
  readonly close: () => void;
}

const LINE_CHARACTERS_MAX = 16 * 1024 * 1024;
/** A server of an earlier version says nothing to a question. */
const ANSWER_WITHIN_MS = 5000;
const SILENT = "the server does not answer";
const GONE = "the server ended without closing the pool";

const socketName = (mountDevice: string): string => `\0varve/mount/${mountDevice}`;

/** Calls `each` with every whole line that comes. */
function eachLine(socket: Socket, each: (line: string) => void): void {
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    text += chunk;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
      const line = text.slice(0, at);
      text = text.slice(at + 1);
      each(line);
    }
    // Nobody who knows what may be asked asks at such length.
    if (text.length > LINE_CHARACTERS_MAX) socket.destroy();
  });
}

async function answerTo(questions: Questions, line: string): Promise<object> {
  try {
    const { ask } = JSON.parse(line) as { ask?: unknown };
    const question = typeof ask === "string" && Object.hasOwn(questions, ask) ? questions[ask] : undefined;
    return question === undefined ? { refused: `unknown question ${String(ask)}` } : { answer: await question() };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

/** Starts listening for a mount. Rejects if another process listens for it. */
export function listen(mountDevice: string, identity: ServerIdentity, questions: Questions = {}): Promise<Control> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => client.destroy());
    client.on("close", () => clients.delete(client));
    client.write(`${JSON.stringify(identity)}\n`);
    let before = Promise.resolve();
    eachLine(client, (line) => {
      const answer = answerTo(questions, line);
      before = before.then(async () => {
        const text = `${JSON.stringify(await answer)}\n`;
        if (client.writable) client.write(text);
      });
    });
  });
  // Whoever asks must not keep the server alive.
  server.unref();
  const end = async (last: ServerEnd): Promise<void> => {
    const told = [...clients].map(
      (client) => new Promise<void>((settle) => client.end(`${JSON.stringify(last)}\n`, () => settle())),
    );
    server.close();
    await Promise.all(told);
  };
  return new Promise((settle, reject) => {
    server.once("error", reject);
    server.listen(socketName(mountDevice), () => settle({ end }));
  });
}

/** Connects to the server of a mount; undefined if there is none (it died, or runs in another network namespace). */
export function findServer(mountDevice: string): Promise<ServerLink | undefined> {
  return new Promise((found) => {
    const socket = connect(socketName(mountDevice));
    let identity: ServerIdentity | undefined;
    let ended: (end: ServerEnd) => void = () => {};
    const end = new Promise<ServerEnd>((settle) => (ended = settle));
    const asked: Array<(reply: Reply) => void> = [];
    const ask = (question: string): Promise<unknown> =>
      new Promise((settle, reject) => {
        const late = setTimeout(() => reject(new Error(SILENT)), ANSWER_WITHIN_MS);
        asked.push((reply) => {
          clearTimeout(late);
          if ("refused" in reply) reject(new Error(reply.refused));
          else settle(reply.answer);
        });
        if (socket.destroyed) asked.pop()!({ refused: GONE });
        else socket.write(`${JSON.stringify({ ask: question })}\n`);
      });
    socket.on("error", () => found(undefined));
    eachLine(socket, (line) => {
      const message = JSON.parse(line) as ServerIdentity | ServerEnd | Reply;
      if ("answer" in message || "refused" in message) asked.shift()?.(message);
      else if ("clean" in message) ended(message);
      else if (identity === undefined) {
        identity = message;
        found({ identity, ask, ended: end, close: () => socket.destroy() });
      }
    });
    socket.on("close", () => {
      found(undefined);
      ended({ clean: false, message: GONE });
      for (const waiting of asked.splice(0)) waiting({ refused: GONE });
    });
  });
}
