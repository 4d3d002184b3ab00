/**
 * The timeline: a lane for each client, actor and device; zoom, steps from event to event, and what an event says.
 *
 * Only what the window shows is given to the chart; messages are drawn once it shows few enough of them.
 */
import type { EventKind, TimelineEvent } from "../report-data.ts";
import { type Chart, type ChartEvent, document, type PageEvent } from "./browser.ts";
import { drawArrow, drawBar, drawCursor } from "./drawing.ts";
import { chartIn, colour, countText, elementOf, hueOf, make, timeText, tooltipStyle } from "./elements.ts";
import { type Axis, type Events, GROUPS } from "./events.ts";

const WINDOW_EVENTS = 160;
const WINDOW_LEAD = 12;
const ARROWS_MAX = 900;
const LANE_PIXELS = 34;
const ZOOM_STEP = 1.6;

const SYMBOLS: Readonly<Partial<Record<EventKind, readonly [symbol: string, size: number, colour: string]>>> = {
  effect: ["diamond", 8, "text"],
  message: ["circle", 5, "text-2"],
  fail: ["rect", 9, "bad"],
  crash: ["path://M5 0 L0 6 L3 6 L2 12 L8 5 L5 5 Z", 12, "warn"],
  recovery: ["emptyCircle", 7, "good"],
  mark: ["triangle", 8, "accent"],
  failure: ["path://M0 0 L3 0 L6 4 L9 0 L12 0 L8 6 L12 12 L9 12 L6 8 L3 12 L0 12 L4 6 Z", 14, "bad"],
};

export class TimelineView {
  private readonly events: Events;
  private readonly chart: Chart;
  private readonly selected: (position: number) => void;
  private axis: Axis = "order";
  private from = 0;
  private to = 0;
  private cursor: number;
  private readonly hidden = new Set<EventKind>();

  /** `selected` hears which event is looked at. */
  constructor(events: Events, selected: (position: number) => void) {
    this.events = events;
    this.selected = selected;
    this.cursor = events.beginning;
    this.setWindow(this.cursor - WINDOW_LEAD, this.cursor + WINDOW_EVENTS);
    const lanes = events.seed.lanes.length;
    elementOf("timeline").style.setProperty("height", `${lanes * LANE_PIXELS + 90}px`);
    this.chart = chartIn("timeline", (chart) => this.draw(chart));
    this.chart.on("datazoom", () => this.zoomed());
    this.chart.on("click", ({ data }: ChartEvent) => this.clicked(data));
    this.controls();
    this.describe();
  }

  private readonly isShown = ({ kind }: TimelineEvent): boolean => !this.hidden.has(kind);

  private setWindow(from: number, to: number): void {
    const { first, last } = this.events;
    this.from = Math.max(first, Math.min(from, last));
    this.to = Math.min(last, Math.max(to, this.from + 1));
  }

  private draw(chart: Chart): void {
    const { events, axis } = this;
    const [start, end] = [events.x(events.first, axis), events.x(events.last, axis)];
    const text = { color: colour("text-2"), fontSize: 11 };
    const line = { lineStyle: { color: colour("line") } };
    const zoom = { startValue: events.x(this.from, axis), endValue: events.x(this.to, axis), filterMode: "none" };
    chart.setOption(
      {
        animation: false,
        grid: { left: 150, right: 24, top: 8, bottom: 64 },
        tooltip: { ...tooltipStyle(), formatter: ({ data }: ChartEvent) => this.tip(data) },
        xAxis: {
          type: "value",
          min: start,
          max: Math.max(end, start + 1),
          minInterval: axis === "order" ? 1 : undefined,
          axisLabel: { ...text, formatter: (x: number) => (axis === "order" ? countText(x) : timeText(x)) },
          axisLine: line,
          splitLine: { lineStyle: { color: colour("line"), opacity: 0.5 } },
        },
        yAxis: {
          type: "category",
          inverse: true,
          data: events.seed.lanes.map(({ name }) => name),
          axisLabel: { ...text, width: 136, overflow: "truncate" },
          axisLine: line,
          axisTick: { show: false },
          splitArea: { show: true, areaStyle: { color: ["transparent", colour("stripe")] } },
        },
        dataZoom: [
          { type: "inside", ...zoom },
          {
            type: "slider",
            ...zoom,
            height: 22,
            bottom: 8,
            showDataShadow: false,
            borderColor: colour("line"),
            textStyle: text,
            labelFormatter: "",
          },
        ],
        series: this.series(),
      },
      { notMerge: true },
    );
  }

