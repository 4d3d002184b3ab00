/**
 * Writes a report: what a campaign or a replay came to, with one of its seeds recorded, as one page of HTML.
 */
import { writeFileSync } from "node:fs";
import { pageHtml } from "./page-html.ts";
import { pageScripts } from "./page-scripts.ts";
import type { ReportData } from "./report-data.ts";

export async function writeReport(file: string, data: ReportData): Promise<void> {
  const page = pageHtml(data, await pageScripts());
  writeFileSync(file, page);
}
