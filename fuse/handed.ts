/**
 * What a supervisor hands to a server, and what the server tells it: descriptors and one line of JSON a message.
 *
 * The connection to the kernel and the memory file are inherited; which numbers they have stands in the environment.
 * Messages go through a pipe, one way.
 */
import * as fs from "node:fs";

const VARIABLE = "VARVE_HANDED";
/** Where a server that was started in the background reports; set by whoever started it. */
export const READY_FD = "VARVE_READY_FD";

export interface Handed {
  /** The connection to the kernel. */
  readonly connection: number;
  readonly memory: number;
  /** Device number of the mount, if it stands: then this server is not the first. */
  readonly device?: string;
}

export type ServerMessage =
  | { readonly mounted: true; readonly pid: number; readonly device: string }
  | { readonly error: string }
  /** The mount is over; the process will end. */
  | { readonly ended: true; readonly clean: boolean; readonly message: string }
  /** Another server may go on. */
  | { readonly handedOver: true };

export const handedEnvironment = (handed: Handed, pipe: number): Readonly<Record<string, string>> => ({
  [VARIABLE]: JSON.stringify(handed),
  [READY_FD]: String(pipe),
});

/** What this process was handed; undefined if it has no supervisor. */
export function handed(): Handed | undefined {
  const text = process.env[VARIABLE];
  return text === undefined ? undefined : (JSON.parse(text) as Handed);
}

/** Tells the supervisor, or whoever started this server; nobody if it was started by hand. */
export function tell(message: ServerMessage): void {
  const text = process.env[READY_FD];
  if (text === undefined) return;
  try {
    fs.writeSync(Number(text), `${JSON.stringify(message)}\n`);
  } catch {
    // Whoever wanted to know is gone.
  }
}

/** Calls `heard` with each message of a text that comes in pieces. */
export function messages(heard: (message: ServerMessage) => void): (chunk: string) => void {
  let text = "";
  return (chunk) => {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      heard(JSON.parse(line) as ServerMessage);
    }
  };
}
