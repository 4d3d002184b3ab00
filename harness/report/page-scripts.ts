/**
 * The scripts of the page: the charting library as it was published, and our own modules put one behind the other.
 *
 * Our modules name their imports and nothing else at the top level twice, so that without imports and exports they are
 * one script. In a build they are JavaScript; run from the sources they lose their types first.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { PageScripts } from "./page-html.ts";

/** Each behind those that it imports. */
const MODULES = [
  "elements",
  "events",
  "drawing",
  "medium",
  "outcome",
  "failure",
  "medium-view",
  "timeline-view",
  "main",
];

const IMPORT = /^import\s[^;]*?;\n/gmu;
const EXPORT = /^export (?=(?:abstract )?(?:async )?(?:const|let|function|class)\b)/gmu;
const REST = /^export \{\};\n|^\/\/# sourceMappingURL=.*$/gmu;

export async function pageScripts(): Promise<PageScripts> {
  const library = readFileSync(createRequire(import.meta.url).resolve("echarts/dist/echarts.min.js"), "utf8");
  const modules: Array<string> = [];
  for (const name of MODULES) modules.push(await moduleText(name));
  return { library, page: `"use strict";\n(() => {\n${modules.join("\n")}})();\n` };
}

async function moduleText(name: string): Promise<string> {
  const isBuild = import.meta.url.endsWith(".js");
  const file = fileURLToPath(new URL(`./page/${name}.${isBuild ? "js" : "ts"}`, import.meta.url));
  const source = readFileSync(file, "utf8");
  const text = isBuild ? source : await withoutTypes(source);
  return text.replaceAll(IMPORT, "").replaceAll(EXPORT, "").replaceAll(REST, "");
}

async function withoutTypes(source: string): Promise<string> {
  const { transform } = await import("esbuild");
  const { code } = await transform(source, { loader: "ts", target: "es2022" });
  return code.replaceAll(/^export \{[^}]*\};\n/gmu, "");
}
