import { describe, expect, test } from "vitest";
import { Entropy } from "../entropy.ts";
import { DAMAGES } from "./damage.ts";
import { differences, type Found, type FoundEntry, judge } from "./judge.ts";
import { checksumText, type Manifest } from "./manifest.ts";
import { specimensOf } from "./specimen.ts";

const specimens = specimensOf(1);
const newest = specimens.at(-1)!;

describe("specimens", () => {
  test("are the same whenever they are made", () => {
    const again = specimensOf(1);
    const digest = ({ image, states }: (typeof again)[number]): string => checksumText(image) + JSON.stringify(states);
    expect(again.map(digest)).toEqual(specimens.map(digest));
  });

  test("hold files of all kinds, some with a journal to replay", () => {
    expect(specimens.map(({ clean }) => clean)).toEqual([true, false, false, false, true]);
    for (const { places } of specimens) {
      expect(new Set(places.map(({ kind }) => kind))).toEqual(new Set(["superblock", "journal", "node", "extent"]));
    }
    const entries = Object.values(specimens[0]!.states[0]!);
    expect(new Set(entries.map(({ mode }) => mode & 0o170000)).size).toBe(6);
    expect(entries.some(({ sizeBytes }) => sizeBytes > 2 ** 40)).toBe(true);
    expect(entries.some(({ links, pieces }) => links > 2 && pieces !== undefined)).toBe(true);
  });
});

describe("damage", () => {
  test.each(DAMAGES.map((damage) => [damage.name, damage] as const))(
    "%s: is the same for the same draws",
    (name, damage) => {
      const made = (): ReadonlyArray<string> => {
        const random = new Entropy("damage").stream(name);
        return specimens.flatMap((specimen) => {
          const damaged = damage.inflict(random, specimen);
          if (damaged === undefined) return [];
          const { bytes } = damaged;
          const sum = checksumText(bytes);
          return [`${sum === checksumText(specimen.image) ? "same" : "other"} ${sum}`];
        });
      };
      const first = made();
      expect(made()).toEqual(first);
      // Zeros may fall on zeros and swapped blocks on each other, but not always.
      expect(first.some((line) => line.startsWith("other"))).toBe(name !== "none");
    },
  );
});

/** What a reader finds of a state. */
function foundOf(state: Manifest): { entries: Record<string, FoundEntry>; errors: Array<string> } {
  const entries: Record<string, FoundEntry> = {};
  for (const [path, { pieces, ...rest }] of Object.entries(state)) {
    const names = Object.keys(state)
      .filter((other) => other !== "" && other.slice(0, other.lastIndexOf("/")) === path)
      .map((other) => other.slice(path.length + 1));
    entries[path] = {
      ...rest,
      ...((rest.mode & 0o170000) === 0o040000 ? { names } : {}),
      ...(pieces === undefined
        ? {}
        : { pieces: Object.fromEntries(pieces.map(([at, length, sum]) => [`${at}+${length}`, sum])) }),
    };
  }
  return { entries, errors: [] };
}

describe("the judge", () => {
  const strict = { sealed: false, earlierAllowed: false };
  const { states } = newest;
  const file = Object.entries(states[0]!).find(([, { pieces }]) => (pieces ?? []).length > 1)!;
  const outcome = (found: Found, rules = strict): string => judge(found, states, rules).outcome;
  const without = (path: string): Found => {
    const found = foundOf(states[0]!);
    delete found.entries[path];
    return found;
  };

  test("finds nothing in what is as it was", () => {
    expect(differences(foundOf(states[0]!), states[0]!)).toEqual([]);
    expect(outcome(foundOf(states[0]!))).toBe("right");
  });

  test.each([
    ["an attribute", (entry: FoundEntry) => ({ ...entry, mode: entry.mode! ^ 1 })],
    ["the size", (entry: FoundEntry) => ({ ...entry, sizeBytes: entry.sizeBytes! + 1 })],
    ["a time", (entry: FoundEntry) => ({ ...entry, modified: "1.0" })],
    [
      "content",
      (entry: FoundEntry) => ({ ...entry, pieces: { ...entry.pieces, [Object.keys(entry.pieces!)[1]!]: "0" } }),
    ],
    ["an extended attribute", (entry: FoundEntry) => ({ ...entry, xattrs: { ...entry.xattrs, "user.x": "0" } })],
  ])("calls %s that changed without an error wrong", (_what, change) => {
    const found = foundOf(states[0]!);
    found.entries[file[0]] = change(found.entries[file[0]]!);
    expect(outcome(found)).toBe("WRONG");
    expect(outcome(found, { sealed: true, earlierAllowed: false })).toBe("changed");
  });

  test("takes what could not be read for what it is, and a name that is missing for wrong", () => {
    const unread = { ...without(file[0]), errors: ["EIO"] };
    expect(outcome(unread)).toBe("errors");
    const found = foundOf(states[0]!);
    const parent = file[0].slice(0, file[0].lastIndexOf("/"));
    found.entries[parent] = { ...found.entries[parent]!, names: found.entries[parent]!.names!.slice(1) };
    expect(outcome(found)).toBe("WRONG");
    expect(outcome({ entries: { ...foundOf(states[0]!).entries, "/strange": { links: 2 } }, errors: [] })).toBe(
      "WRONG",
    );
  });

  test("takes an earlier moment whole, where that may be, and no mixture", () => {
    const earlier = foundOf(states[1]!);
    expect(outcome(earlier)).toBe("WRONG");
    expect(outcome(earlier, { sealed: false, earlierAllowed: true })).toBe("earlier");
    const mixed = {
      ...earlier.entries,
      ...Object.fromEntries(Object.entries(foundOf(states[4]!).entries).slice(0, 40)),
    };
    expect(outcome({ entries: mixed, errors: [] }, { sealed: false, earlierAllowed: true })).toBe("WRONG");
  });
});
