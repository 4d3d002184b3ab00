/**
 * A failure: the oracle's message, what it allows beside what was found, and the closest allowed tree.
 */
import type { Difference, FailureView, TreeLine } from "../report-data.ts";
import type { PageElement } from "./browser.ts";
import { elementOf, make } from "./elements.ts";

const SIGNS: Readonly<Record<TreeLine["state"], string>> = { same: " ", missing: "−", extra: "+", differs: "≠" };

function treeLine({ depth, name, detail, state }: TreeLine, side: "allowed" | "found"): PageElement {
  const absent = (side === "allowed" && state === "extra") || (side === "found" && state === "missing");
  const text = absent ? "" : `${"  ".repeat(depth)}${name}${depth > 0 || name === "/" ? "" : "/"}`;
  const sign = make("span", "sign", absent ? "" : SIGNS[state]);
  return make(
    "div",
    `tree-line ${state}${absent ? " absent" : ""}`,
    sign,
    text,
    make("span", "faint", absent ? "" : detail),
  );
}

function foundDetail(line: TreeLine, differences: ReadonlyArray<Difference>, path: string): TreeLine {
  const own = differences.filter((each) => each.path === path && each.what !== "name");
  if (own.length === 0) return line;
  return { ...line, detail: own.map(({ what, found }) => `${what} ${found}`.trim()).join("; ") };
}

function trees({ tree = [], differences }: FailureView): PageElement {
  const names: Array<string> = [];
  const found = tree.map((line) => {
    names.length = line.depth;
    if (line.depth > 0) names[line.depth - 1] = line.name;
    return foundDetail(line, differences, `/${names.slice(0, line.depth).join("/")}`);
  });
  const side = (title: string, lines: ReadonlyArray<TreeLine>, which: "allowed" | "found"): PageElement =>
    make("div", "tree", make("h4", "", title), ...lines.map((line) => treeLine(line, which)));
  return make("div", "trees", side("allowed (the closest state)", tree, "allowed"), side("found", found, "found"));
}

function differencesTable(differences: ReadonlyArray<Difference>): PageElement {
  const head = make("tr", "", ...["path", "what", "allowed", "found"].map((title) => make("th", "name", title)));
  const rows = differences.map(({ path, what, found, allowed }) =>
    make(
      "tr",
      "",
      make("td", "name", make("code", "", path)),
      make("td", "", what),
      make("td", "allowed", allowed),
      make("td", "found", found),
    ),
  );
  return make("table", "", make("thead", "", head), make("tbody", "", ...rows));
}

export function showFailure(failure: FailureView, goTo: (position: number) => void): void {
  const { where, message, crash, position, allowed, differences, tree } = failure;
  const place = { run: "while the clients ran", crash: "after a crash", end: "after the clean close" }[where];
  const parts: Array<PageElement> = [make("p", "", `Failed ${place}${crash === undefined ? "" : `: ${crash}`}`)];
  if (position !== undefined) {
    const button = make("button", "", "Show the crash in the timeline");
    button.addEventListener("click", () => goTo(position));
    parts.push(button);
  }
  parts.push(make("pre", "message", message));
  if (differences.length > 0) parts.push(make("h3", "", "Allowed and found"), differencesTable(differences));
  if (tree !== undefined) parts.push(trees(failure));
  if (allowed.length > 0) {
    const items = allowed.map(({ label, closest }) => make("li", closest ? "closest" : "", label));
    const title = `States of the namespace that would have been allowed: after any of these ${allowed.length} changes`;
    parts.push(make("details", "", make("summary", "", title), make("ol", "allowed-states", ...items)));
  }
  elementOf("failure").replaceChildren(...parts);
  elementOf("failure-section").hidden = false;
}
