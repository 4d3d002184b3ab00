/**
 * The scenarios that a module exports: as its default, by name, or in lists.
 */
import type { AnyScenario } from "./store/device-scenario.ts";

function isScenario(value: unknown): value is AnyScenario {
  if (typeof value !== "object" || value === null) return false;
  const { name, plan } = value as { readonly name?: unknown; readonly plan?: unknown };
  return typeof name === "string" && typeof plan === "function";
}

/** Each once, in the order of the exports' names. */
export function scenariosIn(module: Readonly<Record<string, unknown>>): ReadonlyArray<AnyScenario> {
  return [...new Set(Object.values(module).flat().filter(isScenario))];
}