  /** The bars, arrows and marks of the window. */
  private series(): ReadonlyArray<object> {
    const { events, axis, from, to } = this;
    const x = (position: number): number => events.x(position, axis);
    const nameOf = (position: number): string => /^\w+/u.exec(events.at(position)?.text ?? "")?.[0] ?? "";
    const bars = events.bars
      .filter((bar) => bar.to >= from && bar.from <= to && this.isShown(events.at(bar.position)!))
      .map((bar) => [x(bar.from), x(bar.to), bar.lane, bar.slot, bar.position, bar.slots, bar.faulty ? 1 : 0]);
    const arrows = events.arrows(from, to, axis, this.isShown);
    elementOf("arrows-note").textContent =
      arrows.length > ARROWS_MAX ? `${countText(arrows.length)} messages are drawn when you zoom in` : "";
    const marks: Array<object> = [];
    for (let position = from; position <= to; position++) {
      const event = events.at(position)!;
      const [symbol, symbolSize, name] = SYMBOLS[event.kind] ?? [];
      if (name === undefined || !this.isShown(event)) continue;
      marks.push({
        value: [x(position), event.lane, position],
        symbol,
        symbolSize,
        itemStyle: { color: colour(name) },
      });
    }
    const looked = events.at(this.cursor);
    const cursor = looked === undefined ? [] : [[x(this.cursor), looked.lane, events.seed.lanes.length]];
    const custom = (id: string, renderItem: unknown, data: ReadonlyArray<unknown>, encode: object): object => ({
      ...{ type: "custom", id, renderItem, data, encode, clip: true },
    });
    return [
      custom("bars", drawBar(hueOf, nameOf), bars, { x: [0, 1], y: 2 }),
      custom("arrows", drawArrow, arrows.length > ARROWS_MAX ? [] : arrows.map(arrowItem), { x: [0, 2], y: [1, 3] }),
      { type: "scatter", id: "marks", data: marks, encode: { x: 0, y: 1 }, clip: true },
      custom("cursor", drawCursor, cursor, { x: 0, y: 1 }),
    ];
  }

  private refresh(): void {
    this.chart.setOption({ series: this.series() });
  }

  /** Moves the window of the chart to ours. */
  private showWindow(): void {
    const { events, axis, from, to } = this;
    this.chart.dispatchAction({ type: "dataZoom", startValue: events.x(from, axis), endValue: events.x(to, axis) });
    this.refresh();
  }

  /** The user moved the window of the chart. */
  private zoomed(): void {
    const zoom = this.chart.getOption().dataZoom[0]!;
    this.setWindow(
      this.events.positionAt(zoom.startValue, this.axis),
      this.events.positionAt(zoom.endValue, this.axis),
    );
    this.refresh();
  }

  private zoomBy(factor: number): void {
    const inside = this.cursor >= this.from && this.cursor <= this.to;
    const middle = inside ? this.cursor : (this.from + this.to) / 2;
    const width = Math.max(8, (this.to - this.from) * factor);
    this.setWindow(Math.round(middle - width / 2), Math.round(middle + width / 2));
    this.showWindow();
  }

  private zoomToAll(): void {
    this.setWindow(this.events.first, this.events.last);
    this.showWindow();
  }

  private clicked(data: unknown): void {
    const position = positionIn(data);
    if (position !== undefined) this.select(position);
  }

  /** Looks at an event, and moves the window there if it is elsewhere. */
  select(position: number): void {
    const { events, from, to } = this;
    this.cursor = Math.min(events.last, Math.max(events.first, position));
    if (this.cursor < from || this.cursor > to) {
      const width = to - from;
      this.setWindow(this.cursor - Math.floor(width / 2), this.cursor + Math.ceil(width / 2));
      this.showWindow();
    } else this.refresh();
    this.describe();
    this.selected(this.cursor);
  }

