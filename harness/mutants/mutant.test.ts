import { describe, expect, it } from "vitest";
import { catalogue } from "./catalogue.ts";
import { applyEdits, type Mutant } from "./mutant.ts";

const mutant = (...edits: Mutant["edits"]): Mutant => ({
  id: "one",
  breaks: "something",
  file: "engine/file.js",
  edits,
  scenarios: ["any"],
});

describe("a mutant", () => {
  it("is the text with its edits made, one after the other", () => {
    const edits = [
      { find: "flush()", replace: "skip()" },
      { find: "skip();", replace: "" },
    ];
    expect(applyEdits("write(); flush(); reply();", mutant(...edits))).toBe("write();  reply();");
  });

  it("is refused, by name, when an edit fits nowhere or in more than one place", () => {
    const edit = { find: "flush()", replace: "" };
    expect(() => applyEdits("write();", mutant(edit))).toThrow(/mutant one: "flush\(\)" stands 0 times/u);
    expect(() => applyEdits("flush(); flush();", mutant(edit))).toThrow(/2 times/u);
  });
});

describe("the catalogue", () => {
  it("calls few of them equivalent", () => {
    expect(catalogue.filter(({ equivalent }) => equivalent !== undefined).length * 20).toBeLessThan(catalogue.length);
  });

  it("has at least sixty bugs, each with a name of its own and scenarios that can see it", () => {
    expect(catalogue.length).toBeGreaterThanOrEqual(60);
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
    for (const { id, breaks, scenarios, equivalent } of catalogue) {
      if (equivalent !== undefined) expect(equivalent.length).toBeGreaterThan(40);
      expect(id).toMatch(/^[a-z][a-z-]+$/u);
      expect(breaks.length).toBeGreaterThan(10);
      expect(scenarios.length).toBeGreaterThan(0);
    }
  });
});
