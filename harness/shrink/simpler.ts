/**
 * Simpler forms of one thing each: an operation, the names in a list of operations, the setting of a run.
 *
 * Every form that is offered is strictly simpler than what it came from, so taking one after the other comes to an end.
 * Pure functions: whether a form still fails is found out elsewhere.
 */
import { FaultPlan } from "../../devices/sim/faults.ts";
import type { Operation, Pattern } from "../workload/operation.ts";
import type { Draft, Setting, Step } from "./draft.ts";

const BLOCK_BYTES = 4096;

/** Smaller numbers, the smallest first. */
function smaller(value: number, ...round: ReadonlyArray<number>): ReadonlyArray<number> {
  const candidates = [...round, Math.floor(value / 2), value - (value % BLOCK_BYTES)];
  return [...new Set(candidates.filter((each) => each < value))].sort((a, b) => a - b);
}

function simplerPatterns(pattern: Pattern): ReadonlyArray<Pattern> {
  const shorter = smaller(pattern.lengthBytes, 1, 100, BLOCK_BYTES).filter((lengthBytes) => lengthBytes > 0);
  const plain = pattern.texture === "text" ? [] : [{ ...pattern, texture: "text" as const }];
  return [...shorter.map((lengthBytes) => ({ ...pattern, lengthBytes })), ...plain];
}

/** An operation that is there for the time it takes is best replaced by time. */
const MOMENT: Operation = { kind: "sleep", milliseconds: 1 };

export function simplerOperations(operation: Operation): ReadonlyArray<Operation> {
  return operation.kind === "sleep" ? simplerForms(operation) : [MOMENT, ...simplerForms(operation)];
}

function simplerForms(operation: Operation): ReadonlyArray<Operation> {
  switch (operation.kind) {
    case "create":
    case "mkdir": {
      const { kind, path, mode } = operation;
      return mode === undefined ? [] : [{ kind, path }];
    }
    case "symlink":
      return operation.target === "t" ? [] : [{ ...operation, target: "t" }];
    case "rename":
      return operation.mode === "replace" ? [] : [{ ...operation, mode: "replace" }];
    case "write":
      return [
        ...smaller(operation.offsetBytes, 0).map((offsetBytes) => ({ ...operation, offsetBytes })),
        ...simplerPatterns(operation.pattern).map((pattern) => ({ ...operation, pattern })),
      ];
    case "append":
      return [...simplerPatterns(operation.pattern).map((pattern) => ({ ...operation, pattern }))];
    case "setxattr":
      return [
        ...(operation.mode === "set" ? [] : [{ ...operation, mode: "set" as const }]),
        ...simplerPatterns(operation.pattern).map((pattern) => ({ ...operation, pattern })),
      ];
    case "truncate":
      return smaller(operation.sizeBytes, 0, 1, BLOCK_BYTES).map((sizeBytes) => ({ ...operation, sizeBytes }));
    case "fallocate":
      return [
        ...(operation.keepSize ? [{ ...operation, keepSize: false }] : []),
        ...smaller(operation.offsetBytes, 0).map((offsetBytes) => ({ ...operation, offsetBytes })),
        ...smaller(operation.lengthBytes, BLOCK_BYTES)
          .filter((lengthBytes) => lengthBytes > 0)
          .map((lengthBytes) => ({ ...operation, lengthBytes })),
      ];
    case "read":
      return [
        ...smaller(operation.offsetBytes, 0).map((offsetBytes) => ({ ...operation, offsetBytes })),
        ...smaller(operation.lengthBytes, BLOCK_BYTES).map((lengthBytes) => ({ ...operation, lengthBytes })),
      ];
    case "seek":
      return smaller(operation.offsetBytes, 0).map((offsetBytes) => ({ ...operation, offsetBytes }));
    case "sleep":
      return smaller(operation.milliseconds, 1, 100, 1000)
        .filter((milliseconds) => milliseconds > 0)
        .map((milliseconds) => ({ ...operation, milliseconds }));
    default:
      return [];
  }
}

