/**
 * Kills the server under load, round after round: what was synced is there, and the pool is sound.
 *
 * `VARVE_KILL_ROUNDS` says how many rounds (3); `VARVE_KILL_SEED` where the kills fall.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { obstacle, Program, TestMount } from "../test-mount.ts";
import { verifyClient } from "./verify.ts";

const ROUNDS = Number(process.env["VARVE_KILL_ROUNDS"] ?? 3);
const SEED = Number(process.env["VARVE_KILL_SEED"] ?? 1);
/** One after the other, round by round. */
const TRANSPORTS = ["direct", "fuse-native"] as const;
const CLIENTS = 3;
/** Steps of each client before the server may be killed. */
const STEPS_LEAST = 10;
const LOAD_MS_MIN = 300;
const LOAD_MS_SPREAD = 1700;

const blocked = obstacle();
let program: Program;
let mount: TestMount;
let ledgers: string;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build(["fuse/kill/load.ts"]);
  mount = await TestMount.format(program, "256M");
  ledgers = mkdtempSync(join(tmpdir(), "varve-ledgers-"));
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  await mount.remove();
  program.remove();
  rmSync(ledgers, { recursive: true, force: true });
});

const later = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));

interface Client {
  readonly directory: string;
  readonly ledger: string;
  readonly process: ChildProcess;
  readonly ended: Promise<string>;
}

function startClient(round: number, index: number): Client {
  const directory = join(mount.directory, `round-${round}-client-${index}`);
  const ledger = join(ledgers, `${round}-${index}`);
  mkdirSync(directory);
  const script = program.fileOf("load.js");
  const child = spawn(process.execPath, [script, directory, ledger, String(SEED * 1000 + round * 10 + index)]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<string>((settle) =>
    child.on("close", (status) => settle(status === 0 ? "" : `status ${status}: ${said}`)),
  );
  return { directory, ledger, process: child, ended };
}

/** Waits until a client has done enough to make its round worth something. */
async function atWork(client: Client): Promise<void> {
  const done = (): number =>
    existsSync(client.ledger) ? readFileSync(client.ledger, "utf8").split('"done":true').length - 1 : 0;
  while (done() <= STEPS_LEAST) {
    if (client.process.exitCode !== null) throw new Error(await client.ended);
    await later(10);
  }
}

describe("a server that is killed under load", () => {
  const past: Array<Client> = [];
  const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
  it.for(rounds)("round %i: keeps all that was synced", { timeout: 120_000 }, async (round, { skip }) => {
    const transport = TRANSPORTS[round % TRANSPORTS.length]!;
    const impossible = obstacle(transport);
    if (impossible !== undefined) return skip(impossible);
    await mount.mount(transport);
    const clients = Array.from({ length: CLIENTS }, (_, index) => startClient(round, index));
    await Promise.all(clients.map(atWork));
    await later(LOAD_MS_MIN + ((SEED * 7919 + round * 104_729) % LOAD_MS_SPREAD));
    await mount.kill();
    expect(await Promise.all(clients.map((client) => client.ended))).toEqual(clients.map(() => ""));
    await mount.mount(transport);
    past.push(...clients);
    let steps = 0;
    for (const { directory, ledger } of past) steps += verifyClient(directory, ledger);
    expect(steps).toBeGreaterThan(past.length * STEPS_LEAST);
    await mount.umount();
    await mount.check();
    // The next round needs room.
    await mount.mount();
    if (past.length > 5 * CLIENTS) {
      for (const { directory } of past.splice(0, CLIENTS)) rmSync(directory, { recursive: true });
    }
    await mount.umount();
  });
});
