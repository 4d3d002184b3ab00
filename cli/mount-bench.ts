/**
 * `varve bench mount`: from the command line to the plan of a run, and from its result to a table.
 */
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { MeasuredFigure, MountBenchResult } from "../bench/mount/mount-bench.ts";
import { runMountBench, shownValue } from "../bench/mount/mount-bench.ts";
import { type Build, type Peer, peers } from "../bench/mount/peers.ts";
import { pathOf, Programs, StepFailed, Stopped } from "../bench/mount/programs.ts";
import { workloads } from "../bench/mount/workloads.ts";
import type { OptionSpec, Options } from "./command.ts";
import { CannotError, Status, UsageError } from "./exit.ts";
import type { Output } from "./output.ts";

const MIB = 1024 * 1024;
const DEFAULTS = { rounds: 5, sizeBytes: 512 * MIB, deviceBytes: 2048 * MIB, files: 10_000, treeFiles: 9000 };
const PASSTHROUGH = "passthrough_hp";
const peerNames = peers({ builds: [], passthrough: PASSTHROUGH }).map(({ name }) => name);

export const MOUNT_BENCH_OPTIONS: ReadonlyArray<OptionSpec> = [
  { flags: "--peers <names>", kind: "text", summary: `mount: against whom, with commas: ${peerNames.join(",")} (all)` },
  {
    flags: "--workloads <names>",
    kind: "text",
    summary: `mount: what of it, with commas: ${workloads.map(({ name }) => name).join(",")} (all)`,
  },
  {
    flags: "--rounds <count>",
    kind: "count",
    summary: `mount: rounds, of which medians are taken (${DEFAULTS.rounds})`,
  },
  { flags: "--size <bytes>", kind: "bytes", summary: "mount: size of the big file (512M)" },
  { flags: "--device-size <bytes>", kind: "bytes", summary: "mount: size of each loop device (2G)" },
  { flags: "--files <count>", kind: "count", summary: `mount: files of the load of names (${DEFAULTS.files})` },
  { flags: "--tree-files <count>", kind: "count", summary: `mount: files that are unpacked (${DEFAULTS.treeFiles})` },
  { flags: "--folder <path>", kind: "text", summary: "mount: where the devices' files are made (the system's /tmp)" },
  { flags: "--passthrough <path>", kind: "text", summary: "mount: the program passthrough_hp, if not on the PATH" },
  { flags: "--mount-option <k=v,...>", kind: "texts", summary: "mount: options of Varve's mount" },
  { flags: "--format-option <word>", kind: "texts", summary: "mount: words for varve format, as --compression=none" },
  {
    flags: "--build <name=path>",
    kind: "texts",
    summary: "mount: another build of Varve beside this one, by the path of its varve.js",
  },
];

export const MOUNT_BENCH_NOTES = `Mounts, as root:
  varve bench mount --passthrough libfuse/build/example/passthrough_hp
  varve bench mount --peers ext4,ntfs-3g --workloads names,tree --rounds 3`;

/** Splits at commas and refuses what is not known. */
function chosen(text: string | undefined, known: ReadonlyArray<string>, kind: string): ReadonlyArray<string> {
  if (text === undefined) return known;
  const names = text.split(",").filter((name) => name !== "");
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new UsageError(`no ${kind} ${wrong}; there are ${known.join(", ")}`);
  return names;
}

function buildsOf(options: Options): ReadonlyArray<Build> {
  const script = process.argv[1];
  if (script === undefined) throw new CannotError("the program does not know its own path");
  const settings = { mountOptions: options.texts("mountOption"), formatOptions: options.texts("formatOption") };
  const build = (name: string, path: string): Build => ({ name, command: [process.execPath, path], ...settings });
  const others = options.texts("build").map((text) => {
    const [name, path] = text.split("=");
    if (name === undefined || path === undefined || !/^[a-z][\w.-]*$/.test(name) || peerNames.includes(name)) {
      throw new UsageError(`--build takes a new name and a path, as in before=/tmp/old/dist/cli/varve.js, not ${text}`);
    }
    if (pathOf(resolve(path)) === undefined) throw new CannotError(`${path}: no such file`);
    return build(name, resolve(path));
  });
  return [build("varve", resolve(script)), ...others];
}

function peersOf(options: Options): ReadonlyArray<Peer> {
  const given = options.text("passthrough");
  const passthrough = given === undefined ? PASSTHROUGH : resolve(given);
  const names = chosen(options.text("peers"), peerNames, "peer");
  return peers({ builds: buildsOf(options), passthrough }).filter(
    ({ name, group }) => group === "varve" || names.includes(name),
  );
}

function count(options: Options, name: string, otherwise: number): number {
  const value = options.number(name) ?? otherwise;
  if (value < 1) throw new UsageError(`--${name.replaceAll(/[A-Z]/g, "-$&").toLowerCase()} must be at least 1`);
  return value;
}

export async function mountBench(options: Options, output: Output): Promise<number> {
  if (process.platform !== "linux" || process.geteuid?.() !== 0) {
    throw new CannotError("bench mount takes root on Linux: it mounts and uses loop devices");
  }
  const names = chosen(
    options.text("workloads"),
    workloads.map(({ name }) => name),
    "workload",
  );
  const settings = {
    rounds: count(options, "rounds", DEFAULTS.rounds),
    sizeBytes: count(options, "size", DEFAULTS.sizeBytes),
    deviceBytes: count(options, "deviceSize", DEFAULTS.deviceBytes),
    files: count(options, "files", DEFAULTS.files),
    treeFiles: count(options, "treeFiles", DEFAULTS.treeFiles),
  };
  const programs = new Programs();
  const stop = (): void => programs.stop();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  try {
    const result = await runMountBench({
      ...settings,
      peers: peersOf(options),
      workloads: workloads.filter(({ name }) => names.includes(name)),
      folder: resolve(options.text("folder") ?? tmpdir()),
      load: fileURLToPath(new URL("../bench/mount/metadata-load.js", import.meta.url)),
      programs,
      progress: (line) => process.stderr.write(`${line}\n`),
    });
    output.object({ node: process.version, ...settings, ...result });
    show(result, output);
    return Status.fine;
  } catch (error) {
    if (error instanceof StepFailed || error instanceof Stopped) throw new CannotError(error.message);
    throw error;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, stop);
  }
}

function show({ peers, figures, missing, failures }: MountBenchResult, output: Output): void {
  const names = Object.keys(peers);
  output.table(
    figures.map((figure) => [
      `${figure.name}, ${figure.unit}`,
      ...names.map((name) => shownValue(figure.medians[name])),
    ]),
    ["medians", ...names],
  );
  output.print();
  const ratios = figures.flatMap((figure) => figure.ratios.map((ratio) => ({ figure, ...ratio })));
  output.table(
    ratios.map(({ figure, of, against, ratio, aim, met }) => [
      `${of} ${figure.name}`,
      `${ratio.toPrecision(3)} x ${against}`,
      `${sign(figure)} ${aim}`,
      met ? "met" : "missed",
    ]),
    ["ratios", "", "aim", ""],
  );
  for (const { name, why } of missing) output.print(`left out: ${name}: ${why}`);
  for (const { name, round, why } of failures) output.print(`failed: ${name} in round ${round}: ${why}`);
}

const sign = ({ more }: MeasuredFigure): string => (more ? "at least" : "at most");
