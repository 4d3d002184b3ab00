/**
 * Options of a mount, as `-o` takes them: names, units, defaults, and what they become for kernel and engine.
 *
 * Unknown names are refused, with the known ones said. Pure.
 */
import type { OpenOptions } from "../engine/pool/pool.ts";

export interface MountOptions {
  readonly readOnly: boolean;
  /** Other users than the mounting one may enter (permissions are checked either way). */
  readonly allowOther: boolean;
  /** Whether set-user-ID bits and device nodes count. */
  readonly setUserId: boolean;
  readonly deviceNodes: boolean;
  readonly noExec: boolean;
  /** Whether ACLs are kept (nobody enforces them); they are refused otherwise. */
  readonly acls: boolean;
  /** How long the kernel keeps attributes and names before it asks again. */
  readonly attributeSeconds: number;
  readonly entrySeconds: number;
  readonly engine: OpenOptions;
}

/**
 * Attributes of a file with several names can change behind one of them, since the kernel takes the names for separate
 * files. Up to this long, the transport makes up for it by answering late; a longer time is faster, and less exact.
 */
export const ATTRIBUTE_SECONDS_COHERENT = 0.004;

export const MOUNT_DEFAULTS: MountOptions = {
  readOnly: false,
  allowOther: true,
  setUserId: false,
  deviceNodes: false,
  noExec: false,
  acls: true,
  attributeSeconds: ATTRIBUTE_SECONDS_COHERENT,
  // Names change through this mount alone, so that the kernel knows of every change.
  entrySeconds: 600,
  engine: {},
};

/** An option that is unknown, or has a value that cannot be. */
export class MountOptionError {
  readonly _tag = "MountOptionError";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Readers of values for those options that have one. */
export interface ValueReaders {
  readonly bytes: (text: string) => number | undefined;
  readonly milliseconds: (text: string) => number | undefined;
}

type Kind = "flag" | "seconds" | "bytes" | "milliseconds";
interface OptionMeaning {
  readonly kind: Kind;
  readonly summary: string;
  readonly apply: (options: MountOptions, value: number) => MountOptions;
}

const flag = (summary: string, change: Partial<MountOptions>): OptionMeaning => ({
  kind: "flag",
  summary,
  apply: (options) => ({ ...options, ...change }),
});

const engine = (kind: Kind, summary: string, name: keyof OpenOptions): OptionMeaning => ({
  kind,
  summary,
  apply: (options, value) => ({ ...options, engine: { ...options.engine, [name]: value } }),
});

const OPTIONS: Readonly<Record<string, OptionMeaning>> = {
  ro: flag("write nothing to the pool", { readOnly: true }),
  rw: flag("read and write (the default)", { readOnly: false }),
  allow_other: flag("let other users in, as permissions say (the default for root)", { allowOther: true }),
  private: flag("let only the mounting user in", { allowOther: false }),
  suid: flag("honour set-user-ID bits", { setUserId: true }),
  nosuid: flag("ignore set-user-ID bits (the default)", { setUserId: false }),
  dev: flag("honour device nodes", { deviceNodes: true }),
  nodev: flag("ignore device nodes (the default)", { deviceNodes: false }),
  exec: flag("let programs run (the default)", { noExec: false }),
  noexec: flag("let no program run", { noExec: true }),
  acl: flag("keep ACLs, which nobody enforces yet (the default)", { acls: true }),
  noacl: flag("refuse ACLs", { acls: false }),
  attr_timeout: {
    kind: "seconds",
    summary: "seconds that the kernel keeps attributes (0.004); longer ones of hard links may be stale",
    apply: (options, value) => ({ ...options, attributeSeconds: value }),
  },
  entry_timeout: {
    kind: "seconds",
    summary: "seconds that the kernel keeps names (600)",
    apply: (options, value) => ({ ...options, entrySeconds: value }),
  },
  dirty: engine("bytes", "data that may wait in memory to be written (64M)", "dirtyBytesMax"),
  cache: engine("bytes", "data kept in memory for reading (32M)", "readCacheBytes"),
  nodes: engine("bytes", "metadata kept in memory", "nodeCacheBytes"),
  commit: engine("milliseconds", "metadata is durable after this time at the latest (1s)", "commitIntervalMs"),
  writeback: engine("milliseconds", "data is written after this time at the latest (5s)", "writebackIntervalMs"),
};

/** Lines for `--help`. */
export const mountOptionHelp: ReadonlyArray<string> = Object.entries(OPTIONS).map(([name, { kind, summary }]) => {
  const value = kind === "flag" ? "" : `=<${kind}>`;
  return `  ${`${name}${value}`.padEnd(26)} ${summary}`;
});

function readSeconds(text: string): number | undefined {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Reads the texts of `-o`, each with one option or several between commas; later ones count. */
export function parseMountOptions(
  texts: ReadonlyArray<string>,
  readers: ValueReaders,
  defaults: MountOptions = MOUNT_DEFAULTS,
): MountOptions | MountOptionError {
  const read: Record<Exclude<Kind, "flag">, (text: string) => number | undefined> = {
    seconds: readSeconds,
    ...readers,
  };
  let options = defaults;
  for (const word of texts.flatMap((text) => text.split(",")).filter((part) => part !== "")) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const text = equals < 0 ? undefined : word.slice(equals + 1);
    const meaning = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (meaning === undefined) {
      return new MountOptionError(`unknown mount option ${name}; known are ${Object.keys(OPTIONS).join(", ")}`);
    }
    if (meaning.kind === "flag") {
      if (text !== undefined) return new MountOptionError(`mount option ${name} takes no value`);
      options = meaning.apply(options, 0);
      continue;
    }
    const value = text === undefined ? undefined : read[meaning.kind](text);
    if (value === undefined) return new MountOptionError(`mount option ${name} needs ${meaning.kind}, as in ${name}=…`);
    options = meaning.apply(options, value);
  }
  return options;
}

/** A comma or backslash in a value would end it. */
const escape = (text: string): string => text.replaceAll(/[\\,]/g, "\\$&");

/** The options as libfuse takes them. `big_writes`: 128 KiB a request instead of 4 KiB. */
export function libfuseOptions(options: MountOptions, source: string): string {
  const words = [
    "subtype=varve",
    `fsname=${escape(source)}`,
    "default_permissions",
    "use_ino",
    "big_writes",
    "auto_cache",
    "ac_attr_timeout=0",
    `attr_timeout=${options.attributeSeconds}`,
    `entry_timeout=${options.entrySeconds}`,
    `negative_timeout=${options.entrySeconds}`,
    options.readOnly ? "ro" : "rw",
    options.setUserId ? "suid" : "nosuid",
    options.deviceNodes ? "dev" : "nodev",
  ];
  if (options.allowOther) words.push("allow_other");
  if (options.noExec) words.push("noexec");
  return words.join(",");
}
