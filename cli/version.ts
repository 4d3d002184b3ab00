/**
 * The version of this package, read from its package.json: the only place that states it.
 *
 * Works from the sources and from `dist/`, which lies one folder deeper.
 */
import { readFileSync } from "node:fs";

export function version(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as Record<
        string,
        unknown
      >;
      if (name === "varve" && typeof version === "string") return version;
    } catch {
      // Not there: one folder further up.
    }
  }
  return "unknown";
}
