/**
 * The bytes that a workload writes: made so that a wrong byte tells where it came from.
 *
 * Every 64 bytes begin with a tag `<wN+OFFSET>`: the number of the write and the place in it. What follows the tag is
 * either text that compresses well or noise that does not. Stubborn bytes have fewer tags and some values more often than
 * others: they look as if they would shrink, and hardly do. A pattern is a pure function of its description.
 */
export type Texture = "text" | "noise" | "stubborn";

const CELL_BYTES = 64;
const STUBBORN_TAG_BYTES = 64 * CELL_BYTES;
/** Of twenty bytes, those that are below 64. */
const STUBBORN_SHARE = 9;
const FILLER = "the quick brown fox jumps over the lazy dog and writes it all down. ";

/** The filler over and over, so that a run of it from any place can be copied. */
const FILLER_RUN = new TextEncoder().encode(FILLER.repeat(Math.ceil((64 * 1024) / FILLER.length)));

export function patternBytes(tag: number, lengthBytes: number, texture: Texture): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  if (texture === "text") fillWithText(bytes, tag % FILLER.length);
  const head = new TextEncoder().encode(`<w${tag}+`);
  const isStubborn = texture === "stubborn";
  let noise = (tag * 0x9e3779b1) | 1;
  for (let cell = 0; cell < lengthBytes; cell += CELL_BYTES) {
    const end = Math.min(lengthBytes, cell + CELL_BYTES);
    let at = isStubborn && cell % STUBBORN_TAG_BYTES !== 0 ? cell : putTag(bytes, head, cell, end);
    if (texture === "text") continue;
    for (; at < end; at++) {
      noise ^= noise << 13;
      noise ^= noise >>> 17;
      noise ^= noise << 5;
      bytes[at] = isStubborn && (noise >>> 8) % 20 < STUBBORN_SHARE ? noise & 63 : noise & 0xff;
    }
  }
  return bytes;
}

/** Puts the tag of a cell at its beginning, as far as it fits; returns where it ends. A string would cost more than the rest. */
function putTag(bytes: Uint8Array, head: Uint8Array, cell: number, end: number): number {
  let at = cell;
  for (let index = 0; index < head.length && at < end; index++) bytes[at++] = head[index]!;
  let unit = 1;
  while (unit * 10 <= cell) unit *= 10;
  for (; unit >= 1 && at < end; unit /= 10) bytes[at++] = 0x30 + (Math.floor(cell / unit) % 10);
  if (at < end) bytes[at++] = 0x3e;
  return at;
}

/** Fills with the filler from its place `phase` on. */
function fillWithText(bytes: Uint8Array, phase: number): void {
  const whole = FILLER_RUN.length - FILLER.length;
  for (let at = 0; at < bytes.length; at += whole) {
    bytes.set(FILLER_RUN.subarray(phase, phase + Math.min(whole, bytes.length - at)), at);
  }
}

/** Says what the bytes around `at` are, as far as their tags tell. */
export function describeBytes(bytes: Uint8Array, at: number): string {
  if (at >= bytes.length) return "nothing there";
  let zeros = 0;
  while (at + zeros < bytes.length && bytes[at + zeros] === 0 && zeros < CELL_BYTES) zeros++;
  if (zeros >= 8 || at + zeros === bytes.length) return "zeros";
  for (let start = at; start >= 0 && start > at - CELL_BYTES; start--) {
    const tag = tagAt(bytes, start);
    if (tag !== undefined) return `write ${tag.write}, its byte ${tag.offset + at - start}`;
  }
  return "unknown bytes";
}

function tagAt(bytes: Uint8Array, start: number): { readonly write: number; readonly offset: number } | undefined {
  let head = "";
  for (let at = start; at < bytes.length && at < start + 24; at++) {
    head += String.fromCharCode(bytes[at] as number);
    if (bytes[at] === 0x3e) break;
  }
  const match = /^<w(\d+)\+(\d+)>$/.exec(head);
  return match === null ? undefined : { write: Number(match[1]), offset: Number(match[2]) };
}
