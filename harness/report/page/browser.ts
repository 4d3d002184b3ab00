/**
 * What the page uses of the browser and of ECharts, declared and no more: the rest of the code has no document.
 *
 * Nothing here exists when the program runs; when the page's scripts are put into the page, these imports are dropped
 * and the names mean the browser's own.
 */

export interface PageEvent {
  readonly key: string;
  readonly target: PageElement | null;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  preventDefault(): void;
}

export interface PageElement {
  id: string;
  textContent: string | null;
  className: string;
  value: string;
  type: string;
  min: string;
  max: string;
  checked: boolean;
  disabled: boolean;
  hidden: boolean;
  title: string;
  colSpan: number;
  readonly tagName: string;
  readonly clientWidth: number;
  readonly style: { setProperty(name: string, value: string): void };
  readonly classList: { toggle(name: string, on: boolean): void };
  append(...children: ReadonlyArray<PageElement | string>): void;
  replaceChildren(...children: ReadonlyArray<PageElement | string>): void;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
  setAttribute(name: string, value: string): void;
  scrollIntoView(options: { readonly behavior: "smooth"; readonly block: "nearest" | "start" }): void;
}

/** Of a custom series: pixels of a point, and of a distance. */
export interface DrawApi {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
  size(distance: readonly [number, number]): [number, number];
}

export interface ChartEvent {
  readonly data?: unknown;
  readonly seriesId?: string;
}

export interface Chart {
  setOption(option: object, settings?: { readonly notMerge?: boolean; readonly lazyUpdate?: boolean }): void;
  on(type: string, listener: (event: ChartEvent) => void): void;
  dispatchAction(action: object): void;
  getOption(): { readonly dataZoom: ReadonlyArray<{ readonly startValue: number; readonly endValue: number }> };
  resize(): void;
  dispose(): void;
}

interface Media {
  readonly matches: boolean;
  addEventListener(type: "change", listener: () => void): void;
}

export declare const document: {
  readonly documentElement: PageElement;
  getElementById(id: string): PageElement | null;
  createElement(tag: string): PageElement;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
};
export declare const window: { addEventListener(type: "resize", listener: () => void): void };
export declare const matchMedia: (query: string) => Media;
export declare const getComputedStyle: (element: PageElement) => { getPropertyValue(name: string): string };
export declare const setInterval: (run: () => void, everyMs: number) => number;
export declare const clearInterval: (timer: number) => void;
export declare const echarts: {
  init(
    element: PageElement,
    theme: null,
    options: { readonly renderer: "canvas"; readonly useDirtyRect?: boolean },
  ): Chart;
};
