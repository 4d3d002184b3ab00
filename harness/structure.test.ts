/**
 * The shape of the repository: which folder may import which, how long files and functions are, what the deterministic
 * core must not touch. What docs/architecture.md draws is checked here, so that the picture stays true.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** From the ground up: a folder imports only what stands before it, and of that only what is listed. */
const FOLDERS: Readonly<Record<string, ReadonlyArray<string>>> = {
  devices: [],
  engine: ["devices"],
  harness: ["engine", "devices"],
  scenarios: ["harness", "engine", "devices"],
  fuse: ["engine", "devices"],
  bench: ["harness", "scenarios", "engine", "devices", "fuse"],
  cli: ["harness", "scenarios", "engine", "devices", "fuse", "bench"],
};
/** Layers of the engine, from the ground up. */
const LAYERS = ["format", "device", "journal", "allocator", "btree", "data", "check", "fs", "mover", "pool"];
/** What every layer may import: the shell of actors, the marks, and the words of the filesystem's users. */
const GROUND = new Set(["engine/actor.ts", "engine/marks.ts", "engine/fs/types.ts"]);
/** What the engine may import from outside besides Effect: the device contract, and codecs that are pure functions. */
const ENGINE_PACKAGES = new Set(["zstd-napi/binding.js", "@node-rs/xxhash"]);

const FILE_LINES_MAX = 600;
const MEANINGLESS = /(^|[-/])(utils?|helpers?|common|manager|misc|impl)\.ts$/;
/** Names that bring in time, chance, or work that runs outside of the scheduler. */
const BANNED =
  /(?<![.\w])(Date|performance|crypto|setTimeout|setInterval|setImmediate|queueMicrotask|process|Promise|async|await|WeakRef|FinalizationRegistry|Buffer|globalThis|Math\.random|Effect\.(?:promise|tryPromise|runPromise|runSync|runFork))\b/g;

const sources = Object.keys(FOLDERS)
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith(".ts"))
  .sort();
const isTest = (file: string): boolean => /\.(test|fuzz|bench)\.ts$/.test(file);
const modules = sources.filter((file) => !isTest(file));
const deterministic = modules.filter(
  (file) => /^(engine|devices\/sim|scenarios)\//.test(file) || file === "devices/memory.ts",
);
const textOf = (file: string): string => readFileSync(join(root, file), "utf8");
const folderOf = (file: string): string => file.slice(0, file.indexOf("/"));

/** The text without comments and without what is inside of strings. */
function codeOf(text: string): string {
  return text.replaceAll(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    (match) => (match.startsWith("/") ? " ".repeat(match.split("\n").length) : '""'),
  );
}

/** Module specifiers of static imports, re-exports and imports at run time. */
function importsOf(text: string): Array<string> {
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g);
  return [...found].map((match) => match[1]!);
}

/** Imports of our own files, as paths from the root of the repository. */
function ownImports(file: string): Array<string> {
  return importsOf(textOf(file))
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(file), specifier)));
}

const list = (lines: ReadonlyArray<string>): string => lines.join("\n");

