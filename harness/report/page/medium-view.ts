/**
 * The map of buckets or zones at the instant that the scrubber shows, and the heat of writes over the whole run.
 */
import type { MediumChange, SeedRecord } from "../report-data.ts";
import { type Chart, type ChartEvent, clearInterval, type DrawApi, setInterval } from "./browser.ts";
import { bytesText, chartIn, colour, countText, elementOf, hueOf, make, timeText, tooltipStyle } from "./elements.ts";
import { bucketsAfter, type BucketState, HEAT_BLOCK_BYTES, heatByBlock, heatByTime } from "./medium.ts";

const PLAY_EVERY_MS = 60;
const PLAY_STEPS = 200;
const CELL_PIXELS_MAX = 46;
const HEAT_COLUMNS = 120;
const HEAT_ROWS = 48;
const BLOCK_COLUMNS = 128;
const BLOCK_CELLS_MAX = 8192;

export class BucketMap {
  private readonly seed: SeedRecord;
  private readonly columns: number;
  private readonly chart: Chart;
  private count = 0;
  private timer: number | undefined;
  private buckets: ReadonlyArray<BucketState> = [];

  constructor(seed: SeedRecord) {
    this.seed = seed;
    this.columns = Math.max(8, Math.ceil(Math.sqrt(seed.buckets.count * 3.4)));
    const rows = Math.max(1, Math.ceil(seed.buckets.count / this.columns));
    elementOf("buckets").style.setProperty("height", `${Math.min(rows * CELL_PIXELS_MAX, 420) + 16}px`);
    const scrubber = elementOf("scrubber");
    scrubber.max = String(seed.changes.length);
    this.count = seed.changes.length;
    scrubber.value = String(this.count);
    scrubber.addEventListener("input", () => this.show(Number(scrubber.value)));
    elementOf("play").addEventListener("click", () => this.play());
    this.chart = chartIn("buckets", (chart) => this.draw(chart));
    this.describe();
  }

  /** Shows the medium as it was at a position of the timeline. */
  follow(position: number): void {
    const { changes } = this.seed;
    let low = 0;
    let high = changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (changes[middle]![0] <= position) low = middle + 1;
      else high = middle;
    }
    this.show(low);
  }

  private show(count: number): void {
    this.count = count;
    elementOf("scrubber").value = String(count);
    this.draw(this.chart);
    this.describe();
  }

  private play(): void {
    const { changes } = this.seed;
    if (this.timer !== undefined) return this.pause();
    if (this.count >= changes.length) this.show(0);
    elementOf("play").textContent = "pause";
    const step = Math.max(1, Math.ceil(changes.length / PLAY_STEPS));
    this.timer = setInterval(() => {
      this.show(Math.min(changes.length, this.count + step));
      if (this.count >= changes.length) this.pause();
    }, PLAY_EVERY_MS);
  }

  private pause(): void {
    if (this.timer !== undefined) clearInterval(this.timer);
    this.timer = undefined;
    elementOf("play").textContent = "play";
  }

  private describe(): void {
    const { seed, count } = this;
    const change = seed.changes[count - 1];
    const place = `change ${countText(count)} of ${countText(seed.changes.length)}`;
    elementOf("instant").textContent = change === undefined ? place : `${place} · ${changeText(change)}`;
    const writers = [...new Set(this.buckets.map(({ writer }) => writer))]
      .filter((lane) => lane >= 0)
      .sort((a, b) => a - b);
    const chips = writers.map((lane) => {
      const chip = make("span", "chip", seed.lanes[lane]?.name ?? "");
      chip.style.setProperty("--hue", hueOf(lane));
      return chip;
    });
    elementOf("writers").replaceChildren(...chips);
  }

  private draw(chart: Chart): void {
    const { seed, columns } = this;
    this.buckets = bucketsAfter(seed.buckets, seed.changes, this.count);
    const data = this.buckets.map((_bucket, index) => [index % columns, Math.floor(index / columns), index]);
    const axis = { type: "value", show: false, min: 0 };
    chart.setOption(
      {
        animation: false,
        grid: { left: 1, right: 1, top: 1, bottom: 1 },
        tooltip: { ...tooltipStyle(), formatter: ({ data }: ChartEvent) => this.tip((data as Array<number>)[2]!) },
        xAxis: { ...axis, max: columns },
        yAxis: { ...axis, max: Math.ceil(seed.buckets.count / columns), inverse: true },
        series: [
          {
            type: "custom",
            data,
            encode: { x: 0, y: 1 },
            renderItem: (_params: unknown, api: DrawApi) => this.cell(api),
          },
        ],
      },
      { notMerge: true },
    );
  }

  private cell(api: DrawApi): object {
    const bucket = this.buckets[api.value(2)]!;
    const [x, y] = api.coord([api.value(0), api.value(1)]);
    const [width, height] = api.size([1, 1]);
    const inner = { width: Math.max(1, width - 3), height: Math.max(1, height - 3) };
    const share = bucket.filledBytes / this.seed.buckets.usableBytes;
    const filled = inner.height * share;
    const isLatest = this.count > 0 && bucket.latest === this.count - 1;
    return {
      type: "group",
      children: [
        {
          type: "rect",
          shape: { x, y, ...inner, r: 2 },
          style: {
            fill: colour(bucket.emptied > 0 || bucket.filledBytes > 0 ? "cell" : "cell-virgin"),
            stroke: isLatest ? colour("accent") : undefined,
            lineWidth: isLatest ? 2 : 0,
          },
        },
        {
          type: "rect",
          shape: { x, y: y + inner.height - filled, width: inner.width, height: filled, r: share > 0.95 ? 2 : 0 },
          style: { fill: hueOf(bucket.writer), opacity: bucket.finished ? 0.6 : 0.9 },
        },
      ],
    };
  }

  private tip(index: number): string {
    const { seed } = this;
    const { filledBytes, writer, emptied, finished } = this.buckets[index]!;
    const { zoned, usableBytes } = seed.buckets;
    const lines = [
      `<b>${zoned ? "zone" : "bucket"} ${index}</b>`,
      `${bytesText(filledBytes)} of ${bytesText(usableBytes)} written${finished ? ", finished" : ""}`,
      `${zoned ? "reset or discarded" : "discarded"} ${emptied} times`,
    ];
    if (writer >= 0) lines.push(`written by ${seed.lanes[writer]?.name}`);
    return lines.join("<br>");
  }
}

