/**
 * Memory of btree nodes: slabs cut into 64 KiB frames, handed out and taken back, shared by all pools of the process.
 *
 * All frames of a slab share its views, so a node costs no typed array of its own and the collector sees no churn.
 * The first slab is small and each further one twice as large, up to 16 MiB, so that a small pool stays cheap. Slabs
 * are never freed. A frame's content is whatever its last owner left: nothing may be read that was not written.
 */

export const FRAME_BYTES = 65_536;
const SLAB_FRAMES_FIRST = 16;
const SLAB_FRAMES_MAX = 256;

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
  /** For the assertion that no frame is given back twice. */
  taken: boolean;
}

const free: Array<Frame> = [];
let slabFrames = SLAB_FRAMES_FIRST;
let taken = 0;

function addSlab(): void {
  const buffer = new ArrayBuffer(slabFrames * FRAME_BYTES);
  const views = {
    f64: new Float64Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u16: new Uint16Array(buffer),
    u8: new Uint8Array(buffer),
    view: new DataView(buffer),
  };
  for (let k = slabFrames - 1; k >= 0; k--) free.push({ ...views, offsetBytes: k * FRAME_BYTES, taken: false });
  slabFrames = Math.min(slabFrames * 2, SLAB_FRAMES_MAX);
}

export function takeFrame(): Frame {
  if (free.length === 0) addSlab();
  const frame = free.pop()!;
  frame.taken = true;
  taken++;
  return frame;
}

/** The frame must not be used afterwards. */
export function giveFrame(frame: Frame): void {
  if (!frame.taken) throw new Error("frame given back twice");
  frame.taken = false;
  taken--;
  free.push(frame);
}

/** Frames handed out and not taken back. */
export const framesTaken = (): number => taken;
