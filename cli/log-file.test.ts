import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { logTo, logToSystem } from "./log-file.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-log-"));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

test("a log file is appended to, with the time", () => {
  const path = join(folder, "log");
  writeFileSync(path, "before\n");
  const log = logTo(path);
  log("one");
  log("two");
  const [before, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(before).toBe("before");
  expect(lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /u, ""))).toEqual(["one", "two"]);
});

test("the system's log gets lines that say what they are about", async () => {
  const said = join(folder, "said");
  writeFileSync(join(folder, "logger"), `#!/bin/sh\nprintf '%s|' "$@" > ${said}.part\nmv ${said}.part ${said}\n`, {
    mode: 0o755,
  });
  vi.stubEnv("PATH", `${folder}${delimiter}${process.env["PATH"]}`);
  logToSystem("/mnt")("given up");
  await vi.waitFor(() => expect(existsSync(said)).toBe(true), 10_000);
  expect(readFileSync(said, "utf8")).toBe("--tag|varve|--|/mnt: given up|");
});

test("a machine without a system's log is none the worse for it", async () => {
  vi.stubEnv("PATH", join(folder, "nothing"));
  expect(() => logToSystem("/mnt")("given up")).not.toThrow();
  // What spawning fails with comes later.
  await new Promise((resolve) => setTimeout(resolve, 100));
});
