/**
 * The page as text: one file that needs nothing else, with its data, its scripts and the library that draws.
 *
 * Data is JSON in an element of its own, in which no `<` stands, so that nothing in it can end the element. Scripts may
 * not hold the end of their element either; where they name it, it is written another way that means the same.
 */
import type { ReportData } from "./report-data.ts";
import { STYLE } from "./page-style.ts";

export const safeJson = (value: unknown): string => JSON.stringify(value).replaceAll("<", String.raw`\u003c`);

export const safeScript = (text: string): string =>
  text.replaceAll(/<\/(script)/giu, String.raw`<\/$1`).replaceAll("<!--", String.raw`\x3c!--`);

const safeText = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const check = (group: string): string => `<label><input type="checkbox" id="show-${group}" checked>${group}</label>`;

const OUTCOME = `
<section class="columns">
  <div>
    <h2>Outcome</h2>
    <div class="bar-of-controls">
      <input type="search" id="outcome-filter" placeholder="filter scenarios" aria-label="filter scenarios">
      <label><input type="checkbox" id="outcome-failed">only failed</label>
      <span class="grow"></span><span class="faint" id="outcome-shown"></span>
    </div>
    <div class="scroll"><table><thead id="outcome-head"></thead><tbody id="outcome-rows"></tbody></table></div>
  </div>
  <div>
    <h2>Marks reached</h2>
    <div class="bar-of-controls">
      <input type="search" id="marks-filter" placeholder="filter marks" aria-label="filter marks">
      <span class="grow"></span><span class="faint">logarithmic</span>
    </div>
    <div class="scroll"><ul class="marks" id="marks"></ul></div>
  </div>
</section>
<section id="failed-section" hidden><h2>Failed seeds</h2><div id="failed-seeds"></div></section>`;

const SEED = `
<section id="seed-section" hidden>
  <h2>Seed <code id="seed-name"></code></h2>
  <p class="faint" id="seed-summary"></p>
  <section id="failure-section" hidden><h3>Failure</h3><div id="failure"></div></section>
  <h3>Timeline</h3>
  <div class="bar-of-controls">
    <span><button id="step-back" title="previous event (←)">←</button> <button id="step-on" title="next event (→)">→</button></span>
    <span><button id="zoom-in" title="zoom in (+)">+</button> <button id="zoom-out" title="zoom out (−)">−</button> <button id="zoom-all" title="all of it (0)">all</button></span>
    <button id="axis" title="by order of events, or by virtual time">by order</button>
    ${["operations", "messages", "device", "crashes", "marks"].map(check).join("\n    ")}
    <span class="grow"></span><span class="faint" id="arrows-note"></span>
  </div>
  <div id="event"></div>
  <div id="timeline" role="img" aria-label="timeline of the seed"></div>
  <p class="faint"><kbd>←</kbd> <kbd>→</kbd> step, <kbd>+</kbd> <kbd>-</kbd> <kbd>0</kbd> zoom, or use the wheel. <span id="cuts"></span></p>
  <h3 id="buckets-title">Buckets</h3>
  <div class="bar-of-controls">
    <button id="play">play</button>
    <input type="range" id="scrubber" min="0" max="0" value="0" aria-label="instant of the map">
    <span class="faint" id="instant"></span>
  </div>
  <div id="buckets" role="img" aria-label="how full each bucket is"></div>
  <div class="chips" id="writers"></div>
  <h3>Writes</h3>
  <div class="bar-of-controls"><button id="heat-axis" title="by address and time, or each block">address × time</button></div>
  <div id="heat" role="img" aria-label="heat map of writes"></div>
</section>`;

export interface PageScripts {
  readonly library: string;
  readonly page: string;
}

export function pageHtml(data: ReportData, { library, page }: PageScripts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safeText(data.title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main id="page">
<h1>${safeText(data.title)}</h1>
<div class="command"><code>${safeText(data.command)}</code></div>
<div class="facts" id="facts"></div>
${OUTCOME}
${SEED}
<footer>hash <code>${safeText(data.hash)}</code></footer>
</main>
<script type="application/json" id="report-data">${safeJson(data)}</script>
<script>${safeScript(library)}</script>
<script>${safeScript(page)}</script>
</body>
</html>
`;
}
