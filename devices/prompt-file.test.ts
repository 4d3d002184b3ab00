import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { PROMPT_BYTES_MAX, PROMPT_BYTES_UNFLUSHED_MAX, PROMPT_FLUSH_BYTES_MAX, PromptFile } from "./prompt-file.ts";

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

/** What a flush on the stack told; it has told by the end of the call. */
function flush(file: PromptFile): unknown {
  let told: unknown = "nothing";
  file.flush(true, (error) => (told = error));
  return told;
}

describe("writes on the caller's stack", () => {
  it("are made when the call returns", () => {
    expect(new PromptFile(fd).write(BLOCK, 4096)).toBe(4096);
    expect([...readFileSync(path)]).toEqual([...new Uint8Array(4096), ...BLOCK]);
  });

  it("are only so many between two flushes, and none is long", () => {
    const file = new PromptFile(fd);
    const long = new Uint8Array(PROMPT_BYTES_MAX);
    expect(file.write(new Uint8Array(PROMPT_BYTES_MAX + 4096), 0)).toBe(0);
    flush(file);
    for (let left = PROMPT_BYTES_UNFLUSHED_MAX; left > 0; left -= long.length)
      expect(file.write(long, 0)).toBe(long.length);
    expect(file.write(BLOCK, 0)).toBe(0);
    flush(file);
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
    flush(file);
    expect(file.write(BLOCK, 0)).toBe(4096);
  });

  it("leave an error to the other way of writing", () => {
    const unwritable = openSync(path, "r");
    expect(new PromptFile(unwritable).write(BLOCK, 0)).toBe(0);
    closeSync(unwritable);
  });
});

describe("flushes", () => {
  /** A flush takes so long by the clock that it is given. */
  const clocked = (): { readonly file: PromptFile; readonly takes: (milliseconds: number) => void } => {
    let milliseconds = 0;
    let tookMs = 0.1;
    return { file: new PromptFile(fd, () => (milliseconds += tookMs)), takes: (each) => (tookMs = each) };
  };
  const flushOften = (file: PromptFile): void => {
    for (let count = 0; count < 50; count++) expect(flush(file)).toBe(null);
  };

  it("are expected to be short when they were, and no longer when they are not in the mean", () => {
    const { file, takes } = clocked();
    expect(file.flushesShortly).toBe(false);
    flushOften(file);
    expect(file.flushesShortly).toBe(true);
    takes(8);
    flush(file);
    expect(file.flushesShortly).toBe(true);
    flushOften(file);
    expect(file.flushesShortly).toBe(false);
    takes(0.1);
    flush(file);
    expect(file.flushesShortly).toBe(false);
    flushOften(file);
    expect(file.flushesShortly).toBe(true);
  });

  it("are not when there is much to flush, in whatever way it was written", () => {
    const { file } = clocked();
    flushOften(file);
    expect(file.write(BLOCK, 0)).toBe(4096);
    expect(file.flushesShortly).toBe(true);
    file.wroteElsewhere(PROMPT_FLUSH_BYTES_MAX);
    expect(file.flushesShortly).toBe(false);
    flush(file);
    expect(file.flushesShortly).toBe(true);
  });

  it("leave to the next one what was written while they ran", async () => {
    const { file } = clocked();
    flushOften(file);
    file.wroteElsewhere(PROMPT_FLUSH_BYTES_MAX);
    const flushed = new Promise((resolve) => file.flush(false, resolve));
    file.wroteElsewhere(PROMPT_FLUSH_BYTES_MAX);
    expect(await flushed).toBe(null);
    expect(file.flushesShortly).toBe(true);
    expect(file.write(BLOCK, 0)).toBe(4096);
    expect(file.flushesShortly).toBe(false);
  });

  it("tell the same by the thread pool", async () => {
    const { file } = clocked();
    for (let count = 0; count < 50; count++) {
      expect(await new Promise((resolve) => file.flush(false, resolve))).toBe(null);
    }
    expect(file.flushesShortly).toBe(true);
  });

  it("that fail tell so in both ways", async () => {
    // A character device has nothing that could be flushed.
    const nothing = openSync("/dev/null", "r");
    const file = new PromptFile(nothing);
    expect(flush(file)).toMatchObject({ code: "EINVAL" });
    expect(await new Promise((resolve) => file.flush(false, resolve))).toMatchObject({ code: "EINVAL" });
    closeSync(nothing);
  });
});
