/** Bytes that are collected before they are passed on. */
const WINDOW_BYTES = 1 << 20;
/**
 * Room for what begins in the window: an inode has at most a header, 256 KiB of xattrs (their count has 16 bits, in words of four bytes) and
 * one block of inline bytes, and is moved forward by at most a block.
 */
const TAIL_BYTES = 512 << 10;

/** The part of an image that is being written. Positions only grow, so everything before the current one is complete. */
export class ImageWindow {
  readonly bytes: Buffer<ArrayBuffer>;
  /** Offset of the window in the image. */
  #start = 0;

  /** @param sizeBytes size of all that is written through the window */
  constructor(sizeBytes: number) {
    this.bytes = Buffer.from(new ArrayBuffer(Math.min(sizeBytes, WINDOW_BYTES + TAIL_BYTES)));
  }

  /** Moves on to an offset of the image and returns its place in the window; from there on all bytes are zero. */
  moveTo(offset: number, pass: (piece: Uint8Array) => void): number {
    const at = offset - this.#start;
    if (at < WINDOW_BYTES) return at;
    this.finish(offset, pass);
    return 0;
  }

  /** Passes on everything before an offset. */
  finish(offset: number, pass: (piece: Uint8Array) => void): void {
    const written = this.bytes.subarray(0, offset - this.#start);
    pass(written);
    written.fill(0);
    this.#start = offset;
  }
}
