/**
 * Options of a mount, as `-o` takes them: names, units, defaults, and what they become for kernel and engine.
 *
 * Unknown names are refused, with the known ones said. Pure.
 */
import type { OpenOptions } from "../engine/pool/pool.ts";
import { COMPRESSION_THREADS_MAX } from "./compression-pool.ts";
import { COMPRESSION_WORDS, parseCompression } from "../engine/data/compression-words.ts";

/** `direct`: the kernel's protocol itself, as root. `auto`: that where it can be had, else `fuse-native`. */
export type TransportChoice = "auto" | "direct" | "fuse-native";

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
  /** How long the kernel keeps attributes and names before it asks again; each transport has its own default. */
  readonly attributeSeconds?: number;
  readonly entrySeconds: number;
  /** A server that dies is replaced by another, with everything that it had acknowledged. */
  readonly restart: boolean;
  readonly transport: TransportChoice;
  /** Who reads requests, where the transport is `direct`. */
  readonly reader: "auto" | "thread-pool";
  /** How long the event loop looks for another request before it sleeps, at most; 0 is not at all. */
  readonly spinMs: number;
  /** Whether the kernel gathers writes before it sends them, where the transport is `direct`. */
  readonly writebackCache: boolean;
  /** What the server may have resident in all; a default that suits the machine unless told. */
  readonly memoryBytes?: number;
  /** Threads that compress beside the server's own; one less than there are processors, up to 4, unless told. */
  readonly compressionThreads?: number;
  /** Whose the server is once the mount stands. */
  readonly dropTo?: string;
  readonly engine: OpenOptions;
}

const DAY_SECONDS = 86_400;

