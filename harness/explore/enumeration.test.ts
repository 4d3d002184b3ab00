import { describe, expect, it } from "vitest";
import { alphabetOf, parseSteps, type Step, textOfSteps } from "./alphabet.ts";
import { endingsOf } from "./endings.ts";
import { Enumeration, sketchOf } from "./enumeration.ts";

const small = alphabetOf("small");
const full = alphabetOf("full");

/** The steps of a text that must be one of the alphabet. */
function steps(text: string, alphabet = full): ReadonlyArray<Step> {
  const found = parseSteps(alphabet, text);
  if (typeof found === "string") throw new Error(`no step "${found}"`);
  return found;
}

const texts = (enumeration: Enumeration): Array<string> =>
  Array.from({ length: enumeration.total }, (_, index) => textOfSteps(enumeration.at(index).steps));

const namesOf = (text: string): Array<string> => [...text.matchAll(/\/(\w+)/gu)].map((match) => match[1]!);

/** A text with the names of files, of directories, or of both changed for each other. */
function imagesOf(text: string): Array<string> {
  const swap = (by: Readonly<Record<string, string>>): string =>
    text.replaceAll(/\/(\w+)/gu, (whole, name: string) => (by[name] === undefined ? whole : `/${by[name]}`));
  const files = { foo: "bar", bar: "foo" };
  const directories = { A: "B", B: "A" };
  // An exchange is the same from both sides.
  const sides = (one: string): string =>
    one.replaceAll(/exchange (\S+) (\S+?)(?=;|$)/gu, (_whole, from: string, to: string) =>
      from < to ? `exchange ${from} ${to}` : `exchange ${to} ${from}`,
    );
  return [text, swap(files), swap(directories), swap({ ...files, ...directories })].map(sides);
}

describe("the sequences of one operation", () => {
  const one = new Enumeration(small, 1);

  it("are these, in the small alphabet", () => {
    expect(texts(one)).toMatchInlineSnapshot(`
      [
        "create /foo",
        "create /A/foo",
        "mkdir /A",
        "write /foo 500+1000",
        "write /foo 12288+4096",
        "append /foo 5000",
        "truncate /foo 3000",
        "truncate /foo 30000",
        "allocate /foo 20000+12000 keep",
        "zero /foo 3000+6000",
        "punch /foo 3000+6000 keep",
        "setxattr /foo",
        "removexattr /foo",
        "link /foo /bar",
        "link /foo /A/foo",
        "link /A/foo /foo",
        "unlink /foo",
        "unlink /A/foo",
        "rmdir /A",
        "rename /foo /bar",
        "rename /foo /A/foo",
        "rename /A/foo /foo",
        "replace /foo /bar",
        "replace /foo /A/foo",
        "replace /A/foo /foo",
        "exchange /foo /bar",
        "exchange /foo /A/foo",
        "symlink /foo",
      ]
    `);
  });

  it("are as many as counted", () => {
    expect(one.counts).toEqual([0, 28]);
    expect(new Enumeration(full, 1).counts).toEqual([0, 79]);
  });
});

describe("the sequences of up to two operations", () => {
  const two = new Enumeration(small, 2);
  const all = texts(two);

  it("are as many as counted, and three make a number that an hour can hold", () => {
    expect(two.counts).toEqual([0, 28, 1283]);
    expect(new Enumeration(full, 2).counts).toEqual([0, 79, 14_461]);
    expect(new Enumeration(small, 3).counts).toEqual([0, 28, 1283, 53_678]);
  });

  it("come each once, whatever their names are changed for", () => {
    const seen = new Map<string, string>();
    for (const text of all) {
      for (const image of new Set(imagesOf(text))) {
        expect(seen.get(image), `${text} equals ${seen.get(image)}`).toBeUndefined();
        seen.set(image, text);
      }
    }
  });

  it("leave none out that can succeed", () => {
    const covered = new Set(all.flatMap(imagesOf));
    let tried = 0;
    for (const first of small.steps) {
      for (const second of small.steps) {
        const isSync = ({ kind }: Step): boolean => kind === "fsync" || kind === "syncfs";
        if (isSync(first) || sketchOf([first, second]) === undefined) continue;
        tried++;
        expect(covered).toContain(imagesOf(textOfSteps([first, second]))[0]);
      }
    }
    expect(tried).toBeGreaterThan(1283);
  });

  it("keep their numbers when longer ones are explored", () => {
    const three = new Enumeration(small, 3);
    for (const index of [0, 27, 28, 700, 1310]) {
      expect(textOfSteps(three.at(index).steps)).toBe(textOfSteps(two.at(index).steps));
    }
    expect(three.at(1311).steps).toHaveLength(3);
    expect(() => two.at(1311)).toThrow(RangeError);
    expect(() => two.at(-1)).toThrow(RangeError);
  });
});