const changeText = ([, ms, kind, offset, length]: MediumChange): string =>
  `${timeText(ms)} · ${kind}${length > 0 ? ` of ${bytesText(length)}` : ""} at ${bytesText(offset)}`;

export class HeatMap {
  private readonly seed: SeedRecord;
  private byTime = true;

  constructor(seed: SeedRecord) {
    this.seed = seed;
    const chart = chartIn("heat", (chart) => this.draw(chart));
    const button = elementOf("heat-axis");
    button.addEventListener("click", () => {
      this.byTime = !this.byTime;
      button.textContent = this.byTime ? "address × time" : "per 4 KiB block";
      this.draw(chart);
    });
  }

  private draw(chart: Chart): void {
    const { buckets, changes } = this.seed;
    if (this.byTime) {
      const { cells, endMs } = heatByTime(buckets, changes, HEAT_COLUMNS, HEAT_ROWS);
      const address = (row: number): string => bytesText(Math.round((buckets.capacityBytes / HEAT_ROWS) * row));
      const time = (column: number): string => timeText((endMs / HEAT_COLUMNS) * column);
      this.heat(chart, cells, { columns: HEAT_COLUMNS, rows: HEAT_ROWS, column: time, row: address });
      return;
    }
    const { cells, blocksPerCell } = heatByBlock(buckets, changes, BLOCK_COLUMNS, BLOCK_CELLS_MAX);
    const bytes = blocksPerCell * HEAT_BLOCK_BYTES;
    const rows = Math.ceil(buckets.capacityBytes / bytes / BLOCK_COLUMNS);
    const column = (at: number): string => `+ ${bytesText(at * bytes)}`;
    const row = (at: number): string => bytesText(at * bytes * BLOCK_COLUMNS);
    this.heat(chart, cells, { columns: BLOCK_COLUMNS, rows, column, row });
  }

  private heat(
    chart: Chart,
    cells: ReadonlyArray<readonly [number, number, number]>,
    { columns, rows, column, row }: HeatAxes,
  ): void {
    const text = { color: colour("text-2"), fontSize: 11 };
    const axis = { type: "category", axisLabel: text, axisTick: { show: false }, axisLine: { show: false } };
    const labels = (count: number, label: (at: number) => string): ReadonlyArray<string> =>
      Array.from({ length: count }, (_, at) => label(at));
    const max = cells.reduce((most, [, , count]) => Math.max(most, count), 1);
    chart.setOption(
      {
        animation: false,
        grid: { left: 84, right: 84, top: 8, bottom: 28 },
        tooltip: {
          ...tooltipStyle(),
          formatter: ({ data }: ChartEvent) => {
            const [x, y, count] = data as readonly [number, number, number];
            return `${countText(count)} writes<br>${row(y)}, ${column(x)}`;
          },
        },
        xAxis: { ...axis, data: labels(columns, column) },
        yAxis: { ...axis, data: labels(rows, row), inverse: true },
        visualMap: {
          ...{ min: 0, max, calculable: true, right: 0, top: "center", textStyle: text, itemWidth: 12 },
          inRange: { color: [colour("heat-1"), colour("heat-2"), colour("heat-3")] },
        },
        series: [{ type: "heatmap", data: cells, progressive: 0 }],
      },
      { notMerge: true },
    );
  }
}

interface HeatAxes {
  readonly columns: number;
  readonly rows: number;
  readonly column: (at: number) => string;
  readonly row: (at: number) => string;
}
