/**
 * Memory of btree nodes: slabs cut into 64 KiB frames, handed out and taken back, shared by all pools of the process.
 *
 * All frames of a slab share its views, so a node costs no typed array of its own and the collector sees no churn.
 * Frames come from the oldest slab that has some, so that the others become empty when fewer are needed; slabs without
 * a taken frame go back to the system while many frames are free. A frame's content is whatever its last owner left:
 * nothing may be read that was not written.
 */

export const FRAME_BYTES = 65_536;
const SLAB_FRAMES = 16;
/** So many frames may be free, or this share of those that are taken if that is more. */
const FREE_FRAMES_MAX = 256;
const FREE_SHARE_MAX = 1 / 4;

// The views are little-endian only because the machine is; the format is little-endian whatever the machine.
if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) throw new Error("Varve runs on little-endian machines only");

/** 64 KiB at `offsetBytes` of five views over the same slab. */
export interface Frame {
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly offsetBytes: number;
  readonly slab: Slab;
  /** For the assertion that no frame is given back twice. */
  taken: boolean;
}

interface Slab {
  /** Its place among the slabs. */
  index: number;
  readonly free: Array<Frame>;
}

/** The oldest first. */
const slabs: Array<Slab> = [];
/** No slab before this one has a free frame. */
let firstRoomy = 0;
let taken = 0;

function addSlab(): Slab {
  const buffer = new ArrayBuffer(SLAB_FRAMES * FRAME_BYTES);
  const views = {
    f64: new Float64Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u16: new Uint16Array(buffer),
    u8: new Uint8Array(buffer),
    view: new DataView(buffer),
  };
  const slab: Slab = { index: slabs.length, free: [] };
  for (let k = SLAB_FRAMES - 1; k >= 0; k--)
    slab.free.push({ ...views, offsetBytes: k * FRAME_BYTES, slab, taken: false });
  slabs.push(slab);
  return slab;
}

function removeSlab({ index }: Slab): void {
  slabs.splice(index, 1);
  for (let after = index; after < slabs.length; after++) slabs[after]!.index = after;
}

export function takeFrame(): Frame {
  while (firstRoomy < slabs.length && slabs[firstRoomy]!.free.length === 0) firstRoomy++;
  const slab = slabs[firstRoomy] ?? addSlab();
  const frame = slab.free.pop()!;
  frame.taken = true;
  taken++;
  return frame;
}

/** The frame must not be used afterwards. */
export function giveFrame(frame: Frame): void {
  if (!frame.taken) throw new Error("frame given back twice");
  const { slab } = frame;
  frame.taken = false;
  taken--;
  slab.free.push(frame);
  const wanted = taken + Math.max(FREE_FRAMES_MAX, taken * FREE_SHARE_MAX);
  firstRoomy = Math.min(firstRoomy, slab.index);
  if (slab.free.length === SLAB_FRAMES && framesHeld() > wanted) removeSlab(slab);
}

/** Frames handed out and not taken back. */
export const framesTaken = (): number => taken;

/** Frames that there is memory for, free ones included. */
export const framesHeld = (): number => slabs.length * SLAB_FRAMES;
