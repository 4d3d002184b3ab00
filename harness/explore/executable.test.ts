/**
 * That what is enumerated can be carried out: by the reference filesystem, through a toy, with every answer a success.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { Oracle } from "../oracle/oracle.ts";
import { ToyFilesystem } from "../oracle/toy-filesystem.ts";
import { perform, performer } from "../workload/operation.ts";
import { alphabetOf, type Step, textOfSteps } from "./alphabet.ts";
import { endingsOf } from "./endings.ts";
import { Enumeration, sketchOf } from "./enumeration.ts";

/** The first operation of setup, steps and endings that fails, with its reason; undefined if all succeed. */
function refused(steps: ReadonlyArray<Step>): string | undefined {
  const sketch = sketchOf(steps)!;
  const oracle = new Oracle();
  const by = performer(oracle.client("the client", new ToyFilesystem()));
  const endings = endingsOf(steps, sketch).flatMap(({ operation }) =>
    operation === undefined || operation.kind === "sleep" ? [] : [operation],
  );
  const operations = [...sketch.setup(), ...steps.map((step, at) => step.operation(at + 1)), ...endings];
  for (const operation of operations) {
    const outcome = Effect.runSync(perform(operation, by));
    if ("reason" in outcome) return `${textOfSteps(steps)}: ${JSON.stringify(operation)} fails with ${outcome.reason}`;
  }
  return oracle.violation?.message;
}

describe("every enumerated sequence", () => {
  it("of up to two operations of the small alphabet succeeds", () => {
    const enumeration = new Enumeration(alphabetOf("small"), 2);
    for (let index = 0; index < enumeration.total; index++)
      expect(refused(enumeration.at(index).steps)).toBeUndefined();
  });

  it.each([
    ["full", 2, 17],
    ["small", 3, 97],
    ["full", 3, 19_997],
  ] as const)(
    "of the %s alphabet, up to %i operations, each %ith of them, succeeds",
    (name, operations, stride) => {
      const enumeration = new Enumeration(alphabetOf(name), operations);
      for (let index = 0; index < enumeration.total; index += stride) {
        expect(refused(enumeration.at(index).steps)).toBeUndefined();
      }
    },
    120_000,
  );
});

describe("a sequence that is not enumerated", () => {
  it("is refused by the reference filesystem: nothing is left out that could succeed", () => {
    const { steps } = alphabetOf("small");
    // A rename over nothing and one over a file are one operation, which the alphabet tells apart.
    const seconds = steps.filter(({ kind }) => kind !== "rename" && kind !== "replace");
    let tried = 0;
    for (const first of steps) {
      const begun = sketchOf([first])!;
      for (const second of seconds) {
        const isLink = first.kind === "symlink" && second.kind === "fsync";
        if (begun.after(second) !== undefined || isLink) continue;
        tried++;
        const oracle = new Oracle();
        const by = performer(oracle.client("the client", new ToyFilesystem()));
        const operations = [...begun.setup(), first.operation(1), second.operation(2)];
        const outcomes = operations.map((operation) => Effect.runSync(perform(operation, by)));
        expect(outcomes.at(-1), textOfSteps([first, second])).toHaveProperty("reason");
      }
    }
    expect(tried).toBeGreaterThan(100);
  });
});