/** The same operations with every path and handle replaced. */
function renamed(steps: ReadonlyArray<Step>, rename: (target: string) => string): ReadonlyArray<Step> {
  return steps.map(({ operation, ...by }) => {
    const changed: Record<string, unknown> = { ...operation };
    for (const key of ["path", "from", "to", ...(operation.kind === "symlink" ? [] : ["target"])]) {
      if (typeof changed[key] === "string") changed[key] = rename(changed[key]);
    }
    return { ...by, operation: changed as Operation };
  });
}

const withinDirectory = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

/** Without one directory: what was in it stands where it stood. */
function flattened(steps: ReadonlyArray<Step>): ReadonlyArray<ReadonlyArray<Step>> {
  const made = steps.flatMap(({ operation }) => (operation.kind === "mkdir" ? [operation.path] : []));
  return [...new Set(made)].map((directory) => {
    const above = directory.slice(0, directory.lastIndexOf("/"));
    const others = steps.filter(({ operation }) => !(operation.kind === "mkdir" && operation.path === directory));
    return renamed(others, (path) =>
      withinDirectory(path, directory) ? `${above}${path.slice(directory.length)}` : path,
    );
  });
}

/** Without one handle: by its path instead. */
function withoutHandles(steps: ReadonlyArray<Step>): ReadonlyArray<ReadonlyArray<Step>> {
  return steps.flatMap(({ life, client, operation }) => {
    if (operation.kind !== "open") return [];
    const { handle, path } = operation;
    const others = steps.filter(({ life: when, client: by, operation: other }) => {
      const ofHandle = (other.kind === "open" || other.kind === "release") && other.handle === handle;
      return !(ofHandle && by === client && when === life);
    });
    return [renamed(others, (target) => (target === `@${handle}` ? path : target))];
  });
}

/** Names of one letter, in the order in which they come up. */
function shortNames(steps: ReadonlyArray<Step>): ReadonlyArray<Step> {
  const letters = new Map<string, string>();
  const letter = (name: string): string => {
    if (!letters.has(name)) letters.set(name, letterOf(letters.size));
    return letters.get(name)!;
  };
  return renamed(steps, (target) =>
    target.startsWith("@")
      ? target
      : target
          .split("/")
          .map((name) => (name === "" ? "" : letter(name)))
          .join("/"),
  );
}

const letterOf = (index: number): string => String.fromCharCode(97 + (index % 26)).repeat(1 + Math.floor(index / 26));

/** Writes numbered from 1. */
function renumbered(steps: ReadonlyArray<Step>): ReadonlyArray<Step> {
  let tag = 0;
  return steps.map((step) => {
    const { operation } = step;
    if (!("pattern" in operation)) return step;
    return { ...step, operation: { ...operation, pattern: { ...operation.pattern, tag: ++tag } } };
  });
}

/** All in one client, in the order in which they were begun; without one client; two clients in one. */
export function fewerClients(steps: ReadonlyArray<Step>): ReadonlyArray<ReadonlyArray<Step>> {
  const clients = [...new Set(steps.flatMap(({ life, client }) => (life === 0 ? [client] : [])))];
  if (clients.length < 2) return [];
  const together = (from: number, into: number): ReadonlyArray<Step> =>
    steps.map((step) => (step.life === 0 && step.client === from ? { ...step, client: into } : step));
  return [
    steps.map((step) => ({ ...step, client: 0 })),
    ...clients.map((left) => steps.filter(({ life, client }) => life !== 0 || client !== left)),
    ...clients.flatMap((from) => clients.filter((into) => into < from).map((into) => together(from, into))),
  ];
}

