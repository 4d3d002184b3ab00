/**
 * How a command finds the server of a mount, and hears that it has closed its pool.
 *
 * A server listens on a socket in Linux's abstract namespace, named after the device number of its mount: nothing lies
 * about in a directory, and it goes with the process. To whoever connects it sends a line that says who it is, and a
 * last line when the pool is closed and its devices are free. It takes no commands.
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

export interface ServerLink {
  readonly identity: ServerIdentity;
  /** Settles when the server has ended; `clean` is false if it went without a word. */
  readonly ended: Promise<ServerEnd>;
  /** Stops listening to the server. */
  readonly close: () => void;
}

const socketName = (mountDevice: string): string => `\0varve/mount/${mountDevice}`;

/** Starts listening for a mount. Rejects if another process listens for it. */
export function listen(mountDevice: string, identity: ServerIdentity): Promise<Control> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => client.destroy());
    client.on("close", () => clients.delete(client));
    client.write(`${JSON.stringify(identity)}\n`);
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
    let text = "";
    let identity: ServerIdentity | undefined;
    let ended: (end: ServerEnd) => void = () => {};
    const end = new Promise<ServerEnd>((settle) => (ended = settle));
    socket.setEncoding("utf8");
    socket.on("error", () => found(undefined));
    socket.on("data", (chunk: string) => {
      text += chunk;
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
        const message: unknown = JSON.parse(text.slice(0, at));
        text = text.slice(at + 1);
        if (identity === undefined) {
          identity = message as ServerIdentity;
          found({ identity, ended: end, close: () => socket.destroy() });
        } else ended(message as ServerEnd);
      }
    });
    socket.on("close", () => {
      found(undefined);
      ended({ clean: false, message: "the server ended without closing the pool" });
    });
  });
}
