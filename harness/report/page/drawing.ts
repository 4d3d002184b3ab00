/**
 * How bars, arrows and the cursor of the timeline look: the drawing functions of its custom series.
 */
import type { DrawApi } from "./browser.ts";
import { colour } from "./elements.ts";

const BAR_HEIGHT = 0.66;
const HEAD_LENGTH = 6;
const BAR_WIDTH_MIN = 2;
/** Pixels that a bar must have for its name to be put on it. */
const NAMED_WIDTH_MIN = 34;
const NAMED_HEIGHT_MIN = 10;

/** A bar: `[from, to, lane, slot, position, slots, faulty]`. */
export const drawBar =
  (hue: (lane: number) => string, nameOf: (position: number) => string) =>
  (_params: unknown, api: DrawApi): object => {
    const [x, y] = api.coord([api.value(0), api.value(2)]);
    const [end] = api.coord([api.value(1), api.value(2)]);
    const lane = api.size([0, 1])[1];
    const height = (lane * BAR_HEIGHT) / api.value(5);
    const top = y - (lane * BAR_HEIGHT) / 2 + api.value(3) * height;
    const faulty = api.value(6) === 1;
    const width = Math.max(BAR_WIDTH_MIN, end - x);
    const text = width < NAMED_WIDTH_MIN || height < NAMED_HEIGHT_MIN ? "" : nameOf(api.value(4));
    return {
      type: "rect",
      shape: { x, y: top, width, height: Math.max(2, height - 1), r: 2 },
      textContent: { style: { text, fill: "#fff", fontSize: 10, width: width - 6, overflow: "truncate" } },
      textConfig: { position: "insideLeft", distance: 4 },
      style: { fill: faulty ? colour("bad") : hue(api.value(2)), opacity: 0.75 },
      emphasis: { style: { opacity: 1 } },
    };
  };

/** An arrow: `[from x, from lane, x, lane, reply]`. */
export function drawArrow(_params: unknown, api: DrawApi): object {
  const [x1, y1] = api.coord([api.value(0), api.value(1)]);
  const [x2, y2] = api.coord([api.value(2), api.value(3)]);
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [bx, by] = [x2 - dx * HEAD_LENGTH, y2 - dy * HEAD_LENGTH];
  const wide = HEAD_LENGTH / 2.2;
  const reply = api.value(4) === 1;
  const stroke = colour(reply ? "arrow-back" : "arrow");
  const points = [
    [x2, y2],
    [bx - dy * wide, by + dx * wide],
    [bx + dy * wide, by - dx * wide],
  ];
  return {
    type: "group",
    silent: true,
    children: [
      {
        type: "line",
        shape: { x1, y1, x2: bx, y2: by },
        style: { stroke, lineWidth: 1, lineDash: reply ? [3, 3] : undefined, opacity: 0.8 },
      },
      { type: "polygon", shape: { points }, style: { fill: stroke, opacity: 0.9 } },
    ],
  };
}

/** The event that is looked at: `[x, lane, lanes]`. */
export function drawCursor(_params: unknown, api: DrawApi): object {
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  const top = api.coord([api.value(0), -0.5])[1];
  const bottom = api.coord([api.value(0), api.value(2) - 0.5])[1];
  const stroke = colour("accent");
  return {
    type: "group",
    silent: true,
    children: [
      { type: "line", shape: { x1: x, y1: top, x2: x, y2: bottom }, style: { stroke, lineWidth: 1, opacity: 0.7 } },
      { type: "circle", shape: { cx: x, cy: y, r: 7 }, style: { stroke, lineWidth: 2, fill: "transparent" } },
    ],
  };
}
