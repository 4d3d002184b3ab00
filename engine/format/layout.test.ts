import { describe, expect, test } from "vitest";
import { bytes, checksum64, i64, layout, u16, u32, u64, u8, variable } from "./layout.ts";

describe("layout", () => {
  test("puts fields one behind the other without gaps, and what varies behind them", () => {
    const sample = layout(
      "sample",
      "doc",
      [u8("a", ""), u16("b", ""), u32("c", ""), u64("d", ""), i64("e", ""), checksum64("f", ""), bytes("g", 5, "")],
      [variable("h", "varint", "")],
    );
    expect(sample.at).toEqual({ a: 0, b: 1, c: 3, d: 7, e: 15, f: 23, g: 31 });
    expect(sample.bytes).toBe(36);
  });

  test("refuses two fields of one name", () => {
    expect(() => layout("sample", "", [u8("a", ""), u8("a", "")])).toThrow("two fields a");
  });
});