/** One sleep for two that follow each other in a client and in the same life. */
function mergedSleeps(steps: ReadonlyArray<Step>): ReadonlyArray<Step> {
  const merged: Array<Step> = [];
  for (const step of steps) {
    const at = merged.findLastIndex(({ life, client }) => life === step.life && client === step.client);
    const before = merged[at]?.operation;
    if (step.operation.kind === "sleep" && before?.kind === "sleep") {
      const milliseconds = before.milliseconds + step.operation.milliseconds;
      merged[at] = { ...step, operation: { kind: "sleep", milliseconds } };
    } else merged.push(step);
  }
  return merged;
}

export function simplerSteps(steps: ReadonlyArray<Step>): ReadonlyArray<ReadonlyArray<Step>> {
  return [
    ...fewerClients(steps),
    ...flattened(steps),
    ...withoutHandles(steps),
    mergedSleeps(steps),
    shortNames(steps),
    renumbered(steps),
  ];
}

/** Without one of the lives after a crash, or with one that does not end with a close. */
export function simplerLives({ steps, closes }: Draft): ReadonlyArray<Pick<Draft, "steps" | "closes">> {
  const without = closes.map((_, index) => withoutLife(steps, closes, index + 1));
  const open = closes.flatMap((closed, at) => (closed ? [{ steps, closes: closes.with(at, false) }] : []));
  return [...without, ...open];
}

const withoutLife = (
  steps: ReadonlyArray<Step>,
  closes: ReadonlyArray<boolean>,
  left: number,
): Pick<Draft, "steps" | "closes"> => ({
  steps: steps.flatMap((step) =>
    step.life === left ? [] : [{ ...step, life: step.life - (step.life > left ? 1 : 0) }],
  ),
  closes: closes.filter((_, index) => index + 1 !== left),
});

/** Without one of the members, for each of them. */
function lessOne<A extends object>(value: A): ReadonlyArray<A> {
  return Object.keys(value).map((key) => {
    const { [key]: _dropped, ...rest } = value as Record<string, unknown>;
    return rest as A;
  });
}

/** Without one of the faults, for each of them. */
const fewerFaults = ({ seed, faults }: FaultPlan): ReadonlyArray<FaultPlan> =>
  faults.map(
    (left) =>
      new FaultPlan(
        seed,
        faults.filter((fault) => fault !== left),
      ),
  );

/** A crash that does less to the disk. */
function milderCrashes(crash: Setting["crash"]): ReadonlyArray<Setting["crash"]> {
  const { faults, zoneLossShare, ...mild } = crash;
  const harm = {
    ...(faults === undefined ? {} : { faults }),
    ...(zoneLossShare === undefined ? {} : { zoneLossShare }),
  };
  return [
    ...lessOne(harm).map((less) => ({ ...mild, ...less })),
    ...(faults === undefined ? [] : fewerFaults(faults)).map((fewer) => ({ ...crash, faults: fewer })),
  ];
}

export function simplerSettings(setting: Setting): ReadonlyArray<Setting> {
  const { disk, format, open, clockJumps, ...bare } = setting;
  const parts = {
    ...(disk === undefined ? {} : { disk }),
    ...(format === undefined ? {} : { format }),
    ...(open === undefined ? {} : { open }),
    ...(clockJumps === undefined ? {} : { clockJumps }),
  };
  const forms: Array<Setting> = lessOne(parts).map((fewer) => ({ ...bare, ...fewer }));
  if (disk !== undefined) {
    for (const fewer of lessOne(disk)) forms.push({ ...bare, ...parts, disk: fewer });
    const { faults } = disk;
    for (const fewer of faults === undefined ? [] : fewerFaults(faults)) {
      forms.push({ ...bare, ...parts, disk: { ...disk, faults: fewer } });
    }
  }
  for (const milder of milderCrashes(setting.crash)) forms.push({ ...setting, crash: milder });
  if (format !== undefined) for (const fewer of lessOne(format)) forms.push({ ...bare, ...parts, format: fewer });
  if (open !== undefined) for (const fewer of lessOne(open)) forms.push({ ...bare, ...parts, open: fewer });
  return forms;
}
