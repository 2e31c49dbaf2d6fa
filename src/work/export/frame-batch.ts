/** Frames, or their contents, in one run of memory, which can move to another thread. */
export interface FrameBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Length of each, in bytes. */
  readonly lengths: Uint32Array;
}

/** Copies frames into a batch. */
export function joinFrames(frames: readonly Uint8Array[]): FrameBatch {
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return { bytes, lengths: Uint32Array.from(frames, ({ length }) => length) };
}

/** The frames of a batch, as views of it. */
export function splitFrames({ bytes, lengths }: FrameBatch): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    frames.push(bytes.subarray(at, at + length));
    at += length;
  }
  return frames;
}
