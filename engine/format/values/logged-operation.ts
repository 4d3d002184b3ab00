/**
 * Value of the loggedOperations table: a long operation under way, in many transactions, that recovery resumes.
 *
 * What the kinds mean is the business of whoever runs them; here they are numbers. A malformed value throws: it comes
 * from a node that verified.
 */
import { Reader, Writer } from "../codec.ts";
import { bytes, layout, u8, u64 } from "../layout.ts";
import { Malformed } from "../malformed.ts";

export interface LoggedOperationValue {
  readonly kind: number;
  readonly inode: number;
  readonly fromBytes: number;
  readonly toBytes: number;
}

export const LoggedOperationLayout = layout("logged operation", "Row of `loggedOperations`.", [
  u8("kind", "of the operation"),
  bytes("reserved", 3, "0"),
  u64("inode", "that it works on"),
  u64("fromBytes", "start of the range that is still to be done"),
  u64("toBytes", "end of that range"),
]);
export const LOGGED_OPERATION_BYTES = LoggedOperationLayout.bytes;

export function decodeLoggedOperation(view: DataView, at: number, length: number): LoggedOperationValue {
  const reader = new Reader(view, at, at + length);
  const kind = reader.u8();
  reader.zeros(3);
  const inode = reader.u53();
  const fromBytes = reader.u53();
  const toBytes = reader.u53();
  if (!reader.ok || reader.left !== 0) throw new Malformed("malformed logged operation value");
  return { kind, inode, fromBytes, toBytes };
}

export function encodeLoggedOperation(view: DataView, at: number, value: LoggedOperationValue): void {
  const writer = new Writer(view, at);
  writer.u8(value.kind);
  writer.zeros(3);
  writer.u53(value.inode);
  writer.u53(value.fromBytes);
  writer.u53(value.toBytes);
}
