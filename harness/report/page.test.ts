/**
 * The page in a browser, without a display and without a network: it draws, nothing goes wrong, every control works.
 */
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCampaign } from "../campaign.ts";
import { lively, losesWrites, quick } from "../canaries.ts";
import type { Scenario } from "../scenario.ts";
import { CampaignTally } from "./campaign-tally.ts";
import { lyingModel } from "./lying-model.ts";
import { recordSeed } from "./record-seed.ts";
import { writeReport } from "./write-report.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

function browserProgram(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const program = browserProgram();
const missing = program === undefined ? "no chromium on this machine (Debian: apt-get install chromium)" : undefined;
const TIMEOUT_MS = 120_000;

let folder = "";
let browser: Browser | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-report-"));
  if (program !== undefined) browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  readonly page: Page;
  /** Whatever the page complained of, and whatever it tried to load. */
  readonly trouble: ReadonlyArray<string>;
}

async function open(scenarios: ReadonlyArray<Scenario>, seedOf: Scenario): Promise<Opened> {
  const tally = new CampaignTally();
  const names = scenarios.map(({ name }) => name);
  const result = await runCampaign({
    ...{ registry: { url: "", scenarios }, names, seeds: { from: 1, to: 2 }, jobs: 0, verifyShare: 0 },
    seen: (seed) => tally.take(seed),
  });
  const file = join(folder, `${seedOf.name}.html`);
  await writeReport(file, {
    ...{ title: "A campaign </script>", command: "varve campaign", hash: result.hash, seeds: result.seeds },
    ...{ rows: tally.rows(names), failures: result.failures, marks: Object.entries(result.marks) },
    seed: recordSeed(seedOf, 1).record,
  });
  const page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
  const trouble: Array<string> = [];
  page.on("console", (message) => {
    // Said of this test, which reads the charts back.
    if (!message.text().includes("willReadFrequently")) trouble.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => trouble.push(error.stack ?? error.message));
  page.on("request", (request) => {
    if (!/^(file|data):/u.test(request.url())) trouble.push(`asked for ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  expect(await page.getAttribute("#page", "data-ready")).toBe("yes");
  return { page, trouble };
}

/** A digest of what a chart shows, and how many colours it has: an empty one has one. */
async function drawn(page: Page, id: string): Promise<{ readonly colours: number; readonly digest: number }> {
  const script = `(() => {
    const canvas = document.querySelector("#${id} canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    let digest = 0;
    for (const pixel of pixels) digest = (Math.imul(digest, 31) + pixel) | 0;
    return { colours: new Set(pixels).size, digest };
  })()`;
  // Charts draw with the next frame.
  await page.waitForTimeout(150);
  return page.evaluate<{ readonly colours: number; readonly digest: number }>(script);
}

const textOf = async (page: Page, id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? "";

describe("the page of a report", () => {
  it("draws all its charts and complains of nothing", { timeout: TIMEOUT_MS }, async ({ skip }) => {
    if (missing !== undefined) return skip(missing);
    const { page, trouble } = await open([quick, lively], lively);
    for (const id of ["timeline", "buckets", "heat"]) expect((await drawn(page, id)).colours).toBeGreaterThan(10);
    expect(await page.title()).toBe("A campaign </script>");
    expect(await textOf(page, "seed-name")).toBe("lively:1");
    expect(await page.isVisible("#failure-section")).toBe(false);
    expect(await page.isVisible("#failed-section")).toBe(false);
    const light = await drawn(page, "timeline");
    await page.emulateMedia({ colorScheme: "dark" });
    expect((await drawn(page, "timeline")).digest).not.toBe(light.digest);
    expect(trouble).toEqual([]);
  });

  it("filters and orders its tables", { timeout: TIMEOUT_MS }, async ({ skip }) => {
    if (missing !== undefined) return skip(missing);
    const { page, trouble } = await open([quick, lively, losesWrites], quick);
    const rows = (): Promise<ReadonlyArray<string>> =>
      page.locator("#outcome-rows tr td:first-child").allTextContents();
    expect(await rows()).toEqual(["quick", "lively", "loses-writes"]);
    await page.fill("#outcome-filter", "LI");
    expect(await rows()).toEqual(["lively"]);
    await page.fill("#outcome-filter", "");
    await page.check("#outcome-failed");
    expect(await rows()).toEqual(["loses-writes"]);
    await page.uncheck("#outcome-failed");
    await page.click("#outcome-head button >> text=scenario");
    expect(await rows()).toEqual(["lively", "loses-writes", "quick"]);
    await page.click("#outcome-head button >> text=failures");
    expect((await rows())[0]).toBe("loses-writes");
    const marks = await page.locator("#marks li").count();
    await page.fill("#marks-filter", "superblock");
    expect(await page.locator("#marks li").count()).toBeLessThan(marks);
    expect(trouble).toEqual([]);
  });

  it("steps, zooms, and follows with the map of buckets", { timeout: TIMEOUT_MS }, async ({ skip }) => {
    if (missing !== undefined) return skip(missing);
    const { page, trouble } = await open([lively], lively);
    const looked = async (): Promise<number> => Number(/event ([\d,]+) of/u.exec(await textOf(page, "event"))?.[1]);
    const first = await looked();
    expect(await textOf(page, "event")).toContain("· call");
    await page.click("#step-on");
    expect(await looked()).toBe(first + 1);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowLeft");
    expect(await looked()).toBe(first + 2);
    for (const button of ["zoom-in", "zoom-out", "zoom-all", "axis"]) {
      const before = await drawn(page, "timeline");
      await page.click(`#${button}`);
      if (button === "zoom-out") await page.click(`#${button}`);
      expect((await drawn(page, "timeline")).digest, button).not.toBe(before.digest);
    }
    await page.uncheck("#show-messages");
    await page.uncheck("#show-device");
    await page.click("#step-on");
    expect(await textOf(page, "event")).toMatch(/· (call|effect|return|crash|mark)/u);
    const late = await drawn(page, "buckets");
    await page.fill("#scrubber", "2");
    expect(await textOf(page, "instant")).toContain("change 2 of");
    expect((await drawn(page, "buckets")).digest).not.toBe(late.digest);
    await page.click("#play");
    await expect.poll(() => textOf(page, "instant"), { timeout: 20_000 }).not.toContain("change 2 of");
    const heat = await drawn(page, "heat");
    await page.click("#heat-axis");
    expect((await drawn(page, "heat")).digest).not.toBe(heat.digest);
    expect(trouble).toEqual([]);
  });

  it("shows a failure beside what is allowed, and where it was", { timeout: TIMEOUT_MS }, async ({ skip }) => {
    if (missing !== undefined) return skip(missing);
    const { page, trouble } = await open([quick, lyingModel], lyingModel);
    expect(await textOf(page, "failed-seeds")).toContain("varve replay lying-model:1");
    expect(await textOf(page, "failure")).toContain("/lie: is missing");
    expect(await page.locator("#failure .tree-line.missing").count()).toBe(2);
    expect(await page.locator("#failure td.found").allTextContents()).toContain("(nothing)");
    await page.click("#zoom-all");
    await page.click("#step-back");
    await page.click("#failure button");
    expect(await textOf(page, "event")).toMatch(/disk0 · (issue|complete)/u);
    expect(trouble).toEqual([]);
  });
});
