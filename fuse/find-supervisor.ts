/**
 * How a command finds the supervisor of a mount, and hears of its servers.
 */
import { connect } from "node:net";
import { supervisorSocket, type SupervisorLine } from "./supervisor.ts";

export interface SupervisorLink {
  readonly supervisor: number;
  readonly server: number | undefined;
  readonly started: number;
  /** The next line; undefined when the supervisor has ended. */
  readonly next: () => Promise<SupervisorLine | undefined>;
  readonly close: () => void;
}

/** Connects to the supervisor of a mount; undefined if it has none. */
export async function findSupervisor(mountDevice: string): Promise<SupervisorLink | undefined> {
  const socket = connect(supervisorSocket(mountDevice));
  const lines: Array<SupervisorLine> = [];
  let waiting: ((line: SupervisorLine | undefined) => void) | undefined;
  let over = false;
  let text = "";
  const give = (): void => {
    if (waiting === undefined || (lines.length === 0 && !over)) return;
    const to = waiting;
    waiting = undefined;
    to(lines.shift());
  };
  socket.setEncoding("utf8");
  socket.on("error", () => {});
  socket.on("close", () => {
    over = true;
    give();
  });
  socket.on("data", (chunk: string) => {
    text += chunk;
    const whole = text.split("\n");
    text = whole.pop() ?? "";
    lines.push(...whole.map((line) => JSON.parse(line) as SupervisorLine));
    give();
  });
  const next = (): Promise<SupervisorLine | undefined> =>
    new Promise((settle) => {
      waiting = settle;
      give();
    });
  const first = await next();
  return first === undefined ? undefined : { ...first, next, close: () => socket.destroy() };
}
