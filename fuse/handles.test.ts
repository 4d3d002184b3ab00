import { expect, it } from "vitest";
import { Handles } from "./handles.ts";

it("hands out positive numbers, one an opening, and counts them by inode", () => {
  const handles = new Handles();
  const first = handles.add(7);
  const second = handles.add(7);
  expect(new Set([first, second]).size).toBe(2);
  expect(Math.min(first, second)).toBeGreaterThan(0);
  expect(handles.countOf(7)).toBe(2);
  expect(handles.inodeOf(second)).toBe(7);
  expect(handles.remove(first)).toBe(7);
  expect(handles.remove(first)).toBeUndefined();
  expect(handles.countOf(7)).toBe(1);
  expect(handles.all()).toEqual([7]);
  expect(handles.remove(second)).toBe(7);
  expect(handles.countOf(7)).toBe(0);
});
