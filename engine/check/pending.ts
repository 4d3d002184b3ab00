/**
 * The passes over what is still to be done: orphans and logged operations, and the tables that are not used yet.
 *
 * They come first, because what they list is allowed to look half done: rows behind the end of a file that is being
 * truncated, an inode without names.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import { SNAPSHOT_ROOT, Table, TABLES } from "../format/tables.ts";
import { decodeLoggedOperation } from "../format/values/logged-operation.ts";
import { decodeOrphan, OrphanKind } from "../format/values/orphan.ts";
import { eachRow, keyText } from "./rows.ts";
import type { CheckState } from "./state.ts";

const UNUSED = [Table.reflinks, Table.snapshots, Table.moverWork];

/** Fills `orphans`. */
export function checkOrphanRows(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings } = state;
  return eachRow(state.transactor, Table.orphans, (row) => {
    findings.count("orphans");
    const what = `orphan row ${keyText(row)}`;
    if (row.offset !== 0 || row.snapshot !== SNAPSHOT_ROOT) findings.found("orphans", `${what} has no such key`);
    const orphan = findings.decoded("orphans", what, () => decodeOrphan(row.view, row.at, row.length));
    if (orphan !== undefined && orphan.kind !== OrphanKind.unlinked) {
      findings.found("orphans", `${what} is of unknown kind ${orphan.kind}`);
    }
    state.orphans.add(row.inode);
  });
}

/** Fills `truncating`. */
export function checkLoggedOperations(state: CheckState): Effect.Effect<void, PoolFailed> {
  const { findings } = state;
  return eachRow(state.transactor, Table.loggedOperations, (row) => {
    findings.count("loggedOperations");
    const what = `logged operation ${keyText(row)}`;
    const operation = findings.decoded("logged operations", what, () =>
      decodeLoggedOperation(row.view, row.at, row.length),
    );
    if (operation === undefined) return;
    if (operation.fromBytes > operation.toBytes) findings.found("logged operations", `${what} has an empty range`);
    state.truncating.set(operation.inode, operation.fromBytes);
  });
}

export function checkUnusedTables(state: CheckState): Effect.Effect<void, PoolFailed> {
  return Effect.forEach(
    UNUSED,
    (table) =>
      eachRow(state.transactor, table, (row) => {
        state.findings.found("tables", `table ${TABLES[table]!.name} is not used and has a row ${keyText(row)}`);
      }),
    { discard: true },
  );
}

/** After the inodes: what is listed must exist, and an inode without links must be listed. */
export function checkPendingInodes(state: CheckState): void {
  const { findings, inodes, orphans, truncating } = state;
  for (const inode of orphans) {
    const facts = inodes.get(inode);
    if (facts === undefined) findings.found("orphans", `orphan ${inode} has no inode`);
    else if (facts.links !== 0) findings.found("orphans", `orphan ${inode} has ${facts.links} links`);
  }
  for (const inode of truncating.keys()) {
    if (!inodes.has(inode)) findings.found("logged operations", `a truncation of inode ${inode}, which does not exist`);
  }
  for (const [inode, { links }] of inodes) {
    if (links === 0 && !orphans.has(inode)) findings.found("orphans", `inode ${inode} has no links and is no orphan`);
  }
}
