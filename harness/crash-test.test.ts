import { afterEach, describe, expect, it, vi } from "vitest";
import { losesWrites, quick } from "./canaries.ts";
import { crashTest, type DefineTest } from "./crash-test.ts";

await crashTest("a test that crashTest defines runs in vitest by itself", quick, { seeds: 2 });

/** A runner that keeps what it is told. */
function runner(): { readonly tests: Map<string, () => void>; readonly test: DefineTest } {
  const tests = new Map<string, () => void>();
  return { tests, test: (name, body) => tests.set(name, body) };
}

describe("crashTest", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("defines its test at once with the runner that it is given, and passes when the seeds do", () => {
    const { tests, test } = runner();
    void crashTest("quick survives", quick, { seeds: 2, test });
    expect([...tests.keys()]).toEqual(["quick survives"]);
    expect(tests.get("quick survives")).not.toThrow();
  });

  it("takes the runner's global if there is one", () => {
    const { tests, test } = runner();
    vi.stubGlobal("test", test);
    void crashTest("quick survives", quick, { seeds: 1 });
    expect([...tests.keys()]).toEqual(["quick survives"]);
  });

  it("fails with the first seed of the range that fails, by number", async () => {
    const { tests, test } = runner();
    let planned: Array<string> = [];
    const failing = {
      ...losesWrites,
      plan: (entropy: Parameters<typeof losesWrites.plan>[0]) => {
        planned = [...planned, entropy.seed];
        return entropy.seed.endsWith(":5") ? quick.plan(entropy) : losesWrites.plan(entropy);
      },
    };
    await crashTest("loses", failing, { seeds: { from: 5, to: 9 }, test });
    expect(tests.get("loses")).toThrow(/^seed 6 of loses-writes failed \((run|crash|end)\): /u);
    expect(planned).toEqual(["loses-writes:5", "loses-writes:6"]);
  });

  it("refuses a range that holds no seed, which would always pass", async () => {
    await expect(crashTest("none", quick, { seeds: 0, test: runner().test })).rejects.toThrow(/no seeds/u);
  });
});