export const MOUNT_DEFAULTS: MountOptions = {
  readOnly: false,
  allowOther: true,
  setUserId: false,
  deviceNodes: false,
  noExec: false,
  acls: true,
  transport: "auto",
  reader: "auto",
  spinMs: 1,
  writebackCache: true,
  // Names change through this mount alone, so that the kernel knows of every change.
  entrySeconds: DAY_SECONDS,
  restart: true,
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

type Kind = "flag" | "seconds" | "bytes" | "milliseconds" | "user" | "codec" | "count";
interface OptionMeaning {
  readonly kind: Kind;
  readonly summary: string;
  readonly apply: (options: MountOptions, value: number, text: string) => MountOptions;
  /** Of a value that is no number: the change, or why there is none. */
  readonly read?: (text: string) => Partial<OpenOptions> | string;
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
  acl: flag("have POSIX ACLs (the default)", { acls: true }),
  noacl: flag("refuse ACLs", { acls: false }),
  direct: flag("speak the kernel's protocol (the default for root)", { transport: "direct" }),
  "thread-pool": flag("read requests by the thread pool, not by the event loop", { reader: "thread-pool" }),
  spin: {
    kind: "milliseconds",
    summary: "look for the next request so long without sleeping, while they come fast (1ms)",
    apply: (options, value) => ({ ...options, spinMs: value }),
  },
  nospin: flag("sleep whenever there is no request", { spinMs: 0 }),
  "fuse-native": flag("mount through the package fuse-native", { transport: "fuse-native" }),
  writeback_cache: flag("let the kernel gather writes (the default)", { writebackCache: true }),
  nowriteback_cache: flag("have the kernel pass every write on at once", { writebackCache: false }),
  drop: {
    kind: "user",
    summary: "give up root for this user once the mount stands",
    apply: (options, _value, text) => ({ ...options, dropTo: text }),
  },
  attr_timeout: {
    kind: "seconds",
    summary: "seconds that the kernel keeps attributes",
    apply: (options, value) => ({ ...options, attributeSeconds: value }),
  },
  entry_timeout: {
    kind: "seconds",
    summary: "seconds that the kernel keeps names (86400)",
    apply: (options, value) => ({ ...options, entrySeconds: value }),
  },
  restart: flag("replace a server that dies, losing nothing (the default, in the background)", { restart: true }),
  norestart: flag("let the mount end with its server", { restart: false }),
  memory: {
    kind: "bytes",
    summary: "memory that the server takes at most (an eighth of the machine's, 256M to 1G)",
    apply: (options, value) => ({ ...options, memoryBytes: value }),
  },
  dirty: engine("bytes", "of it, for data that waits to be written", "dirtyBytesMax"),
  cache: engine("bytes", "of it, for data kept for reading", "readCacheBytes"),
  nodes: engine("bytes", "of it, for metadata", "nodeCacheBytes"),
  compression: {
    kind: "codec",
    summary: `of new data, in place of the pool's own: ${COMPRESSION_WORDS}`,
    apply: (options) => options,
    read: (text) => {
      const compression = parseCompression(text);
      return typeof compression === "string" ? compression : { compression };
    },
  },
  workers: {
    kind: "count",
    summary: `threads that compress, 0 to ${COMPRESSION_THREADS_MAX} (processors but one, up to 4)`,
    apply: (options, value) => ({ ...options, compressionThreads: value }),
  },
  commit: engine("milliseconds", "metadata is durable after this time at the latest (1s)", "commitIntervalMs"),
  writeback: engine("milliseconds", "data is written after this time at the latest (5s)", "writebackIntervalMs"),
};

/** Lines for `--help`. */
export const mountOptionHelp: ReadonlyArray<string> = Object.entries(OPTIONS).map(([name, { kind, summary }]) => {
  const value = kind === "flag" ? "" : `=<${kind}>`;
  return `  ${`${name}${value}`.padEnd(26)} ${summary}`;
});

/** A name says what it says. */
const readName = (text: string): number | undefined => (text === "" ? undefined : 0);

function readSeconds(text: string): number | undefined {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function readThreads(text: string): number | undefined {
  const value = Number(text);
  return /^\d+$/.test(text) && value <= COMPRESSION_THREADS_MAX ? value : undefined;
}

/** Reads the texts of `-o`, each with one option or several between commas; later ones count. */
export function parseMountOptions(
  texts: ReadonlyArray<string>,
  readers: ValueReaders,
  defaults: MountOptions = MOUNT_DEFAULTS,
): MountOptions | MountOptionError {
  const read: Record<Exclude<Kind, "flag">, (text: string) => number | undefined> = {
    seconds: readSeconds,
    user: readName,
    count: readThreads,
    // Reads its value itself.
    codec: () => undefined,
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
      options = meaning.apply(options, 0, "");
      continue;
    }
    if (meaning.read !== undefined) {
      const change = meaning.read(text ?? "");
      if (typeof change === "string") return new MountOptionError(`mount option ${name}=${text ?? ""}: ${change}`);
      options = { ...options, engine: { ...options.engine, ...change } };
      continue;
    }
    const value = text === undefined ? undefined : read[meaning.kind](text);
    if (text === undefined || value === undefined)
      return new MountOptionError(`mount option ${name} needs ${meaning.kind}, as in ${name}=…`);
    options = meaning.apply(options, value, text);
  }
  return options;
}

/** A comma or backslash in a value would end it. */
const escape = (text: string): string => text.replaceAll(/[\\,]/g, "\\$&");

/** What `mount` and libfuse understand alike. */
function commonWords(options: MountOptions): ReadonlyArray<string> {
  const words = [
    "default_permissions",
    options.readOnly ? "ro" : "rw",
    options.setUserId ? "suid" : "nosuid",
    options.deviceNodes ? "dev" : "nodev",
  ];
  if (options.allowOther) words.push("allow_other");
  if (options.noExec) words.push("noexec");
  return words;
}

/** The options as `mount` takes them for the direct transport. */
export const kernelOptions = (options: MountOptions): ReadonlyArray<string> => [...commonWords(options)];

/** The options as libfuse takes them. `big_writes`: 128 KiB a request instead of 4 KiB. */
export function libfuseOptions(options: MountOptions, source: string, attributeSeconds: number): string {
  const words = [
    ...commonWords(options),
    "subtype=varve",
    `fsname=${escape(source)}`,
    "use_ino",
    "big_writes",
    "auto_cache",
    "ac_attr_timeout=0",
    `attr_timeout=${attributeSeconds}`,
    `entry_timeout=${options.entrySeconds}`,
    `negative_timeout=${options.entrySeconds}`,
  ];
  return words.join(",");
}
