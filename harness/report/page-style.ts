/**
 * How the page looks, in light and in dark. The charts take their colours from here too.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fbfbfa; --raised: #ffffff; --stripe: rgba(20, 30, 50, 0.025); --line: #e3e4e1;
  --text: #1c2024; --text-2: #5a6169; --faint: #8d949b;
  --accent: #2f6fdb; --good: #26835a; --bad: #c8372d; --warn: #c07a12;
  --good-ground: #e6f3ec; --bad-ground: #fbe9e7; --warn-ground: #fbf1de;
  --arrow: #7b8794; --arrow-back: #a9b2bb;
  --cell: #e9ebe8; --cell-virgin: #f2f3f1;
  --heat-1: #e3edf9; --heat-2: #4f8fdc; --heat-3: #123a78;
  --hue-1: #3d77c9; --hue-2: #d9822b; --hue-3: #3c9a68; --hue-4: #b5559b;
  --hue-5: #7d6bc4; --hue-6: #b59a1c; --hue-7: #2f9aa8; --hue-8: #a3644a;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --raised: #1b1f23; --stripe: rgba(255, 255, 255, 0.025); --line: #2d3338;
    --text: #e6e8ea; --text-2: #a3abb3; --faint: #737b83;
    --accent: #6ea3f7; --good: #5cbf90; --bad: #f0776c; --warn: #e3aa4f;
    --good-ground: #17302a; --bad-ground: #3a2020; --warn-ground: #35291a;
    --arrow: #8a949e; --arrow-back: #59626b;
    --cell: #2a3035; --cell-virgin: #20252a;
    --heat-1: #2a4263; --heat-2: #4b87d6; --heat-3: #cfe3ff;
    --hue-1: #6c9fe6; --hue-2: #e5a05a; --hue-3: #67bd90; --hue-4: #d184bd;
    --hue-5: #a596e2; --hue-6: #d1bb52; --hue-7: #5dbac6; --hue-8: #c48a70;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1280px; margin: 0 auto; padding: 40px 32px 80px; }
h1 { font-size: 26px; font-weight: 650; letter-spacing: -0.015em; margin: 0; }
h2 { font-size: 18px; font-weight: 650; letter-spacing: -0.01em; margin: 48px 0 12px; }
h3 { font-size: 15px; font-weight: 600; margin: 28px 0 8px; }
h4 { font-size: 13px; font-weight: 600; color: var(--text-2); margin: 0 0 6px; }
p { margin: 0 0 10px; }
code, pre { font-family: var(--mono); font-size: 12.5px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0; }
.faint { color: var(--faint); }
.command { color: var(--text-2); margin-top: 4px; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 44px; margin: 26px 0 0; }
.fact { display: flex; flex-direction: column; }
.fact .value { font-size: 26px; font-weight: 600; letter-spacing: -0.02em; line-height: 1.2; }
.fact .title { color: var(--text-2); font-size: 13px; }
.fact.bad .value { color: var(--bad); } .fact.good .value { color: var(--good); }
.columns { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); gap: 40px; }
@media (max-width: 900px) { .columns { grid-template-columns: minmax(0, 1fr); gap: 0; } main { padding: 24px 16px; } }
.bar-of-controls { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; margin-bottom: 10px; font-size: 13px; }
.bar-of-controls .grow { flex: 1; }
input[type="search"], button {
  font: inherit; font-size: 13px; color: var(--text); background: var(--raised);
  border: 1px solid var(--line); border-radius: 7px; padding: 4px 10px;
}
input[type="search"] { width: 220px; max-width: 100%; }
input[type="range"] { accent-color: var(--accent); flex: 1; min-width: 160px; }
input[type="checkbox"] { accent-color: var(--accent); margin: 0 5px 0 0; }
label { display: inline-flex; align-items: center; color: var(--text-2); }
button { cursor: pointer; } button:hover { border-color: var(--faint); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button.plain { border: 0; padding: 0; background: none; color: var(--text-2); font-weight: 600; }
.scroll { max-height: 460px; overflow: auto; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { position: sticky; top: 0; background: var(--ground); font-weight: 600; color: var(--text-2); }
th, td { padding: 5px 12px 5px 0; text-align: left; vertical-align: top; }
th.number, td.number { text-align: right; }
tbody tr + tr td { border-top: 1px solid var(--line); }
tr.failed td { background: var(--bad-ground); } tr.failed td:last-child { color: var(--bad); font-weight: 600; }
td.allowed { color: var(--good); } td.found { color: var(--bad); }
ul.marks { list-style: none; margin: 0; padding: 6px 0; font-size: 13px; }
ul.marks li { display: grid; grid-template-columns: minmax(0, 1fr) 90px 72px; gap: 10px; align-items: center; padding: 2px 8px 2px 0; }
ul.marks .label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
ul.marks .number { text-align: right; color: var(--text-2); }
ul.marks .bar { height: 6px; border-radius: 3px; background: linear-gradient(var(--accent), var(--accent)) no-repeat left / calc(var(--share) * 100%) 100%, var(--cell); }
details { border-top: 1px solid var(--line); padding: 6px 0; } summary { cursor: pointer; }
.message { background: var(--bad-ground); border-radius: 8px; padding: 12px 14px; max-height: 360px; overflow: auto; }
.trees { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; margin: 18px 0; }
.tree { font-family: var(--mono); font-size: 12.5px; overflow: auto; max-height: 420px; }
.tree h4 { font-family: system-ui, sans-serif; }
.tree-line { white-space: pre; min-height: 1.6em; padding: 0 8px; display: flex; gap: 10px; }
.tree-line .sign { width: 1ch; }
.tree-line.missing { background: var(--warn-ground); } .tree-line.extra { background: var(--bad-ground); }
.tree-line.differs { background: var(--bad-ground); } .tree-line.absent { opacity: 0.45; }
.allowed-states { font-family: var(--mono); font-size: 12.5px; max-height: 260px; overflow: auto; }
.allowed-states .closest { color: var(--good); font-weight: 600; }
#event { border-left: 3px solid var(--accent); padding: 4px 0 4px 14px; min-height: 76px; margin: 6px 0 0; font-size: 13.5px; }
.event-title { display: flex; flex-wrap: wrap; gap: 4px 16px; } .event-text { overflow-wrap: anywhere; }
.chips { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 12.5px; color: var(--text-2); margin-top: 8px; }
.chip::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; background: var(--hue); }
#heat { height: 380px; }
kbd { font: 12px var(--mono); border: 1px solid var(--line); border-radius: 4px; padding: 0 4px; background: var(--raised); }
footer { margin-top: 56px; color: var(--faint); font-size: 12.5px; }
@media print { .bar-of-controls { display: none; } .scroll { max-height: none; } }
`;
