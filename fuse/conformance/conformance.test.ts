import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { missingPrograms, obstacle, Program, TestMount } from "../test-mount.ts";
import { mountCases } from "./index.ts";

const blocked = obstacle();
const TRANSPORT = "fuse-native";
let program: Program | undefined;
let mount: TestMount | undefined;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  mount = await TestMount.format(program, "512M");
  await mount.mount();
}, 60_000);

afterAll(async () => {
  await mount?.remove();
  program?.remove();
});

describe.each(Object.entries(mountCases))("a mounted pool: %s", (_topic, cases) => {
  let count = 0;
  it.for(cases)("$title", { timeout: 120_000 }, async ({ run, programs, notOn }, { skip }) => {
    const impossible = blocked ?? notOn?.[TRANSPORT];
    if (impossible !== undefined) return skip(impossible);
    const missing = await missingPrograms(programs ?? []);
    if (missing !== undefined) return skip(missing);
    const directory = join(mount!.directory, `${_topic}-${count++}`);
    mkdirSync(directory);
    await run(directory);
  });
});

describe("a mounted pool: at the end", () => {
  it("is unmounted and found sound", { timeout: 120_000 }, async ({ skip }) => {
    if (blocked !== undefined) return skip(blocked);
    await mount!.umount();
    await mount!.check();
  });
});
