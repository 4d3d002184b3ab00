/**
 * The outcome of a campaign by scenario, counted while its seeds come in, in whatever order they do.
 */
import type { SeedResult } from "../run.ts";
import type { ScenarioRow } from "./report-data.ts";

export class CampaignTally {
  private readonly byScenario = new Map<string, ScenarioRow>();

  take({ scenario, crashStates, failure, events, simulatedMs }: SeedResult): void {
    const row = this.byScenario.get(scenario);
    this.byScenario.set(scenario, {
      scenario,
      seeds: (row?.seeds ?? 0) + 1,
      crashStates: (row?.crashStates ?? 0) + crashStates,
      failures: (row?.failures ?? 0) + (failure === undefined ? 0 : 1),
      events: (row?.events ?? 0) + events,
      simulatedMs: (row?.simulatedMs ?? 0) + simulatedMs,
    });
  }

  /** In the order of the names. */
  rows(names: ReadonlyArray<string>): ReadonlyArray<ScenarioRow> {
    return names.flatMap((name) => this.byScenario.get(name) ?? []);
  }
}
