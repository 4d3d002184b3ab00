/**
 * What the campaign came to: the table of scenarios with its filter and order, the failing seeds, the marks.
 */
import type { ScenarioRow } from "../report-data.ts";
import type { PageElement } from "./browser.ts";
import { countText, elementOf, make, report, timeText } from "./elements.ts";

interface Column {
  readonly title: string;
  readonly text: (row: ScenarioRow) => string;
  readonly value: (row: ScenarioRow) => number | string;
}

const COLUMNS: ReadonlyArray<Column> = [
  { title: "scenario", text: ({ scenario }) => scenario, value: ({ scenario }) => scenario },
  { title: "seeds", text: ({ seeds }) => countText(seeds), value: ({ seeds }) => seeds },
  { title: "crash states", text: ({ crashStates }) => countText(crashStates), value: ({ crashStates }) => crashStates },
  { title: "events", text: ({ events }) => countText(events), value: ({ events }) => events },
  { title: "simulated", text: ({ simulatedMs }) => timeText(simulatedMs), value: ({ simulatedMs }) => simulatedMs },
  { title: "failures", text: ({ failures }) => countText(failures), value: ({ failures }) => failures },
];

/** Which column orders the table; as the campaign ran them unless told. */
let order: { readonly column: number; readonly down: boolean } | undefined;

function tableRow(row: ScenarioRow): PageElement {
  const cells = COLUMNS.map(({ text }, index) => make("td", index === 0 ? "name" : "number", text(row)));
  return make("tr", row.failures > 0 ? "failed" : "", ...cells);
}

function shownRows(): ReadonlyArray<ScenarioRow> {
  const words = elementOf("outcome-filter").value.toLowerCase().split(/\s+/u);
  const onlyFailed = elementOf("outcome-failed").checked;
  const rows = report.rows.filter(
    ({ scenario, failures }) =>
      words.every((word) => scenario.toLowerCase().includes(word)) && (!onlyFailed || failures > 0),
  );
  if (order === undefined) return rows;
  const { value } = COLUMNS[order.column]!;
  const sign = order.down ? -1 : 1;
  return rows.sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
}

function drawTable(): void {
  const rows = shownRows();
  const none = make("td", "faint", "no scenario of that name");
  none.colSpan = COLUMNS.length;
  elementOf("outcome-rows").replaceChildren(...(rows.length === 0 ? [make("tr", "", none)] : rows.map(tableRow)));
  elementOf("outcome-shown").textContent = `${countText(rows.length)} of ${countText(report.rows.length)} scenarios`;
}

function header(): PageElement {
  const cells = COLUMNS.map(({ title }, column) => {
    const button = make("button", "plain", title);
    button.addEventListener("click", () => {
      order = { column, down: order?.column === column ? !order.down : column > 0 };
      drawTable();
    });
    return make("th", column === 0 ? "name" : "number", button);
  });
  return make("tr", "", ...cells);
}

function drawMarks(): void {
  const wanted = elementOf("marks-filter").value.toLowerCase();
  const most = Math.log1p(report.marks.reduce((all, [, count]) => Math.max(all, count), 1));
  const shown = report.marks.filter(([name]) => name.toLowerCase().includes(wanted));
  const lines = shown.map(([name, count]) => {
    const bar = make("span", "bar");
    bar.style.setProperty("--share", String(Math.log1p(count) / most));
    return make("li", "", make("span", "label", name), bar, make("span", "number", countText(count)));
  });
  elementOf("marks").replaceChildren(...lines);
}

const fact = (title: string, value: string, className = ""): PageElement =>
  make("div", `fact ${className}`, make("span", "value", value), make("span", "title", title));

function drawFacts(): void {
  const sum = (value: (row: ScenarioRow) => number): number => report.rows.reduce((all, row) => all + value(row), 0);
  const failed = report.failures.length;
  elementOf("facts").replaceChildren(
    fact(report.seeds === 1 ? "seed" : "seeds", countText(report.seeds)),
    fact("crash states judged", countText(sum(({ crashStates }) => crashStates))),
    fact("events", countText(sum(({ events }) => events))),
    fact("simulated", timeText(sum(({ simulatedMs }) => simulatedMs))),
    fact(failed === 1 ? "failure" : "failures", countText(failed), failed === 0 ? "good" : "bad"),
  );
}

function drawFailedSeeds(): void {
  const items = report.failures.map(({ scenario, seed, message, replay }) =>
    make(
      "details",
      "",
      make("summary", "", make("code", "", `${scenario}:${seed}`), " ", message.split("\n").at(0) ?? ""),
      make("pre", "", message),
      make("p", "", "See it again: ", make("code", "", replay)),
    ),
  );
  elementOf("failed-seeds").replaceChildren(...items);
  elementOf("failed-section").hidden = items.length === 0;
}

export function showOutcome(): void {
  drawFacts();
  elementOf("outcome-head").replaceChildren(header());
  drawTable();
  drawFailedSeeds();
  drawMarks();
  elementOf("outcome-filter").addEventListener("input", drawTable);
  elementOf("outcome-failed").addEventListener("change", drawTable);
  elementOf("marks-filter").addEventListener("input", drawMarks);
}
