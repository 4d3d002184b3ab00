/**
 * The pass over stored data: every extent can be read, and is what its checksum says.
 *
 * Reads everything, so it is made only when asked for. Rows that show parts of one stored extent follow one another in
 * most files; what was just verified is not read again.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { decode } from "../data/encode.ts";
import { type BucketIo, VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import { Table } from "../format/tables.ts";
import { type DataExtent, decodeExtent, type ExtentPointer } from "../format/values/extent.ts";
import { eachSlice, keyText, type Row } from "./rows.ts";
import { type CheckState, placeFault } from "./state.ts";

const PASS = "data";

function dataOf(row: Row): DataExtent | undefined {
  try {
    const extent = decodeExtent(row.view, row.at, row.length);
    return extent.kind === "data" ? extent : undefined;
  } catch {
    // The pass over extents reports it.
    return undefined;
  }
}

/** Why the stored bytes at this place are not those of the extent, however often they are read, or undefined. */
const faultAt = Effect.fnUntraced(function* (
  io: BucketIo,
  extent: DataExtent,
  { device, addressBytes }: ExtentPointer,
): Effect.fn.Return<string | undefined> {
  const where = `at byte ${addressBytes} of device ${device}`;
  for (let tries = 1; tries <= VERIFY_TRIES_MAX; tries++) {
    const read = yield* Effect.result(io.read(device, addressBytes, extent.storedBytes));
    if (read._tag === "Failure") return `cannot be read ${where}: ${read.failure._tag}`;
    if (decode(read.success, extent) !== undefined) return undefined;
  }
  return `does not verify ${where}`;
});

export function checkData(state: CheckState, io: BucketIo): Effect.Effect<void, PoolFailed> {
  const { findings, places } = state;
  let verified = "";
  return eachSlice(state.transactor, Table.extents, (rows) =>
    Effect.gen(function* () {
      for (const row of rows) {
        const extent = dataOf(row);
        if (extent === undefined) continue;
        for (const pointer of extent.pointers) {
          const { device, addressBytes } = pointer;
          const place = `${device}:${addressBytes}:${extent.checksum}`;
          if (place === verified || placeFault(places, device, addressBytes, extent.storedBytes) !== undefined)
            continue;
          const fault = yield* faultAt(io, extent, pointer);
          findings.count("data bytes read", extent.storedBytes);
          if (fault !== undefined) findings.found(PASS, `extent ${keyText(row)} ${fault}`);
          else verified = place;
        }
      }
    }),
  );
}
