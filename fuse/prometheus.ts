/**
 * A server's status in the text format of Prometheus: counters and gauges, labelled with the mount; pure.
 */
import { latencyAt } from "./latency.ts";
import type { ServerStatus } from "./status.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(",");

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: (status: ServerStatus) => ReadonlyArray<Sample>;
}

const one = (
  name: string,
  type: Family["type"],
  help: string,
  value: (status: ServerStatus) => number | undefined,
): Family => ({
  name,
  type,
  help,
  samples: (status) => {
    const found = value(status);
    return found === undefined ? [] : [[{}, found]];
  },
});

const FAMILIES: ReadonlyArray<Family> = [
  one("up_seconds", "gauge", "Time since the mount.", ({ uptimeMs }) => uptimeMs / 1000),
  one("healthy", "gauge", "1 unless the pool failed.", ({ pool }) => (pool.state === "failed" ? 0 : 1)),
  one("capacity_bytes", "gauge", "Capacity of the pool.", ({ usage }) => usage.capacityBytes),
  one("available_bytes", "gauge", "Space that new data can take.", ({ usage }) => usage.availableBytes),
  one("inodes", "gauge", "Files and directories.", ({ pool }) => pool.inodes),
  one("dirty_bytes", "gauge", "Data that waits to be written.", ({ usage }) => usage.dirtyBytes),
  one("dirty_held_bytes", "gauge", "Memory that it takes.", ({ usage }) => usage.dirtyHeldBytes),
  one("resident_bytes", "gauge", "Memory that the server has resident.", ({ memory }) => memory.residentBytes),
  one("memory_budget_bytes", "gauge", "Memory that it may have.", ({ memory }) => memory.budgetBytes),
  one("requests_in_flight", "gauge", "Requests being worked on.", ({ requests }) => requests.inFlight),
  one("read_bytes_total", "counter", "Bytes that programs read.", ({ requests }) => requests.readBytes),
  one("written_bytes_total", "counter", "Bytes that programs wrote.", ({ requests }) => requests.writtenBytes),
  one("read_cache_hits_total", "counter", "Looks that found decoded data.", ({ usage }) => usage.readCacheHits),
  one("read_cache_misses_total", "counter", "Looks that did not.", ({ usage }) => usage.readCacheMisses),
  one("nodes_loaded_total", "counter", "Tree nodes read from devices.", ({ usage }) => usage.nodesLoaded),
  one("commits_total", "counter", "Committed transactions.", ({ usage }) => usage.commits),
  {
    name: "operations_total",
    type: "counter",
    help: "Requests answered.",
    samples: ({ requests }) => requests.operations.map(({ operation, count }) => [{ operation }, count]),
  },
  {
    name: "operation_errors_total",
    type: "counter",
    help: "Requests answered by an error.",
    samples: ({ requests }) => requests.operations.map(({ operation, errors }) => [{ operation }, errors]),
  },
  {
    name: "operation_seconds_total",
    type: "counter",
    help: "Time from request to answer.",
    samples: ({ requests }) => requests.operations.map(({ operation, totalUs }) => [{ operation }, totalUs / 1e6]),
  },
  {
    name: "operation_p99_seconds",
    type: "gauge",
    help: "Time within which 99 of 100 answers came, since the mount.",
    samples: ({ requests }) =>
      requests.operations.map(({ operation, latencies }) => [{ operation }, (latencyAt(0.99, latencies) ?? 0) / 1e6]),
  },
  {
    name: "device_errors_total",
    type: "counter",
    help: "Failed operations of a device.",
    samples: ({ devices }) => devices.map(({ device, errors }) => [{ device }, errors]),
  },
  {
    name: "stored_bytes_total",
    type: "counter",
    help: "Bytes that written data took, by how it was stored.",
    samples: ({ written }) => written.map(({ kind, storedBytes }) => [{ kind }, storedBytes]),
  },
  {
    name: "raw_bytes_total",
    type: "counter",
    help: "Bytes of written data, by how it was stored.",
    samples: ({ written }) => written.map(({ kind, rawBytes }) => [{ kind }, rawBytes]),
  },
  {
    name: "events_total",
    type: "counter",
    help: "What happened in the engine.",
    samples: ({ events }) => Object.entries(events).map(([event, count]) => [{ event }, count]),
  },
];

/** All families, each with the samples of all mounts together, as the format wants it. */
export function prometheusText(statuses: ReadonlyArray<ServerStatus>): string {
  const lines: Array<string> = [];
  for (const { name, type, help, samples } of FAMILIES) {
    lines.push(`# HELP varve_${name} ${help}`, `# TYPE varve_${name} ${type}`);
    for (const status of statuses) {
      const mount = { mount: status.directory };
      for (const [labels, value] of samples(status)) {
        lines.push(`varve_${name}{${labelText({ ...mount, ...labels })}} ${value}`);
      }
    }
  }
  return `${lines.join("\n")}\n`;
}