describe("the arrows between folders", () => {
  test("there are sources to look at", () => {
    expect(modules.length).toBeGreaterThan(80);
    expect(codeOf('a /* Date */ "Date" // Date\n`Date` b').match(BANNED)).toBeNull();
    expect(importsOf('import "./a.ts"; export * from "./b.ts"; import("./c.ts")')).toEqual([
      "./a.ts",
      "./b.ts",
      "./c.ts",
    ]);
  });

  test("a folder imports only what stands below it", () => {
    const wrong = sources.flatMap((file) => {
      const own = folderOf(file);
      const tests = isTest(file) ? Object.keys(FOLDERS) : [];
      const allowed = new Set([own, ...FOLDERS[own]!, ...tests]);
      return ownImports(file)
        .filter((target) => !allowed.has(folderOf(target)))
        .map((target) => `${file} imports ${target}`);
    });
    expect(list(wrong)).toBe("");
  });

  test("the engine knows of devices the contract alone, and no package but Effect and pure codecs", () => {
    const wrong = modules
      .filter((file) => folderOf(file) === "engine")
      .flatMap((file) => [
        ...ownImports(file)
          .filter((target) => folderOf(target) === "devices" && target !== "devices/device.ts")
          .map((target) => `${file} imports ${target}`),
        ...importsOf(textOf(file))
          .filter((name) => !name.startsWith(".") && !name.startsWith("effect/") && !ENGINE_PACKAGES.has(name))
          .map((name) => `${file} imports ${name}`),
      ]);
    expect(list(wrong)).toBe("");
  });

  test("the layers of the engine import downwards", () => {
    const layerOf = (file: string): number => {
      const [, layer] = file.split("/");
      return GROUND.has(file) ? -1 : layer!.endsWith(".ts") ? LAYERS.length : LAYERS.indexOf(layer!);
    };
    const inEngine = modules.filter((file) => folderOf(file) === "engine");
    const unknown = inEngine.filter((file) => file.split("/").length > 2 && !LAYERS.includes(file.split("/")[1]!));
    expect(list(unknown)).toBe("");
    const wrong = inEngine.flatMap((file) =>
      ownImports(file)
        .filter((target) => folderOf(target) === "engine" && layerOf(target) > layerOf(file))
        .map((target) => `${file} imports ${target}`),
    );
    expect(list(wrong)).toBe("");
  });

  test("Effect is imported by subpath, which loads a tenth of it", () => {
    expect(list(sources.filter((file) => importsOf(textOf(file)).includes("effect")))).toBe("");
  });
});

describe("the deterministic core", () => {
  test("touches no clock, no chance, no promise and nothing of the process", () => {
    const wrong = deterministic.flatMap((file) =>
      codeOf(textOf(file))
        .split("\n")
        .flatMap((line, index) => [...line.matchAll(BANNED)].map(([name]) => `${file}:${index + 1} uses ${name}`)),
    );
    expect(list(wrong)).toBe("");
  });

  test("imports no builtin of Node", () => {
    const wrong = deterministic.filter((file) => importsOf(textOf(file)).some((name) => name.startsWith("node:")));
    expect(list(wrong)).toBe("");
  });
});

describe("files", () => {
  test("have names that say something, in kebab-case", () => {
    const wrong = sources.filter((file) => MEANINGLESS.test(file) || !/^[a-z0-9/.-]+$/.test(file));
    expect(list(wrong)).toBe("");
  });

  test("begin with what they own, in more than one line", () => {
    const wrong = modules.filter((file) => !/^(#![^\n]*\n)?\/\*\*\n( \*[^\n]*\n)+ \*\/\n/.test(textOf(file)));
    expect(list(wrong)).toBe("");
  });

  test(`are no longer than ${FILE_LINES_MAX} lines`, () => {
    const wrong = sources
      .map((file) => ({ file, lines: textOf(file).split("\n").length }))
      .filter(({ file, lines }) => lines > FILE_LINES_MAX && !isTest(file))
      .map(({ file, lines }) => `${file}: ${lines}`);
    expect(list(wrong)).toBe("");
  });

  test("leave nothing to be done later, and no test out", () => {
    const later = /\b(TODO|FIXME|XXX|HACK|not implemented|unimplemented)\b/;
    const out = /\b(test|it|describe)\.(skip|only|todo)\(/;
    const wrong = sources.filter((file) => {
      const text = file === "harness/structure.test.ts" ? "" : textOf(file);
      return later.test(text) || out.test(text);
    });
    expect(list(wrong)).toBe("");
  });

  test("pass the linter's limits on functions and its bans", () => {
    const rules = /max-lines|no-restricted|no-cycle/;
    let output: string;
    try {
      output = execFileSync("node_modules/.bin/oxlint", ["--format=json"], {
        cwd: root,
        encoding: "utf8",
        maxBuffer: 1e8,
      });
    } catch (error) {
      output = (error as { stdout: string }).stdout;
    }
    const { diagnostics } = JSON.parse(output) as {
      diagnostics: ReadonlyArray<{ code: string; filename: string; message: string }>;
    };
    const wrong = diagnostics
      .filter(({ code }) => rules.test(code))
      .map(({ filename, message }) => `${filename}: ${message}`);
    expect(list(wrong)).toBe("");
  });
});
