import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { describeUsers, usersOf } from "./mount-users.ts";

const proc = mkdtempSync(join(tmpdir(), "varve-proc-"));
afterAll(() => rmSync(proc, { recursive: true }));

function process(pid: number, name: string, links: Readonly<Record<string, string>>): void {
  mkdirSync(join(proc, String(pid), "fd"), { recursive: true });
  writeFileSync(join(proc, String(pid), "comm"), `${name}\n`);
  for (const [link, path] of Object.entries(links)) symlinkSync(path, join(proc, String(pid), link));
}

describe("the users of a mount", () => {
  it("are those with a directory, a program or a file there, and nobody who is only near", () => {
    process(1, "sh", { cwd: "/mnt/pool", root: "/", exe: "/bin/sh" });
    process(2, "editor", {
      cwd: "/",
      root: "/",
      exe: "/bin/editor",
      "fd/0": "/dev/null",
      "fd/3": "/mnt/pool/a (deleted)",
    });
    process(3, "tool", { cwd: "/", root: "/", exe: "/mnt/pool/bin/tool" });
    process(4, "near", { cwd: "/mnt/pool2", root: "/", exe: "/bin/near", "fd/0": "/mnt" });
    mkdirSync(join(proc, "5"));
    const users = usersOf("/mnt/pool", proc).toSorted((a, b) => a.pid - b.pid);
    expect(users).toEqual([
      { pid: 1, name: "sh", as: "directory", path: "/mnt/pool" },
      { pid: 2, name: "editor", as: "file", path: "/mnt/pool/a (deleted)" },
      { pid: 3, name: "tool", as: "program", path: "/mnt/pool/bin/tool" },
    ]);
    expect(describeUsers(users, 1)).toBe("sh (process 1, directory /mnt/pool), 2 more");
    expect(describeUsers([])).toBe("");
  });
});
