import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatDocument } from "./document.ts";

const page = new URL("../../docs/format.md", import.meta.url);

test("docs/format.md says what the layouts say (VARVE_UPDATE_GOLDEN=1 writes it)", () => {
  const wanted = formatDocument();
  if (process.env["VARVE_UPDATE_GOLDEN"] === "1") writeFileSync(page, wanted);
  expect(readFileSync(page, "utf8")).toBe(wanted);
});

test("no line of prose is wider than the page", () => {
  for (const line of formatDocument().split("\n")) {
    if (!line.startsWith("|")) expect(line.length, line).toBeLessThanOrEqual(140);
  }
});
