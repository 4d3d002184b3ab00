/**
 * Scenarios in a file of the user: a module, in TypeScript or JavaScript, that exports them.
 *
 * TypeScript is bundled by esbuild into one module in a temporary folder, which this thread and the campaign's workers
 * import. Varve and Effect are not bundled: whatever the file imports of them is that of the build that runs, be it by
 * package (`varve/harness`) or by path (a file of this repository), so that a scenario meets one engine and not two.
 * Types are dropped, not checked.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Esbuild from "esbuild";
import type { AnyScenario } from "../harness/store/device-scenario.ts";
import { CannotError, UsageError } from "./exit.ts";

export interface LoadedScenarios {
  /** Of a module that exports `scenarios`. */
  readonly url: string;
  readonly scenarios: ReadonlyArray<AnyScenario>;
  /** Removes what was made for it; the module cannot be imported any more. */
  readonly close: () => void;
}

/** `./mine.ts`, or `./mine.ts:NAME` for one of several. */
const FILE = /^(.*\.[cm]?[jt]s)(?::(.+))?$/u;

/** The file, and which of its scenarios, if the word on the command line means one. */
export function fileNamed(word: string): { readonly file: string; readonly name: string | undefined } | undefined {
  const match = FILE.exec(word);
  return match === null ? undefined : { file: match[1]!, name: match[2] };
}

/** Folder of the running build, and how its modules end. */
const build = fileURLToPath(new URL("..", import.meta.url));
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const builtModule = (path: string): string => join(build, `${path}${extension}`);

export async function loadScenarios(file: string): Promise<LoadedScenarios> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`${file}: no such file`);
  const folder = mkdtempSync(join(tmpdir(), "varve-scenario-"));
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const module = join(folder, `${basename(path).replace(/\.[cm]?[jt]s$/u, "")}.mjs`);
    const isScript = /\.[cm]?js$/u.test(path);
    const text = isScript ? entry(pathToFileURL(path).href) : await bundled(file, path);
    writeFileSync(module, text);
    const url = pathToFileURL(module).href;
    const { scenarios } = (await import(url)) as { readonly scenarios: ReadonlyArray<AnyScenario> };
    if (scenarios.length === 0) {
      throw new UsageError(`${file} exports no scenario: export one, as default or by name`);
    }
    return { url, scenarios, close };
  } catch (error) {
    close();
    if (error instanceof UsageError || error instanceof CannotError) throw error;
    const [said] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new CannotError(`${file} cannot be loaded: ${said}`);
  }
}

/** The module that workers import: the file's scenarios under the one name that they look for. */
const entry = (specifier: string): string =>
  [
    `import * as module from ${JSON.stringify(specifier)};`,
    `import { scenariosIn } from ${JSON.stringify(pathToFileURL(builtModule("harness/scenario-module")).href)};`,
    "export const scenarios = scenariosIn(module);",
    "",
  ].join("\n");

async function bundled(file: string, path: string): Promise<string> {
  const esbuild = await loadEsbuild(file, path);
  try {
    const { outputFiles } = await esbuild.build({
      stdin: { contents: entry(path), resolveDir: dirname(path), sourcefile: "scenarios" },
      ...{ bundle: true, write: false, format: "esm", platform: "node", target: "node20", logLevel: "silent" },
      plugins: [oneEngine(path)],
    });
    return outputFiles[0]!.text;
  } catch (error) {
    const [first] = (error as Partial<Esbuild.BuildFailure>).errors ?? [];
    if (first === undefined) throw error;
    const { location, text } = first;
    const where = location === null ? file : `${location.file}:${location.line}:${location.column + 1}`;
    throw new CannotError(`${where}: ${text}`);
  } finally {
    await esbuild.stop();
  }
}

/** That of the user if there is one, else the one beside Varve. */
async function loadEsbuild(file: string, path: string): Promise<typeof Esbuild> {
  for (const from of [path, fileURLToPath(import.meta.url)]) {
    let found: string;
    try {
      found = createRequire(from).resolve("esbuild");
    } catch {
      continue;
    }
    return (await import(pathToFileURL(found).href)) as typeof Esbuild;
  }
  throw new CannotError(`${file} is TypeScript: install esbuild beside it, or compile it to JavaScript`);
}

const NAME = "one-engine";

const external = (path: string): Esbuild.OnResolveResult => ({ path: pathToFileURL(path).href, external: true });

/** Sends imports of Varve, and of packages, to the modules that are running; only the user's own files are bundled. */
const oneEngine = (file: string): Esbuild.Plugin => ({
  name: NAME,
  setup: (builder) => {
    builder.onResolve({ filter: /.*/ }, async ({ path, resolveDir, kind, pluginData }) => {
      if (kind === "entry-point" || pluginData === NAME || path === file) return undefined;
      if (/^(file|node):/u.test(path)) return { path, external: true };
      const [, folder] = /^varve\/(\w+)$/u.exec(path) ?? [];
      if (folder !== undefined && existsSync(builtModule(`${folder}/index`))) {
        return external(builtModule(`${folder}/index`));
      }
      if (path === "effect" || path.startsWith("effect/")) return { path: import.meta.resolve(path), external: true };
      const found = await builder.resolve(path, { resolveDir, kind, pluginData: NAME });
      if (found.errors.length > 0) return found;
      if (!/^[./]/u.test(path)) return found.external ? found : external(found.path);
      const own = ownModule(found.path);
      return own === undefined ? found : external(own);
    });
  },
});

/** The running form of a source file of Varve; undefined for any other file. */
function ownModule(path: string): string | undefined {
  const root = packageRoot(dirname(path));
  if (root === undefined) return undefined;
  const module = builtModule(relative(root, path).replace(/\.[jt]s$/u, ""));
  return existsSync(module) ? module : undefined;
}

/** The folder above that is a copy of Varve, such as a clone of its repository. */
function packageRoot(folder: string): string | undefined {
  const manifest = join(folder, "package.json");
  if (existsSync(manifest)) {
    const { name } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly name?: string };
    return name === "varve" ? folder : undefined;
  }
  const above = dirname(folder);
  return above === folder ? undefined : packageRoot(above);
}