  private step(direction: 1 | -1): void {
    this.select(this.events.next(this.cursor, direction, this.isShown));
  }

  private describe(): void {
    const { events, cursor } = this;
    const event = events.at(cursor);
    if (event === undefined) return;
    const lane = events.seed.lanes[event.lane]?.name ?? "";
    const title = make("strong", "", `${lane} · ${event.kind}`);
    const place = `event ${countText(cursor + 1)} of ${countText(events.seed.positions)} · ${timeText(event.ms)} · trace ${countText(event.trace)}`;
    elementOf("event").replaceChildren(
      make("div", "event-title", title, make("span", "faint", place)),
      make("code", "event-text", event.text),
      make("div", "faint", this.relations(event).join(" · ")),
    );
  }

  private relations(event: TimelineEvent): ReadonlyArray<string> {
    const { events, cursor } = this;
    const said: Array<string> = [];
    const nameOf = (lane: number): string => events.seed.lanes[lane]?.name ?? "?";
    const end = events.endOf(cursor);
    const begin = event.begin;
    if (event.fault !== undefined) said.push(`fault: ${event.fault}`);
    if (event.from !== undefined) said.push(`from ${nameOf(event.from[0])}`);
    if (event.to !== undefined) said.push(`to ${nameOf(event.to)}`);
    if (end !== undefined) said.push(`${events.at(end)!.kind} after ${timeText(events.at(end)!.ms - event.ms)}`);
    const begun = begin === undefined ? undefined : events.at(begin);
    if (begun !== undefined) said.push(`of "${begun.text}", ${timeText(event.ms - begun.ms)} ago`);
    return said;
  }

  private tip(data: unknown): string {
    const event = this.events.at(positionIn(data) ?? -1);
    if (event === undefined) return "";
    return `<b>${event.kind}</b> ${timeText(event.ms)}<br>${escaped(event.text.slice(0, 160))}`;
  }

  private controls(): void {
    const on = (id: string, run: () => void): void => elementOf(id).addEventListener("click", run);
    on("step-back", () => this.step(-1));
    on("step-on", () => this.step(1));
    on("zoom-in", () => this.zoomBy(1 / ZOOM_STEP));
    on("zoom-out", () => this.zoomBy(ZOOM_STEP));
    on("zoom-all", () => this.zoomToAll());
    on("axis", () => {
      this.axis = this.axis === "order" ? "time" : "order";
      elementOf("axis").textContent = this.axis === "order" ? "by order" : "by time";
      this.draw(this.chart);
    });
    for (const [group, kinds] of Object.entries(GROUPS)) {
      elementOf(`show-${group}`).addEventListener("change", () => {
        const { checked } = elementOf(`show-${group}`);
        for (const kind of kinds) {
          if (checked) this.hidden.delete(kind);
          else this.hidden.add(kind);
        }
        this.refresh();
      });
    }
    document.addEventListener("keydown", (event) => this.keyPressed(event));
  }

  private keyPressed(event: PageEvent): void {
    const { target, key } = event;
    if (target?.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "ArrowRight") this.step(1);
    else if (key === "ArrowLeft") this.step(-1);
    else if (key === "+") this.zoomBy(1 / ZOOM_STEP);
    else if (key === "-") this.zoomBy(ZOOM_STEP);
    else if (key === "0") this.zoomToAll();
    else return;
    event.preventDefault();
  }
}

interface ArrowLike {
  readonly x: number;
  readonly lane: number;
  readonly fromX: number;
  readonly fromLane: number;
  readonly reply: boolean;
}

const arrowItem = ({ x, lane, fromX, fromLane, reply }: ArrowLike): ReadonlyArray<number> => [
  ...[fromX, fromLane, x, lane, reply ? 1 : 0],
];

/** The position that an item of a series stands for. */
function positionIn(data: unknown): number | undefined {
  if (Array.isArray(data)) return data[4] as number | undefined;
  return (data as { readonly value?: ReadonlyArray<number> } | undefined)?.value?.[2];
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\n", "<br>");
