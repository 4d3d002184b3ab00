/**
 * With less than root: a server that gives it up, and one that never had it.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { mountAt } from "./mount-point.ts";
import { missingPrograms, obstacle, Program, run, shell, TestMount } from "./test-mount.ts";

const NOBODY = 65_534;
const blocked = obstacle();
let program: Program;
let mount: TestMount;

/** Each test starts the program several times. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

beforeAll(async () => {
  if (blocked === undefined) program = await Program.build();
}, 60_000);

afterAll(() => {
  if (blocked === undefined) program.remove();
});

beforeEach(async ({ skip }) => {
  const missing = blocked ?? (await missingPrograms(["setpriv", "unshare", "id"]));
  if (missing !== undefined) return skip(missing);
  mount = await TestMount.format(program, "64M");
});

afterEach(async () => {
  if (blocked === undefined) await mount.remove();
});

const statusOf = (task: string, field: string): ReadonlyArray<string> => {
  const line = fs
    .readFileSync(`${task}/status`, "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${field}:`));
  return (line ?? "")
    .split(/\s+/)
    .slice(1)
    .filter((word) => word !== "");
};

async function gone(pid: number): Promise<void> {
  while (fs.existsSync(`/proc/${pid}`)) await new Promise((settle) => setTimeout(settle, 10));
}

describe("a server that gives up root", () => {
  it("has no privilege left in any thread, and serves root and others as before", async () => {
    await mount.mount("direct", "drop=nobody");
    const pid = mount.pid!;
    for (const id of fs.readdirSync(`/proc/${pid}/task`)) {
      const task = `/proc/${pid}/task/${id}`;
      const of = (field: string) => statusOf(task, field).map(Number);
      expect([task, of("Uid"), of("Gid"), of("Groups")]).toEqual([
        task,
        Array.from({ length: 4 }, () => NOBODY),
        Array.from({ length: 4 }, () => NOBODY),
        [],
      ]);
      expect(statusOf(task, "CapEff")).toEqual(["0000000000000000"]);
    }
    const script = [
      "echo secret > file; chmod 600 file; chown 12:34 file; sync file",
      "mkdir open; chmod 777 open; setpriv --reuid=1234 --regid=1234 --clear-groups touch open/theirs",
      "test $(stat -c %u open/theirs) = 1234; mknod device c 1 3; rm device; df . > /dev/null",
    ];
    await shell(script.join("\n"), { cwd: mount.directory });
    await mount.umount();
    await mount.check();
    await mount.mount();
    expect(fs.readFileSync(join(mount.directory, "file"), "utf8")).toBe("secret\n");
  });

  it("unmounts when it is asked to end, also while a file is open, and leaves no helper", async () => {
    await mount.mount("direct", "drop=nobody");
    const pid = mount.pid!;
    const helpers = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    const file = fs.openSync(join(mount.directory, "file"), "w");
    fs.writeSync(file, "kept");
    process.kill(pid, "SIGTERM");
    await gone(pid);
    // Whose server is gone may be told so at the close.
    try {
      fs.closeSync(file);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ENOTCONN");
    }
    for (const helper of helpers) await gone(Number(helper));
    expect(mountAt(mount.directory)).toBeUndefined();
    await mount.check();
  });

  it.for([
    ["nobody-knows-it", /drop=nobody-knows-it: there is no such user/],
    ["root", /drop=root: that is root itself/],
  ] as const)("does not begin for the user %s", async ([name, line]) => {
    const { status, errors } = await program.run(["mount", mount.image, mount.directory, "-o", `drop=${name}`]);
    expect(status).toBe(3);
    expect(errors).toMatch(line);
    expect(mountAt(mount.directory)).toBeUndefined();
  });
});

describe("without root", () => {
  /** Runs a script as nobody, in a mount namespace in which /dev/fuse has this mode. */
  const asNobody = async (mode: number, script: string) => {
    const folder = join(mount.directory, "..");
    for (const path of [folder, mount.image, mount.directory]) fs.chownSync(path, NOBODY, NOBODY);
    const words = [
      "setpriv",
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      "--clear-groups",
      "bash",
      "--norc",
      "-euc",
      '"$SCRIPT"',
    ];
    const around = [
      `mknod -m ${mode.toString(8)} fuse c 10 229; mount --bind fuse /dev/fuse; rm -f fuse`,
      `exec ${words.join(" ")}`,
    ];
    const env = { SCRIPT: script, HOME: folder, VARVE: `${process.execPath} ${program.fileOf("varve.js")}` };
    return run("unshare", ["-m", "bash", "--norc", "-euc", around.join("\n")], { cwd: folder, env });
  };

  it("mounts directly in namespaces of one's own", async ({ skip }) => {
    fs.chmodSync(join(program.fileOf("varve.js"), ".."), 0o755);
    const within = [
      "$VARVE mount pool mnt -o direct",
      "echo text > mnt/file; ln mnt/file mnt/other; cat mnt/other; $VARVE umount mnt",
    ];
    const script = [
      'head -c 1 "${VARVE#* }" > /dev/null 2>&1 || { echo out of reach; exit 0; }',
      `unshare -Urm true 2> /dev/null || { echo no namespaces; exit 0; }`,
      `unshare -Urm bash --norc -euc '${within.join("\n")}'`,
    ];
    const { status, output, errors } = await asNobody(0o666, script.join("\n"));
    if (/^(out of reach|no namespaces)/.test(output)) return skip(output.trim());
    expect({ status, errors }).toEqual({ status: 0, errors: "" });
    expect(output).toContain("text\n");
    await mount.check();
  });

  it("says what it lacks", async ({ skip }) => {
    fs.chmodSync(join(program.fileOf("varve.js"), ".."), 0o755);
    const script = 'head -c 1 "${VARVE#* }" > /dev/null 2>&1 || exit 99; $VARVE mount pool mnt -o direct';
    const closed = await asNobody(0o600, script);
    if (closed.status === 99) return skip("the program is out of nobody's reach");
    expect(closed.status).toBe(3);
    expect(closed.errors).toMatch(/it takes root, or namespaces .*, and the right to open \/dev\/fuse/);
    const open = await asNobody(0o666, script);
    expect(open.errors).toMatch(/it takes root, or namespaces of one's own/);
    expect(open.errors).not.toMatch(/right to open/);
  });
});