describe("a long sequence, by its number", () => {
  it("is the one that counting up to it would find", () => {
    const three = new Enumeration(small, 3);
    let before = "";
    for (let index = 30_000; index < 30_300; index++) {
      const { steps: found } = three.at(index);
      const numbers = found.map((each) => String(small.steps.indexOf(each)).padStart(3, "0")).join(" ");
      expect(numbers > before).toBe(true);
      before = numbers;
    }
  });

  it("names foo before bar and A before B", () => {
    const two = new Enumeration(full, 2);
    for (let index = 0; index < two.total; index += 97) {
      const names = namesOf(textOfSteps(two.at(index).steps));
      for (const [one, other] of [
        ["foo", "bar"],
        ["A", "B"],
      ] as const) {
        if (names.includes(other)) expect(names).toContain(one);
      }
    }
  });
});

describe("what a sequence needs", () => {
  const setup = (text: string): Array<string> =>
    sketchOf(steps(text))!
      .setup()
      .map(
        (operation) =>
          `${operation.kind} ${"path" in operation ? operation.path : (operation as { target: string }).target}`,
      );

  it("is there before it begins, and nothing else", () => {
    expect(setup("create /foo")).toEqual([]);
    expect(setup("create /A/foo")).toEqual(["mkdir /A"]);
    expect(setup("link /A/foo /bar")).toEqual(["mkdir /A", "create /A/foo", "write /A/foo", "write /A/foo"]);
    expect(setup("create /foo; append /foo 5000")).toEqual([]);
    expect(setup("removexattr /foo").at(-1)).toBe("setxattr /foo");
    expect(setup("setxattr /foo; removexattr /foo")).not.toContain("setxattr /foo");
    // The file was in A when the sequence began.
    expect(setup("rename /A /B; unlink /B/foo")).toEqual(["mkdir /A", "create /A/foo", "write /A/foo", "write /A/foo"]);
  });

  it.each([
    "create /foo; create /foo",
    "unlink /foo; unlink /foo",
    "unlink /foo; fsync /foo",
    "create /A/foo; rmdir /A",
    "mkdir /A; unlink /A/foo",
    "rmdir /A; create /A/foo",
    "rename /foo /bar; append /foo 5000",
    "append /foo 5000; rename /bar /foo",
    "create /foo; removexattr /foo",
    "symlink /foo; append /foo 5000",
    "rename /A /B; rmdir /A",
    "create /A/foo; replace /B /A",
  ])("contradicts itself in: %s", (text) => {
    expect(sketchOf(steps(text))).toBeUndefined();
  });
});

describe("the endings of a sequence", () => {
  const endings = (text: string): Array<string> =>
    endingsOf(steps(text), sketchOf(steps(text))!).map(({ text }) => text);

  it("are syncs of what the last operation touched, and none behind a sync", () => {
    expect(endings("rename /foo /A/foo")).toEqual(["fsync /A/foo", "fsync /A", "syncfs", "idle for 8000 ms"]);
    expect(endings("unlink /foo")).toEqual(["fsync /", "syncfs", "idle for 8000 ms"]);
    expect(endings("mkdir /A; fsync /A")).toEqual([""]);
    expect(endings("symlink /foo")).toEqual(["fsync /", "syncfs", "idle for 8000 ms"]);
  });
});

describe("a text", () => {
  it("is parsed back to its steps, and refused by the step that is none", () => {
    const sequence = [small.steps[3]!, small.steps[40]!, small.steps.at(-1)!];
    expect(parseSteps(small, ` ${textOfSteps(sequence).replaceAll(" ", "  ")} `)).toEqual(sequence);
    expect(parseSteps(small, "create /foo; fly /foo")).toBe("fly /foo");
  });
});
