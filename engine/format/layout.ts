/**
 * Declares fixed layouts once: offsets for the codecs, and the tables of docs/format.md.
 *
 * A layout is a list of fields in the order in which they lie on disk, without gaps. Fixed fields come first; what
 * varies in length comes behind them and has no offset: it begins at `bytes`. All integers are little-endian, and a
 * 64-bit number is below 2^53 unless it is a checksum. A layout reads and writes nothing itself.
 */

export type FieldKind = "u8" | "u16" | "u32" | "u64" | "i64" | "checksum" | "bytes" | "variable";

export interface Field<Name extends string = string> {
  readonly name: Name;
  readonly kind: FieldKind;
  /** 0 for a variable field. */
  readonly bytes: number;
  readonly doc: string;
}

/** Something of variable length behind the fixed fields. */
export interface VariableField {
  readonly name: string;
  readonly kind: "variable";
  readonly bytes: 0;
  readonly doc: string;
  /** How it is coded, for the reader of the format. */
  readonly coding: string;
}

export interface Layout<Name extends string> {
  readonly name: string;
  readonly doc: string;
  readonly fields: ReadonlyArray<Field>;
  readonly variable: ReadonlyArray<VariableField>;
  /** Offset of each fixed field from the start. */
  readonly at: { readonly [K in Name]: number };
  /** Length of all fixed fields. */
  readonly bytes: number;
}

const fixed =
  (kind: FieldKind, bytes: number) =>
  <const Name extends string>(name: Name, doc: string): Field<Name> => ({ name, kind, bytes, doc });

export const u8 = fixed("u8", 1);
export const u16 = fixed("u16", 2);
export const u32 = fixed("u32", 4);
/** An integer below 2^53, in eight bytes. */
export const u64 = fixed("u64", 8);
/** A signed integer of magnitude below 2^53, in eight bytes of two's complement. */
export const i64 = fixed("i64", 8);
/** All 64 bits, a `bigint` in memory. */
export const checksum64 = fixed("checksum", 8);
export const bytes = <const Name extends string>(name: Name, count: number, doc: string): Field<Name> => ({
  name,
  kind: "bytes",
  bytes: count,
  doc,
});
export const variable = (name: string, coding: string, doc: string): VariableField => ({
  name,
  kind: "variable",
  bytes: 0,
  doc,
  coding,
});

export function layout<const F extends ReadonlyArray<Field>>(
  name: string,
  doc: string,
  fields: F,
  variableFields: ReadonlyArray<VariableField> = [],
): Layout<F[number]["name"]> {
  const at: Record<string, number> = {};
  let offset = 0;
  for (const field of fields) {
    if (Object.hasOwn(at, field.name)) throw new Error(`layout ${name} has two fields ${field.name}`);
    at[field.name] = offset;
    offset += field.bytes;
  }
  // A copy: an object that got more than some eighteen keys one by one is a table of hashes to V8, and slow to read.
  const offsets = { ...at } as Layout<F[number]["name"]>["at"];
  return { name, doc, fields, variable: variableFields, at: offsets, bytes: offset };
}
