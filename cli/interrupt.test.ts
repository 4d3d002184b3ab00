/** Signals are sent to a process of its own, which says what it heard. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";
import { afterEach, describe, expect, it } from "vitest";

const source = readFileSync(new URL("interrupt.ts", import.meta.url), "utf8");
const module = `data:text/javascript,${encodeURIComponent(transformSync(source, { loader: "ts" }).code)}`;

/** Goes on for `ms` after it was interrupted, then says so. */
const program = (ms: number): string => `
import { interruptible } from ${JSON.stringify(module)};
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await interruptible(async (interrupted) => {
  console.log("ready");
  while (!interrupted.aborted) await sleep(5);
  console.log("heard");
  await sleep(${ms});
});
console.log("in good order");
await sleep(${ms});
`;

let child: ChildProcess | undefined;
afterEach(() => child?.kill("SIGKILL"));

interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
}

/** Starts it; `act` is called with each line that it says. */
const running = (ms: number, act: (line: string, kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended> =>
  new Promise((resolve) => {
    const args = ["--input-type=module", "-e", program(ms)];
    const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    child = started;
    let out = "";
    started.stdout.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      out += text;
      for (const line of text.trimEnd().split("\n")) act(line, (signal) => started.kill(signal));
    });
    started.on("close", (_, signal) => resolve({ signal, out }));
  });

describe("a long command", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends in good order at %s, even if it comes twice at once",
    async (signal) => {
      const ended = await running(100, (line, kill) => {
        if (line !== "ready") return;
        kill(signal);
        kill(signal);
      });
      expect(ended).toEqual({ signal: null, out: "ready\nheard\nin good order\n" });
    },
  );

  it("ends at once when it is told so again", async () => {
    const ended = await running(10_000, (line, kill) => {
      if (line === "ready") kill("SIGINT");
      if (line === "heard") setTimeout(() => kill("SIGINT"), 1100);
    });
    expect(ended).toEqual({ signal: "SIGINT", out: "ready\nheard\n" });
  });
});
