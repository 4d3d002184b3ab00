import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { obstacle, Program, TestMount } from "./test-mount.ts";

const blocked =
  obstacle() ?? (availableParallelism() === 2 ? undefined : "a processor is kept awake where there are two");
/** In the line of a thread behind its name, from the state on. */
const [STATE, USER_TICKS, NICE] = [0, 11, 16];
const LOWEST = "19";
let program: Program;
let mount: TestMount;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  mount = await TestMount.format(program, "128M");
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  await mount.remove();
  program.remove();
});

/** The threads of a process that have the lowest priority: their states, and how long they ran. */
function lowest(pid: number): ReadonlyArray<{ readonly state: string; readonly ticks: number }> {
  const folder = `/proc/${pid}/task`;
  const threads = readdirSync(folder).map((thread) => {
    const line = readFileSync(join(folder, thread, "stat"), "latin1");
    return line.slice(line.lastIndexOf(")") + 2).split(" ");
  });
  const idle = threads.filter((fields) => fields[NICE] === LOWEST);
  return idle.map((fields) => ({ state: fields[STATE]!, ticks: Number(fields[USER_TICKS]) }));
}

const sleep = (ms: number): Promise<void> => new Promise((settle) => setTimeout(settle, ms));

/** Has the kernel ask for many things, one after another. */
function askMuch(name: string): void {
  for (let index = 0; index < 1000; index++) mkdirSync(join(mount.directory, `${name}${index}`));
}

describe.skipIf(blocked !== undefined)("a mount whose requests come fast", () => {
  it("has one thread of the lowest priority that is busy then, and sleeps when they end", async () => {
    await mount.mount();
    const pid = mount.pid!;
    expect(lowest(pid)).toEqual([]);
    while (lowest(pid).length === 0) askMuch(`first${Math.random()}`);
    const before = lowest(pid)[0]!.ticks;
    while (lowest(pid)[0]!.ticks === before) askMuch(`more${Math.random()}`);
    while (lowest(pid)[0]!.state !== "S") await sleep(10);
    const [after] = lowest(pid);
    await sleep(100);
    expect(lowest(pid)).toEqual([after]);
    await mount.umount();
  });

  it("has none where it must not stay awake", async () => {
    await mount.mount("nospin");
    const began = performance.now();
    while (performance.now() - began < 2000) askMuch(`rested${Math.random()}`);
    expect(lowest(mount.pid!)).toEqual([]);
    await mount.umount();
  });
});
