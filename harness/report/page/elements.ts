/**
 * Making and finding elements, numbers as people read them, colours, and charts that follow the window and the scheme.
 */
import type { ReportData } from "../report-data.ts";
import { type Chart, document, echarts, getComputedStyle, matchMedia, type PageElement, window } from "./browser.ts";

export function elementOf(id: string): PageElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element ${id}`);
  return element;
}

export function make(tag: string, className: string, ...children: ReadonlyArray<PageElement | string>): PageElement {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

export const report = JSON.parse(elementOf("report-data").textContent ?? "") as ReportData;

const digits = new Intl.NumberFormat("en");
export const countText = (count: number): string => digits.format(count);

export function bytesText(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${Number((bytes / 1024 / 1024).toFixed(1))} MiB`;
  return bytes >= 1024 ? `${Number((bytes / 1024).toFixed(1))} KiB` : `${bytes} B`;
}

export function timeText(ms: number): string {
  if (ms >= 60_000) return `${digits.format(Math.round(ms / 1000))} s`;
  return ms >= 1000 ? `${(ms / 1000).toFixed(3)} s` : `${Number(ms.toFixed(3))} ms`;
}

/** A colour of the style sheet, as it is in the scheme of the moment. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const drawings: Array<() => void> = [];

/** Makes a chart; `draw` is called now, and again whenever colours have changed. */
export function chartIn(id: string, draw: (chart: Chart) => void): Chart {
  const element = elementOf(id);
  const chart = echarts.init(element, null, { renderer: "canvas" });
  const redraw = (): void => {
    draw(chart);
    element.setAttribute("data-drawn", "yes");
  };
  window.addEventListener("resize", () => chart.resize());
  drawings.push(redraw);
  redraw();
  return chart;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const draw of drawings) draw();
});

/** Colours of those who write: the same ones in the timeline and in the map of buckets. */
const HUES = ["hue-1", "hue-2", "hue-3", "hue-4", "hue-5", "hue-6", "hue-7", "hue-8"];
export const hueOf = (number: number): string =>
  number < 0 ? colour("faint") : colour(HUES[number % HUES.length] ?? "faint");

export const tooltipStyle = (): object => ({
  backgroundColor: colour("raised"),
  borderColor: colour("line"),
  textStyle: { color: colour("text"), fontSize: 12 },
  confine: true,
});
