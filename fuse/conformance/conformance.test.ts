import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { missingPrograms, obstacle, Program, TestMount } from "../test-mount.ts";
import type { TransportName } from "./case.ts";
import { mountCases } from "./index.ts";

const TRANSPORTS: ReadonlyArray<TransportName> = ["direct", "fuse-native"];

describe.each(TRANSPORTS)("a pool mounted through %s:", (transport) => {
  const blocked = obstacle(transport);
  let program: Program | undefined;
  let mount: TestMount | undefined;

  beforeAll(async () => {
    if (blocked !== undefined) return;
    program = await Program.build();
    mount = await TestMount.format(program, "512M");
    await mount.mount(transport);
  }, 60_000);

  afterAll(async () => {
    await mount?.remove();
    program?.remove();
  });

  describe.each(Object.entries(mountCases))("%s:", (topic, cases) => {
    let count = 0;
    const applying = cases.filter(({ onlyOn = transport }) => onlyOn === transport);
    it.for(applying)("$title", { timeout: 300_000 }, async ({ run, programs, notOn }, { skip }) => {
      const impossible = blocked ?? notOn?.[transport];
      if (impossible !== undefined) return skip(impossible);
      const missing = await missingPrograms(programs ?? []);
      if (missing !== undefined) return skip(missing);
      const directory = join(mount!.directory, `${topic}-${count++}`);
      mkdirSync(directory);
      await run(directory);
    });
  });

  it("at the end it is unmounted and found sound", { timeout: 120_000 }, async ({ skip }) => {
    if (blocked !== undefined) return skip(blocked);
    await mount!.umount();
    await mount!.check();
  });
});
