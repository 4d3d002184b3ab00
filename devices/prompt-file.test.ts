import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { PROMPT_BYTES_MAX, PROMPT_BYTES_UNFLUSHED_MAX, PromptFile } from "./prompt-file.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-prompt-"));
const path = join(folder, "file");
const BLOCK = new Uint8Array(4096).fill(7);
let fd = -1;
beforeEach(() => {
  if (fd >= 0) closeSync(fd);
  fd = openSync(path, "w+");
});
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

describe("writes on the caller's stack", () => {
  it("are made when the call returns", () => {
    expect(new PromptFile(fd).write(BLOCK, 4096)).toBe(4096);
    expect([...readFileSync(path)]).toEqual([...new Uint8Array(4096), ...BLOCK]);
  });

  it("are only so many between two flushes, and none is long", () => {
    const file = new PromptFile(fd);
    const long = new Uint8Array(PROMPT_BYTES_MAX);
    expect(file.write(new Uint8Array(PROMPT_BYTES_MAX + 4096), 0)).toBe(0);
    for (let left = PROMPT_BYTES_UNFLUSHED_MAX; left > 0; left -= long.length)
      expect(file.write(long, 0)).toBe(long.length);
    expect(file.write(BLOCK, 0)).toBe(0);
    file.flushed();
    expect(file.write(BLOCK, 0)).toBe(4096);
  });

  it("stop until the next flush when one had to wait", () => {
    let milliseconds = 0;
    let tookMs = 0.1;
    const file = new PromptFile(fd, () => (milliseconds += tookMs));
    expect(file.write(BLOCK, 0)).toBe(4096);
    tookMs = 10;
    expect(file.write(BLOCK, 0)).toBe(4096);
    tookMs = 0.1;
    expect(file.write(BLOCK, 0)).toBe(0);
    file.flushed();
    expect(file.write(BLOCK, 0)).toBe(4096);
  });

  it("leave an error to the other way of writing", () => {
    const unwritable = openSync(path, "r");
    expect(new PromptFile(unwritable).write(BLOCK, 0)).toBe(0);
    closeSync(unwritable);
  });
});
