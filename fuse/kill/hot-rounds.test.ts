/**
 * Kills the server under load, round after round, and lets another take over: programs see no error, and everything that
 * they did is there, though nobody synced it and the page cache was emptied.
 *
 * `VARVE_HOT_ROUNDS` says how many rounds (3); `VARVE_HOT_SEED` where the kills fall; every fifth is an upgrade instead.
 * Each round's pause, as the slowest step of the load saw it, is printed when `VARVE_HOT_ROUNDS` is set.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSupervisor, type SupervisorLink } from "../find-supervisor.ts";
import { mountAt } from "../mount-point.ts";
import { obstacle, Program, TestMount } from "../test-mount.ts";
import type { HotReport } from "./hot-load.ts";

const ROUNDS = Number(process.env["VARVE_HOT_ROUNDS"] ?? 3);
const SEED = Number(process.env["VARVE_HOT_SEED"] ?? 1);
const TOLD = process.env["VARVE_HOT_ROUNDS"] !== undefined;
const CLIENTS = 3;
const LOAD_MS_MIN = 100;
const LOAD_MS_SPREAD = 1500;
const UPGRADE_EVERY = 5;

const blocked = obstacle();
let program: Program;
let mount: TestMount;

interface Client {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  /** The next report. */
  readonly verified: () => Promise<HotReport>;
}

function startClient(index: number): Client {
  const directory = join(mount.directory, `client-${index}`);
  const script = program.fileOf("hot-load.js");
  const child = spawn(process.execPath, [script, directory, String(SEED * 10 + index)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout });
  const told: Array<HotReport> = [];
  lines.on("line", (line) => told.push(JSON.parse(line) as HotReport));
  const verified = async (): Promise<HotReport> => {
    if (child.exitCode === null) child.stdin.write("verify\n");
    while (told.length === 0 && child.exitCode === null) await later(5);
    return told.shift() ?? { problems: [`the load ended with status ${child.exitCode}`], steps: 0, slowestMs: 0 };
  };
  return { process: child, verified };
}

const later = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));
const clients: Array<Client> = [];
let link: SupervisorLink;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build(["fuse/kill/hot-load.ts"]);
  mount = await TestMount.format(program, "256M");
  await mount.mount();
  link = (await findSupervisor(mountAt(mount.directory)!.device))!;
  for (let index = 0; index < CLIENTS; index++) clients.push(startClient(index));
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  for (const client of clients) client.process.kill("SIGKILL");
  link.close();
  await mount.remove();
  program.remove();
});

describe("a server that is replaced under load", () => {
  let server: number | undefined;
  const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
  it.for(rounds)(
    "round %i: nobody sees an error, and nothing is lost",
    { timeout: 120_000 },
    async (round, { skip }) => {
      if (blocked !== undefined) return skip(blocked);
      server ??= link.server;
      await later(LOAD_MS_MIN + ((SEED * 7919 + round * 104_729) % LOAD_MS_SPREAD));
      const upgrade = round % UPGRADE_EVERY === UPGRADE_EVERY - 1;
      if (upgrade) process.kill(link.supervisor, "SIGUSR2");
      else process.kill(server!, "SIGKILL");
      const line = await link.next();
      expect(line?.server).toBeDefined();
      expect(line?.server).not.toBe(server);
      server = line?.server;
      await later(100);
      writeFileSync("/proc/sys/vm/drop_caches", "3");
      const reports = await Promise.all(clients.map((client) => client.verified()));
      expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
      const steps = reports.reduce((sum, report) => sum + report.steps, 0);
      expect(steps).toBeGreaterThan(0);
      const pauseMs = Math.max(...reports.map((report) => report.slowestMs));
      const how = upgrade ? "upgrade" : "kill -9";
      if (TOLD) process.stderr.write(`round ${round}: ${how}, ${steps} steps, slowest ${pauseMs} ms, no error\n`);
    },
  );

  it("leaves a pool in which nothing is wrong", { timeout: 60_000 }, async ({ skip }) => {
    if (blocked !== undefined) return skip(blocked);
    for (const client of clients) {
      const ended = new Promise((settle) => client.process.once("exit", settle));
      client.process.stdin.write("end\n");
      expect(await ended).toBe(0);
    }
    await mount.umount();
    await mount.check();
  });
});
