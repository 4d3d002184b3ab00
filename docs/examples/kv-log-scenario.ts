/**
 * Two clients put values of different lengths under a few keys, and read them, while the disk is crashed.
 */
import * as Effect from "effect/Effect";
import { fixedTiming } from "varve/devices";
import type { DeviceScenario, Prng } from "varve/harness";
import { KvLog } from "./kv-log.ts";

interface Put {
  readonly put: string;
  readonly number: number;
  readonly lengthBytes: number;
}
type Operation = Put | { readonly get: string };

const KEYS = ["a", "b", "c"];

/** Puts of their own number, so that each value can be told from every other. */
function operations(random: Prng, count: number): ReadonlyArray<Operation> {
  return Array.from({ length: count }, (): Operation => {
    const key = random.pick(KEYS);
    if (random.chance(0.3)) return { get: key };
    return { put: key, number: random.u32(), lengthBytes: random.pick([4, 100, 2000, 9000]) };
  });
}

const valueOf = (number: number, lengthBytes: number): Uint8Array =>
  Uint8Array.from({ length: lengthBytes }, (_, at) => (number >>> (8 * (at % 4))) & 0xff);

/** Of a value, what it is told by: the number that it repeats, or that it does not. */
function numberIn(value: Uint8Array | undefined): number | string | undefined {
  if (value === undefined) return undefined;
  const number = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  return value.every((byte, at) => byte === ((number >>> (8 * (at % 4))) & 0xff)) ? number : "a value never put";
}

const scenario: DeviceScenario<KvLog, Operation> = {
  name: "kv-log",
  summary: "a log of keys and values keeps what was put",
  plan: (entropy) => ({
    geometry: {
      capacityBytes: 1024 * 1024,
      blockBytes: entropy.stream("geometry").pick([512, 4096]),
      atomicWriteBytes: 512,
      rotational: false,
      zones: undefined,
    },
    disk: { timing: fixedTiming({ read: 0.1, write: 0.2, flush: 3 }) },
    clients: [operations(entropy.stream("first"), 12), operations(entropy.stream("second"), 12)],
    again: (random) => operations(random, 6),
    crash: { statesMax: 20, pointShare: 1, recoveryShare: 0.2, livesShare: 0.2 },
  }),
  open: (device) => KvLog.open(device),
  perform: (log, operation) => {
    if ("put" in operation) return log.put(operation.put, valueOf(operation.number, operation.lengthBytes));
    return Effect.sync(() => numberIn(log.get(operation.get)));
  },
  check: (log, history) =>
    Effect.sync(() => {
      const problems: Array<string> = [];
      const expect = (what: string, found: unknown, puts: ReadonlyArray<Put | undefined>): void => {
        const allowed = puts.map((put) => put?.number);
        if (allowed.includes(found as number)) return;
        problems.push(`${what} is ${String(found)}, allowed: ${allowed.map((each) => each ?? "nothing").join(", ")}`);
      };
      const putsOf =
        (key: string) =>
        (operation: Operation): operation is Put =>
          "put" in operation && operation.put === key;
      for (const key of KEYS) expect(key, numberIn(log.get(key)), history.lastOf(putsOf(key)));
      for (const read of history.performed) {
        const { operation, outcome, answer } = read;
        if (!("get" in operation) || outcome !== "acknowledged") continue;
        expect(`what was read of ${operation.get}`, answer, history.seenBy(read, putsOf(operation.get)));
      }
      return problems;
    }),
};

export default scenario;
