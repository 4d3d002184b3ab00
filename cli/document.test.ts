import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { catalogue } from "./catalogue.ts";
import { commandLineDocument } from "./document.ts";
import { INVOKED_AS, invocation } from "./invocation.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];
const textOf = (page: string): string => readFileSync(join(root, page), "utf8");

describe("the pages", () => {
  test("docs/cli.md says what the commands say (VARVE_UPDATE_GOLDEN=1 writes it)", async () => {
    const wanted = await commandLineDocument();
    if (process.env["VARVE_UPDATE_GOLDEN"] === "1") writeFileSync(join(root, "docs/cli.md"), wanted);
    expect(textOf("docs/cli.md")).toBe(wanted);
  });

  test.each(pages)("%s links to files that are there", (page) => {
    const links = [...textOf(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
    const missing = links.filter((link) => !existsSync(join(root, dirname(page), link)));
    expect(missing).toEqual([]);
  });

  test.each(pages)("%s names files of the repository that are there", (page) => {
    const names = [...textOf(page).matchAll(/`((?:engine|devices|harness|scenarios|fuse|bench|cli|docs)\/[\w./-]+)`/g)];
    const missing = names.map((match) => match[1]!).filter((name) => !existsSync(join(root, name)));
    expect(missing).toEqual([]);
  });

  test.each(pages)("%s shows commands and options that exist", async (page) => {
    const lines = textOf(page)
      .split("\n")
      .flatMap((line) => [...line.matchAll(/(?:^|[`$ ])(?:npm run -s varve(?: --)?|varve) ([a-z]+)((?: [^`#&|]*)?)/g)])
      .map((match) => ({ name: match[1]!, rest: match[2] ?? "", line: match[0] }));
    const wrong: Array<string> = [];
    for (const { name, rest, line } of lines) {
      const entry = catalogue.find((known) => known.name === name);
      if (entry === undefined) continue;
      const { command } = await entry.load();
      const known = new Set([
        "--json",
        "--help",
        ...command.options.flatMap(({ flags }) => flags.match(/--?[a-z-]+/g) ?? []),
      ]);
      for (const option of rest.match(/(?<=\s)--[a-z-]+/g) ?? [])
        if (!known.has(option)) wrong.push(`${line.trim()}: ${option}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("printed commands", () => {
  test("begin with what started this program", () => {
    expect(invocation(["node", "/usr/bin/varve"], {}, "/home")).toBe("varve");
    expect(invocation(["node", "/src/dist/cli/varve.js"], {}, "/src")).toBe("node dist/cli/varve.js");
    expect(invocation(["node", "/src/dist/cli/varve.js"], { npm_lifecycle_event: "varve" }, "/src")).toBe(
      "npm run -s varve --",
    );
    expect(invocation(["node", "/tmp/copy/dist/cli/varve.js"], { [INVOKED_AS]: "varve" }, "/src")).toBe("varve");
  });
});
