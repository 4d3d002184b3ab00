/**
 * Quantities between people and numbers: bytes (`64M`), durations (`90s`), counts; pure.
 *
 * Sizes are powers of 1024, with `K`, `M`, `G`, `T` as well as `KiB` and so on. What cannot be read is undefined, never
 * a guess.
 */

const SIZE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, "": 1000 };

/** `64M` is 67108864; undefined if it is no size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:iB|B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const exponent = match[2] === "" ? 0 : "KMGTP".indexOf(match[2]!.toUpperCase()) + 1;
  const bytes = Math.round(Number(match[1]) * 1024 ** exponent);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `90s` is 90000; a bare number is seconds. */
export function parseMilliseconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|)$/.exec(text.trim());
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * MILLISECONDS[match[2]!]!);
}

export function parseCount(text: string): number | undefined {
  if (!/^\d+$/.test(text.trim())) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** 1536 is `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZE_UNITS[unit]}`;
}

/** 1234567 is `1,234,567`. */
export const formatCount = (count: number): string => count.toLocaleString("en-US");

/** 1234 is `1.2 ms`, of microseconds. */
export function formatMicroseconds(microseconds: number): string {
  if (microseconds < 100) return `${microseconds.toFixed(1)} us`;
  if (microseconds < 1000) return `${microseconds.toFixed(0)} us`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(microseconds < 10_000 ? 1 : 0)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

/** 0.9876 is `98.8 %`; undefined is `-`. */
export const formatShare = (share: number | undefined): string =>
  share === undefined ? "-" : `${(share * 100).toFixed(1)} %`;

/** 95000 is `1m35s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)}s`;
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, "0")}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}
