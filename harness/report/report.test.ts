import { describe, expect, it } from "vitest";
import { lively, losesWrites, quick } from "../canaries.ts";
import { runSeed } from "../run.ts";
import { Trace } from "../trace.ts";
import { CampaignTally } from "./campaign-tally.ts";
import { differenceIn } from "./failure-view.ts";
import { safeJson, safeScript } from "./page-html.ts";
import { bucketsAfter, heatByBlock, heatByTime } from "./page/medium.ts";
import { lyingModel } from "./lying-model.ts";
import { recordSeed } from "./record-seed.ts";
import type { BucketShape, MediumChange, SeedRecord, TimelineEvent } from "./report-data.ts";

const namesOf = ({ lanes }: SeedRecord, kind: string): ReadonlyArray<string> =>
  lanes.filter((lane) => lane.kind === kind).map(({ name }) => name);
const ofKind = ({ events }: SeedRecord, kind: string): ReadonlyArray<TimelineEvent> =>
  events.filter((event) => event.kind === kind);

describe("a recorded seed", () => {
  it("takes the course of one that nobody records, and leaves nothing behind", { timeout: 120_000 }, () => {
    for (const scenario of [lively, losesWrites]) {
      for (let seed = 1; seed <= 2; seed++) {
        const before = runSeed(scenario, seed);
        const { result, record } = recordSeed(scenario, seed);
        const { failure, ...rest } = result;
        expect(rest).toMatchObject({ hash: before.hash, events: before.events, marks: before.marks });
        expect(failure?.crash).toEqual(before.failure?.crash);
        expect(record.hash).toBe(before.hash);
        expect(runSeed(scenario, seed)).toMatchObject({ hash: before.hash, marks: before.marks });
      }
    }
  });

  it("has a lane for each client, actor and device", () => {
    const { record } = recordSeed(lively, 1);
    expect(namesOf(record, "client").toSorted()).toEqual(["client 0", "client 1"]);
    expect(namesOf(record, "actor")).toEqual(expect.arrayContaining(["btree", "journal", "the pool (run)"]));
    expect(namesOf(record, "device")).toEqual(["disk0"]);
    for (const { lane, from, to } of record.events) {
      for (const number of [lane, from?.[0], to]) expect(record.lanes[number ?? 0]).toBeDefined();
    }
  });

  it("has every operation and device operation of the trace, in order, as bars", () => {
    const trace = new Trace(true);
    const { crashStates } = runSeed(lively, 2, { trace });
    const { record } = recordSeed(lively, 2);
    const lines = trace.recorded!;
    const counted = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
    expect(ofKind(record, "issue")).toHaveLength(counted(/^issue /u));
    expect(ofKind(record, "complete")).toHaveLength(counted(/^complete /u));
    expect(ofKind(record, "call").length + ofKind(record, "return").length).toBe(counted(/^client \d/u));
    expect(ofKind(record, "recovery")).toHaveLength(counted(/^(?:equal )?recovery /u));
    expect(ofKind(record, "recovery")).toHaveLength(crashStates);
    for (const [position, { begin, from, trace: at, text }] of record.events.entries()) {
      if (begin !== undefined) expect(record.events[begin]!.lane).toBe(record.events[position]!.lane);
      if (from !== undefined) expect(from[1]).toBeLessThanOrEqual(position);
      if (record.events[position]!.kind === "call") expect(lines[at]).toContain(text);
    }
  });

  it("knows who sent a message, and who asked a device", () => {
    const { record } = recordSeed(lively, 1);
    const laneOf = (event: TimelineEvent): string => record.lanes[event.from?.[0] ?? -1]?.name ?? "";
    expect(new Set(ofKind(record, "message").map(laneOf))).toContain("client 0");
    expect(new Set(ofKind(record, "issue").map(laneOf))).toContain("journal");
    expect(ofKind(record, "reply").length).toBeGreaterThan(10);
    expect(ofKind(record, "effect").map(({ text }) => text)).toContainEqual(expect.stringMatching(/^#1 client \d: /u));
    expect(ofKind(record, "crash").length).toBeGreaterThanOrEqual(4);
    expect(ofKind(record, "mark").length).toBeGreaterThan(0);
  });

  it("keeps as many events as are asked for, and says how many there were", () => {
    const { record } = recordSeed(quick, 1);
    const { record: cut } = recordSeed(quick, 1, 50);
    expect(cut.events).toEqual(record.events.slice(0, 50));
    expect(cut).toMatchObject({ firstPosition: 0, positions: record.positions });
  });

  it("keeps those around the crash that showed a failure", () => {
    const { record } = recordSeed(losesWrites, 1, 40);
    const { failure, firstPosition, events } = record;
    expect(firstPosition).toBeGreaterThan(0);
    expect(failure!.position).toBeGreaterThan(firstPosition);
    expect(failure!.position).toBeLessThan(firstPosition + events.length);
    expect(failure!.crash).toContain(events[failure!.position! - firstPosition]!.text.split(":")[0]);
    expect(recordSeed(losesWrites, 1).record.events.some(({ fault }) => fault === "lost-write")).toBe(true);
  });
});

describe("a failure", () => {
  it("shows what the oracle allows beside what was found", () => {
    const { failure } = recordSeed(lyingModel, 1).record;
    const { differences, tree, allowed } = failure!;
    expect(differences).toContainEqual(expect.objectContaining({ path: "/lie", what: "name", found: "(nothing)" }));
    expect(tree).toContainEqual({ depth: 1, name: "lie", detail: "0 entries", state: "missing" });
    expect(tree).toContainEqual(expect.objectContaining({ name: "kept", state: "same" }));
    expect(tree!.find(({ name }) => name === "kept")!.detail).toContain("9000 bytes");
    expect(allowed.filter(({ closest }) => closest)).toHaveLength(1);
  });

  it.each([
    ["/a/b: mode is 0o100644, expected 0o100600", ["/a/b", "mode", "0o100644", "0o100600"]],
    ["/a: should not be there (inode 9)", ["/a", "name", "inode 9", "(nothing)"]],
    ["/a: its size is 7, allowed are 3 (since #2 x), 5 (by #4 y)", ["/a", "size", "7", "3 (since #2 x), 5 (by #4 y)"]],
    ["/a: byte 5 is 1 (x), allowed are 2 since #1 y (z)", ["/a", "byte 5", "1 (x)", "2 since #1 y (z)"]],
    ["/a: inode 5, expected 4", ["/a", "inode", "inode 5", "4"]],
    ["recovery crashed at write 3: /a: is missing (inode 4)", ["/a", "name", "(nothing)", "inode 4"]],
    ["/a: attribute user.x is missing", ["/a", "", "attribute user.x is missing", ""]],
  ])("is read off the oracle's words: %s", (line, [path, what, found, allowed]) => {
    expect(differenceIn(line)).toEqual({ path, what, found, allowed });
  });

  it("has no difference in what is none", () => {
    expect(differenceIn("nothing can run and no timer is set: a deadlock")).toBeUndefined();
  });
});

describe("a tally", () => {
  it("counts by scenario, in the order of the campaign", () => {
    const tally = new CampaignTally();
    const [first, second] = [runSeed(quick, 1), runSeed(losesWrites, 1)];
    for (const result of [second, first, second]) tally.take(result);
    expect(tally.rows(["quick", "other", "loses-writes"])).toMatchObject([
      { scenario: "quick", seeds: 1, failures: 0, crashStates: first.crashStates },
      { scenario: "loses-writes", seeds: 2, failures: 2, events: 2 * second.events },
    ]);
  });
});

describe("the maps of the medium", () => {
  const shape: BucketShape = {
    ...{ zoned: false, bucketBytes: 16384, usableBytes: 16384, count: 4, capacityBytes: 65536 },
  };
  const changes: ReadonlyArray<MediumChange> = [
    [0, 0, "write", 0, 4096, 1],
    [1, 1, "write", 4096, 4096, 2],
    [2, 2, "discard", 0, 16384, 1],
    [3, 4, "write", 12288, 8192, 3],
  ];

  it("fill buckets, empty them, and know who wrote last", () => {
    expect(bucketsAfter(shape, changes, 2)[0]).toMatchObject({ filledBytes: 8192, writer: 2, emptied: 0, latest: 1 });
    expect(bucketsAfter(shape, changes, 3)[0]).toMatchObject({ filledBytes: 0, emptied: 1, latest: 2 });
    const [first, second] = bucketsAfter(shape, changes, 4);
    expect([first!.filledBytes, second!.filledBytes, second!.writer]).toEqual([4096, 4096, 3]);
  });

  it("count writes of 4 KiB, by time and by block", () => {
    const sum = (cells: ReadonlyArray<readonly [number, number, number]>): number =>
      cells.reduce((all, [, , count]) => all + count, 0);
    expect(sum(heatByTime(shape, changes, 10, 4).cells)).toBe(4);
    expect(heatByTime(shape, changes, 10, 4).cells).toContainEqual([9, 1, 1]);
    const again: ReadonlyArray<MediumChange> = [...changes, [4, 5, "write", 0, 4096, 1]];
    expect(heatByBlock(shape, again, 4, 100).cells).toContainEqual([0, 0, 2]);
    expect(heatByBlock(shape, again, 4, 4)).toMatchObject({ blocksPerCell: 4 });
  });
});

describe("what goes into the page", () => {
  it("cannot end its element", () => {
    const nasty = { name: "</script><!--<b>" };
    expect(safeJson(nasty)).not.toContain("<");
    expect(JSON.parse(safeJson(nasty))).toEqual(nasty);
    const script = `f("</script>", "<!--", "</SCRIPT>")`;
    expect(safeScript(script)).not.toMatch(/<\/script|<!--/iu);
    const heard: Array<string> = [];
    // The text of the strings stays what it was.
    for (const text of safeScript(script).matchAll(/"[^"]*"/gu)) {
      heard.push(JSON.parse(text[0].replaceAll("\\/", "/").replaceAll(String.raw`\x3c`, "<")) as string);
    }
    expect(heard).toEqual(["</script>", "<!--", "</SCRIPT>"]);
  });
});
